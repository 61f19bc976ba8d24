// posthaste retry: what waits for its next attempt is tried now.
#include "engine/command/change.h"

static const char help[] =
    "usage: posthaste retry SELECTOR... [--dry-run] [--json]\n"
    "\n"
    "Deferred mail is tried at once, as if its time had come, also where a site could not be\n"
    "reached lately. What a hold keeps stays.\n"
    "\n" CHANGE_SELECTOR_HELP CHANGE_HELP;

enum command_exit command_retry(int argc, char **argv)
{
    return change_run("retry", help, 0, argc, argv);
}
