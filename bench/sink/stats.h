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
    uint64_t handshakes;       // that were completed
    uint64_t handshakes_resumed;
    uint64_t handshakes_failed; // broken off, by whomever
    uint64_t handshakes_tls13;  // of those completed; the others are TLS 1.2
    uint64_t logins;            // AUTH that was accepted
    uint64_t logins_refused;
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
