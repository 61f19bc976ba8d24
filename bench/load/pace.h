// bench/load/pace.h: when which message starts.
//
// Closed loop: as soon as a session has room. Open loop (rate > 0): message i is due at
// start + i / rate, whatever the server does; a message that starts late keeps its due time, so
// that the wait counts as latency and a slow server cannot hide behind its own slowness
// ("coordinated omission").
//
// Pure: no clock of its own.
#ifndef POSTHASTE_BENCH_LOAD_PACE_H
#define POSTHASTE_BENCH_LOAD_PACE_H

#include <stdbool.h>
#include <stdint.h>

struct pace {
    uint64_t start_us;
    uint64_t end_us;    // nothing starts from then on; UINT64_MAX: no such time
    uint64_t count_max; // UINT64_MAX: as many as the time allows
    double rate_per_s;  // 0: closed loop
    uint64_t count;     // started so far
};

// Counts one more message as started. False when none may start now.
bool pace_take(struct pace *p, uint64_t now_us, uint64_t *ret_intended_us);
// When the next may start; UINT64_MAX when none ever will.
uint64_t pace_due_us(const struct pace *p);
// No message starts any more.
bool pace_over(const struct pace *p, uint64_t now_us);
// Nothing starts from now on.
void pace_stop(struct pace *p);
// Messages that were due before the end but have not started.
uint64_t pace_overdue(const struct pace *p, uint64_t now_us);

#endif
