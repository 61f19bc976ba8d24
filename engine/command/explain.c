// posthaste explain: why mail is not moving.
#include "engine/command/explain.h"

#include "engine/base/json.h"
#include "engine/base/log.h"
#include "engine/base/units.h"
#include "engine/command/ask.h"
#include "engine/command/event_file.h"
#include "engine/command/event_line.h"
#include "engine/config.h"
#include "engine/policy/reason.h"

#include <getopt.h>
#include <stdio.h>

#define WORD_BYTES 64
#define TEXT_BYTES 1024
#define REQUEST_BYTES_MAX 2048u

static const char help[] =
    "usage: posthaste explain ADDRESS|DOMAIN|ID [-c FILE] [--socket PATH] [--json]\n"
    "\n"
    "Says why mail to that address or domain, or that message, is not moving: the one reason that\n"
    "counts, what the other side said if it is because of that, what the engine does next, and\n"
    "when. Of a message that is not queued any more, what became of it, as the events tell it.\n"
    "\n"
    "  -j, --json          the same as one line of JSON\n"
    "  -c, --config FILE   the engine's configuration; it names the control socket and the events\n"
    "      --socket PATH   the control socket itself\n"
    "  -h, --help          this\n"
    "\n"
    "What the other side said is remembered for each domain, the last of it, also after a restart;\n"
    "'posthaste trace ID' shows the rest. Exit codes: 0 done, 64 bad command line, 69 no engine\n"
    "answers.\n";

struct explain {
    struct ask_place place;
    const char *subject;
    bool as_json;
    bool unknown;
    struct buffer line; // of the answer
};

// --- an answer, for people

static void print_cause(struct slice line)
{
    char host[TEXT_BYTES], address[WORD_BYTES], reply[TEXT_BYTES], enhanced[WORD_BYTES];
    struct slice value;
    uint64_t code = json_member_u64(line, "code");
    if (!json_member(line, "reply", &value))
        return;
    printf("because:  ");
    if (json_member_plain(line, "host", host, sizeof(host))[0])
        printf("%s [%s]: ", host, json_member_plain(line, "address", address, sizeof(address)));
    if (code)
        printf("%llu %s ", (unsigned long long)code,
               json_member_plain(line, "enhanced", enhanced, sizeof(enhanced)));
    printf("%s\n", json_member_plain(line, "reply", reply, sizeof(reply)));
}

static void print_counts(struct slice line)
{
    struct slice value;
    if (!json_member(line, "ready", &value))
        return;
    printf("queued:   ready %llu, sending %llu, deferred %llu, held %llu",
           (unsigned long long)json_member_u64(line, "ready"),
           (unsigned long long)json_member_u64(line, "sending"),
           (unsigned long long)json_member_u64(line, "deferred"),
           (unsigned long long)json_member_u64(line, "held"));
    if (json_member_u64(line, "connections-max"))
        printf("; %llu of %llu connections",
               (unsigned long long)json_member_u64(line, "connections"),
               (unsigned long long)json_member_u64(line, "connections-max"));
    printf("\n");
}

void explain_print(struct slice line)
{
    char text[TEXT_BYTES], word[WORD_BYTES], in[UNITS_TEXT_BYTES];
    struct slice value;
    printf("reason:   %s (%s)\n", json_member_plain(line, "text", text, sizeof(text)),
           json_member_plain(line, "reason", word, sizeof(word)));
    print_cause(line);
    printf("next:     %s", json_member_plain(line, "next", text, sizeof(text)));
    if (json_member(line, "until", &value))
        printf(": in %s, at %s", units_print_us(in, json_member_u64(line, "in-s") * 1000000),
               json_plain(value, text, sizeof(text)));
    printf("\n");
    print_counts(line);
}

// --- what has ended

static enum reason_kind reason_of_event(struct slice event)
{
    if (event_is(event, "event", "delivered"))
        return REASON_DELIVERED;
    if (event_is(event, "category", "expired"))
        return REASON_EXPIRED;
    return event_is(event, "category", "suppressed") ? REASON_SUPPRESSED : REASON_FAILED;
}

