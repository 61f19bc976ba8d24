#include "engine/base/check.h"
#include "engine/command/send.h"

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

// Behind how much of a line something other than blanks stands: a line of blanks alone would say
// nothing.
static uint32_t blanks_at_start(const struct send_lines *l)
{
    uint32_t count = 0;
    while (count < l->len && is_blank(l->text[count]))
        count++;
    return count;
}

// In a header: before the last blank, which then begins the next line, or behind the last comma, so
// that no address is cut in two. 0: there is neither.
static uint32_t fold_at(const struct send_lines *l)
{
    uint32_t start = blanks_at_start(l);
    uint32_t comma = 0;
    for (uint32_t at = l->len; at > start + 1; at--) {
        if (is_blank(l->text[at - 1]))
            return at - 1;
        if (comma == 0 && l->text[at - 1] == ',')
            comma = at;
    }
    return comma;
}

// Where a line that is too long is cut.
static uint32_t cut_at(const struct send_lines *l)
{
    uint32_t at = l->in_header ? fold_at(l) : 0;
    if (at > 0)
        return at;
    at = l->len;
    while (at > l->len - 4 && (l->text[at - 1] & 0xc0) == 0x80)
        at--;
    bool begins_character = (l->text[at - 1] & 0xc0) == 0xc0;
    return begins_character ? at - 1 : l->len;
}

// Forgets what was given; what was not, and what is to come, goes on in a line that begins with a
// blank.
static void drop_given(struct send_lines *l)
{
    if (l->given == 0)
        return;
    uint32_t left = l->len - l->given;
    bool has_blank = l->in_header && left > 0 && is_blank(l->text[l->given]);
    memmove(l->text + !has_blank, l->text + l->given, left);
    if (!has_blank)
        l->text[0] = ' ';
    l->len = left + !has_blank;
    l->given = 0;
}

static bool give(struct send_lines *l, uint32_t len, struct slice *ret)
{
    *ret = slice_make(l->text, len);
    l->given = len;
    return true;
}

static bool give_all(struct send_lines *l, struct slice *ret)
{
    *ret = slice_make(l->text, l->len);
    l->len = l->given = 0;
    l->in_line = l->saw_cr = false;
    return true;
}

bool send_lines_take(struct send_lines *l, struct slice *bytes, bool at_end, struct slice *ret)
{
    drop_given(l);
    while (bytes->len > 0) {
        char c = bytes->data[0];
        bool is_break = c == '\r' || c == '\n';
        if (!is_break && l->len == CONTENT_LINE_BYTES_MAX)
            return give(l, cut_at(l), ret);
        if (!is_break && l->saw_cr) {
            l->text[l->len++] = ' ';
            l->saw_cr = false;
            continue; // there may be no room for the byte itself
        }
        *bytes = slice_skip(*bytes, 1);
        l->in_line = true;
        if (c == '\n')
            return give_all(l, ret);
        if (c == '\r') {
            l->saw_cr = true;
            continue;
        }
        l->has_nul |= c == '\0';
        l->text[l->len++] = c;
    }
    return at_end && l->len > 0 && give_all(l, ret);
}
