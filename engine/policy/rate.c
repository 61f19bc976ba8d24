#include "engine/policy/rate.h"

#include <string.h>

// --- one window

static struct rate_batch *batch_at(struct rate_meter *m, uint32_t i)
{
    return &m->batches[(m->first + i) % RATE_BATCHES];
}

static uint64_t batch_end_us(struct rate_meter *m, uint32_t i, const struct rate_limit *r)
{
    return batch_at(m, i)->last_us + r->window_us;
}

static void meter_forget(struct rate_meter *m, const struct rate_limit *r, uint64_t now_us)
{
    while (m->batch_count > 0 && batch_end_us(m, 0, r) <= now_us) {
        m->sum -= batch_at(m, 0)->count;
        m->first = (uint16_t)((m->first + 1u) % RATE_BATCHES);
        m->batch_count--;
    }
}

static uint32_t meter_room(struct rate_meter *m, const struct rate_limit *r, uint64_t now_us)
{
    meter_forget(m, r, now_us);
    return m->sum < r->count ? r->count - m->sum : 0; // the count may have become smaller
}

static uint64_t meter_due_us(struct rate_meter *m, const struct rate_limit *r, uint64_t now_us)
{
    uint32_t sum = m->sum;
    uint64_t due_us = now_us;
    if (meter_room(m, r, now_us) > 0)
        return now_us;
    for (uint32_t i = 0; i < m->batch_count && sum >= r->count; i++) {
        sum -= batch_at(m, i)->count;
        due_us = batch_end_us(m, i, r);
    }
    return due_us;
}

static void meter_count(struct rate_meter *m, const struct rate_limit *r, uint64_t now_us)
{
    uint64_t part_us = (r->window_us + RATE_PARTS - 1) / RATE_PARTS;
    meter_forget(m, r, now_us);
    // Batches begin a part from one another, so that no more than these are within a window; were
    // there one more, to count it with the newest would only make it last longer.
    bool joins = m->batch_count == RATE_BATCHES ||
                 (m->batch_count > 0 && now_us - m->begun_us < part_us);
    if (!joins) {
        *batch_at(m, m->batch_count++) = (struct rate_batch){0};
        m->begun_us = now_us;
    }
    struct rate_batch *newest = batch_at(m, m->batch_count - 1u);
    newest->last_us = now_us;
    newest->count++;
    m->sum++;
}

uint32_t rate_meter_batches(struct rate_meter *m, const struct rate_limit *r, uint64_t now_us,
                            struct rate_batch ret[RATE_BATCHES])
{
    meter_forget(m, r, now_us);
    for (uint32_t i = 0; i < m->batch_count; i++)
        ret[i] = *batch_at(m, i);
    return m->batch_count;
}

// When the newest began is not known: as late as can be, so that it is forgotten no earlier.
void rate_meter_restore(struct rate_meter *m, const struct rate_batch *batches, uint32_t count)
{
    *m = (struct rate_meter){.batch_count = (uint16_t)count};
    memcpy(m->batches, batches, count * sizeof(*batches));
    for (uint32_t i = 0; i < count; i++)
        m->sum += batches[i].count;
    m->begun_us = count > 0 ? batches[count - 1].last_us : 0;
}

// --- all of them

uint32_t rate_limits_room(struct rate_meter *meters, const struct rate_limits *rates,
                          uint64_t now_us)
{
    uint32_t least = UINT32_MAX;
    for (uint32_t i = 0; i < rates->count; i++) {
        uint32_t room = meter_room(&meters[i], &rates->items[i], now_us);
        if (room < least)
            least = room;
    }
    return least;
}

uint64_t rate_limits_due_us(struct rate_meter *meters, const struct rate_limits *rates,
                            uint64_t now_us)
{
    uint64_t latest_us = now_us;
    for (uint32_t i = 0; i < rates->count; i++) {
        uint64_t due_us = meter_due_us(&meters[i], &rates->items[i], now_us);
        if (due_us > latest_us)
            latest_us = due_us;
    }
    return latest_us;
}

void rate_limits_count(struct rate_meter *meters, const struct rate_limits *rates, uint64_t now_us)
{
    for (uint32_t i = 0; i < rates->count; i++)
        meter_count(&meters[i], &rates->items[i], now_us);
}

uint64_t rate_limits_end_us(struct rate_meter *meters, const struct rate_limits *rates,
                            uint64_t now_us)
{
    uint64_t latest_us = now_us;
    for (uint32_t i = 0; i < rates->count; i++) {
        struct rate_meter *m = &meters[i];
        meter_forget(m, &rates->items[i], now_us);
        if (m->batch_count == 0)
            continue;
        uint64_t end_us = batch_end_us(m, m->batch_count - 1u, &rates->items[i]);
        if (end_us > latest_us)
            latest_us = end_us;
    }
    return latest_us;
}

// --- of two the tighter

static uint64_t apart_us(const struct rate_limit *a, const struct rate_limit *b)
{
    return a->window_us > b->window_us ? a->window_us - b->window_us : b->window_us - a->window_us;
}

// The one whose window is nearest; r is not empty.
static struct rate_limit *nearest(struct rate_limits *r, const struct rate_limit *to)
{
    struct rate_limit *best = &r->items[0];
    for (uint32_t i = 1; i < r->count; i++)
        if (apart_us(&r->items[i], to) < apart_us(best, to))
            best = &r->items[i];
    return best;
}

void rate_limits_tighten(struct rate_limits *r, const struct rate_limits *by)
{
    for (uint32_t i = 0; i < by->count; i++) {
        const struct rate_limit *other = &by->items[i];
        struct rate_limit *same = r->count > 0 ? nearest(r, other) : NULL;
        if (!same || (same->window_us != other->window_us && r->count < RATES_MAX)) {
            r->items[r->count++] = *other;
            continue;
        }
        if (other->count < same->count)
            same->count = other->count;
        if (other->window_us > same->window_us)
            same->window_us = other->window_us;
    }
}