static void copy_member(struct json *j, const char *to, struct slice event, const char *from)
{
    char text[TEXT_BYTES];
    json_text(j, to, slice_of_text(json_member_plain(event, from, text, sizeof(text))));
}

static void answer_from_event(struct explain *e, struct slice event)
{
    enum reason_kind r = reason_of_event(event);
    struct json j;
    buffer_clear(&e->line);
    json_init(&j, &e->line);
    json_object(&j, NULL);
    copy_member(&j, "id", event, "id");
    copy_member(&j, "recipient", event, "recipient");
    copy_member(&j, "domain", event, "domain");
    json_text(&j, "reason", slice_of_text(reason_word(r)));
    json_text(&j, "text", slice_of_text(reason_text(r)));
    json_text(&j, "next", slice_of_text(reason_next(r)));
    copy_member(&j, "host", event, "host");
    copy_member(&j, "address", event, "address");
    json_u64(&j, "code", json_member_u64(event, "code"));
    copy_member(&j, "enhanced", event, "enhanced");
    copy_member(&j, "reply", event, "text");
    copy_member(&j, "time", event, "time");
    json_end(&j);
}

// The last event of a message that says that a recipient has ended.
static void look_into_events(struct explain *e)
{
    struct config_place place;
    struct refusal why;
    struct event_file f;
    struct slice line;
    config_place_now(&place);
    struct config *c = config_load(config_file_meant(e->place.config_file), &place, &why);
    if (!c)
        return; // the answer stays as it is
    if (event_file_open(&f, c->events_file) == 0)
        while (event_file_next(&f, &line) > 0)
            if (event_is(line, "id", e->subject) && !event_is(line, "event", "deferred"))
                answer_from_event(e, line);
    event_file_close(&f);
    config_free(c);
}

// --- the subcommand

static void on_answer(void *context, struct slice line)
{
    struct explain *e = context;
    e->unknown = event_is(line, "reason", reason_word(REASON_UNKNOWN));
    buffer_clear(&e->line);
    (void)buffer_append(&e->line, line);
}

static enum command_exit run(struct explain *e)
{
    struct buffer request;
    enum command_exit code = COMMAND_FAILED;
    buffer_init(&request, REQUEST_BYTES_MAX);
    buffer_init(&e->line, REQUEST_BYTES_MAX * 8);
    if (words_put(&request, "explain", SLICE_EMPTY) &&
        words_put(&request, "subject", slice_of_text(e->subject)))
        code = ask_exchange("explain", &e->place, buffer_slice(&request), on_answer, e);
    if (code == COMMAND_DONE && e->unknown)
        look_into_events(e);
    if (code == COMMAND_DONE && e->as_json)
        printf("%.*s\n", SLICE_ARG(buffer_slice(&e->line)));
    else if (code == COMMAND_DONE)
        explain_print(buffer_slice(&e->line));
    buffer_release(&e->line);
    buffer_release(&request);
    return code;
}

enum command_exit command_explain(int argc, char **argv)
{
    enum { OPTION_SOCKET = 256 };
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'},
        {"socket", required_argument, NULL, OPTION_SOCKET},
        {"json", no_argument, NULL, 'j'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    struct explain e = {0};
    opterr = 0; // we say it in our own words
    for (int option; (option = getopt_long(argc, argv, ":c:jh", options, NULL)) != -1;)
        switch (option) {
        case 'c': e.place.config_file = optarg; break;
        case OPTION_SOCKET: e.place.socket_path = optarg; break;
        case 'j': e.as_json = true; break;
        default: return command_option(option, argv, help);
        }
    if (optind == argc)
        return command_misused(argv[0], "an address, a domain or the id of a message is missing");
    if (optind + 1 < argc)
        return command_misused(argv[0], "what is '%s' for?", argv[optind + 1]);
    e.subject = argv[optind];
    enum command_exit code = run(&e), printed = command_printed();
    return code != COMMAND_DONE ? code : printed;
}
