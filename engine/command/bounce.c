// posthaste bounce: mail fails, and its senders are told.
#include "engine/command/change.h"

static const char help[] =
    "usage: posthaste bounce SELECTOR... [--dry-run] [--json]\n"
    "\n"
    "Mail that is queued fails for good, and is sent back to its senders, as when the exchangers\n"
    "had refused it. This cannot be undone.\n"
    "\n" CHANGE_SELECTOR_HELP CHANGE_HELP;

enum command_exit command_bounce(int argc, char **argv)
{
    return change_run("bounce", help, 0, argc, argv);
}
