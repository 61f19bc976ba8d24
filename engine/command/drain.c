// posthaste drain: no more mail is taken, what is there is delivered.
#include "engine/base/log.h"
#include "engine/command/ask.h"

#include <stdio.h>
#include <time.h>

#define LOOK_AGAIN_S 1

static const char help[] =
    "usage: posthaste drain [--off | --wait | --stop]\n"
    "\n"
    "The engine takes no more mail (clients hear 451), and goes on delivering what it has. A restart\n"
    "ends it, too.\n"
    "\n"
    "      --off             take mail again\n"
    "      --wait            until nothing is queued any more; what is held counts, too\n"
    "      --stop            the same, and then the engine ends\n"
    "  -c, --config FILE     the engine's configuration; it names the control socket\n"
    "      --socket PATH     the control socket itself\n"
    "  -h, --help            this\n"
    "\n"
    "Exit codes: 0 done, 64 bad command line, 69 no engine answers.\n";

static void note_queued(void *context, struct slice line)
{
    *(uint64_t *)context = json_member_u64(line, "messages-queued");
}

static void ignore(void *context, struct slice line)
{
    (void)context;
    (void)line;
}

static enum command_exit wait_until_empty(const char *name, const struct ask_place *place)
{
    uint64_t queued = 1;
    for (;;) {
        enum command_exit code = ask_exchange(name, place, SLICE("status"), note_queued, &queued);
        if (code != COMMAND_DONE || queued == 0)
            return code;
        nanosleep(&(struct timespec){.tv_sec = LOOK_AGAIN_S}, NULL);
    }
}

enum command_exit command_drain(int argc, char **argv)
{
    struct ask_place place = {NULL, NULL};
    bool off = false, wait = false, stop = false;
    for (int i = 1; i < argc; i++) {
        bool more = i + 1 < argc;
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            fputs(help, stdout);
            return command_printed();
        }
        if (strcmp(argv[i], "--off") == 0)
            off = true;
        else if (strcmp(argv[i], "--wait") == 0)
            wait = true;
        else if (strcmp(argv[i], "--stop") == 0)
            wait = stop = true;
        else if (more && (strcmp(argv[i], "-c") == 0 || strcmp(argv[i], "--config") == 0))
            place.config_file = argv[++i];
        else if (more && strcmp(argv[i], "--socket") == 0)
            place.socket_path = argv[++i];
        else
            return command_misused(argv[0], "what is '%s' for?", argv[i]);
    }
    if (off && wait)
        return command_misused(argv[0], "--off goes with nothing else");
    enum command_exit code = ask_exchange(argv[0], &place,
                                          off ? SLICE("drain off") : SLICE("drain"), ignore, NULL);
    if (code == COMMAND_DONE && wait)
        code = wait_until_empty(argv[0], &place);
    if (code == COMMAND_DONE && stop)
        code = ask_exchange(argv[0], &place, SLICE("stop"), ignore, NULL);
    return code;
}
