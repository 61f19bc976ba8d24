// engine/base/buffer.h: bytes that grow up to a named limit.
//
// Owns its memory. Room is kept by buffer_clear() for the next use, and given back by
// buffer_release(); a steady state therefore allocates nothing, an idle connection holds nothing.
// A full buffer refuses whole appends: nothing is ever half appended.
#ifndef POSTHASTE_BASE_BUFFER_H
#define POSTHASTE_BASE_BUFFER_H

#include "engine/base/slice.h"

struct buffer {
    char *data;
    size_t len;
    size_t room;      // bytes allocated
    size_t bytes_max; // the limit; 0 in a zeroed struct, which then takes nothing
};

void buffer_init(struct buffer *b, size_t bytes_max);
void buffer_release(struct buffer *b); // gives the memory back; usable again at once

static inline void buffer_clear(struct buffer *b)
{
    b->len = 0;
}

static inline struct slice buffer_slice(const struct buffer *b)
{
    return slice_make(b->data, b->len);
}

// Makes room for `count` more bytes and returns where they go, or NULL at the limit (or without
// memory). buffer_advance() then counts those that were written. The pointer is good until the
// next call that may grow the buffer.
char *buffer_reserve(struct buffer *b, size_t count);
void buffer_advance(struct buffer *b, size_t count);

// All three: false, and nothing appended, at the limit.
bool buffer_append(struct buffer *b, struct slice s);
bool buffer_append_byte(struct buffer *b, char byte);
bool buffer_printf(struct buffer *b, const char *format, ...) __attribute__((format(printf, 2, 3)));

// Drops the first `count` bytes; the rest moves to the front.
void buffer_drop_front(struct buffer *b, size_t count);

#endif
