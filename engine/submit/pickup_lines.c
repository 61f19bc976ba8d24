#include "engine/submit/pickup_lines.h"

void pickup_lines_init(struct pickup_lines *l)
{
    *l = (struct pickup_lines){.run = PICKUP_RUN_LINE_START};
    buffer_init(&l->text, PICKUP_LINE_BYTES_MAX);
}

void pickup_lines_release(struct pickup_lines *l)
{
    buffer_release(&l->text);
}

void pickup_lines_reset(struct pickup_lines *l, uint64_t offset, uint64_t line)
{
    struct buffer text = l->text;
    buffer_clear(&text);
    *l = (struct pickup_lines){.offset = offset, .line = line - 1, .text = text};
}

static void skip(struct pickup_lines *l, struct slice *bytes, size_t count)
{
    *bytes = slice_skip(*bytes, count);
    l->offset += count;
}

static void line_begins(struct pickup_lines *l, size_t ahead)
{
    l->line++;
    l->begin_offset = l->offset + ahead;
}

// --- whole lines

// Takes `part` as the end of the line: without its CRLF or LF.
static enum pickup_line line_ends(struct pickup_lines *l, struct slice part, struct slice *ret)
{
    struct slice line = part;
    if (l->text.len > 0) {
        if (!buffer_append(&l->text, part))
            return l->text.len + part.len > PICKUP_LINE_BYTES_MAX ? PICKUP_LINE_TOO_LONG
                                                                  : PICKUP_LINE_NO_MEMORY;
        line = buffer_slice(&l->text);
        buffer_clear(&l->text); // the bytes stay until the next line
    }
    if (line.len > PICKUP_LINE_BYTES_MAX)
        return PICKUP_LINE_TOO_LONG;
    l->in_line = false;
    l->ended_in_crlf = false;
    l->ended = line.len > 0 && line.data[line.len - 1] == '\n';
    if (l->ended) {
        line.len--;
        l->ended_in_crlf = line.len > 0 && line.data[line.len - 1] == '\r';
        if (l->ended_in_crlf)
            line.len--;
        else if (l->strict)
            return PICKUP_LINE_BARE_LF;
    }
    *ret = line;
    return PICKUP_LINE_WHOLE;
}

enum pickup_line pickup_lines_take(struct pickup_lines *l, struct slice *bytes, bool at_end,
                                   struct slice *ret)
{
    if (bytes->len > 0 && !l->in_line) {
        line_begins(l, 0);
        l->in_line = true;
    }
    size_t lf = slice_find(*bytes, '\n');
    struct slice part = slice_take(*bytes, lf + 1);
    skip(l, bytes, part.len);
    if (lf < part.len || (at_end && l->in_line))
        return line_ends(l, part, ret);
    if (l->text.len + part.len > PICKUP_LINE_BYTES_MAX)
        return PICKUP_LINE_TOO_LONG;
    return buffer_append(&l->text, part) ? PICKUP_LINE_MORE : PICKUP_LINE_NO_MEMORY;
}

// --- content

static struct slice take_run(struct pickup_lines *l, struct slice *bytes, size_t count,
                             enum pickup_run next)
{
    struct slice run = slice_take(*bytes, count);
    skip(l, bytes, count);
    l->run = next;
    return run;
}

// A line that ends in LF alone: first what stands before it, then a CRLF in its place.
static struct slice take_bare_lf(struct pickup_lines *l, struct slice *bytes, size_t lf)
{
    if (lf > 0)
        return take_run(l, bytes, lf, PICKUP_RUN_IN_LINE);
    if (l->strict) {
        l->run = PICKUP_RUN_BARE_LF;
        return SLICE_EMPTY;
    }
    skip(l, bytes, 1);
    l->run = PICKUP_RUN_LINE_START;
    return SLICE("\r\n");
}

// What stands in a line, and all lines behind it that need no change.
static struct slice take_lines(struct pickup_lines *l, bool stuffed, struct slice *bytes)
{
    for (size_t at = 0;;) {
        size_t lf = at + slice_find(slice_skip(*bytes, at), '\n');
        if (lf == bytes->len) {
            bool cr = lf > at && bytes->data[lf - 1] == '\r'; // of a CRLF, or bare?
            struct slice run = take_run(l, bytes, lf - cr, cr ? PICKUP_RUN_CR : PICKUP_RUN_IN_LINE);
            skip(l, bytes, cr);
            return run;
        }
        if (lf == at || bytes->data[lf - 1] != '\r')
            return take_bare_lf(l, bytes, lf);
        at = lf + 1;
        if (at == bytes->len || (stuffed && bytes->data[at] == '.'))
            return take_run(l, bytes, at, PICKUP_RUN_LINE_START);
        line_begins(l, at);
    }
}

// The byte behind a CR. One that is no LF leaves a bare CR in the content.
static struct slice after_cr(struct pickup_lines *l, struct slice *bytes)
{
    if (bytes->data[0] != '\n') {
        l->run = PICKUP_RUN_IN_LINE;
        return SLICE("\r");
    }
    skip(l, bytes, 1);
    l->run = PICKUP_RUN_LINE_START;
    return SLICE("\r\n");
}

static void after_dot(struct pickup_lines *l, struct slice *bytes)
{
    if (bytes->data[0] == '\r') {
        l->run = PICKUP_RUN_DOT_CR;
        skip(l, bytes, 1);
    } else if (bytes->data[0] == '\n' && l->strict) {
        l->run = PICKUP_RUN_BARE_LF;
    } else if (bytes->data[0] == '\n') {
        l->run = PICKUP_RUN_ENDED;
        skip(l, bytes, 1);
    } else {
        l->run = PICKUP_RUN_IN_LINE;
    }
}

static struct slice after_dot_cr(struct pickup_lines *l, struct slice *bytes)
{
    if (bytes->data[0] != '\n') {
        l->run = PICKUP_RUN_IN_LINE;
        return SLICE("\r");
    }
    skip(l, bytes, 1);
    l->run = PICKUP_RUN_ENDED;
    return SLICE_EMPTY;
}

static struct slice step(struct pickup_lines *l, bool stuffed, struct slice *bytes)
{
    switch (l->run) {
    case PICKUP_RUN_LINE_START:
        line_begins(l, 0);
        l->run_line = l->line;
        l->run = PICKUP_RUN_IN_LINE;
        if (stuffed && bytes->data[0] == '.') {
            l->run = PICKUP_RUN_DOT;
            skip(l, bytes, 1);
        }
        return SLICE_EMPTY;
    case PICKUP_RUN_IN_LINE: return take_lines(l, stuffed, bytes);
    case PICKUP_RUN_CR: return after_cr(l, bytes);
    case PICKUP_RUN_DOT: after_dot(l, bytes); return SLICE_EMPTY;
    case PICKUP_RUN_DOT_CR: return after_dot_cr(l, bytes);
    case PICKUP_RUN_ENDED:
    case PICKUP_RUN_BARE_LF: break;
    }
    return SLICE_EMPTY;
}

struct slice pickup_lines_run(struct pickup_lines *l, bool stuffed, struct slice *bytes)
{
    l->run_line = l->line; // unless a line begins
    while (bytes->len > 0 && l->run != PICKUP_RUN_ENDED && l->run != PICKUP_RUN_BARE_LF) {
        struct slice run = step(l, stuffed, bytes);
        if (run.len > 0)
            return run;
    }
    return SLICE_EMPTY;
}
