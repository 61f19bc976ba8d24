#include "engine/message/canonical.h"

#include "engine/base/check.h"

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

// What stands for itself, whatever is around it.
static bool is_plain(char c)
{
    return (unsigned char)c > ' ';
}

// Copies bytes that stand for themselves. Returns how many.
static size_t copy_plain(struct slice *bytes, char *out, size_t room)
{
    const char *from = bytes->data;
    const size_t most = bytes->len < room ? bytes->len : room;
    size_t len = 0;
    for (; len < most && is_plain(from[len]); len++)
        out[len] = from[len];
    *bytes = slice_skip(*bytes, len);
    return len;
}

// Something follows: what has waited for that comes out. True when all of it has.
static bool body_goes_on(struct canonical_body *c, char *out, size_t room, size_t *len)
{
    for (; c->line_ends > 0; c->line_ends--) {
        if (room - *len < 2)
            return false;
        out[(*len)++] = '\r';
        out[(*len)++] = '\n';
    }
    if (!c->blank)
        return true;
    if (room == *len)
        return false;
    out[(*len)++] = ' ';
    c->blank = false;
    return true;
}

size_t canonical_body(struct canonical_body *c, struct slice *bytes, char *out, size_t room)
{
    size_t len = 0;
    CHECK(room >= CANONICAL_ROOM_MIN);
    while (bytes->len > 0 && len < room) {
        char byte = bytes->data[0];
        if (is_blank(byte)) {
            c->blank = true;
        } else if (byte == '\n') {
            c->line_ends++;
            c->blank = false;
        } else if (byte != '\r') {
            if (!body_goes_on(c, out, room, &len) || len == room)
                return len;
            c->any = true;
            out[len++] = byte;
            *bytes = slice_skip(*bytes, 1);
            len += copy_plain(bytes, out + len, room - len);
            continue;
        }
        *bytes = slice_skip(*bytes, 1);
    }
    return len;
}

size_t canonical_body_end(const struct canonical_body *c, char out[2])
{
    if (!c->any)
        return 0;
    out[0] = '\r';
    out[1] = '\n';
    return 2;
}

size_t canonical_value(struct canonical_value *c, struct slice *bytes, char *out, size_t room)
{
    size_t len = 0;
    CHECK(room >= CANONICAL_ROOM_MIN);
    while (bytes->len > 0 && room - len >= 2) {
        char byte = bytes->data[0];
        if (is_blank(byte)) {
            c->blank = true;
        } else if (byte != '\r' && byte != '\n') {
            if (c->blank && c->any)
                out[len++] = ' ';
            c->blank = false;
            c->any = true;
            out[len++] = byte;
            *bytes = slice_skip(*bytes, 1);
            len += copy_plain(bytes, out + len, room - len);
            continue;
        }
        *bytes = slice_skip(*bytes, 1);
    }
    return len;
}
