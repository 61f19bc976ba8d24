// engine/base/histogram.h: log-linear histogram of durations or sizes; 32 buckets an octave, so
// that a quantile is at most 3.2 % too high. Fixed size, adds without allocating, merges.
#ifndef POSTHASTE_BASE_HISTOGRAM_H
#define POSTHASTE_BASE_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_SUB_BITS 5
#define HISTOGRAM_OCTAVES 42 // 2^47 us: four years; what lies beyond counts as the longest
#define HISTOGRAM_BUCKETS ((HISTOGRAM_OCTAVES + 1) << HISTOGRAM_SUB_BITS)

struct histogram {
    uint64_t count;
    uint64_t sum;
    uint64_t min;
    uint64_t max;
    uint64_t buckets[HISTOGRAM_BUCKETS];
};

void histogram_add(struct histogram *h, uint64_t value);
void histogram_merge(struct histogram *into, const struct histogram *from);
// The value below or at which `per_million` of the values lie; 0 when empty.
uint64_t histogram_quantile(const struct histogram *h, uint32_t per_million);

#endif
