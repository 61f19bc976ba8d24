#include "engine/message/mime.h"

#include "engine/message/fields.h"

// --- words of a field's body

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

// Blanks, folds and comments (RFC 5322 3.2.2). A comment that does not end takes in all.
static void skip_blanks(struct slice *s)
{
    size_t depth = 0, at = 0;
    for (; at < s->len; at++) {
        char c = s->data[at];
        if (c == '\\' && depth > 0)
            at++;
        else if (c == '(')
            depth++;
        else if (c == ')' && depth > 0)
            depth--;
        else if (depth == 0 && !is_blank(c))
            break;
    }
    *s = slice_skip(*s, at);
}

static struct slice take_until(struct slice *s, const char *ends)
{
    size_t len = 0;
    while (len < s->len && !is_blank(s->data[len]) && !strchr(ends, s->data[len]))
        len++;
    struct slice word = slice_take(*s, len);
    *s = slice_skip(*s, len);
    return word;
}

// --- Content-Type

static enum mime_kind kind_of(struct slice type, struct slice subtype)
{
    if (slice_equal_nocase(type, SLICE("text")))
        return MIME_TEXT;
    if (slice_equal_nocase(type, SLICE("message"))) {
        if (slice_equal_nocase(subtype, SLICE("rfc822")))
            return MIME_MESSAGE;
        // message/global and its kin may be encoded (RFC 6532 3.7, 6533).
        return slice_starts_nocase(subtype, SLICE("global")) ? MIME_OTHER : MIME_UNTOUCHABLE;
    }
    if (!slice_equal_nocase(type, SLICE("multipart")))
        return MIME_OTHER;
    if (slice_equal_nocase(subtype, SLICE("signed")))
        return MIME_SIGNED;
    return slice_equal_nocase(subtype, SLICE("digest")) ? MIME_DIGEST : MIME_MULTIPART;
}

// The text of a quoted string, whose first quote is taken. False: it is too long, or has no end.
static bool take_quoted(struct slice *s, char *to, size_t room, size_t *ret_len)
{
    size_t len = 0;
    for (size_t at = 0; at < s->len; at++) {
        if (s->data[at] == '"') {
            *s = slice_skip(*s, at + 1);
            *ret_len = len;
            return true;
        }
        if (s->data[at] == '\r' || s->data[at] == '\n')
            continue;
        if (s->data[at] == '\\' && at + 1 < s->len)
            at++;
        if (len == room)
            break;
        to[len++] = s->data[at];
    }
    *s = SLICE_EMPTY;
    return false;
}

// Many write what ought to be quoted without quotes: up to a blank or ";".
static void read_boundary(struct slice *s, struct mime_entity *ret)
{
    if (s->len > 0 && s->data[0] == '"') {
        *s = slice_skip(*s, 1);
        if (!take_quoted(s, ret->boundary, sizeof(ret->boundary), &ret->boundary_len))
            ret->boundary_len = 0;
        return;
    }
    struct slice word = take_until(s, ";");
    skip_blanks(s);
    if (word.len > sizeof(ret->boundary) || (s->len > 0 && s->data[0] != ';'))
        return; // nobody knows where it ends
    memcpy(ret->boundary, word.data, word.len);
    ret->boundary_len = word.len;
}

// What is left of a parameter, which nobody asks for.
static void skip_value(struct slice *s)
{
    bool quoted = false;
    size_t at = 0;
    for (; at < s->len && (quoted || s->data[at] != ';'); at++) {
        if (s->data[at] == '"')
            quoted = !quoted;
        else if (quoted && s->data[at] == '\\')
            at++;
    }
    *s = slice_skip(*s, at);
}

static void read_parameters(struct slice s, struct mime_entity *ret)
{
    for (;;) {
        skip_blanks(&s);
        if (s.len == 0 || s.data[0] != ';')
            return;
        s = slice_skip(s, 1);
        skip_blanks(&s);
        struct slice name = take_until(&s, "=;");
        skip_blanks(&s);
        if (s.len > 0 && s.data[0] == '=') {
            s = slice_skip(s, 1);
            skip_blanks(&s);
            if (ret->boundary_len == 0 && slice_equal_nocase(name, SLICE("boundary")))
                read_boundary(&s, ret);
        }
        skip_value(&s);
    }
}

