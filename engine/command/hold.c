// posthaste hold: mail stays where it is, until it is released.
#include "engine/command/ask.h"
#include "engine/command/change.h"

#include <stdio.h>

static const char help[] =
    "usage: posthaste hold SELECTOR... [--dry-run] [--json]\n"
    "       posthaste hold [--json]\n"
    "\n"
    "Keeps mail from being sent: what is queued now, and what comes later, until 'posthaste\n"
    "release' is said with the same selector. It survives restarts. What is just being delivered\n"
    "ends as it does. Without a selector: the holds that are in force.\n"
    "\n"
    "      --all                 all mail\n"
    "      --domain DOMAIN       of the recipients\n"
    "      --sender ADDRESS      of the envelope; @DOMAIN: any of it; <>: the null sender\n"
    "      --recipient ADDRESS   the same; other recipients of that message in this domain wait too\n"
    "      --campaign NAME       as X-Posthaste-Campaign: named it\n"
    "      --id ID               of a message\n"
    "\n" CHANGE_HELP;

static void print_hold(struct slice line)
{
    char text[4096];
    struct slice value;
    if (json_member(line, "hold", &value))
        printf("%s\n", json_plain(value, text, sizeof(text)));
    else
        change_print(line);
}

// Only to be looked at?
static bool lists(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "-c") == 0 || strcmp(argv[i], "--socket") == 0 ||
            strcmp(argv[i], "--config") == 0)
            i++;
        else if (strcmp(argv[i], "--json") != 0)
            return false;
    }
    return true;
}

enum command_exit command_hold(int argc, char **argv)
{
    static const struct ask hold = {.request = "hold",
                                    .help = help,
                                    .options = ASK_SELECTOR | ASK_DRY_RUN,
                                    .must_select = true,
                                    .print = print_hold};
    static const struct ask holds = {.request = "holds", .help = help, .print = print_hold};
    return ask_run(lists(argc, argv) ? &holds : &hold, argc, argv);
}
