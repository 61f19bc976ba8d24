#include "engine/base/buffer.h"

#include "engine/base/check.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define BUFFER_ROOM_FIRST 256

void buffer_init(struct buffer *b, size_t bytes_max)
{
    *b = (struct buffer){.bytes_max = bytes_max};
}

void buffer_release(struct buffer *b)
{
    free(b->data);
    buffer_init(b, b->bytes_max);
}

// Doubles, so that n bytes appended one by one are copied O(n) times in all.
static bool buffer_grow(struct buffer *b, size_t room_needed)
{
    size_t room = b->room ? b->room : BUFFER_ROOM_FIRST;
    while (room < room_needed)
        room = room > b->bytes_max / 2 ? b->bytes_max : room * 2;
    if (room > b->bytes_max)
        room = b->bytes_max;
    char *data = realloc(b->data, room);
    if (!data)
        return false;
    b->data = data;
    b->room = room;
    return true;
}

char *buffer_reserve(struct buffer *b, size_t count)
{
    if (count > b->bytes_max - b->len)
        return NULL;
    size_t room_needed = b->len + (count ? count : 1); // never NULL for want of a first byte
    if (room_needed > b->room && b->room < b->bytes_max && !buffer_grow(b, room_needed))
        return NULL;
    return b->data ? b->data + b->len : NULL;
}

void buffer_advance(struct buffer *b, size_t count)
{
    CHECK(count <= b->room - b->len);
    b->len += count;
}

bool buffer_append(struct buffer *b, struct slice s)
{
    if (s.len == 0)
        return true;
    char *to = buffer_reserve(b, s.len);
    if (!to)
        return false;
    memcpy(to, s.data, s.len);
    b->len += s.len;
    return true;
}

bool buffer_append_byte(struct buffer *b, char byte)
{
    char *to = buffer_reserve(b, 1);
    if (!to)
        return false;
    *to = byte;
    b->len++;
    return true;
}

// vsnprintf() wants room for its NUL, which the limit does not count: at the limit's edge the
// text goes by way of a heap copy.
static bool append_at_the_edge(struct buffer *b, size_t count, const char *format, va_list args)
    __attribute__((format(printf, 3, 0)));

static bool append_at_the_edge(struct buffer *b, size_t count, const char *format, va_list args)
{
    char *text = NULL;
    bool appended = vasprintf(&text, format, args) >= 0 &&
                    buffer_append(b, slice_make(text, count));
    free(text);
    return appended;
}

bool buffer_printf(struct buffer *b, const char *format, ...)
{
    va_list args;
    size_t free_bytes = b->room - b->len;
    va_start(args, format);
    int want = vsnprintf(free_bytes ? b->data + b->len : NULL, free_bytes, format, args);
    va_end(args);
    CHECK(want >= 0);
    size_t count = (size_t)want;
    if (count < free_bytes) {
        b->len += count;
        return true;
    }
    if (!buffer_reserve(b, count + 1)) {
        va_start(args, format);
        bool appended = append_at_the_edge(b, count, format, args);
        va_end(args);
        return appended;
    }
    va_start(args, format);
    vsnprintf(b->data + b->len, count + 1, format, args);
    va_end(args);
    b->len += count;
    return true;
}

void buffer_drop_front(struct buffer *b, size_t count)
{
    CHECK(count <= b->len);
    b->len -= count;
    if (b->len > 0 && count > 0)
        memmove(b->data, b->data + count, b->len);
}
