// engine/deliver/counted.h: rates that hold somewhere, with what was counted against them, also by
// the engine before this one.
//
// Owns:    the meters' memory.
// Threads: whoever owns the place.
#ifndef POSTHASTE_DELIVER_COUNTED_H
#define POSTHASTE_DELIVER_COUNTED_H

#include "engine/policy/rate_memory.h"

struct counted {
    struct rate_limits rates;
    struct rate_meter *meters;        // rates.count of them
    const struct rate_memory *memory; // NULL: nothing was counted before
    uint64_t place;                   // what it is remembered by
    enum rate_kind kind;
};

// What it has not counted yet it remembers, now and when rates come to it.
void counted_remember(struct counted *c, const struct rate_memory *memory, uint64_t place,
                      enum rate_kind kind);
// What `from` has counted counts here, too, where that is more.
void counted_inherit(struct counted *c, const struct counted *from);
bool counted_print(struct counted *c, struct buffer *out, const struct rate_clock *clock);

void counted_release(struct counted *c);
// From now on these rates hold, too. False without memory: then it is as it was.
bool counted_tighten(struct counted *c, const struct rate_limits *by);
// These rates hold from now on, instead of all others; what was counted in a window of the same
// length is kept. False without memory.
bool counted_renew(struct counted *c, const struct rate_limits *by);

static inline uint32_t counted_room(const struct counted *c, uint64_t now_us)
{
    return rate_limits_room(c->meters, &c->rates, now_us);
}

static inline uint64_t counted_due_us(const struct counted *c, uint64_t now_us)
{
    return rate_limits_due_us(c->meters, &c->rates, now_us);
}

static inline uint64_t counted_end_us(const struct counted *c, uint64_t now_us)
{
    return rate_limits_end_us(c->meters, &c->rates, now_us);
}

static inline void counted_add(struct counted *c, uint64_t now_us)
{
    rate_limits_count(c->meters, &c->rates, now_us);
}

#endif
