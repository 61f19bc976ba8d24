// posthaste status: the running engine at a glance.
#include "engine/base/units.h"
#include "engine/command/ask.h"

#include <stdio.h>

#define WORD_BYTES 64

static const char help[] =
    "usage: posthaste status [-c FILE | --socket PATH] [--json | --metrics]\n"
    "       posthaste status --campaign NAME [-c FILE | --socket PATH] [--json]\n"
    "\n"
    "What the engine has queued, what it has done since its start, and how fast it was over the\n"
    "last minute.\n"
    "\n"
    "      --json          as one line of JSON\n"
    "      --metrics       all figures, in the text format of Prometheus\n"
    "      --campaign NAME\n"
    "                      how far that campaign has come, and when it will be through\n"
    "  -c, --config FILE   the engine's configuration; it names the control socket\n"
    "      --socket PATH   the control socket itself\n"
    "  -h, --help          this\n"
    "\n"
    "Exit codes: 0 done, 64 bad command line, 69 no engine answers.\n";

static void print_rate(struct slice line, const char *what, const char *total, const char *rate)
{
    char per_s[WORD_BYTES];
    printf("%-10s %llu since the start, %s a second\n", what,
           (unsigned long long)json_member_u64(line, total),
           json_member_plain(line, rate, per_s, sizeof(per_s)));
}

static void print_status(struct slice line)
{
    char version[WORD_BYTES], state[WORD_BYTES];
    char uptime[UNITS_TEXT_BYTES], used[UNITS_TEXT_BYTES], most[UNITS_TEXT_BYTES];
    printf("posthaste %s, %s, up %s, %llu workers\n",
           json_member_plain(line, "version", version, sizeof(version)),
           json_member_plain(line, "state", state, sizeof(state)),
           units_print_us(uptime, json_member_u64(line, "uptime-s") * 1000000),
           (unsigned long long)json_member_u64(line, "workers"));
    printf("queue      %llu messages; deliveries: %llu active, %llu deferred, %llu held\n",
           (unsigned long long)json_member_u64(line, "messages-queued"),
           (unsigned long long)json_member_u64(line, "active"),
           (unsigned long long)json_member_u64(line, "deferred"),
           (unsigned long long)json_member_u64(line, "held"));
    print_rate(line, "accepted", "accepted-total", "accepted-per-s");
    print_rate(line, "delivered", "delivered-total", "delivered-per-s");
    print_rate(line, "deferred", "deferred-total", "deferred-per-s");
    print_rate(line, "failed", "failed-total", "failed-per-s");
    printf("open       %llu connections to %llu sites, %llu client sessions\n",
           (unsigned long long)json_member_u64(line, "connections"),
           (unsigned long long)json_member_u64(line, "sites"),
           (unsigned long long)json_member_u64(line, "sessions"));
    printf("journal    %s of %s\n", units_print_bytes(used, json_member_u64(line, "journal-bytes")),
           units_print_bytes(most, json_member_u64(line, "journal-bytes-max")));
}

static void print_campaign(struct slice line)
{
    char name[WORD_BYTES * 2], per_s[WORD_BYTES], time[UNITS_TEXT_BYTES];
    struct slice value;
    uint64_t queued = json_member_u64(line, "messages-queued");
    printf("campaign   %s\n", json_member_plain(line, "campaign", name, sizeof(name)));
    printf("messages   %llu queued, %llu over, %s a second\n", (unsigned long long)queued,
           (unsigned long long)json_member_u64(line, "messages-over"),
           json_member_plain(line, "messages-per-s", per_s, sizeof(per_s)));
    printf("recipients %llu delivered, %llu deferrals, %llu failed\n",
           (unsigned long long)json_member_u64(line, "delivered"),
           (unsigned long long)json_member_u64(line, "deferred"),
           (unsigned long long)json_member_u64(line, "failed"));
    if (queued == 0)
        printf("it is through\n");
    else if (json_member(line, "finished-in-s", &value))
        printf("through in %s at this speed\n",
               units_print_us(time, json_member_u64(line, "finished-in-s") * 1000000));
}

enum command_exit command_status(int argc, char **argv)
{
    struct ask ask = {.request = "status", .help = help, .print = print_status};
    int left = 1;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--metrics") == 0) {
            ask.request = "metrics";
            ask.raw = true;
        } else if (strncmp(argv[i], "--campaign", sizeof("--campaign") - 1) == 0) {
            ask = (struct ask){.request = "campaign",
                               .help = help,
                               .options = ASK_SELECTOR,
                               .print = print_campaign};
            argv[left++] = argv[i];
        } else {
            argv[left++] = argv[i];
        }
    }
    argv[left] = NULL;
    return ask_run(&ask, left, argv);
}
