// posthaste events: what became of each recipient, from the file that the engine writes.
#include "engine/command/command.h"
#include "engine/command/event_file.h"
#include "engine/command/event_line.h"

#include "engine/base/log.h"
#include "engine/config.h"

#include <getopt.h>
#include <stdio.h>
#include <time.h>

#define FOLLOW_NS 200000000
#define ROTATED_WAIT_S 1 // so long the engine's workers may still write to the old file

static const char help[] =
    "usage: posthaste events [OPTIONS]\n"
    "\n"
    "Prints the events: what became of each recipient in each attempt.\n"
    "\n"
    "  -c, --config FILE      the engine's configuration, which names the file of the events\n"
    "      --file FILE        that file itself\n"
    "  -f, --follow           do not end; print what comes, also when the file is rotated\n"
    "      --since EVENT-ID   only what was written behind that event; it may stand in FILE.1\n"
    "      --id ID            of one message\n"
    "      --recipient ADDRESS, --domain DOMAIN, --campaign NAME\n"
    "      --event KIND       delivered, deferred, failed, site, ...\n"
    "  -j, --json             the lines as they are\n"
    "  -h, --help             this\n"
    "\n"
    "Each event is written at least once; after a crash some may be written again, with the same\n"
    "event-id. Exit codes: 0 done, 1 failed (also when the event of --since is not there), 64 bad\n"
    "command line.\n";

struct events_options {
    const char *config, *file, *since;
    bool follow, as_json;
    struct event_filter filter;
};

enum {
    OPTION_FILE = 256,
    OPTION_SINCE,
    OPTION_ID,
    OPTION_RCPT,
    OPTION_DOMAIN,
    OPTION_CAMPAIGN,
    OPTION_EVENT
};

static const struct option long_options[] = {
    {"config", required_argument, NULL, 'c'},
    {"file", required_argument, NULL, OPTION_FILE},
    {"follow", no_argument, NULL, 'f'},
    {"since", required_argument, NULL, OPTION_SINCE},
    {"id", required_argument, NULL, OPTION_ID},
    {"recipient", required_argument, NULL, OPTION_RCPT},
    {"domain", required_argument, NULL, OPTION_DOMAIN},
    {"campaign", required_argument, NULL, OPTION_CAMPAIGN},
    {"event", required_argument, NULL, OPTION_EVENT},
    {"json", no_argument, NULL, 'j'},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

// False: the subcommand is to exit with *ret_exit.
static bool read_options(int argc, char **argv, struct events_options *o, enum command_exit *ret)
{
    opterr = 0; // we say it in our own words
    for (int option; (option = getopt_long(argc, argv, ":c:fjh", long_options, NULL)) != -1;)
        switch (option) {
        case 'c': o->config = optarg; break;
        case 'f': o->follow = true; break;
        case 'j': o->as_json = true; break;
        case OPTION_FILE: o->file = optarg; break;
        case OPTION_SINCE: o->since = optarg; break;
        case OPTION_ID: o->filter.id = optarg; break;
        case OPTION_RCPT: o->filter.recipient = optarg; break;
        case OPTION_DOMAIN: o->filter.domain = optarg; break;
        case OPTION_CAMPAIGN: o->filter.campaign = optarg; break;
        case OPTION_EVENT: o->filter.event = optarg; break;
        default: *ret = command_option(option, argv, help); return false;
        }
    if (optind < argc) {
        *ret = command_misused(argv[0], "what is '%s' for?", argv[optind]);
        return false;
    }
    return true;
}

static bool failed(const char *path, int error)
{
    log_line(LOG_LEVEL_ERROR, "%s: %s", path, strerror(-error));
    return false;
}

static void print(const struct events_options *o, struct slice line)
{
    if (!event_fits(line, &o->filter))
        return;
    if (!o->as_json)
        event_print(line);
    else if (fwrite(line.data, 1, line.len, stdout) == line.len)
        putchar('\n');
}

// All that is there now.
static bool print_rest(const struct events_options *o, struct event_file *f)
{
    struct slice line;
    int more;
    while ((more = event_file_next(f, &line)) > 0)
        print(o, line);
    fflush(stdout);
    return more == 0 || failed(f->path, more);
}

// 1: f stands behind that event, 0: it is not in it, -errno.
static int skip_to(struct event_file *f, const char *since)
{
    struct slice line;
    int more;
    while ((more = event_file_next(f, &line)) > 0)
        if (event_is(line, "event-id", since))
            return 1;
    return more;
}

// The event stands in the file that was rotated last: its rest, and then the file from its start.
static bool begin_in_older(const struct events_options *o, struct event_file *f)
{
    char path[SETTING_TEXT_BYTES + 2];
    struct event_file older;
    snprintf(path, sizeof(path), "%s.1", f->path);
    int error = event_file_open(&older, path);
    bool good = error == 0 && skip_to(&older, o->since) == 1 && print_rest(o, &older);
    if (!good)
        log_line(LOG_LEVEL_ERROR, "%s: no event %s, nor in %s", f->path, o->since, path);
    event_file_close(&older);
    if (!good)
        return false;
    const char *file = f->path;
    event_file_close(f);
    error = event_file_open(f, file);
    return error == 0 || failed(file, error);
}

static bool begin(const struct events_options *o, struct event_file *f)
{
    int found = o->since ? skip_to(f, o->since) : 1;
    if (found < 0)
        return failed(f->path, found);
    return found == 1 || begin_in_older(o, f);
}

static bool follow(const struct events_options *o, struct event_file *f)
{
    const char *file = f->path;
    while (!ferror(stdout)) {
        nanosleep(&(struct timespec){.tv_nsec = FOLLOW_NS}, NULL);
        bool rotated = event_file_was_rotated(f);
        if (rotated)
            nanosleep(&(struct timespec){.tv_sec = ROTATED_WAIT_S}, NULL);
        if (!print_rest(o, f))
            return false;
        if (!rotated)
            continue;
        event_file_close(f);
        int error = event_file_open(f, file);
        if (error < 0)
            return failed(file, error);
    }
    return true;
}

static bool run(const struct events_options *o, const char *file)
{
    struct event_file f;
    int error = event_file_open(&f, file);
    bool good = error == 0 || failed(file, error);
    good = good && begin(o, &f) && print_rest(o, &f) && (!o->follow || follow(o, &f));
    event_file_close(&f);
    return good;
}

enum command_exit command_events(int argc, char **argv)
{
    struct events_options o = {0};
    enum command_exit code;
    struct config_place place;
    struct refusal why = {0};
    if (!read_options(argc, argv, &o, &code))
        return code;
    config_place_now(&place);
    struct config *c = o.file ? NULL : config_load(config_file_meant(o.config), &place, &why);
    const char *file = o.file ? o.file : c ? c->events_file : NULL;
    bool good = false;
    if (!file)
        log_line(LOG_LEVEL_ERROR, "%s", why.text);
    else if (file[0] != '/' && !o.file)
        log_line(LOG_LEVEL_ERROR, "events { file } is no file: there is nothing to read");
    else
        good = run(&o, file);
    config_free(c);
    code = command_printed();
    return good ? code : COMMAND_FAILED;
}
