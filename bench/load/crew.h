// bench/load/crew.h: the threads of posthaste-load. Each runs one worker on a ring of its own; the
// main thread watches, and never touches a worker: figures and the wish to stop cross in `crew`,
// under its lock, ten times a second.
#ifndef POSTHASTE_BENCH_LOAD_CREW_H
#define POSTHASTE_BENCH_LOAD_CREW_H

#include "bench/load/worker.h"

#include <pthread.h>

#define CREW_INTERVAL_US 100000u

struct crew;

struct crew_member {
    struct crew *crew;
    pthread_t thread;
    struct load_plan plan;
    bool started;
    // From here on under the crew's lock.
    bool over;
    int ring_error; // io_new() failed
    int error;      // anything else that ended it
    bool gave_up;
    struct load_counters counters;
    uint64_t start_us, verdict_us;
    uint64_t overdue;
};

struct crew {
    pthread_mutex_t lock;
    struct crew_member *members;
    uint32_t member_count;
    bool stop;
    bool wants_intervals;      // for the CSV file
    struct histogram interval; // of all members since it was last taken
    struct load_stats stats;   // of the members that are over
};

int crew_new(struct crew **ret_crew, const struct load_plan *all, bool wants_intervals);
int crew_start(struct crew *c); // 0 or -errno; those that run are stopped and joined by crew_free
void crew_stop(struct crew *c);
void crew_free(struct crew *c); // joins the threads

// What all members have counted so far. True while any runs.
bool crew_look(struct crew *c, struct load_counters *ret_counters);
// Takes the latencies since the last call.
void crew_take_interval(struct crew *c, struct histogram *ret);

#endif
