// bench/sink/delay.h: replies on a long line. Each byte comes out at its own time, in order; a
// byte never holds up the one behind it any longer than its own delay asks for.
//
// Read first: delay_line_put() and delay_line_take().
#ifndef POSTHASTE_BENCH_SINK_DELAY_H
#define POSTHASTE_BENCH_SINK_DELAY_H

#include "engine/base/buffer.h"

// Times are rounded up to this, so that a line holds few marks however long it is.
#define DELAY_GRAIN_US 1000u
#define DELAY_LINE_BYTES_MAX (1u << 30)

struct delay_mark {
    uint64_t due_us;
    uint64_t end; // how many bytes were ever put when it was made
};

struct delay_line {
    struct buffer bytes;
    struct delay_mark *marks; // a ring
    uint32_t mark_first, mark_count, mark_room;
    uint64_t put, taken; // bytes ever
};

void delay_line_init(struct delay_line *d);
void delay_line_release(struct delay_line *d); // usable again at once

// `due_us` 0: at once, behind what is there. Without bytes it only marks a time to wait for.
// False at the limit or without memory, with nothing put.
bool delay_line_put(struct delay_line *d, struct slice bytes, uint64_t due_us);
// Appends to *out what is due (when *out is empty and all is due, the two change places). False
// without memory: the line is then of no more use.
bool delay_line_take(struct delay_line *d, uint64_t now_us, struct buffer *out);
// Everything becomes due.
void delay_line_hurry(struct delay_line *d);

static inline bool delay_line_empty(const struct delay_line *d)
{
    return d->mark_count == 0;
}
// When the first byte is due; UINT64_MAX when there is none.
uint64_t delay_line_due_us(const struct delay_line *d);

static inline size_t delay_line_bytes(const struct delay_line *d)
{
    return d->bytes.len;
}

#endif
