// bench/micro_feed.h: a feed in the place of engine/submit/submit.h: messages are made where
// clients' sessions would be, as fast as the worker takes them. The linker chooses; the worker is
// the real one, turn by turn.
//
// Each worker takes shares of what is left, so that all end together whatever else the machine
// does. When every message is done with, the last worker to see so stops the engine.
#ifndef POSTHASTE_BENCH_MICRO_FEED_H
#define POSTHASTE_BENCH_MICRO_FEED_H

#include "engine/shared.h"

#define FEED_DOMAINS_MAX 100000u

struct feed_plan {
    uint64_t message_count;
    uint32_t domain_count;
    uint32_t content_bytes;
    uint32_t turn_count_max;   // messages made in one turn of a worker
    uint32_t flight_count_max; // of one worker, made and not done with
};

// Before the workers start. `shared` must outlive them.
void feed_prepare(const struct feed_plan *plan, struct shared *shared);
uint64_t feed_ended_us(void); // monotonic: when the last message was done with

#endif
