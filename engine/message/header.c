// The header section as it passes by: which fields it has, and where it ends (RFC 5322 2.2).

#include "engine/message/trace.h"

static bool is_name_byte(char c)
{
    return c > ' ' && c < 0x7f && c != ':';
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static void field_begins(struct header_scan *s)
{
    struct slice name = slice_make(s->name, s->name_len);
    s->any_field = true;
    if (slice_equal_nocase(name, SLICE("Date")))
        s->has_date = true;
    else if (slice_equal_nocase(name, SLICE("Message-ID")))
        s->has_message_id = true;
    else if (slice_equal_nocase(name, SLICE(TRACE_KEY_FIELD)))
        s->has_key = true;
    else if (slice_equal_nocase(name, SLICE(TRACE_PRIORITY_FIELD)) ||
             slice_equal_nocase(name, SLICE(TRACE_CAMPAIGN_FIELD)))
        s->has_wishes = true;
    else if (slice_equal_nocase(name, SLICE("Received")) && s->received_count < UINT16_MAX)
        s->received_count++;
}

static void section_ends(struct header_scan *s, bool at_empty_line)
{
    s->ended = true;
    s->at_empty_line = at_empty_line;
    s->needs_empty_line = !at_empty_line && !s->any_field;
}

// One byte of a field's name, or the end of it.
static void name_byte(struct header_scan *s, char c)
{
    if (c == ':' && s->name_len > 0) {
        s->in_name = false;
        field_begins(s);
    } else if (is_blank(c) && s->name_len > 0) {
        s->name_ended = true; // RFC 5322 4.5: blanks before the colon are obsolete, and met
    } else if (is_name_byte(c) && !s->name_ended) {
        if (s->name_len < sizeof(s->name)) // a longer name is none that we look for
            s->name[s->name_len++] = c;
    } else {
        section_ends(s, false);
    }
}

static void line_begins(struct header_scan *s, char c)
{
    s->in_line = true;
    if (c == '\r') {
        section_ends(s, true);
    } else if (is_blank(c)) {
        if (!s->any_field) // continues nothing
            section_ends(s, false);
    } else {
        s->in_name = true;
        s->name_ended = false;
        s->name_len = 0;
        name_byte(s, c);
    }
}

struct slice header_scan(struct header_scan *s, struct slice bytes)
{
    while (!s->ended && bytes.len > 0) {
        if (!s->in_line) {
            line_begins(s, bytes.data[0]);
            bytes = slice_skip(bytes, 1);
        } else if (s->in_name) {
            name_byte(s, bytes.data[0]);
            bytes = slice_skip(bytes, 1);
        } else {
            size_t line_len = slice_find(bytes, '\n');
            s->in_line = line_len == bytes.len;
            bytes = slice_skip(bytes, line_len + 1);
        }
    }
    return bytes;
}

void header_scan_end(struct header_scan *s)
{
    if (!s->ended)
        section_ends(s, false);
}