static void read_type(struct slice body, struct mime_entity *ret)
{
    skip_blanks(&body);
    struct slice type = take_until(&body, "/;(");
    skip_blanks(&body);
    if (body.len == 0 || body.data[0] != '/')
        return; // none
    body = slice_skip(body, 1);
    skip_blanks(&body);
    struct slice subtype = take_until(&body, ";(");
    if (type.len == 0 || subtype.len == 0)
        return;
    ret->kind = kind_of(type, subtype);
    read_parameters(body, ret);
}

static enum mime_encoding encoding_of(struct slice body)
{
    skip_blanks(&body);
    struct slice word = take_until(&body, ";(");
    if (slice_equal_nocase(word, SLICE("7bit")))
        return MIME_7BIT;
    if (slice_equal_nocase(word, SLICE("8bit")) || slice_equal_nocase(word, SLICE("binary")))
        return MIME_8BIT;
    return word.len == 0 ? MIME_NONE : MIME_ENCODED;
}

void mime_read(struct slice entity, enum mime_kind kind_usual, struct mime_entity *ret)
{
    struct slice rest = entity;
    struct header_field f;
    bool has_encoding = false;
    ret->has_version = ret->has_type = false;
    ret->kind = kind_usual;
    ret->encoding = MIME_NONE;
    ret->boundary_len = 0;
    while (fields_next(&rest, &f)) {
        ret->has_version |= header_field_is(&f, SLICE("MIME-Version"));
        if (!ret->has_type && header_field_is(&f, SLICE("Content-Type"))) {
            ret->has_type = true;
            ret->kind = MIME_TEXT;
            read_type(f.body, ret);
        } else if (!has_encoding && header_field_is(&f, SLICE("Content-Transfer-Encoding"))) {
            has_encoding = true;
            ret->encoding = encoding_of(f.body);
        }
    }
    ret->fields = slice_take(entity, entity.len - rest.len);
    ret->has_empty_line = slice_starts(rest, SLICE("\r\n"));
    ret->body = slice_skip(rest, ret->has_empty_line ? 2 : 0);
}

// --- parts

// A line that is a delimiter: what stands behind it on the line is blanks (RFC 2046 5.1.1).
static bool is_delimiter(const struct mime_entity *e, struct slice line, bool *ret_closes)
{
    struct slice boundary = slice_make(e->boundary, e->boundary_len);
    if (!slice_starts(line, SLICE("--")) || !slice_starts(slice_skip(line, 2), boundary))
        return false;
    line = slice_skip(line, 2 + boundary.len);
    *ret_closes = slice_starts(line, SLICE("--"));
    line = slice_skip(line, *ret_closes ? 2 : 0);
    while (line.len > 0 && is_blank(line.data[0]))
        line = slice_skip(line, 1);
    return line.len == 0;
}

// Where the next delimiter's line begins and ends; false when there is none.
static bool find_delimiter(const struct mime_entity *e, struct slice body, size_t *ret_line,
                           size_t *ret_end, bool *ret_closes)
{
    size_t at = 0;
    while (at < body.len) {
        struct slice rest = slice_skip(body, at);
        struct slice line = slice_take(rest, slice_find(rest, '\n') + 1);
        if (line.data[0] == '-' && is_delimiter(e, line, ret_closes)) {
            *ret_line = at;
            *ret_end = at + line.len;
            return true;
        }
        at += line.len;
    }
    return false;
}

bool mime_part_next(const struct mime_entity *e, struct slice *rest, struct mime_piece *ret)
{
    size_t line, end;
    bool closes;
    if (e->boundary_len == 0 || !find_delimiter(e, *rest, &line, &end, &closes) || closes)
        return false;
    ret->outside = slice_take(*rest, end);
    *rest = slice_skip(*rest, end);
    ret->part = *rest;
    if (find_delimiter(e, *rest, &line, &end, &closes))
        ret->part = slice_take(*rest, line >= 2 ? line - 2 : 0);
    *rest = slice_skip(*rest, ret->part.len);
    return true;
}
