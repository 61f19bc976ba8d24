// posthaste suppress: the addresses that get no mail, as an operator sees and changes them.
#include "engine/base/check.h"
#include "engine/base/json.h"
#include "engine/base/log.h"
#include "engine/base/units.h"
#include "engine/command/command.h"
#include "engine/command/suppress_list.h"
#include "engine/policy/category.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

static const char help[] =
    "usage: posthaste suppress list [--json]\n"
    "       posthaste suppress query [--json] ADDRESS...\n"
    "       posthaste suppress add [--for TIME] [--category WORD] [--json] ADDRESS...\n"
    "       posthaste suppress remove [--json] ADDRESS...\n"
    "       posthaste suppress import [--for TIME] [--category WORD] [--json] < FILE\n"
    "       posthaste suppress export > FILE\n"
    "\n"
    "The list of addresses that get no mail: mail for them is refused or dropped when it is handed\n"
    "in (suppression { submission = ... }). They come onto it by bounces (suppression { add = ... }),\n"
    "by `posthaste feedback`, and by hand.\n"
    "\n"
    "A line of FILE is an address; behind a tab the day until which it is held (2027-02-28), and\n"
    "behind another one its category may follow. `export` and `list` print such lines.\n"
    "\n"
    "  -c, --config FILE   the configuration; without it, /etc/posthaste.conf, or\n"
    "                      the defaults where that is not there\n"
    "  --for TIME          how long it is held (90d); without it, suppression { for = ... }\n"
    "  --category WORD     why: bad-mailbox, spam, ...; without it, other\n"
    "  --json              a JSON object for each address; of a change, how many there were\n"
    "  -h, --help          this\n"
    "\n"
    "Exit codes: 0 done, also where an address that was asked for is not on the list; 1 failed, 64 bad\n"
    "command line.\n";

struct suppress {
    struct config *config;
    const char *action;
    char **addresses;
    int address_count;
    const char *config_file, *time, *category;
    bool json;
    uint16_t until;
    uint64_t changed_count;
    struct suppress_change change;
};

static enum command_exit fail(const struct refusal *why)
{
    log_line(LOG_LEVEL_ERROR, "suppress: %s", why->text);
    return COMMAND_FAILED;
}

// --- printing

static void print_json(const struct suppression_line *l, bool held)
{
    char date[SUPPRESSION_DATE_BYTES];
    struct buffer out;
    struct json j;
    buffer_init(&out, 8 * SUPPRESSION_LINE_BYTES_MAX);
    json_init(&j, &out);
    json_object(&j, NULL);
    json_text(&j, "address", l->address);
    json_bool(&j, "held", held);
    if (held) {
        json_text(&j, "until", slice_of_text(suppression_date(l->until, date)));
        json_text(&j, "category", l->category);
    }
    json_end(&j);
    printf("%.*s\n", SLICE_ARG(buffer_slice(&out)));
    buffer_release(&out);
}

static void print_held(const struct suppress *s, const struct suppression_line *l)
{
    char date[SUPPRESSION_DATE_BYTES];
    if (s->json)
        print_json(l, true);
    else
        printf("%.*s\t%s\t%.*s\n", SLICE_ARG(l->address), suppression_date(l->until, date),
               SLICE_ARG(l->category));
}

static enum command_exit list_all(struct suppress *s)
{
    struct suppress_list list;
    struct suppression_line line;
    struct refusal why;
    if (!suppress_list_read(&list, s->config, &why))
        return fail(&why);
    struct slice rest = slice_make(list.text, list.text_bytes);
    while (suppress_list_next(&list, &rest, &line))
        print_held(s, &line);
    suppress_list_release(&list);
    return command_printed();
}

// What the list says of one address. There is only one file to look through.
static void query_one(struct suppress *s, struct suppress_list *list, const char *given)
{
    char text[SUPPRESSION_ADDRESS_BYTES_MAX];
    struct slice address = suppress_address(slice_of_text(given), text);
    struct slice rest = slice_make(list->text, list->text_bytes);
    uint16_t until = suppression_until(&list->held, address);
    struct suppression_line line, found = {.address = address, .until = until};
    while (until > list->today && suppression_line_next(&rest, &line) != SUPPRESSION_MORE)
        if (slice_equal(line.address, address) && line.until == until && !line.removes)
            found = line;
    if (found.category.len > 0)
        print_held(s, &found);
    else if (s->json)
        print_json(&found, false);
    else
        printf("%.*s\tis not on the list\n", SLICE_ARG(address));
}

static enum command_exit query(struct suppress *s)
{
    char text[SUPPRESSION_ADDRESS_BYTES_MAX];
    struct suppress_list list;
    struct refusal why;
    for (int i = 0; i < s->address_count; i++)
        if (suppress_address(slice_of_text(s->addresses[i]), text).len == 0)
            return command_misused("suppress", "'%s' is no address", s->addresses[i]);
    if (!suppress_list_read(&list, s->config, &why))
        return fail(&why);
    for (int i = 0; i < s->address_count; i++)
        query_one(s, &list, s->addresses[i]);
    suppress_list_release(&list);
    return command_printed();
}

// --- changing

// `line` but for its address.
static bool change(struct suppress *s, struct slice given, struct suppression_line line,
                   struct refusal *why)
{
    char text[SUPPRESSION_ADDRESS_BYTES_MAX];
    line.address = suppress_address(given, text);
    if (line.address.len == 0)
        return refuse(why, "'%.*s' is no address", SLICE_ARG(given));
    s->changed_count++;
    return suppress_change_put(&s->change, &line, why);
}

