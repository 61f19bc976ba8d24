// posthaste queue: what is queued, job by job or counted.
#include "engine/base/units.h"
#include "engine/command/ask.h"

#include <stdio.h>
#include <unistd.h>

#define WORD_BYTES 64
#define NAME_BYTES 340

#define NICENESS 10

static const char help[] =
    "usage: posthaste queue [list|count] [SELECTOR...] [--limit N] [--brief] [--json]\n"
    "       posthaste queue show ID [--json]\n"
    "\n"
    "  list    (the default) one line for each message and recipient domain, in no order\n"
    "  count   how many there are, by domain, the most first\n"
    "  show    one message\n"
    "\n"
    "Which mail is meant; all that is said must fit, and without any it is all mail:\n"
    "      --domain DOMAIN       of the recipients\n"
    "      --sender ADDRESS      of the envelope; @DOMAIN: any of it; <>: the null sender\n"
    "      --recipient ADDRESS   the same\n"
    "      --campaign NAME       as X-Posthaste-Campaign: named it\n"
    "      --id ID               of the message\n"
    "      --older TIME, --newer TIME   than that, such as 30m or 2d\n"
    "      --state STATE,...     ready, sending, deferred or held\n"
    "\n"
    "      --limit N         lines at most: 100 of a list, 50 of a count\n"
    "      --brief           no senders and recipients: nothing is read from the disk for them\n"
    "      --json            lines of JSON\n"
    "  -c, --config FILE     the engine's configuration; it names the control socket\n"
    "      --socket PATH     the control socket itself\n"
    "  -h, --help            this\n"
    "\n"
    "Exit codes: 0 done, 1 failed, 64 bad command line, 69 no engine answers.\n";

static const char *age_of(struct slice line, const char *key, char text[UNITS_TEXT_BYTES])
{
    return units_print_us(text, json_member_u64(line, key) * 1000000);
}

static void print_recipients(struct slice line)
{
    struct slice rest, item;
    char name[NAME_BYTES];
    uint64_t told = 0, open = json_member_u64(line, "recipients-open");
    if (!json_member(line, "recipients", &rest))
        return;
    printf("    %s ->", json_member_plain(line, "sender", name, sizeof(name)));
    for (; json_item(&rest, &item); told++)
        printf(" %s", json_plain(item, name, sizeof(name)));
    if (told < open)
        printf(" and %llu more", (unsigned long long)(open - told));
    printf("\n");
}

static void print_job(struct slice line)
{
    char id[WORD_BYTES], state[WORD_BYTES], name[NAME_BYTES], age[UNITS_TEXT_BYTES];
    char due[UNITS_TEXT_BYTES];
    struct slice value;
    if (json_member(line, "listed", &value)) {
        printf("%llu listed%s\n", (unsigned long long)json_member_u64(line, "listed"),
               json_member(line, "more", &value) && slice_equal(value, SLICE("true"))
                   ? ", there are more (--limit)"
                   : "");
        return;
    }
    printf("%s %-8s %s, %llu attempts, %llu recipients, %s old",
           json_member_plain(line, "id", id, sizeof(id)),
           json_member_plain(line, "state", state, sizeof(state)),
           json_member_plain(line, "domain", name, sizeof(name)),
           (unsigned long long)json_member_u64(line, "attempts"),
           (unsigned long long)json_member_u64(line, "recipients-open"),
           age_of(line, "age-s", age));
    if (json_member(line, "due-in-s", &value))
        printf(", due in %s", age_of(line, "due-in-s", due));
    printf("\n");
    print_recipients(line);
}

static void print_count(struct slice line)
{
    char name[NAME_BYTES], age[UNITS_TEXT_BYTES];
    struct slice value;
    bool total = !json_member(line, "domain", &value);
    printf("%10llu %-40s ready %llu, sending %llu, deferred %llu, held %llu; oldest %s\n",
           (unsigned long long)json_member_u64(line, "recipients"),
           total ? "in all" : json_member_plain(line, "domain", name, sizeof(name)),
           (unsigned long long)json_member_u64(line, "ready"),
           (unsigned long long)json_member_u64(line, "sending"),
           (unsigned long long)json_member_u64(line, "deferred"),
           (unsigned long long)json_member_u64(line, "held"), age_of(line, "oldest-s", age));
}

enum command_exit command_queue(int argc, char **argv)
{
    static const struct ask list = {.request = "list",
                                    .help = help,
                                    .options = ASK_SELECTOR | ASK_LIMIT | ASK_BRIEF,
                                    .print = print_job};
    static const struct ask count = {.request = "count",
                                     .help = help,
                                     .options = ASK_SELECTOR | ASK_LIMIT,
                                     .print = print_count};
    static const struct ask show = {.request = "list",
                                    .help = help,
                                    .operand = "id",
                                    .needs_operand = true,
                                    .options = ASK_LIMIT,
                                    .print = print_job};
    const struct ask *ask = &list;
    bool named = argc > 1 && argv[1][0] != '-';
    (void)!nice(NICENESS); // who only looks takes no processor from who delivers
    if (named && strcmp(argv[1], "count") == 0)
        ask = &count;
    else if (named && strcmp(argv[1], "show") == 0)
        ask = &show;
    else if (named && strcmp(argv[1], "list") != 0)
        return command_misused(argv[0], "neither list, count nor show: %s", argv[1]);
    if (!named)
        return ask_run(ask, argc, argv);
    argv[1] = argv[0];
    return ask_run(ask, argc - 1, argv + 1);
}
