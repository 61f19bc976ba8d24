// posthaste trace: the whole story of one message: what was told of it, and where it is now.
#include "engine/command/ask.h"
#include "engine/command/event_file.h"
#include "engine/command/event_line.h"
#include "engine/command/explain.h"

#include "engine/base/log.h"
#include "engine/config.h"

#include <getopt.h>
#include <stdio.h>

#define REQUEST_BYTES_MAX 512u

static const char help[] =
    "usage: posthaste trace ID [-c FILE] [--json]\n"
    "\n"
    "Prints the events of a message, from the file that the engine writes and the one that was\n"
    "rotated last (FILE.1); and, if any of it is still queued, why it waits and what is next.\n"
    "\n"
    "  -c, --config FILE   the engine's configuration; it names that file and the control socket\n"
    "  -j, --json          lines of JSON: the events as they are, then the explanation\n"
    "  -h, --help          this\n"
    "\n"
    "Exit codes: 0 something is known of it, 1 nothing is, 64 bad command line, 69 no event was\n"
    "found, and no engine answers.\n";

struct trace {
    const char *config_file, *id;
    bool as_json, queued;
    uint64_t event_count;
};

static void put_line(struct slice line)
{
    if (fwrite(line.data, 1, line.len, stdout) == line.len)
        putchar('\n');
}

static void print_events(struct trace *t, const char *path)
{
    struct event_file f;
    struct slice line;
    int more = event_file_open(&f, path);
    while (more >= 0 && (more = event_file_next(&f, &line)) > 0) {
        if (!event_is(line, "id", t->id))
            continue;
        t->event_count++;
        if (t->as_json)
            put_line(line);
        else
            event_print(line);
    }
    event_file_close(&f);
}

static void on_explanation(void *context, struct slice line)
{
    struct trace *t = context;
    if (event_is(line, "reason", "unknown"))
        return;
    t->queued = true;
    if (t->as_json)
        put_line(line);
    else
        explain_print(line);
}

static enum command_exit ask(struct trace *t)
{
    struct buffer request;
    struct ask_place place = {.config_file = t->config_file};
    buffer_init(&request, REQUEST_BYTES_MAX);
    enum command_exit code = COMMAND_FAILED;
    if (words_put(&request, "explain", SLICE_EMPTY) &&
        words_put(&request, "id", slice_of_text(t->id)))
        code = ask_exchange("trace", &place, buffer_slice(&request), on_explanation, t);
    buffer_release(&request);
    return code;
}

static enum command_exit run(struct trace *t)
{
    char older[SETTING_TEXT_BYTES + 2];
    struct config_place place;
    struct refusal why = {0};
    config_place_now(&place);
    struct config *c = config_load(t->config_file, &place, &why);
    if (!c) {
        log_line(LOG_LEVEL_ERROR, "%s", why.text);
        return COMMAND_FAILED;
    }
    if (c->events_file[0] == '/') {
        snprintf(older, sizeof(older), "%s.1", c->events_file);
        print_events(t, older);
        print_events(t, c->events_file);
    }
    config_free(c);
    enum command_exit code = ask(t);
    if (t->event_count > 0 || t->queued)
        return COMMAND_DONE;
    if (code == COMMAND_DONE)
        log_line(LOG_LEVEL_ERROR, "trace: nothing is known of %s", t->id);
    return code == COMMAND_DONE ? COMMAND_FAILED : code;
}

enum command_exit command_trace(int argc, char **argv)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'},
        {"json", no_argument, NULL, 'j'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    struct trace t = {0};
    opterr = 0; // we say it in our own words
    for (int option; (option = getopt_long(argc, argv, ":c:jh", options, NULL)) != -1;)
        switch (option) {
        case 'c': t.config_file = optarg; break;
        case 'j': t.as_json = true; break;
        case 'h': fputs(help, stdout); return command_printed();
        default: return command_misused(argv[0], "no such option: %s", argv[optind - 1]);
        }
    if (optind == argc)
        return command_misused(argv[0], "the id of a message is missing");
    if (optind + 1 < argc)
        return command_misused(argv[0], "what is '%s' for?", argv[optind + 1]);
    t.id = argv[optind];
    enum command_exit code = run(&t), printed = command_printed();
    return printed != COMMAND_DONE ? printed : code;
}
