// engine/control/counters.h: what workers count, added up and printed.
#ifndef POSTHASTE_CONTROL_COUNTERS_H
#define POSTHASTE_CONTROL_COUNTERS_H

#include "engine/base/json.h"
#include "engine/deliver/deliver.h"
#include "engine/submit/submit.h"

struct counters {
    uint64_t messages, recipients, jobs, jobs_crossed, jobs_retried, turns, wakes, suppressed;
    struct submit_counters submit;
    struct deliver_counters deliver;
    uint64_t queries, cache_hits;
    uint64_t events, events_dropped, changes_left_out;
    struct journal_counters journal;
    uint64_t block_bytes_peak, block_heap_calls, block_bytes_copied;
    uint64_t messages_left; // accepted, and not done with
    uint64_t reports;       // to senders
};

void counters_add(struct counters *sum, const struct counters *c);
// As members of the object that is open, with the process's own figures.
void counters_print(const struct counters *c, struct json *j);

#endif
