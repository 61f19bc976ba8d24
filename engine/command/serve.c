// posthaste serve: the engine itself, in the foreground, until a signal.

#include "engine/base/log.h"
#include "engine/command/command.h"
#include "engine/config.h"
#include "engine/engine.h"
#include "engine/privileges.h"
#include "engine/state_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

static const char help[] =
    "usage: posthaste serve [-c FILE]\n"
    "\n"
    "Takes mail from the listeners, and delivers it to the recipients' mail exchangers.\n"
    "\n"
    "  -c, --config FILE   the configuration; without it, the defaults\n"
    "  -h, --help          this\n"
    "\n"
    "Accepted mail is kept in memory only: what is not delivered when the engine ends is lost.\n"
    "SIGTERM or SIGINT: takes no more mail, ends the transactions under way, and exits; a second\n"
    "one exits at once.\n";

static int block_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

// Where events go: a file, standard output, or nowhere (-1, with `error` empty).
static int open_events(const struct config *c, const struct privileges *p, struct refusal *why)
{
    if (c->events_file[0] == '\0')
        return -1;
    if (strcmp(c->events_file, "stdout") == 0)
        return STDOUT_FILENO;
    int fd = open(c->events_file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
    if (fd < 0)
        refuse(why, "cannot write events to %s: %s", c->events_file, strerror(errno));
    else if (geteuid() == 0 && fchown(fd, p->uid, p->gid) < 0)
        log_line(LOG_LEVEL_WARNING, "%s: %s", c->events_file, strerror(errno));
    return fd;
}

static void tell_listeners(const struct engine *e, const struct config *c)
{
    char text[IO_ADDRESS_TEXT_BYTES];
    for (uint32_t i = 0; i < c->listener_count; i++)
        log_line(LOG_LEVEL_INFO, "listening on %s", io_address_print(engine_listener(e, i), text));
    log_line(LOG_LEVEL_INFO, "accepted mail is kept in memory only");
}

static bool serve(const struct config *c, struct refusal *why)
{
    struct privileges user;
    struct state_dir state;
    bool good = false;
    if (!privileges_find(c->user, &user, why) ||
        !state_dir_open(&state, c->state_dir, user.uid, user.gid, why))
        return false;
    int signal_fd = block_signals();
    int events_fd = open_events(c, &user, why);
    if (events_fd < 0 && c->events_file[0] != '\0')
        goto done;
    struct engine *e = engine_new(c, why);
    if (!e)
        goto done;
    if (privileges_drop(&user, why)) {
        tell_listeners(e, c);
        good = engine_run(e, signal_fd, events_fd, why);
    }
    engine_free(e);
done:
    if (events_fd > STDOUT_FILENO)
        close(events_fd);
    close(signal_fd);
    state_dir_close(&state);
    return good;
}

enum command_exit command_serve(int argc, char **argv)
{
    const char *file = NULL;
    enum command_exit code;
    struct config_place place;
    struct refusal why = {0};
    if (!command_config_option(argc, argv, help, &file, &code))
        return code;
    config_place_now(&place);
    struct config *c = config_load(file, &place, &why);
    bool good = c && serve(c, &why);
    if (!good)
        log_line(LOG_LEVEL_ERROR, "%s", why.text);
    config_free(c);
    return good ? COMMAND_DONE : COMMAND_FAILED;
}
