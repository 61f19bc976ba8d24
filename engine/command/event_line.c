#include "engine/command/event_line.h"

#include <stdio.h>

// Where the string that begins at rest.data[0] ends.
static size_t string_len(struct slice rest)
{
    size_t len = 0;
    while (len < rest.len && rest.data[len] != '"')
        len += rest.data[len] == '\\' ? 2 : 1;
    return len < rest.len ? len : rest.len;
}

struct slice event_member(struct slice line, const char *name)
{
    char key[64];
    size_t key_len = (size_t)snprintf(key, sizeof(key), "\"%s\":", name);
    const char *at = memmem(line.data, line.len, key, key_len);
    if (!at)
        return SLICE_EMPTY;
    struct slice rest = slice_skip(line, (size_t)(at - line.data) + key_len);
    if (rest.len > 0 && rest.data[0] == '"') {
        rest = slice_skip(rest, 1);
        return slice_take(rest, string_len(rest));
    }
    size_t len = 0;
    while (len < rest.len && rest.data[len] != ',' && rest.data[len] != '}')
        len++;
    return slice_take(rest, len);
}

// `written` as it stands in a line: only quotes and backslashes are undone, what would move a
// terminal's cursor stays escaped.
static void put_plain(struct slice written)
{
    for (size_t i = 0; i < written.len; i++) {
        bool escapes = written.data[i] == '\\' && i + 1 < written.len;
        i += escapes && (written.data[i + 1] == '"' || written.data[i + 1] == '\\');
        putchar(written.data[i]);
    }
}

static bool written_as(struct slice written, const char *value)
{
    size_t i = 0;
    for (; i < written.len && *value; i++, value++) {
        bool escapes = written.data[i] == '\\' && i + 1 < written.len;
        i += escapes && (written.data[i + 1] == '"' || written.data[i + 1] == '\\');
        if (written.data[i] != *value)
            return false;
    }
    return i == written.len && !*value;
}

bool event_is(struct slice line, const char *name, const char *value)
{
    return !value || written_as(event_member(line, name), value);
}

bool event_fits(struct slice line, const struct event_filter *f)
{
    return event_is(line, "id", f->id) && event_is(line, "domain", f->domain) &&
           event_is(line, "recipient", f->recipient) && event_is(line, "campaign", f->campaign) &&
           event_is(line, "event", f->event);
}

static void put_member(struct slice line, const char *before, const char *name, const char *behind)
{
    struct slice value = event_member(line, name);
    if (value.len == 0)
        return;
    fputs(before, stdout);
    put_plain(value);
    fputs(behind, stdout);
}

// What a run of the engine has done: the line has all its counters.
static void print_stopped(struct slice line)
{
    put_member(line, ": ", "messages", " messages taken;");
    put_member(line, " recipients ", "delivered", " delivered,");
    put_member(line, " ", "deferred", " deferred,");
    put_member(line, " ", "failed", " failed;");
    put_member(line, " ", "messages-left", " messages left");
    putchar('\n');
}

// The code 0 says that it was no reply.
static void put_code(struct slice line, const char *before)
{
    if (event_is(line, "code", "0")) {
        put_member(line, before, "enhanced", "");
        return;
    }
    put_member(line, before, "code", "");
    put_member(line, " ", "enhanced", "");
}

// Of other events than results: all that stands behind their ids.
static void put_rest(struct slice line)
{
    struct slice id = event_member(line, "event-id");
    size_t at = id.len ? (size_t)(id.data + id.len - line.data) + 1 : 0;
    struct slice rest = slice_skip(line, at);
    if (rest.len > 1)
        printf(" %.*s", (int)rest.len - 1, rest.data);
}

static void put_change(struct slice line, const char *what, const char *before, const char *unit)
{
    if (event_member(line, what).len == 0)
        return;
    printf(" %s ", what);
    put_plain(event_member(line, before));
    fputs(" -> ", stdout);
    put_plain(event_member(line, what));
    printf("%s,", unit);
}

// How a site is used has changed (engine/site_events.h).
static void print_site(struct slice line)
{
    put_member(line, " ", "site", ":");
    put_change(line, "rate", "rate-before", "/s");
    put_change(line, "connections", "connections-before", "");
    put_change(line, "back-off", "back-off-before", " s");
    put_change(line, "rest", "rest-before", " s");
    put_member(line, " cause: ", "cause", "");
    put_code(line, " ");
    put_member(line, " ", "text", "");
    putchar('\n');
}

void event_print(struct slice line)
{
    put_member(line, "", "time", " ");
    put_member(line, "", "event", "");
    if (event_is(line, "event", "site")) {
        print_site(line);
        return;
    }
    if (event_is(line, "event", "stopped")) {
        print_stopped(line);
        return;
    }
    if (event_member(line, "recipient").len == 0 && event_member(line, "attempt").len == 0) {
        put_rest(line);
        putchar('\n');
        return;
    }
    put_member(line, " ", "id", "");
    put_member(line, " <", "recipient", ">");
    put_member(line, " ", "host", "");
    put_member(line, " ", "address", "");
    put_code(line, ": ");
    put_member(line, " ", "text", "");
    put_member(line, " (attempt ", "attempt", "");
    put_member(line, ", again in ", "delay", " s");
    put_member(line, ", in doubt: ", "in-doubt", "");
    puts(")");
}
