// posthaste journal: is the journal on disk sound, and what stands in it?
#include "engine/command/journal.h"

#include "engine/base/log.h"
#include "engine/command/journal_line.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

static const char help[] =
    "usage: posthaste journal check [--json] [--verbose] DIR\n"
    "       posthaste journal dump [--json] DIR [ID]\n"
    "       posthaste journal dump --content DIR ID\n"
    "\n"
    "Reads the journal in DIR, or in DIR/journal when DIR is a state directory. It changes nothing\n"
    "and takes no lock; the engine may run meanwhile.\n"
    "\n"
    "check says how each segment ends, what is damaged, and what all of it comes to. dump prints\n"
    "every record, or those of message ID.\n"
    "\n"
    "  --json       a JSON object on each line\n"
    "  --verbose    check: a line for each batch, too\n"
    "  --content    dump: write the content of message ID, and nothing else\n"
    "  -h, --help   this\n"
    "\n"
    "Exit codes: 0 sound, 1 damage was found (or the message is not there, or not whole), 64 bad\n"
    "command line, 66 no such folder, or no journal in it.\n";

struct verb {
    const char *name; // with the subcommand, for complaints
    bool is_dump;
};

static const struct verb check = {"journal check", false};
static const struct verb dump = {"journal dump", true};

// False: the subcommand is to exit with *ret_exit.
static bool read_options(int argc, char **argv, const struct verb *verb, struct journal_options *o,
                         enum command_exit *ret_exit)
{
    static const struct option options[] = {
        {"json", no_argument, NULL, 'j'},
        {"verbose", no_argument, NULL, 'v'},
        {"content", no_argument, NULL, 'c'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    opterr = 0; // we say it in our own words
    for (int option; (option = getopt_long(argc, argv, ":h", options, NULL)) != -1;) {
        o->as_json |= option == 'j';
        o->verbose |= option == 'v' && !verb->is_dump;
        o->wants_content |= option == 'c' && verb->is_dump;
        if (option == 'h') {
            fputs(help, stdout);
            *ret_exit = command_printed();
            return false;
        }
        if (option == '?' || option == ':' || (option == 'v' && verb->is_dump) ||
            (option == 'c' && !verb->is_dump)) {
            *ret_exit = command_misused(verb->name, "no such option: %s", argv[optind - 1]);
            return false;
        }
    }
    return true;
}

static bool read_arguments(int argc, char **argv, const struct verb *verb,
                           struct journal_options *o, enum command_exit *ret_exit)
{
    int left = argc - optind;
    *ret_exit = COMMAND_MISUSED;
    if (left < 1)
        return command_misused(verb->name, "a folder is missing"), false;
    if (left > (verb->is_dump ? 2 : 1))
        return command_misused(verb->name, "what is '%s' for?", argv[argc - 1]), false;
    o->path = argv[optind];
    o->has_id = left == 2;
    if (o->has_id && !journal_id_read(argv[optind + 1], &o->id))
        return command_misused(verb->name, "'%s' is no message id", argv[optind + 1]), false;
    if (o->wants_content && !o->has_id)
        return command_misused(verb->name, "--content needs the id of a message"), false;
    if (o->wants_content && o->as_json)
        return command_misused(verb->name, "--content is never JSON"), false;
    return true;
}

static enum command_exit run(const struct verb *verb, const struct journal_options *o)
{
    struct journal_segments segments;
    int error = journal_segments_open(&segments, o->path);
    if (error == -ENOENT) {
        log_line(LOG_LEVEL_ERROR, "%s: no journal is there", o->path);
        return COMMAND_NO_INPUT;
    }
    if (error != 0) {
        log_line(LOG_LEVEL_ERROR, "%s: %s", o->path, strerror(-error));
        return COMMAND_FAILED;
    }
    enum command_exit code = o->wants_content ? journal_content(&segments, o)
                             : verb->is_dump  ? journal_dump(&segments, o)
                                              : journal_check(&segments, o);
    journal_segments_release(&segments);
    enum command_exit printed = command_printed();
    return printed != COMMAND_DONE ? printed : code;
}

enum command_exit command_journal(int argc, char **argv)
{
    enum command_exit code;
    struct journal_options o = {0};
    if (argc < 2)
        return command_misused("journal", "check or dump?");
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        fputs(help, stdout);
        return command_printed();
    }
    const struct verb *verb = strcmp(argv[1], "check") == 0  ? &check
                              : strcmp(argv[1], "dump") == 0 ? &dump
                                                             : NULL;
    if (!verb)
        return command_misused("journal", "check or dump? not '%s'", argv[1]);
    if (!read_options(argc - 1, argv + 1, verb, &o, &code) ||
        !read_arguments(argc - 1, argv + 1, verb, &o, &code))
        return code;
    return run(verb, &o);
}
