// engine/worker.h: one worker: one thread, its ring, its turn.
//
// Owns:   everything that a message needs on its way through this worker; nothing of it is shared
//         but inboxes, the table of domains, and the epochs (struct shared).
// Turn:   completions -> timers -> answers; what is due again; commits: verdicts to clients, jobs
//         to domains; letters of other workers; work to connections; replies, results, events out.
// Read first: worker_turn().
#ifndef POSTHASTE_WORKER_H
#define POSTHASTE_WORKER_H

#include "engine/control/counters.h"
#include "engine/shared.h"

struct worker;

// On the worker's own thread. `io` stays the caller's.
int worker_new(struct worker **ret, struct shared *shared, uint32_t number, struct io *io);
void worker_free(struct worker *w); // NULL is fine

// Follows the signals that arrive on a signalfd: the first stops gracefully, the next at once.
void worker_hear_signals(struct worker *w, int signal_fd);

// Worker 0: a request that nobody listens to (engine/control/control.h).
void worker_ask(struct worker *w, const char *request);

// One turn over what io_wait() brought.
void worker_turn(struct worker *w);
// Between turns: until when io_wait() may wait, having said so to the other workers.
uint64_t worker_sleeps(struct worker *w);
void worker_wakes(struct worker *w);
// It was told to stop, and nothing of it is left to do.
bool worker_finished(const struct worker *w);

struct counters worker_counters(const struct worker *w);
const struct histogram *worker_commit_us(const struct worker *w);

#endif
