// engine/command/ask.h: subcommands that ask the running engine for something, by its control
// socket (engine/control/control.h).
//
// A subcommand is a struct ask: its help, the request that it makes, and how a line of the answer
// looks to people. With --json the lines are printed as they come. The last line is the exit code:
// 0 done; 1 refused; 64 a bad command line; 69 no engine answers; 75 not now, ask again.
#ifndef POSTHASTE_COMMAND_ASK_H
#define POSTHASTE_COMMAND_ASK_H

#include "engine/base/json_scan.h"
#include "engine/base/words.h"
#include "engine/command/command.h"

// Options beyond -c, --socket, --json and --help. What follows the subcommand is `request`'s.
enum ask_options {
    ASK_SELECTOR = 1, // --all --domain --sender --recipient --campaign --id --older --newer --state
    ASK_LIMIT = 2,
    ASK_DRY_RUN = 4,
    ASK_BRIEF = 8,
};

struct ask {
    const char *request; // its first word
    const char *help;
    unsigned options;    // enum ask_options
    bool must_select;    // one of the selector's options at least
    const char *operand; // the key under which the one operand is asked; NULL: none is taken
    bool needs_operand;
    bool raw;                         // what comes is no JSON, and printed as it is
    void (*print)(struct slice line); // NULL: "key: value" lines
};

// argv[0] is the subcommand's name.
enum command_exit ask_run(const struct ask *ask, int argc, char **argv);
// One more exchange on a line that was made already, for subcommands that do more than ask once.
// Each line but the last goes to `line`.
struct ask_place {
    const char *config_file; // NULL: the defaults
    const char *socket_path; // NULL: as the configuration says
};
enum command_exit ask_exchange(const char *name, const struct ask_place *place,
                               struct slice request, void (*line)(void *context, struct slice line),
                               void *context);

#endif
