#include "engine/smtp/reply.h"

#include <stdio.h>

#define TEXT_JOINT " / "

void reply_parser_init(struct reply_parser *p)
{
    // The two text buffers need no zeros: their lengths say what is in them.
    memset(p, 0, offsetof(struct reply_parser, kept_line));
    p->ended = true;
}

static void start_reply(struct reply_parser *p)
{
    p->reply = (struct reply){.text = {.data = p->text}};
    p->line_count = 0;
    p->text_len = 0;
    p->reply_bytes = 0;
    p->ended = false;
}

// CR and LF stand nowhere but together at the end (RFC 5321 2.3.8), NUL nowhere: a server that
// mixes them does not see the lines that we see. `ends`: the part's last byte is the LF.
static bool part_is_sound(struct reply_parser *p, struct slice part, bool ends)
{
    if (p->saw_cr)
        return ends && part.len == 1;
    size_t text_len = part.len - ends;
    size_t cr = slice_find(slice_take(part, text_len), '\r');
    p->saw_cr = cr + 1 == text_len;
    if (!p->saw_cr && (ends || cr < text_len))
        return false;
    return slice_find(part, '\0') == part.len;
}

// Text is kept as far as there is room for it. Control characters would act on whoever reads a
// log or a bounce.
static void add_text(struct reply_parser *p, struct slice from)
{
    from = slice_take(from, sizeof(p->text) - p->text_len);
    for (size_t i = 0; i < from.len; i++)
        p->text[p->text_len + i] = octet_is_control(from.data[i]) ? '?' : from.data[i];
    p->text_len = (uint16_t)(p->text_len + from.len);
}

// One to three digits, as RFC 3463 2 has them.
static bool cut_number(struct slice *s, uint16_t *ret)
{
    unsigned value = 0;
    size_t i = 0;
    for (; i < s->len && i < 3 && reply_is_digit(s->data[i]); i++)
        value = value * 10 + (unsigned)(s->data[i] - '0');
    *s = slice_skip(*s, i);
    *ret = (uint16_t)value;
    return i > 0;
}

// Takes "5.7.1 " off the front of *text. A class that contradicts the reply's code (RFC 2034 4
// forbids it) is left in the text, where it misleads nobody but a reader.
static void cut_enhanced(struct slice *text, struct reply *r)
{
    struct slice rest = *text;
    struct enhanced_code e;
    if (rest.len < 5 || rest.data[1] != '.' || rest.data[0] != '0' + r->code / 100 ||
        rest.data[0] == '3')
        return;
    e.class = (uint8_t)(rest.data[0] - '0');
    rest = slice_skip(rest, 2);
    if (!cut_number(&rest, &e.subject) || rest.len == 0 || rest.data[0] != '.')
        return;
    rest = slice_skip(rest, 1);
    if (!cut_number(&rest, &e.detail) || (rest.len > 0 && rest.data[0] != ' '))
        return;
    if (r->enhanced.class == 0)
        r->enhanced = e;
    *text = slice_skip(rest, 1);
}

static enum reply_status broken(struct reply_parser *p)
{
    p->broken = true;
    p->ended = false;
    return REPLY_BROKEN;
}

// `line`: without CRLF.
static enum reply_status on_line(struct reply_parser *p, struct slice line)
{
    unsigned code = reply_code_of(line);
    char separator = line.len > REPLY_CODE_DIGITS ? line.data[REPLY_CODE_DIGITS] : ' ';
    if (code == 0 || (separator != ' ' && separator != '-'))
        return broken(p);
    if (p->line_count > 0 && code != p->reply.code)
        return broken(p); // RFC 5321 4.2.1: the same code on every line
    p->reply.code = (uint16_t)code;
    p->line = slice_skip(line, REPLY_CODE_DIGITS + 1);
    p->line_count++;

    struct slice text = p->line;
    cut_enhanced(&text, &p->reply);
    if (p->text_len > 0)
        add_text(p, SLICE(TEXT_JOINT));
    add_text(p, text);
    p->reply.text.len = p->text_len;

    p->ended = separator == ' ';
    return p->ended ? REPLY_DONE : REPLY_LINE;
}

// Appends to the kept line, as far as it has room; a reply's use is in its first bytes.
static void keep_part(struct reply_parser *p, struct slice part)
{
    if (p->line_bytes < sizeof(p->kept_line)) {
        struct slice kept = slice_take(part, sizeof(p->kept_line) - p->line_bytes);
        memcpy(p->kept_line + p->line_bytes, kept.data, kept.len);
    }
    p->line_bytes = (uint16_t)(p->line_bytes + part.len);
}

enum reply_status reply_feed_the_long_way(struct reply_parser *p, struct slice bytes,
                                          size_t *ret_used)
{
    *ret_used = 0;
    if (p->broken)
        return REPLY_BROKEN;
    if (bytes.len == 0)
        return REPLY_MORE;
    if (p->ended)
        start_reply(p);

    size_t lf = slice_find(bytes, '\n');
    bool ends = lf < bytes.len;
    struct slice part = slice_take(bytes, lf + 1);
    *ret_used = part.len;
    if (part.len > (size_t)REPLY_LINE_BYTES_MAX - p->line_bytes ||
        part.len > REPLY_BYTES_MAX - p->reply_bytes || !part_is_sound(p, part, ends))
        return broken(p);
    p->reply_bytes += (uint32_t)part.len;
    if (!ends) {
        keep_part(p, part);
        return REPLY_MORE;
    }

    struct slice line = part;
    if (p->line_bytes > 0) {
        keep_part(p, part);
        line = slice_make(p->kept_line, p->line_bytes);
    }
    p->line_bytes = 0;
    p->saw_cr = false;
    line.len -= 2; // CRLF
    // A whole line is cut where a kept one is: how TCP cut the stream must not show.
    return on_line(p, slice_take(line, sizeof(p->kept_line)));
}

static char *put_number(char *at, unsigned n) // below 1000
{
    if (n >= 100)
        *at++ = (char)('0' + n / 100);
    if (n >= 10)
        *at++ = (char)('0' + n / 10 % 10);
    *at++ = (char)('0' + n % 10);
    return at;
}

const char *enhanced_print(struct enhanced_code e, char text[ENHANCED_TEXT_BYTES])
{
    char *at = text;
    if (e.class != 0) {
        at = put_number(at, e.class % 10u);
        *at++ = '.';
        at = put_number(at, e.subject % 1000u);
        *at++ = '.';
        at = put_number(at, e.detail % 1000u);
    }
    *at = '\0';
    return text;
}