static bool change_named(struct suppress *s, struct refusal *why)
{
    struct suppression_line line = {.removes = strcmp(s->action, "remove") == 0,
                                    .until = s->until,
                                    .category = slice_of_text(s->category)};
    for (int i = 0; i < s->address_count; i++)
        if (!change(s, slice_of_text(s->addresses[i]), line, why))
            return false;
    return true;
}

static bool import_line(struct suppress *s, struct slice text, struct refusal *why)
{
    struct suppression_line line = {.until = s->until, .category = slice_of_text(s->category)};
    enum category category;
    struct slice address = slice_trim(slice_cut(&text, '\t'));
    struct slice day = slice_trim(slice_cut(&text, '\t'));
    text = slice_trim(text);
    if (address.len == 0 || address.data[0] == '#')
        return true;
    if (day.len > 0 && !suppression_date_read(day, &line.until))
        return refuse(why, "'%.*s' is no day, such as 2027-02-28", SLICE_ARG(day));
    if (text.len > 0 && !category_of_word(text, &category))
        return refuse(why, "'%.*s' is no category", SLICE_ARG(text));
    if (text.len > 0)
        line.category = text;
    return change(s, address, line, why);
}

// What was good of it up to a bad line stays; the line is named.
static bool import(struct suppress *s, struct refusal *why)
{
    char *line = NULL;
    size_t room = 0;
    unsigned long number = 0;
    struct refusal reason = {0};
    bool is_ok = true;
    for (ssize_t len; is_ok && (len = getline(&line, &room, stdin)) >= 0;) {
        struct slice text = slice_make(line, (size_t)len);
        number++;
        while (text.len > 0 && (text.data[text.len - 1] == '\n' || text.data[text.len - 1] == '\r'))
            text.len--;
        is_ok = import_line(s, text, &reason);
    }
    free(line);
    if (!is_ok)
        refuse(why, "line %lu: %s", number, reason.text);
    return is_ok && !ferror(stdin);
}

static enum command_exit tell_change(const struct suppress *s)
{
    printf(s->json ? "{\"action\":\"%s\",\"addresses\":%llu}\n" : "%s: %llu addresses\n", s->action,
           (unsigned long long)s->changed_count);
    return command_printed();
}

static enum command_exit change_all(struct suppress *s,
                                    bool (*what)(struct suppress *, struct refusal *))
{
    struct refusal why = {0}, late = {0};
    if (!suppress_change_open(&s->change, s->config, s->config_file, &why))
        return fail(&why);
    bool is_ok = what(s, &why);
    bool is_safe = suppress_change_end(&s->change, &late);
    if (!is_ok)
        return fail(&why);
    return is_safe ? tell_change(s) : fail(&late);
}

// --- the command line

static bool understand(struct suppress *s, enum command_exit *ret_exit)
{
    uint64_t for_us = s->config->suppression.for_us;
    enum category category;
    if (s->time && (!units_parse_us(slice_of_text(s->time), &for_us) || for_us == 0)) {
        *ret_exit = command_misused("suppress", "'%s' is no time, such as 90d", s->time);
        return false;
    }
    if (s->category &&
        (!category_of_word(slice_of_text(s->category), &category) || category == CATEGORY_NONE)) {
        *ret_exit = command_misused("suppress", "'%s' is no category", s->category);
        return false;
    }
    if (!s->category)
        s->category = category_word(CATEGORY_OTHER);
    s->until = suppress_until(for_us);
    return true;
}

static enum command_exit act(struct suppress *s)
{
    enum command_exit code;
    bool is_add = strcmp(s->action, "add") == 0, is_remove = strcmp(s->action, "remove") == 0;
    bool is_query = strcmp(s->action, "query") == 0, is_import = strcmp(s->action, "import") == 0;
    bool is_list = strcmp(s->action, "list") == 0 || strcmp(s->action, "export") == 0;
    if (!is_add && !is_remove && !is_query && !is_import && !is_list)
        return command_misused("suppress",
                               "'%s' is neither list, query, add, remove, import nor "
                               "export",
                               s->action);
    if ((is_add || is_remove || is_query) != (s->address_count > 0))
        return command_misused("suppress",
                               s->address_count ? "%s takes no addresses" : "%s: which address?",
                               s->action);
    if (!understand(s, &code))
        return code;
    if (is_list)
        return list_all(s);
    if (is_query)
        return query(s);
    return change_all(s, is_import ? import : change_named);
}

// False: the command is to end with *ret_exit.
static bool read_options(struct suppress *s, int argc, char **argv, enum command_exit *ret_exit)
{
    enum { FOR = 256, CATEGORY, JSON };
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'},
        {"for", required_argument, NULL, FOR},
        {"category", required_argument, NULL, CATEGORY},
        {"json", no_argument, NULL, JSON},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    opterr = 0;
    for (int option; (option = getopt_long(argc, argv, ":c:h", options, NULL)) != -1;)
        switch (option) {
        case 'c': s->config_file = optarg; break;
        case FOR: s->time = optarg; break;
        case CATEGORY: s->category = optarg; break;
        case JSON: s->json = true; break;
        default: *ret_exit = command_option(option, argv, help); return false;
        }
    s->action = optind < argc ? argv[optind] : NULL;
    s->addresses = argv + optind + 1;
    s->address_count = s->action ? argc - optind - 1 : 0;
    if (!s->action)
        *ret_exit = command_misused(argv[0], "list, query, add, remove, import or export?");
    return s->action;
}

enum command_exit command_suppress(int argc, char **argv)
{
    struct suppress s = {.action = NULL};
    enum command_exit code;
    struct config_place place;
    struct refusal why;
    if (!read_options(&s, argc, argv, &code))
        return code;
    config_place_now(&place);
    s.config = config_load(config_file_meant(s.config_file), &place, &why);
    if (!s.config)
        return fail(&why);
    code = act(&s);
    config_free(s.config);
    return code;
}
