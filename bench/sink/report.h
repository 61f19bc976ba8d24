// bench/sink/report.h: what the sink saw, for people and as JSON.
#ifndef POSTHASTE_BENCH_SINK_REPORT_H
#define POSTHASTE_BENCH_SINK_REPORT_H

#include "bench/sink/limits.h"
#include "bench/sink/stats.h"

#include <stdio.h>

struct sink_report {
    const struct sink_stats *stats;
    struct sink_peaks peaks;
    uint64_t last_us;    // the last accepted message, by the monotonic clock of this machine
    uint64_t elapsed_us; // from the first accepted message to then
    uint64_t cpu_us;
    uint64_t resident_bytes_peak;
};

void sink_report_print(const struct sink_report *r, FILE *out);
void sink_report_json(const struct sink_report *r, FILE *out);

#endif
