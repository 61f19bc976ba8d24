// engine/worker.h: one worker: one thread, its ring, its turn.
//
// Owns:   everything that a message needs on its way through this worker; nothing of it is shared
//         but inboxes, the table of domains, and the epochs (struct shared).
// Turn:   completions -> timers -> answers; what is due again; commits: verdicts to clients, jobs to
//         domains; letters of other workers; work to connections; replies, results, events out.
// Read first: worker_turn().
#ifndef POSTHASTE_WORKER_H
#define POSTHASTE_WORKER_H

#include "engine/config.h"
#include "engine/control/events.h"
#include "engine/deliver/deliver.h"
#include "engine/submit/submit.h"

enum stop_stage { STOP_NOT, STOP_GRACEFULLY, STOP_AT_ONCE };

// What all workers share. Made before they start, and left alone but for what is atomic or says
// that it is for all.
struct shared {
    const struct config *config;
    uint32_t worker_count;
    struct inbox *inboxes;         // one a worker
    struct io **ios;               // one a worker: for wake-ups
    struct domain_table *domains;  // for all
    struct epochs epochs;          // for all
    struct submit_listener listeners[CONFIG_LISTENERS_MAX];
    _Atomic uint32_t session_counts[CONFIG_LISTENERS_MAX]; // for all
    int listen_fds[CONFIG_LISTENERS_MAX];
    int events_fd; // -1: none
    _Atomic uint8_t stop; // enum stop_stage
    _Atomic uint32_t quiet_count; // workers that have nothing under way any more
};

// Copies what workers need from the configuration. 0 or -errno. The configuration stays.
int shared_init(struct shared *s, const struct config *config, uint32_t worker_count);
void shared_release(struct shared *s);

struct worker_counters {
    uint64_t messages, recipients, jobs, jobs_crossed, jobs_retried, turns, wakes;
    struct submit_counters submit;
    struct deliver_counters deliver;
    uint64_t queries, cache_hits;
    uint64_t events, events_dropped;
    uint64_t block_bytes_peak, block_heap_calls;
    uint64_t messages_left; // accepted, and not done with
};

struct worker;

// On the worker's own thread. `io` stays the caller's.
int worker_new(struct worker **ret, struct shared *shared, uint32_t number, struct io *io);
void worker_free(struct worker *w); // NULL is fine

// Follows the signals that arrive on a signalfd: the first stops gracefully, the next at once.
void worker_hear_signals(struct worker *w, int signal_fd);

// One turn over what io_wait() brought.
void worker_turn(struct worker *w);
// Between turns: until when io_wait() may wait, having said so to the other workers.
uint64_t worker_sleeps(struct worker *w);
void worker_wakes(struct worker *w);
// It was told to stop, and nothing of it is left to do.
bool worker_finished(const struct worker *w);

struct worker_counters worker_counters(const struct worker *w);

#endif
