// bench/sink/stats.h: what the sink counts. One owner each; merged for the report.
#ifndef POSTHASTE_BENCH_SINK_STATS_H
#define POSTHASTE_BENCH_SINK_STATS_H

#include "engine/base/slice.h"

#define SINK_CODES 600

struct sink_stats {
    uint64_t sessions;         // that were greeted
    uint64_t sessions_refused; // for a limit
    uint64_t sessions_open;    // now
    uint64_t sessions_broken;  // that ended inside a transaction
    uint64_t disconnects;      // by the script
    uint64_t messages;         // accepted
    uint64_t messages_refused; // after their content
    uint64_t recipients;       // of accepted messages
    uint64_t bytes;            // content of accepted messages
    uint64_t replies[SINK_CODES];
};

// Counts the whole replies in `text` by code.
void sink_stats_count_replies(struct sink_stats *s, struct slice text);
void sink_stats_merge(struct sink_stats *into, const struct sink_stats *from);

#endif
