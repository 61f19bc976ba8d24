// engine/keyring.h: a home's submission keys, and their records in its journal.
//
// Where a key stands: first in the record of its message. That record becomes garbage when the
//          message is done, but the key counts for three days: so each key lives in its segment as
//          messages do, and is moved (written again) as they are.
// Times:   monotonic here, the wall clock's in records only.
// Threads: the home's.
#ifndef POSTHASTE_KEYRING_H
#define POSTHASTE_KEYRING_H

#include "queue/journal.h"
#include "queue/keys.h"
#include "queue/recover.h"

#define KEYRING_MOVES_MAX 1024u // written again at a time

struct keyring {
    struct keys keys;
    struct journal *journal;
    bool moving;
};

bool keyring_init(struct keyring *k, struct journal *journal, uint32_t count_max, uint64_t seed);
void keyring_release(struct keyring *k);
// Takes those of the keys that are this worker's. False without memory.
bool keyring_restore(struct keyring *k, const struct recovered_key *keys, uint64_t count,
                     uint32_t worker, uint32_t worker_count, uint64_t now_us, uint64_t wall_us);

// The message of a key in flight was settled.
void keyring_decided(struct keyring *k, const struct message *m, bool durable);
// Forgets those whose time is over; writes again what was found at start, and what stands in the
// segment that it is worth emptying.
void keyring_turn(struct keyring *k, uint64_t now_us, uint64_t wall_us);

#endif
