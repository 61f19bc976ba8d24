// engine/message/transfer.h: quoted-printable and base64 (RFC 2045 6.7, 6.8), with lines of 76
// bytes at most.
//
// Owns:         the forms. Pure.
// Knows not of: which part of a message wants which.
#ifndef POSTHASTE_MESSAGE_TRANSFER_H
#define POSTHASTE_MESSAGE_TRANSFER_H

#include "engine/base/slice.h"

#define TRANSFER_LINE_BYTES_MAX 76

// What is written, and no further than its room: then `full` is set, and what is there is useless.
struct transfer {
    char *out;
    size_t len;
    size_t room;
    bool full;
};

static inline void transfer_put(struct transfer *t, struct slice s)
{
    if (t->full || s.len > t->room - t->len) {
        t->full = true;
        return;
    }
    if (s.len > 0)
        memcpy(t->out + t->len, s.data, s.len);
    t->len += s.len;
}

// How many of the bytes quoted-printable writes as three.
size_t transfer_escapes(struct slice bytes);
// The line ends of the bytes stay line ends.
void transfer_quoted(struct transfer *t, struct slice bytes);
// Without a line end behind the last line.
void transfer_base64(struct transfer *t, struct slice bytes);

#endif
