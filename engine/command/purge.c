// posthaste purge: mail is dropped.
#include "engine/command/change.h"

static const char help[] =
    "usage: posthaste purge SELECTOR... [--dry-run] [--json]\n"
    "\n"
    "Drops mail that is queued: its recipients fail at once and for good. No bounce is sent; each\n"
    "is an event 'failed' with the text \"purged by the operator\". This cannot be undone.\n"
    "\n" CHANGE_SELECTOR_HELP
    "      --brief           their events lack sender and recipient where these are not in memory:\n"
    "                        faster, since nothing is read from the disk for them\n" CHANGE_HELP;

enum command_exit command_purge(int argc, char **argv)
{
    return change_run("purge", help, ASK_BRIEF, argc, argv);
}
