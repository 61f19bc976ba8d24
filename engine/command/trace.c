// posthaste trace: the whole story of one message: what was told of it, and where it is now.
#include "engine/command/ask.h"
#include "engine/command/event_file.h"
#include "engine/command/event_line.h"
#include "engine/command/explain.h"

#include "engine/base/log.h"
#include "engine/config.h"
#include "engine/submit/submission_key.h"
#include "queue/message_id.h"

#include <getopt.h>
#include <stdio.h>
#include <unistd.h>

#define REQUEST_BYTES_MAX 512u

static const char help[] =
    "usage: posthaste trace ID|KEY [--submitter WHO] [-c FILE] [--json]\n"
    "\n"
    "Prints the events of a message, from the file that the engine writes and the one that was\n"
    "rotated last (FILE.1); and, if any of it is still queued, why it waits and what is next.\n"
    "\n"
    "  -c, --config FILE   the engine's configuration; it names that file and the control socket\n"
    "  -k, --key KEY       the message that came with 'X-Posthaste-Key: KEY', within three days.\n"
    "                      What does not look like an id is taken for a key anyhow\n"
    "      --submitter WHO who gave the key: a user's number (uid:1000), an address (@192.0.2.1), or\n"
    "                      a name (user:joe). Usually whoever asks\n"
    "  -j, --json          lines of JSON: the events as they are, then the explanation\n"
    "  -h, --help          this\n"
    "\n"
    "Exit codes: 0 something is known of it, 1 nothing is, 64 bad command line, 69 no event was\n"
    "found, and no engine answers.\n";

struct trace {
    const char *config_file, *id, *key, *submitter;
    char id_of_key[MESSAGE_ID_TEXT_BYTES];
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

static enum command_exit ask(struct trace *t, const char *request, const char *word,
                             struct slice value, void (*line)(void *context, struct slice line))
{
    struct buffer out;
    struct ask_place place = {.config_file = t->config_file};
    buffer_init(&out, REQUEST_BYTES_MAX);
    enum command_exit code = COMMAND_FAILED;
    if (words_put(&out, request, SLICE_EMPTY) && words_put(&out, word, value))
        code = ask_exchange("trace", &place, buffer_slice(&out), line, t);
    buffer_release(&out);
    return code;
}

// --- a key's message

static void on_id(void *context, struct slice line)
{
    struct trace *t = context;
    struct slice id = event_member(line, "id");
    if (id.len == sizeof(t->id_of_key) - 1) {
        memcpy(t->id_of_key, id.data, id.len);
        t->id = t->id_of_key;
    }
}

static bool digest_of_key(const struct trace *t, char hex[SHA256_HEX_BYTES])
{
    uint8_t digest[SHA256_BYTES] = {0};
    char submitter[32];
    struct sha256 *h = sha256_new();
    if (!h)
        return false;
    snprintf(submitter, sizeof(submitter), "uid:%u", (unsigned)geteuid());
    submission_key_digest(h, slice_of_text(t->submitter ? t->submitter : submitter),
                          slice_of_text(t->key), digest);
    sha256_free(h);
    sha256_hex(digest, hex);
    hex[2 * FORMAT_KEY_BYTES] = 0;
    return true;
}

static enum command_exit find_key(struct trace *t)
{
    char hex[SHA256_HEX_BYTES];
    if (!digest_of_key(t, hex)) {
        log_line(LOG_LEVEL_ERROR, "trace: no memory");
        return COMMAND_FAILED;
    }
    enum command_exit code = ask(t, "key", "digest", slice_of_text(hex), on_id);
    return code == COMMAND_DONE && !t->id ? COMMAND_FAILED : code;
}

// --- the subcommand

static enum command_exit run(struct trace *t)
{
    char older[SETTING_TEXT_BYTES + 2];
    struct config_place place;
    struct refusal why = {0};
    enum command_exit code = t->key ? find_key(t) : COMMAND_DONE;
    if (code != COMMAND_DONE || !t->id)
        return code;
    config_place_now(&place);
    struct config *c = config_load(config_file_meant(t->config_file), &place, &why);
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
    code = ask(t, "explain", "id", slice_of_text(t->id), on_explanation);
    if (t->event_count > 0 || t->queued)
        return COMMAND_DONE;
    if (code == COMMAND_DONE)
        log_line(LOG_LEVEL_ERROR, "trace: nothing is known of %s", t->id);
    return code == COMMAND_DONE ? COMMAND_FAILED : code;
}

static bool is_id(const char *text)
{
    uint64_t id;
    return message_id_parse(slice_of_text(text), &id);
}

enum command_exit command_trace(int argc, char **argv)
{
    enum { OPTION_SUBMITTER = 256 };
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'},
        {"key", required_argument, NULL, 'k'},
        {"submitter", required_argument, NULL, OPTION_SUBMITTER},
        {"json", no_argument, NULL, 'j'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    struct trace t = {0};
    opterr = 0; // we say it in our own words
    for (int option; (option = getopt_long(argc, argv, ":c:k:jh", options, NULL)) != -1;)
        switch (option) {
        case 'c': t.config_file = optarg; break;
        case 'k': t.key = optarg; break;
        case OPTION_SUBMITTER: t.submitter = optarg; break;
        case 'j': t.as_json = true; break;
        default: return command_option(option, argv, help);
        }
    if (optind == argc && !t.key)
        return command_misused(argv[0], "the id or the key of a message is missing");
    if (optind + (t.key ? 0 : 1) < argc)
        return command_misused(argv[0], "what is '%s' for?", argv[argc - 1]);
    if (!t.key && is_id(argv[optind]))
        t.id = argv[optind];
    else if (!t.key)
        t.key = argv[optind];
    enum command_exit code = run(&t), printed = command_printed();
    return printed != COMMAND_DONE ? printed : code;
}
