// posthaste top: a live view of the engine: how fast it is, which sites have mail waiting, and why.
#include "engine/command/ask.h"

#include "engine/base/units.h"

#include <getopt.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define NAME_BYTES 256
#define SCREEN_BYTES_MAX (256u * 1024)

static const char help[] =
    "usage: posthaste top [-c FILE | --socket PATH] [--once] [--json]\n"
    "\n"
    "A view of the running engine, anew each second until ^C: what it has queued, how fast it is,\n"
    "the sites with the most mail, and what that waits for. Where the output is no terminal: once.\n"
    "\n"
    "      --once          once, on a terminal, too\n"
    "      --json          lines of JSON: the status, the sites, the reasons; once\n"
    "  -c, --config FILE   the engine's configuration; it names the control socket\n"
    "      --socket PATH   the control socket itself\n"
    "  -h, --help          this\n"
    "\n"
    "Exit codes: 0 done, 64 bad command line, 69 no engine answers.\n";

struct top {
    struct ask_place place;
    bool as_json, once;
    bool sites_begun, reasons_begun; // their headings are there
    struct buffer screen;            // made whole, and then shown
};

static const char *text_of(struct slice line, const char *name, char to[NAME_BYTES])
{
    return json_member_plain(line, name, to, NAME_BYTES);
}

static unsigned long long number_of(struct slice line, const char *name)
{
    return (unsigned long long)json_member_u64(line, name);
}

static void put_rate(struct top *t, struct slice line, const char *what, const char *name)
{
    char text[NAME_BYTES];
    buffer_printf(&t->screen, "%s %s/s  ", what, text_of(line, name, text));
}

static void put_status(struct top *t, struct slice line)
{
    char version[NAME_BYTES], state[NAME_BYTES], uptime[UNITS_TEXT_BYTES];
    buffer_printf(&t->screen, "posthaste %s, %s, up %s, %llu workers; %llu client sessions\n",
                  text_of(line, "version", version), text_of(line, "state", state),
                  units_print_us(uptime, json_member_u64(line, "uptime-s") * 1000000),
                  number_of(line, "workers"), number_of(line, "sessions"));
    buffer_printf(&t->screen,
                  "queue: %llu messages; deliveries: %llu active, %llu deferred, %llu held\n",
                  number_of(line, "messages-queued"), number_of(line, "active"),
                  number_of(line, "deferred"), number_of(line, "held"));
    put_rate(t, line, "accepted", "accepted-per-s");
    put_rate(t, line, "delivered", "delivered-per-s");
    put_rate(t, line, "deferred", "deferred-per-s");
    put_rate(t, line, "failed", "failed-per-s");
    buffer_printf(&t->screen, "%llu connections to %llu sites\n", number_of(line, "connections"),
                  number_of(line, "sites"));
}

static void put_site(struct top *t, struct slice line)
{
    char name[NAME_BYTES], reason[NAME_BYTES], in[UNITS_TEXT_BYTES];
    uint64_t in_s = json_member_u64(line, "in-s");
    if (!t->sites_begun)
        buffer_printf(&t->screen, "\n%-36s %9s %8s %12s  %s\n", "SITE", "READY", "SENDING",
                      "CONNECTIONS", "WHY");
    t->sites_begun = true;
    buffer_printf(&t->screen, "%-36.36s %9llu %8llu %5llu of %-3llu  %s",
                  text_of(line, "site", name), number_of(line, "ready"), number_of(line, "sending"),
                  number_of(line, "connections"), number_of(line, "connections-max"),
                  text_of(line, "reason", reason));
    if (in_s > 0)
        buffer_printf(&t->screen, ", in %s", units_print_us(in, in_s * 1000000));
    buffer_append_byte(&t->screen, '\n');
}

static void put_reason(struct top *t, struct slice line)
{
    char reason[NAME_BYTES], text[NAME_BYTES];
    if (!t->reasons_begun)
        buffer_printf(&t->screen, "\n%-20s %7s %9s %17s\n", "WHY", "SITES", "READY",
                      "DEFERRED DOMAINS");
    t->reasons_begun = true;
    buffer_printf(&t->screen, "%-20s %7llu %9llu %17llu  %s\n", text_of(line, "reason", reason),
                  number_of(line, "sites"), number_of(line, "ready"),
                  number_of(line, "domains-deferred"), text_of(line, "text", text));
}

static void on_line(void *context, struct slice line)
{
    struct top *t = context;
    struct slice value;
    if (t->as_json) {
        buffer_append(&t->screen, line);
        buffer_append_byte(&t->screen, '\n');
    } else if (json_member(line, "version", &value)) {
        put_status(t, line);
    } else if (json_member(line, "site", &value)) {
        put_site(t, line);
    } else {
        put_reason(t, line);
    }
}

static enum command_exit show(struct top *t, bool clears)
{
    buffer_clear(&t->screen);
    t->sites_begun = t->reasons_begun = false;
    enum command_exit code = ask_exchange("top", &t->place, SLICE("status"), on_line, t);
    if (code == COMMAND_DONE)
        code = ask_exchange("top", &t->place, SLICE("top"), on_line, t);
    if (code != COMMAND_DONE)
        return code;
    if (clears)
        fputs("\033[H\033[J", stdout);
    fwrite(t->screen.data, 1, t->screen.len, stdout);
    fflush(stdout);
    return code;
}

static enum command_exit run(struct top *t)
{
    bool lives = isatty(STDOUT_FILENO) && !t->once && !t->as_json;
    enum command_exit code;
    buffer_init(&t->screen, SCREEN_BYTES_MAX);
    while ((code = show(t, lives)) == COMMAND_DONE && lives && !ferror(stdout))
        nanosleep(&(struct timespec){.tv_sec = 1}, NULL);
    buffer_release(&t->screen);
    return code;
}

enum command_exit command_top(int argc, char **argv)
{
    enum { OPTION_SOCKET = 256, OPTION_ONCE };
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'},
        {"socket", required_argument, NULL, OPTION_SOCKET},
        {"once", no_argument, NULL, OPTION_ONCE},
        {"json", no_argument, NULL, 'j'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    struct top t = {.as_json = false};
    opterr = 0; // we say it in our own words
    for (int option; (option = getopt_long(argc, argv, ":c:jh", options, NULL)) != -1;)
        switch (option) {
        case 'c': t.place.config_file = optarg; break;
        case OPTION_SOCKET: t.place.socket_path = optarg; break;
        case OPTION_ONCE: t.once = true; break;
        case 'j': t.as_json = true; break;
        case 'h': fputs(help, stdout); return command_printed();
        case ':': return command_misused(argv[0], "%s needs a value", argv[optind - 1]);
        default: return command_misused(argv[0], "no such option: %s", argv[optind - 1]);
        }
    if (optind < argc)
        return command_misused(argv[0], "what is '%s' for?", argv[optind]);
    enum command_exit code = run(&t), printed = command_printed();
    return code != COMMAND_DONE ? code : printed;
}
