// engine/order_gather.h: figures of all workers, added up by an order that visits them.
#ifndef POSTHASTE_ORDER_GATHER_H
#define POSTHASTE_ORDER_GATHER_H

#include "engine/base/histogram.h"
#include "engine/control/counters.h"
#include "engine/order_place.h"

// What is in the queue now.
struct gathered {
    struct counters counters;
    struct histogram commit_us;
    double rates[RATE_COUNT];
    uint64_t jobs;          // not over: one for each message and domain
    uint64_t jobs_deferred; // of these, in calendars
    uint64_t jobs_held;
    uint64_t journal_bytes, journal_bytes_max; // 0 without a journal
    uint64_t uptime_us;
    uint32_t worker_count;
    bool is_full; // a journal has no room for new mail
    const char *state;
};

// For order_kind: makes order.work a struct gathered, and adds this worker's figures to it.
bool gather_begin(struct order *o);
enum order_step gather_visit(struct order_place *p, struct order *o);

#endif
