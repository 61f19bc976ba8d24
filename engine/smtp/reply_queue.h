// engine/smtp/reply_queue.h: replies that leave in order, though some are known late.
//
// Owns:         what was said behind a verdict that is still due, until that verdict comes.
// Knows not of: SMTP, but for the CRLF at the end of each reply.
// Read first:   reply_queue_say(), reply_queue_await(), reply_queue_settle().
//
//   said: 250 a, [verdict 1], 250 b, 354 c, [verdict 2], 250 d
//   out:  250 a          behind it, held: 250 b, 354 c | 250 d
//
// While no verdict is due, replies go straight out and the queue holds nothing, not even memory
// once reply_queue_release() was called.
#ifndef POSTHASTE_SMTP_REPLY_QUEUE_H
#define POSTHASTE_SMTP_REPLY_QUEUE_H

#include "engine/base/buffer.h"

#define REPLY_QUEUE_VERDICTS_MAX 64

struct reply_queue {
    struct buffer held; // from `next` on; what is before it has left
    // Positions count all bytes that were ever held, modulo 2^32.
    uint32_t held_start; // the position of held.data[0]
    uint32_t next;       // of the first byte that has not left: where the oldest verdict goes
    uint32_t verdict_at[REPLY_QUEUE_VERDICTS_MAX]; // a ring: where each verdict due goes
    uint8_t verdict_first, verdict_count;
};

void reply_queue_init(struct reply_queue *q, size_t held_bytes_max);
void reply_queue_release(struct reply_queue *q); // forgets all; usable again at once

// False when a buffer is full or there is no memory.
bool reply_queue_say(struct reply_queue *q, struct slice text, struct buffer *out);
// Another verdict is due here. CHECKs that fewer than REPLY_QUEUE_VERDICTS_MAX are.
void reply_queue_await(struct reply_queue *q);
// The oldest verdict, a reply without CRLF; then what was held behind it, up to the next.
bool reply_queue_settle(struct reply_queue *q, struct slice verdict, struct buffer *out);

static inline unsigned reply_queue_due(const struct reply_queue *q)
{
    return q->verdict_count;
}

static inline size_t reply_queue_held_bytes(const struct reply_queue *q)
{
    return q->held.len - (q->next - q->held_start);
}

#endif
