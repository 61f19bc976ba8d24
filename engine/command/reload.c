// posthaste reload: the running engine reads its configuration again.
#include "engine/command/ask.h"

#include <stdio.h>

static const char help[] =
    "usage: posthaste reload [--json]\n"
    "\n"
    "The engine reads its configuration file again, as on SIGHUP. The sections domain,\n"
    "route and source are in force at once; what else has changed is named, and waits for a restart.\n"
    "A file that is not sound changes nothing of that. Certificates and users are read again too; what of them is not\n"
    "sound is told, and what was read before stays. The file of the events is opened anew: rename it\n"
    "first to rotate it.\n"
    "\n"
    "      --json            the answer as a line of JSON\n"
    "  -c, --config FILE     the engine's configuration; it names the control socket\n"
    "      --socket PATH     the control socket itself\n"
    "  -h, --help            this\n"
    "\n"
    "Exit codes: 0 done, 1 the file is not sound, 64 bad command line, 69 no engine answers.\n";

static void print_reload(struct slice line)
{
    char text[1024];
    printf("in force: %s\n", json_member_plain(line, "in-force", text, sizeof(text)));
    if (json_member_plain(line, "needs-restart", text, sizeof(text))[0])
        printf("a restart is needed for: %s\n", text);
    if (json_member_plain(line, "kept", text, sizeof(text))[0])
        printf("as before: %s\n", text);
}

enum command_exit command_reload(int argc, char **argv)
{
    static const struct ask ask = {.request = "reload", .help = help, .print = print_reload};
    return ask_run(&ask, argc, argv);
}
