#include "engine/deliver/counted.h"

#include <stdlib.h>
#include <string.h>

void counted_release(struct counted *c)
{
    free(c->meters);
    c->meters = NULL;
    c->rates.count = 0;
}

static void recall(struct counted *c, uint32_t i)
{
    (void)rate_memory_recall(c->memory, c->place, c->kind, c->rates.items[i].window_us,
                             &c->meters[i]);
}

void counted_remember(struct counted *c, const struct rate_memory *memory, uint64_t place,
                      enum rate_kind kind)
{
    c->memory = memory;
    c->place = place;
    c->kind = kind;
    for (uint32_t i = 0; i < c->rates.count; i++)
        if (c->meters[i].batch_count == 0)
            recall(c, i);
}

bool counted_print(struct counted *c, struct buffer *out, const struct rate_clock *clock)
{
    bool is_ok = true;
    for (uint32_t i = 0; i < c->rates.count && is_ok; i++)
        is_ok = rate_memory_print(out, c->place, c->kind, &c->rates.items[i], &c->meters[i], clock);
    return is_ok;
}

// Room for the meters of `count` rates; new ones have counted nothing.
static bool meters_grow(struct rate_meter **meters, uint32_t old_count, uint32_t count)
{
    if (count == old_count)
        return true;
    struct rate_meter *grown = reallocarray(*meters, count, sizeof(*grown));
    if (!grown)
        return false;
    memset(grown + old_count, 0, (count - old_count) * sizeof(*grown));
    *meters = grown;
    return true;
}

bool counted_tighten(struct counted *c, const struct rate_limits *by)
{
    struct rate_limits tight = c->rates;
    rate_limits_tighten(&tight, by);
    uint32_t before = c->rates.count;
    if (!meters_grow(&c->meters, before, tight.count))
        return false;
    c->rates = tight;
    for (uint32_t i = before; i < tight.count; i++)
        recall(c, i);
    return true;
}

static const struct rate_meter *meter_of(const struct counted *c, uint64_t window_us)
{
    for (uint32_t i = 0; i < c->rates.count; i++)
        if (c->rates.items[i].window_us == window_us)
            return &c->meters[i];
    return NULL;
}

bool counted_renew(struct counted *c, const struct rate_limits *by)
{
    struct counted fresh = *c;
    fresh.meters = NULL;
    if (!meters_grow(&fresh.meters, 0, by->count))
        return false;
    fresh.rates = *by;
    for (uint32_t i = 0; i < by->count; i++) {
        const struct rate_meter *kept = meter_of(c, by->items[i].window_us);
        if (kept)
            fresh.meters[i] = *kept;
        else
            recall(&fresh, i);
    }
    free(c->meters);
    *c = fresh;
    return true;
}

void counted_inherit(struct counted *c, const struct counted *from)
{
    for (uint32_t i = 0; i < c->rates.count; i++) {
        const struct rate_meter *other = meter_of(from, c->rates.items[i].window_us);
        if (other && other->sum >= c->meters[i].sum)
            c->meters[i] = *other;
    }
}
