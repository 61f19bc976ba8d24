// bench/load/report.h: what a run came to, for people, as JSON, and as lines of CSV.
#ifndef POSTHASTE_BENCH_LOAD_REPORT_H
#define POSTHASTE_BENCH_LOAD_REPORT_H

#include "bench/load/stats.h"

#include <stdio.h>

struct load_report {
    const char *peer;
    const struct load_stats *stats;
    uint64_t start_us;   // by the monotonic clock of this machine
    uint64_t elapsed_us; // from then to the last verdict
    uint64_t cpu_us;
    uint64_t overdue; // open loop: were due and never started
    bool gave_up;
    bool interrupted;
};

void load_report_print(const struct load_report *r, FILE *out);
void load_report_json(const struct load_report *r, FILE *out);

// A line about what happened since the line before.
void load_csv_head(FILE *out);
void load_csv_line(FILE *out, uint64_t elapsed_us, const struct load_counters *now,
                   const struct load_counters *before, const struct histogram *latency);

#endif
