#include "engine/smtp/reply_queue.h"

#include "engine/base/check.h"

void reply_queue_init(struct reply_queue *q, size_t held_bytes_max)
{
    *q = (struct reply_queue){.verdict_count = 0};
    buffer_init(&q->held, held_bytes_max);
}

void reply_queue_release(struct reply_queue *q)
{
    buffer_release(&q->held);
    q->held_start = q->next = 0;
    q->verdict_first = q->verdict_count = 0;
}

static uint32_t held_end(const struct reply_queue *q)
{
    return q->held_start + (uint32_t)q->held.len;
}

static void reply_queue_check(const struct reply_queue *q)
{
    CHECK(q->verdict_count <= REPLY_QUEUE_VERDICTS_MAX);
    CHECK((uint32_t)(q->next - q->held_start) <= q->held.len);
    CHECK(q->verdict_count > 0 || q->next == held_end(q));
    CHECK(q->verdict_count == 0 || q->next == q->verdict_at[q->verdict_first]);
}

bool reply_queue_say(struct reply_queue *q, struct slice text, struct buffer *out)
{
    return buffer_append(q->verdict_count > 0 ? &q->held : out, text);
}

void reply_queue_await(struct reply_queue *q)
{
    CHECK(q->verdict_count < REPLY_QUEUE_VERDICTS_MAX);
    unsigned last = (q->verdict_first + q->verdict_count) % REPLY_QUEUE_VERDICTS_MAX;
    q->verdict_at[last] = held_end(q);
    q->verdict_count++;
    reply_queue_check(q);
}

// Moves the rest to the front once more has left than stays: each byte moves once at most.
static void forget_what_has_left(struct reply_queue *q)
{
    uint32_t left = q->next - q->held_start;
    if (left > q->held.len / 2) {
        buffer_drop_front(&q->held, left);
        q->held_start = q->next;
    }
}

bool reply_queue_settle(struct reply_queue *q, struct slice verdict, struct buffer *out)
{
    reply_queue_check(q);
    CHECK(q->verdict_count > 0);
    q->verdict_first = (uint8_t)((q->verdict_first + 1) % REPLY_QUEUE_VERDICTS_MAX);
    q->verdict_count--;
    uint32_t until = q->verdict_count > 0 ? q->verdict_at[q->verdict_first] : held_end(q);
    struct slice behind = slice_skip(buffer_slice(&q->held), q->next - q->held_start);
    bool said = buffer_append(out, verdict) && buffer_append(out, SLICE("\r\n")) &&
                buffer_append(out, slice_take(behind, until - q->next));
    q->next = until;
    forget_what_has_left(q);
    reply_queue_check(q);
    return said;
}
