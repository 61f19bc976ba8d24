// bench/sink/crew.h: the threads of posthaste-sink. Each runs one worker on a ring of its own. The
// main thread watches; figures and the wish to stop cross in `crew`, under its lock.
//
// Start: worker 0 opens the listeners, and so learns the ports that the kernel chose; then the
// others open theirs on the same ports (SO_REUSEPORT; unix sockets are shared). Nobody accepts
// before all listen.
#ifndef POSTHASTE_BENCH_SINK_CREW_H
#define POSTHASTE_BENCH_SINK_CREW_H

#include "bench/sink/worker.h"

#include <pthread.h>

#define CREW_INTERVAL_US 100000u
#define CREW_WORKERS_MAX 256

struct crew;

enum crew_progress { CREW_STARTING, CREW_LISTENING, CREW_OVER };

struct crew_member {
    struct crew *crew;
    uint32_t number;
    pthread_t thread;
    bool started;
    struct sink_listeners listeners;
    // From here on under the crew's lock.
    enum crew_progress progress;
    int ring_error;
    int listen_error;
    uint32_t listen_failed; // which listener
    int error;
    struct sink_stats stats;
    uint64_t heard_us, first_us, last_us;
};

struct crew {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    const struct sink_plan *plan;
    struct crew_member *members;
    uint32_t member_count;
    bool go;
    bool stop;
};

struct crew_view {
    bool runs; // any of them
    bool failed;
    struct sink_stats stats;
    uint64_t heard_us; // the latest
    uint64_t first_us, last_us;
};

// Takes *listeners and leaves it empty.
int crew_new(struct crew **ret_crew, const struct sink_plan *plan,
             struct sink_listeners *listeners);
// Starts all and returns when all listen. False: crew_view() and the members say why.
bool crew_start(struct crew *c);
void crew_stop(struct crew *c);
void crew_free(struct crew *c); // joins the threads
void crew_look(struct crew *c, struct crew_view *ret);

#endif
