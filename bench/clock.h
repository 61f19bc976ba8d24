// bench/clock.h: the time for a main thread, which has no ring to ask: the same clock as
// io_now_us().
#ifndef POSTHASTE_BENCH_CLOCK_H
#define POSTHASTE_BENCH_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline uint64_t clock_now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

#endif
