// posthaste reroute: how a domain's mail leaves, from now on.
#include "engine/command/ask.h"
#include "engine/command/change.h"

static const char help[] =
    "usage: posthaste reroute --domain DOMAIN [ROUTE] [--json]\n"
    "\n"
    "Mail to that domain takes this route, whatever the configuration says: the name of a route\n"
    "that it has, mx (the domain's exchangers) or null (it is discarded). What is ready goes out by\n"
    "it at once, what is deferred when it is due. It survives restarts. Without a route, the\n"
    "configuration's counts again.\n"
    "\n" CHANGE_PLACE_HELP;

enum command_exit command_reroute(int argc, char **argv)
{
    static const struct ask ask = {.request = "reroute",
                                   .help = help,
                                   .options = ASK_SELECTOR,
                                   .must_select = true,
                                   .operand = "via",
                                   .print = change_print};
    return ask_run(&ask, argc, argv);
}
