// bench/micro.h: what the micro benchmarks of one machine without I/O share: arguments, the clock,
// and the line printed for each pace.
#ifndef POSTHASTE_BENCH_MICRO_H
#define POSTHASTE_BENCH_MICRO_H

#include <stddef.h>
#include <stdint.h>

#define MICRO_WINDOW 8 // messages in flight where they stream

struct micro_pace {
    const char *name;
    // Carries `messages` messages, whole windows, through the machine. Returns how many bytes it
    // had to say for them.
    uint64_t (*run)(uint64_t messages);
};

// PROGRAM [MESSAGES [PACE]]: runs one pace, or all, and prints a line for each. For main() to
// return.
int micro_main(int argc, char **argv, const struct micro_pace *paces, size_t pace_count);

#endif
