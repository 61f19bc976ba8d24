// posthaste tls-report: what became of TLS with each domain, as RFC 8460's reports.
#include "engine/command/ask.h"

static const char help[] =
    "usage: posthaste tls-report [DAY]\n"
    "\n"
    "How many sessions with the exchangers of each domain were under TLS on that day (UTC), by the\n"
    "policy that it has published (DANE, MTA-STS or none), and what the others failed of: a report\n"
    "for each domain, a line of JSON each (RFC 8460, 4.4). Nothing is sent to anybody.\n"
    "\n"
    "  DAY                   such as 2027-01-31, or today; without it, yesterday. Eight days are kept\n"
    "  -c, --config FILE     the engine's configuration; it names the control socket\n"
    "      --socket PATH     the control socket itself\n"
    "  -h, --help            this\n"
    "\n"
    "Exit codes: 0 done, 1 failed, 64 bad command line, 69 no engine answers.\n";

enum command_exit command_tls_report(int argc, char **argv)
{
    static const struct ask ask = {
        .request = "tls-report", .help = help, .operand = "day", .raw = true};
    return ask_run(&ask, argc, argv);
}
