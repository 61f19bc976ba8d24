#include "engine/base/histogram.h"

#define SUB_COUNT (1u << HISTOGRAM_SUB_BITS)

// Values below 32 have a bucket each; from there on the 5 bits after the leading one choose
// among the 32 buckets of the octave.
static uint32_t bucket_of(uint64_t value)
{
    if (value < SUB_COUNT)
        return (uint32_t)value;
    uint32_t shift = 63 - (uint32_t)__builtin_clzll(value) - HISTOGRAM_SUB_BITS;
    uint32_t bucket = ((shift + 1) << HISTOGRAM_SUB_BITS) + ((value >> shift) & (SUB_COUNT - 1));
    return bucket < HISTOGRAM_BUCKETS ? bucket : HISTOGRAM_BUCKETS - 1;
}

// The largest value that falls into the bucket.
static uint64_t bucket_top(uint32_t bucket)
{
    if (bucket < SUB_COUNT)
        return bucket;
    uint32_t shift = (bucket >> HISTOGRAM_SUB_BITS) - 1;
    uint64_t sub = (bucket & (SUB_COUNT - 1)) | SUB_COUNT;
    return ((sub + 1) << shift) - 1;
}

void histogram_add(struct histogram *h, uint64_t value)
{
    if (h->count == 0 || value < h->min)
        h->min = value;
    if (value > h->max)
        h->max = value;
    h->count++;
    h->sum += value;
    h->buckets[bucket_of(value)]++;
}

void histogram_merge(struct histogram *into, const struct histogram *from)
{
    if (from->count == 0)
        return;
    if (into->count == 0 || from->min < into->min)
        into->min = from->min;
    if (from->max > into->max)
        into->max = from->max;
    into->count += from->count;
    into->sum += from->sum;
    for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++)
        into->buckets[i] += from->buckets[i];
}

uint64_t histogram_quantile(const struct histogram *h, uint32_t per_million)
{
    if (h->count == 0)
        return 0;
    // Rounded up, so that the quantile of all is the last value; 0 asks for the first.
    unsigned __int128 product = (unsigned __int128)h->count * per_million;
    uint64_t rank = (uint64_t)((product + 999999) / 1000000);
    uint64_t seen = 0;
    if (rank == 0)
        return h->min;
    for (uint32_t i = 0; i < HISTOGRAM_BUCKETS - 1; i++) {
        seen += h->buckets[i];
        if (seen >= rank)
            return bucket_top(i) < h->max ? bucket_top(i) : h->max;
    }
    return h->max; // the last bucket also holds all that is beyond the range
}
