// bench/micro_server.c: what the server machine costs, without any I/O: it reads the commands of
// an obliging client from memory, and what it replies is thrown away. Each message has one
// recipient and 2 KiB of lines as long as writers of mail make them.
#include "bench/micro.h"
#include "engine/base/check.h"
#include "engine/smtp/server.h"

#define CONTENT_BYTES 2048
#define LINE_BYTES 76

#define MAIL "MAIL FROM:<newsletter-4711@example.net> SIZE=2048\r\n"
#define RCPT "RCPT TO:<someone.else@mail.example.org>\r\n"
#define BDAT "BDAT 2048 LAST\r\n"

static const struct smtp_server_options options = {
    .hostname = {"mx.example.org", 14},
    .banner = {"ESMTP", 5},
    .message_bytes_max = 10240000,
    .rcpt_count_max = 1000,
    .pipelining = true,
    .chunking = true,
    .eightbitmime = true,
    .dsn = true,
    .enhanced_codes = true,
};
static char content[CONTENT_BYTES + sizeof(".\r\n")]; // as DATA carries it
static struct smtp_server server;
static struct buffer out;
static uint64_t said_bytes;

// Lets the machine read, and answers its events. Returns how many messages came to their end.
static uint64_t hear(struct slice bytes)
{
    uint64_t messages = 0;
    for (;;) {
        struct smtp_server_event e = smtp_server_feed(&server, &bytes, &out);
        switch (e.kind) {
        case SERVER_MORE: return messages;
        case SERVER_EHLO:
        case SERVER_MAIL:
        case SERVER_RCPT:
        case SERVER_DATA:
        case SERVER_OTHER: smtp_server_answer(&server, NULL, &out); break;
        case SERVER_MESSAGE: messages++; break;
        case SERVER_CONTENT: break;
        case SERVER_STARTTLS:
        case SERVER_AUTH:
        case SERVER_WAIT:
        case SERVER_DROPPED:
        case SERVER_QUIT:
        case SERVER_CLOSE: CHECK(e.kind == SERVER_MORE);
        }
    }
}

// The bytes of one read: what came to its end has its verdict, and all replies leave.
static uint64_t hear_and_say(struct slice bytes)
{
    uint64_t messages = hear(bytes);
    for (uint64_t i = 0; i < messages; i++)
        smtp_server_verdict(&server, "250 2.0.0 Ok: queued as 4XyZ1234567890", &out);
    said_bytes += out.len;
    buffer_clear(&out);
    return messages;
}

static void session_open(void)
{
    said_bytes = 0;
    buffer_init(&out, SERVER_OUT_BYTES_MAX);
    smtp_server_init(&server, &options);
    smtp_server_greet(&server, NULL, &out);
    hear_and_say(SLICE("EHLO client.example.net\r\n"));
}

static uint64_t session_close(void)
{
    smtp_server_release(&server);
    buffer_release(&out);
    return said_bytes;
}

static uint64_t run_lockstep(uint64_t messages)
{
    session_open();
    while (messages > 0) {
        hear_and_say(SLICE(MAIL));
        hear_and_say(SLICE(RCPT));
        hear_and_say(SLICE("DATA\r\n"));
        messages -= hear_and_say(slice_make(content, sizeof(content) - 1));
    }
    return session_close();
}

static uint64_t run_pipelined(uint64_t messages)
{
    session_open();
    while (messages > 0) {
        hear_and_say(SLICE(MAIL RCPT "DATA\r\n"));
        messages -= hear_and_say(slice_make(content, sizeof(content) - 1));
    }
    return session_close();
}

static uint64_t run_streamed(uint64_t messages)
{
    static const char commands[] = "RSET\r\n" MAIL RCPT BDAT;
    static char window[MICRO_WINDOW * (sizeof(commands) + CONTENT_BYTES)];
    char *end = window;
    for (unsigned i = 0; i < MICRO_WINDOW; i++) {
        end = (char *)mempcpy(end, commands, sizeof(commands) - 1);
        end = (char *)mempcpy(end, content, CONTENT_BYTES);
    }
    session_open();
    while (messages > 0)
        messages -= hear_and_say(slice_make(window, (size_t)(end - window)));
    return session_close();
}

int main(int argc, char **argv)
{
    static const struct micro_pace paces[] = {
        {"lockstep", run_lockstep},
        {"pipelined", run_pipelined},
        {"streamed", run_streamed},
    };
    memset(content, 'x', CONTENT_BYTES);
    for (unsigned end = LINE_BYTES; end <= CONTENT_BYTES; end += LINE_BYTES)
        memcpy(content + end - 2, "\r\n", 2);
    memcpy(content + CONTENT_BYTES - 2, "\r\n.\r\n", 5);
    return micro_main(argc, argv, paces, COUNT_OF(paces));
}
