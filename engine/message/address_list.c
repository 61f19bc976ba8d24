// One entry is read word by word into `text`, without knowing yet what it is: a "<" behind the
// words makes them a name, a ":" the name of a group, and both are forgotten then.

#include "engine/message/address_list.h"

struct entry {
    struct slice rest;
    char *text;
    size_t len;
    bool too_long;
    bool spaced;     // a blank or comment stands behind the last word
    bool apart;      // two words stand side by side: a name, not an address
    bool in_angle;   // between "<" and ">"
    bool angle_done; // ">" has come
    bool bad;
};

static bool is_line_end(char c)
{
    return c == '\r' || c == '\n';
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || is_line_end(c);
}

static bool is_special(char c)
{
    return c != '\0' && strchr("()<>[]:;@,.\"", c);
}

// What joins the words of an address.
static bool is_joint(char c)
{
    return c == '@' || c == '.' || c == ',' || c == ':';
}

static void put(struct entry *e, struct slice bytes)
{
    bool fits = e->len + bytes.len <= ADDRESS_LIST_ADDRESS_BYTES_MAX;
    e->too_long |= !fits;
    if (!fits)
        return;
    memcpy(e->text + e->len, bytes.data, bytes.len);
    e->len += bytes.len;
}

// A word or a joint. Behind a blank, a word can only stand where a joint is before it.
static void put_token(struct entry *e, struct slice token)
{
    bool joins = e->len == 0 || is_joint(token.data[0]) || is_joint(e->text[e->len - 1]);
    e->apart |= e->spaced && !joins;
    e->bad |= e->angle_done; // text behind ">"
    e->spaced = false;
    put(e, token);
}

static void forget(struct entry *e)
{
    e->len = 0;
    e->too_long = e->spaced = e->apart = false;
}

// What is at the front up to its closing byte, that included; all when it does not close. A
// backslash before a line end is bad: without the fold it would stand before another byte.
static struct slice take_closed(struct entry *e, char closing)
{
    const struct slice rest = e->rest;
    size_t i = 1;
    while (i < rest.len && rest.data[i] != closing) {
        bool escapes = rest.data[i] == '\\';
        e->bad |= escapes && i + 1 < rest.len && is_line_end(rest.data[i + 1]);
        i += escapes ? 2 : 1;
    }
    e->bad |= i >= rest.len;
    e->rest = slice_skip(rest, i + 1);
    return slice_take(rest, i + 1);
}

static void skip_comment(struct entry *e)
{
    size_t depth = 0;
    size_t i = 0;
    for (; i < e->rest.len; i++) {
        char c = e->rest.data[i];
        depth += c == '(';
        depth -= c == ')';
        i += c == '\\';
        if (depth == 0)
            break;
    }
    e->bad |= i >= e->rest.len;
    e->rest = slice_skip(e->rest, i + 1);
    e->spaced = true;
}

// A quoted string, or a domain literal. A fold in it is no part of it (RFC 5322 3.2.4, 3.4.1).
static void read_closed(struct entry *e, char closing)
{
    struct slice whole = take_closed(e, closing);
    put_token(e, slice_take(whole, 1));
    for (whole = slice_skip(whole, 1); whole.len > 0; whole = slice_skip(whole, 1))
        if (!is_line_end(whole.data[0]))
            put(e, slice_take(whole, 1));
}

static void read_atom(struct entry *e)
{
    size_t i = 1;
    while (i < e->rest.len && !is_blank(e->rest.data[i]) && !is_special(e->rest.data[i]))
        i++;
    put_token(e, slice_take(e->rest, i));
    e->rest = slice_skip(e->rest, i);
}

// "<@hop,@hop:local@domain>": the route is of no use any more (RFC 5321 F.2).
static bool in_route(const struct entry *e)
{
    return e->in_angle && e->len > 0 && e->text[0] == '@';
}

static void read_colon(struct entry *e)
{
    e->bad |= e->angle_done || (e->in_angle && !in_route(e));
    forget(e); // a route, or the name of a group
}

// What is one byte. Outside of the brackets, "," and ";" end the entry and do not come here.
static void read_mark(struct entry *e)
{
    struct slice mark = slice_take(e->rest, 1);
    e->rest = slice_skip(e->rest, 1);
    switch (mark.data[0]) {
    case '<':
        e->bad |= e->in_angle || e->angle_done;
        e->in_angle = true;
        forget(e);
        break;
    case '>':
        e->bad |= !e->in_angle;
        e->in_angle = false;
        e->angle_done = true;
        e->spaced = false;
        break;
    case ':': read_colon(e); break;
    case '@':
    case '.': put_token(e, mark); break;
    case ',':
        e->bad |= !in_route(e);
        put_token(e, mark);
        break;
    default: e->bad = true; // a closing byte, or ";"
    }
}

// Reads up to the comma or semicolon that ends the entry, or to the end. Returns the entry's text.
static struct slice read_entry(struct entry *e)
{
    const struct slice all = e->rest;
    while (e->rest.len > 0) {
        char c = e->rest.data[0];
        if ((c == ',' || c == ';') && !e->in_angle)
            break;
        if (is_blank(c)) {
            e->rest = slice_skip(e->rest, 1);
            e->spaced = true;
        } else if (c == '(') {
            skip_comment(e);
        } else if (c == '"' || c == '[') {
            read_closed(e, c == '[' ? ']' : '"');
        } else if (is_special(c)) {
            read_mark(e);
        } else {
            read_atom(e);
        }
    }
    e->bad |= e->in_angle;
    struct slice entry = slice_take(all, all.len - e->rest.len);
    e->rest = slice_skip(e->rest, 1);
    return entry;
}

enum address_list_step
address_list_next(struct slice *rest, char text[ADDRESS_LIST_ADDRESS_BYTES_MAX], struct slice *ret)
{
    while (rest->len > 0) {
        struct entry e = {.rest = *rest, .text = text};
        struct slice entry = read_entry(&e);
        *rest = e.rest;
        if (e.bad || e.too_long || e.apart || (e.len > 0 && text[0] == '@')) {
            *ret = slice_trim_folds(entry);
            return ADDRESS_LIST_BAD;
        }
        *ret = slice_make(text, e.len);
        if (e.len > 0)
            return ADDRESS_LIST_ADDRESS;
        if (e.angle_done)
            return ADDRESS_LIST_NULL;
    }
    return ADDRESS_LIST_END;
}
