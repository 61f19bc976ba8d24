#include "bench/sink/delay.h"

#include "engine/base/check.h"

#include <stdlib.h>

#define MARK_ROOM_FIRST 4

void delay_line_init(struct delay_line *d)
{
    *d = (struct delay_line){0};
    buffer_init(&d->bytes, DELAY_LINE_BYTES_MAX);
}

void delay_line_release(struct delay_line *d)
{
    buffer_release(&d->bytes);
    free(d->marks);
    delay_line_init(d);
}

static struct delay_mark *mark_at(const struct delay_line *d, uint32_t nth)
{
    uint32_t at = d->mark_first + nth;
    return &d->marks[at < d->mark_room ? at : at - d->mark_room];
}

static bool marks_grow(struct delay_line *d)
{
    uint32_t room = d->mark_room ? d->mark_room * 2 : MARK_ROOM_FIRST;
    struct delay_mark *marks = malloc(room * sizeof(*marks));
    if (!marks)
        return false;
    for (uint32_t i = 0; i < d->mark_count; i++)
        marks[i] = *mark_at(d, i);
    free(d->marks);
    d->marks = marks;
    d->mark_room = room;
    d->mark_first = 0;
    return true;
}

bool delay_line_put(struct delay_line *d, struct slice bytes, uint64_t due_us)
{
    due_us = (due_us + DELAY_GRAIN_US - 1) / DELAY_GRAIN_US * DELAY_GRAIN_US;
    struct delay_mark *last = d->mark_count ? mark_at(d, d->mark_count - 1) : NULL;
    bool joins = last && due_us <= last->due_us; // replies leave in order
    if (!joins && d->mark_count == d->mark_room && !marks_grow(d))
        return false;
    if (!buffer_append(&d->bytes, bytes))
        return false;
    d->put += bytes.len;
    if (joins) {
        last->end = d->put;
        return true;
    }
    d->mark_count++;
    *mark_at(d, d->mark_count - 1) = (struct delay_mark){.due_us = due_us, .end = d->put};
    return true;
}

static void take_all(struct delay_line *d, struct buffer *out)
{
    struct buffer empty = *out;
    *out = d->bytes;
    d->bytes = empty;
    d->bytes.bytes_max = DELAY_LINE_BYTES_MAX;
}

bool delay_line_take(struct delay_line *d, uint64_t now_us, struct buffer *out)
{
    uint64_t end = d->taken;
    while (d->mark_count > 0 && mark_at(d, 0)->due_us <= now_us) {
        end = mark_at(d, 0)->end;
        d->mark_first = d->mark_first + 1 < d->mark_room ? d->mark_first + 1 : 0;
        d->mark_count--;
    }
    size_t count = (size_t)(end - d->taken);
    d->taken = end;
    CHECK(count <= d->bytes.len);
    if (count == 0)
        return true;
    if (count == d->bytes.len && out->len == 0) {
        take_all(d, out);
        return true;
    }
    if (!buffer_append(out, slice_take(buffer_slice(&d->bytes), count)))
        return false;
    buffer_drop_front(&d->bytes, count);
    return true;
}

void delay_line_hurry(struct delay_line *d)
{
    if (d->mark_count == 0)
        return;
    d->mark_count = 1;
    *mark_at(d, 0) = (struct delay_mark){.due_us = 0, .end = d->put};
}

uint64_t delay_line_due_us(const struct delay_line *d)
{
    return d->mark_count ? mark_at(d, 0)->due_us : UINT64_MAX;
}
