// queue/epoch.h: when may memory that others might still look at be freed? When each worker has
// ended a turn, or was asleep, since nobody can find it any more.
//
//   take it out of where it is found; epoch_mark(); in later turns, once epoch_passed(): free it
//
// Threads: each worker begins and ends its own turns; any of them marks and asks.
#ifndef POSTHASTE_QUEUE_EPOCH_H
#define POSTHASTE_QUEUE_EPOCH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define EPOCH_WORKERS_MAX 64

struct epochs {
    struct {
        _Atomic uint64_t turn __attribute__((aligned(64))); // odd: in a turn, even: asleep
    } workers[EPOCH_WORKERS_MAX];
    uint32_t worker_count;
};
struct epoch_mark {
    uint64_t turns[EPOCH_WORKERS_MAX];
};

void epochs_init(struct epochs *e, uint32_t worker_count);
void epoch_turn_begins(struct epochs *e, uint32_t worker);
void epoch_turn_ends(struct epochs *e, uint32_t worker); // also between turns without a sleep
void epoch_mark(const struct epochs *e, struct epoch_mark *ret);
bool epoch_passed(const struct epochs *e, const struct epoch_mark *mark);

#endif
