// engine/control/rates.h: how fast counters grow, over the last minute or so.
//
// Shape:   a ring of samples, taken at least RATES_STEP_US apart whenever somebody comes by; a
//          worker that sleeps takes none, and needs none.
// Threads: one owner.
#ifndef POSTHASTE_CONTROL_RATES_H
#define POSTHASTE_CONTROL_RATES_H

#include <stdint.h>

#define RATES_SAMPLES 8u
#define RATES_STEP_US UINT64_C(8000000)

enum rate {
    RATE_ACCEPTED,  // messages
    RATE_DELIVERED, // recipients, as all behind it
    RATE_DEFERRED,
    RATE_FAILED,
    RATE_COUNT,
};

struct rates_sample {
    uint64_t at_us;
    uint64_t counts[RATE_COUNT];
};

struct rates {
    struct rates_sample samples[RATES_SAMPLES];
    uint32_t taken; // so far
};

// A sample, if the last one is old enough. The first one must be taken at the start.
void rates_note(struct rates *r, const struct rates_sample *now);
// Since the oldest sample that there is.
double rates_per_s(const struct rates *r, const struct rates_sample *now, enum rate which);

static inline uint64_t rates_due_us(const struct rates *r)
{
    if (r->taken == 0)
        return 0;
    return r->samples[(r->taken - 1) % RATES_SAMPLES].at_us + RATES_STEP_US;
}

#endif
