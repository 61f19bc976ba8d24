// posthaste release: a hold ends.
#include "engine/command/change.h"

static const char help[] =
    "usage: posthaste release SELECTOR... [--dry-run] [--json]\n"
    "\n"
    "Ends a hold: say the selector that it was made with (posthaste hold lists them), or --all to\n"
    "end all of them. Mail that no other hold keeps goes on, as soon as it is due.\n"
    "\n"
    "      --all, --domain DOMAIN, --sender ADDRESS, --recipient ADDRESS, --campaign NAME,\n"
    "      --id ID\n"
    "\n" CHANGE_HELP;

enum command_exit command_release(int argc, char **argv)
{
    return change_run("release", help, 0, argc, argv);
}
