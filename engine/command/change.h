// engine/command/change.h: what subcommands have in common that change what is queued.
#ifndef POSTHASTE_COMMAND_CHANGE_H
#define POSTHASTE_COMMAND_CHANGE_H

#include "engine/command/ask.h"

#define CHANGE_HELP "      --dry-run         only count\n" CHANGE_PLACE_HELP
#define CHANGE_PLACE_HELP                                                                          \
    "      --json            the answer as a line of JSON\n"                                       \
    "  -c, --config FILE     the engine's configuration; it names the control socket\n"            \
    "      --socket PATH     the control socket itself\n"                                          \
    "  -h, --help            this\n"                                                               \
    "\n"                                                                                           \
    "Exit codes: 0 done, 1 refused, 64 bad command line, 69 no engine answers, 75 not now.\n"

#define CHANGE_SELECTOR_HELP                                                                       \
    "Which mail is meant; all that is said must fit, and something must be said:\n"                \
    "      --all                 all mail\n"                                                       \
    "      --domain DOMAIN       of the recipients\n"                                              \
    "      --sender ADDRESS      of the envelope; @DOMAIN: any of it; <>: the null sender\n"       \
    "      --recipient ADDRESS   the same\n"                                                       \
    "      --campaign NAME       as X-Posthaste-Campaign: named it\n"                              \
    "      --id ID               of a message\n"                                                   \
    "      --older TIME, --newer TIME   than that, such as 30m or 2d\n"                            \
    "      --state STATE,...     ready, sending, deferred or held\n"                               \
    "\n"

// Which mail is meant must be said. `more`: of enum ask_options, beside the usual.
enum command_exit change_run(const char *request, const char *help, unsigned more, int argc,
                             char **argv);
// How much it was.
void change_print(struct slice line);

#endif
