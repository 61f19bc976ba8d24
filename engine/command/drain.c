// posthaste drain: no more mail is taken, what is there is delivered.
#include "engine/command/ask.h"

#include <getopt.h>
#include <stdio.h>
#include <time.h>

#define LOOK_AGAIN_S 1
#define WORD_BYTES 64
#define STATUS_BYTES_MAX 16384

static const char help[] =
    "usage: posthaste drain [--off | --wait | --stop] [--json]\n"
    "\n"
    "The engine takes no more mail (clients hear 451), and goes on delivering what it has. A restart\n"
    "ends it, too. What is printed is how much is queued.\n"
    "\n"
    "      --off             take mail again\n"
    "      --wait            until nothing is queued any more; what is held counts, too\n"
    "      --stop            the same, and then the engine ends\n"
    "      --json            the answers as lines of JSON: the engine's status\n"
    "  -c, --config FILE     the engine's configuration; it names the control socket\n"
    "      --socket PATH     the control socket itself\n"
    "  -h, --help            this\n"
    "\n"
    "Exit codes: 0 done, 64 bad command line, 69 no engine answers.\n";

struct drain {
    const char *name;
    struct ask_place place;
    bool off, wait, stop, as_json;
    struct buffer status; // the engine's, as it was asked last
    uint64_t queued;
};

static void ignore(void *context, struct slice line)
{
    (void)context;
    (void)line;
}

static void note_status(void *context, struct slice line)
{
    struct drain *d = context;
    buffer_clear(&d->status);
    (void)buffer_append(&d->status, line);
    d->queued = json_member_u64(line, "messages-queued");
}

static void tell(const struct drain *d)
{
    char state[WORD_BYTES];
    struct slice line = buffer_slice(&d->status);
    if (d->as_json)
        printf("%.*s\n", SLICE_ARG(line));
    else
        printf("%s, %llu messages queued\n", json_member_plain(line, "state", state, sizeof(state)),
               (unsigned long long)d->queued);
    fflush(stdout);
}

static enum command_exit order(struct drain *d, struct slice request)
{
    return ask_exchange(d->name, &d->place, request, ignore, NULL);
}

static enum command_exit look(struct drain *d)
{
    return ask_exchange(d->name, &d->place, SLICE("status"), note_status, d);
}

static enum command_exit wait_until_empty(struct drain *d)
{
    enum command_exit code = COMMAND_DONE;
    if (d->queued == 0)
        return code;
    while (code == COMMAND_DONE && d->queued > 0) {
        nanosleep(&(struct timespec){.tv_sec = LOOK_AGAIN_S}, NULL);
        code = look(d);
    }
    if (code == COMMAND_DONE)
        tell(d);
    return code;
}

static enum command_exit run(struct drain *d)
{
    enum command_exit code = order(d, d->off ? SLICE("drain off") : SLICE("drain"));
    if (code == COMMAND_DONE)
        code = look(d);
    if (code == COMMAND_DONE)
        tell(d);
    if (code == COMMAND_DONE && d->wait)
        code = wait_until_empty(d);
    if (code == COMMAND_DONE && d->stop)
        code = order(d, SLICE("stop"));
    return code;
}

enum command_exit command_drain(int argc, char **argv)
{
    enum { OPTION_SOCKET = 256, OPTION_OFF, OPTION_WAIT, OPTION_STOP };
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'},
        {"socket", required_argument, NULL, OPTION_SOCKET},
        {"off", no_argument, NULL, OPTION_OFF},
        {"wait", no_argument, NULL, OPTION_WAIT},
        {"stop", no_argument, NULL, OPTION_STOP},
        {"json", no_argument, NULL, 'j'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    struct drain d = {.name = argv[0]};
    opterr = 0; // we say it in our own words
    for (int option; (option = getopt_long(argc, argv, ":c:jh", options, NULL)) != -1;)
        switch (option) {
        case 'c': d.place.config_file = optarg; break;
        case OPTION_SOCKET: d.place.socket_path = optarg; break;
        case OPTION_OFF: d.off = true; break;
        case OPTION_STOP: d.wait = d.stop = true; break;
        case OPTION_WAIT: d.wait = true; break;
        case 'j': d.as_json = true; break;
        default: return command_option(option, argv, help);
        }
    if (optind < argc)
        return command_misused(argv[0], "what is '%s' for?", argv[optind]);
    if (d.off && d.wait)
        return command_misused(argv[0], "--off goes with nothing else");
    buffer_init(&d.status, STATUS_BYTES_MAX);
    enum command_exit code = run(&d), printed = command_printed();
    buffer_release(&d.status);
    return code != COMMAND_DONE ? code : printed;
}
