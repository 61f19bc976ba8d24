#include "engine/command/ask.h"

#include "engine/base/log.h"

#include <getopt.h>
#include <stdio.h>

#define REQUEST_BYTES_MAX 8192
#define VALUE_BYTES_MAX 1024

enum {
    OPTION_SOCKET = 256,
    OPTION_JSON,
    OPTION_DRY_RUN,
    OPTION_BRIEF,
    OPTION_LIMIT,
    OPTION_ALL,
    OPTION_SELECTOR, // whose name is the request's word
};

static const struct option options[] = {
    {"config", required_argument, NULL, 'c'},
    {"help", no_argument, NULL, 'h'},
    {"socket", required_argument, NULL, OPTION_SOCKET},
    {"json", no_argument, NULL, OPTION_JSON},
    {"dry-run", no_argument, NULL, OPTION_DRY_RUN},
    {"brief", no_argument, NULL, OPTION_BRIEF},
    {"limit", required_argument, NULL, OPTION_LIMIT},
    {"all", no_argument, NULL, OPTION_ALL},
    {"domain", required_argument, NULL, OPTION_SELECTOR},
    {"sender", required_argument, NULL, OPTION_SELECTOR},
    {"recipient", required_argument, NULL, OPTION_SELECTOR},
    {"campaign", required_argument, NULL, OPTION_SELECTOR},
    {"id", required_argument, NULL, OPTION_SELECTOR},
    {"older", required_argument, NULL, OPTION_SELECTOR},
    {"newer", required_argument, NULL, OPTION_SELECTOR},
    {"state", required_argument, NULL, OPTION_SELECTOR},
    {NULL, 0, NULL, 0},
};

struct asked {
    const struct ask *ask;
    struct ask_place place;
    struct buffer request;
    bool json, selected, helped;
};

// Is the option one that this subcommand takes?
static bool takes(const struct ask *ask, int option)
{
    switch (option) {
    case OPTION_DRY_RUN: return ask->options & ASK_DRY_RUN;
    case OPTION_BRIEF: return ask->options & ASK_BRIEF;
    case OPTION_LIMIT: return ask->options & ASK_LIMIT;
    case OPTION_ALL:
    case OPTION_SELECTOR: return ask->options & ASK_SELECTOR;
    default: return true;
    }
}

static bool put_word(struct asked *a, const char *key, const char *value)
{
    return words_put(&a->request, key, value ? slice_of_text(value) : SLICE_EMPTY);
}

static bool take_option(struct asked *a, int option, const char *name)
{
    switch (option) {
    case 'c': a->place.config_file = optarg; return true;
    case OPTION_SOCKET: a->place.socket_path = optarg; return true;
    case OPTION_JSON: a->json = true; return true;
    case OPTION_ALL:
    case OPTION_SELECTOR: a->selected = true; break;
    default: break;
    }
    return put_word(a, name, option == OPTION_ALL ? NULL : optarg);
}

// COMMAND_DONE: go on, unless help was printed.
static enum command_exit parse(struct asked *a, int argc, char **argv)
{
    int index = -1;
    opterr = 0;
    optind = 1;
    for (int option; (option = getopt_long(argc, argv, ":c:h", options, &index)) != -1;
         index = -1) {
        if (option == ':')
            return command_misused(argv[0], "%s needs a value", argv[optind - 1]);
        if (option == '?')
            return command_misused(argv[0], "no such option: %s", argv[optind - 1]);
        if (!takes(a->ask, option))
            return command_misused(argv[0], "no such option: --%s", options[index].name);
        if (option == 'h') {
            fputs(a->ask->help, stdout);
            a->helped = true;
            return command_printed();
        }
        if (!take_option(a, option, index >= 0 ? options[index].name : ""))
            return command_misused(argv[0], "the command line is too long");
    }
    if (a->ask->operand && optind == argc && a->ask->needs_operand)
        return command_misused(argv[0], "the %s is missing", a->ask->operand);
    if (a->ask->operand && optind < argc && !put_word(a, a->ask->operand, argv[optind++]))
        return command_misused(argv[0], "the command line is too long");
    if (optind < argc)
        return command_misused(argv[0], "what is '%s' for?", argv[optind]);
    if (a->ask->must_select && !a->selected)
        return command_misused(argv[0], a->ask->operand
                                            ? "say which domain is meant: --domain DOMAIN"
                                            : "say which mail is meant, or --all");
    return COMMAND_DONE;
}

static void print_members(struct slice line)
{
    char value[VALUE_BYTES_MAX];
    struct slice text;
    if (json_member(line, "text", &text)) {
        printf("%s\n", json_plain(text, value, sizeof(value)));
        return;
    }
    printf("%.*s\n", SLICE_ARG(line));
}

static void on_line(void *context, struct slice line)
{
    const struct asked *a = context;
    if (a->json || a->ask->raw)
        printf("%.*s\n", SLICE_ARG(line));
    else if (a->ask->print)
        a->ask->print(line);
    else
        print_members(line);
}

enum command_exit ask_run(const struct ask *ask, int argc, char **argv)
{
    struct asked a = {.ask = ask};
    buffer_init(&a.request, REQUEST_BYTES_MAX);
    enum command_exit code = put_word(&a, ask->request, NULL) ? parse(&a, argc, argv)
                                                              : COMMAND_FAILED;
    if (code == COMMAND_DONE && !a.helped) {
        code = ask_exchange(argv[0], &a.place, buffer_slice(&a.request), on_line, &a);
        enum command_exit printed = command_printed();
        if (code == COMMAND_DONE)
            code = printed;
    }
    buffer_release(&a.request);
    return code;
}
