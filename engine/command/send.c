// posthaste send: one message from standard input to the engine, as sendmail does it.

#include "engine/command/send.h"

#include "engine/base/log.h"
#include "engine/command/command.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int send_failed(int exit_code, const char *format, ...)
{
    char text[LOG_LINE_BYTES_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    log_line(LOG_LEVEL_ERROR, "%s", text);
    return exit_code;
}

void send_mail_init(struct send_mail *m, const struct send_options *options, const char *hostname)
{
    *m = (struct send_mail){.options = options, .hostname = hostname, .body = SLICE_EMPTY};
    buffer_init(&m->header, SEND_HEADER_BYTES_MAX + 64u * 1024); // and what we add
    send_spool_init(&m->body_spool);
}

void send_mail_release(struct send_mail *m)
{
    for (uint32_t i = 0; i < m->rcpt_count; i++)
        free(m->rcpts[i].address);
    free(m->rcpts);
    buffer_release(&m->header);
    send_spool_release(&m->body_spool);
}

// Everything that can be wrong with it is found before the engine hears of it.
static int compose(struct send_mail *m)
{
    int code = send_sender_set(m);
    for (char **rcpt = m->options->rcpts; code == EX_OK && *rcpt; rcpt++)
        code = send_rcpts_add(m, slice_of_text(*rcpt), "recipient");
    if (code == EX_OK && m->rcpt_count == 0 && !m->options->rcpts_from_header)
        return send_failed(EX_USAGE, "no recipients: name them, or say -t (--help tells more)");
    if (code == EX_OK)
        code = send_read(m, STDIN_FILENO);
    if (code == EX_OK)
        code = send_header_finish(m);
    if (code == EX_OK && m->rcpt_count == 0)
        return send_failed(EX_USAGE, "no recipients: To:, Cc: and Bcc: name nobody");
    return code;
}

static int deliver(const struct send_options *o, const struct send_engine *e)
{
    struct send_mail m;
    struct refusal why;
    send_mail_init(&m, o, send_engine_hostname(e));
    int code = compose(&m);
    if (code != EX_OK)
        goto done;
    int fd = send_engine_connect(e, &why);
    const struct config *pickup = send_engine_pickup(e);
    if (fd >= 0 && send_talk(&m, fd, &why))
        code = send_exit_code(&m);
    else if (pickup)
        code = send_pickup(&m, pickup, &why);
    else
        code = send_failed(EX_TEMPFAIL, "the engine is down: %s", why.text);
done:
    send_mail_release(&m);
    return code;
}

static int relay(const struct send_engine *e)
{
    struct refusal why;
    int fd = send_engine_connect(e, &why);
    if (fd >= 0)
        return send_relay(fd);
    printf("421 4.3.0 %s the engine is down\r\n", send_engine_hostname(e));
    fflush(stdout);
    return send_failed(EX_TEMPFAIL, "the engine is down: %s", why.text);
}

// By the subcommand that does it, for root and the engine's user.
static enum command_exit ask_of_queue(struct send_options *o)
{
    char list[] = "queue", retry[] = "retry", config[] = "-c";
    char *words[8];
    int count = 0;
    words[count++] = o->mode == SEND_LIST ? list : retry;
    if (o->config_file) {
        words[count++] = config;
        words[count++] = o->config_file;
    }
    if (o->mode == SEND_RETRY)
        words[count++] = o->retry_option;
    if (o->mode == SEND_RETRY && o->retry_value)
        words[count++] = o->retry_value;
    words[count] = NULL;
    return o->mode == SEND_LIST ? command_queue(count, words) : command_retry(count, words);
}

enum command_exit command_send(int argc, char **argv)
{
    struct send_options o;
    struct send_engine e;
    int code;
    signal(SIGPIPE, SIG_IGN);
    if (!send_options_parse(argc, argv, &o, &code) || o.mode == SEND_NOTHING)
        return (enum command_exit)code;
    if (o.mode == SEND_LIST || o.mode == SEND_RETRY)
        return ask_of_queue(&o);
    code = send_engine_find(o.config_file, &e);
    if (code == EX_OK)
        code = o.mode == SEND_RELAY ? relay(&e) : deliver(&o, &e);
    send_engine_release(&e);
    return (enum command_exit)code;
}
