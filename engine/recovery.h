// engine/recovery.h: at start, everything that the journal's folder holds is read back.
//
//   list the folder -> the events' cursor (engine/replay.h) -> each segment: open, sync, forget
//   what is cached, read its front -> in the order in which they were opened: read whole, and
//   understood -> events that are missing are written -> what was never begun is removed -> the
//   folder is synced
//
// Synced first: what a process left in the page cache when it died is either made safe now, or not
// trusted. It changes nothing else, so that it may be interrupted anywhere, and be run again.
//
// Owns:    files and requests while it lasts; then descriptors and jobs are in what it was given.
// Threads: one, with an io of its own, before the workers start. A read-only look at damaged mail
//          is `posthaste journal`, which shares none of this.
#ifndef POSTHASTE_RECOVERY_H
#define POSTHASTE_RECOVERY_H

#include "engine/home.h"
#include "engine/policy/limits.h"
#include "engine/refusal.h"
#include "engine/replay.h"
#include "queue/recover.h"

struct recovery_options {
    struct io *io;
    uint8_t io_owner; // and the next one
    int dir_fd;       // of the journal
    int events_fd;    // -1: nobody wants events
    struct segment_table *table;
    struct domain_table *domains;
    const struct limits_table *limits;
    uint32_t home_count;
    struct home_found *found;        // one for each home: filled
    struct found_setbacks *setbacks; // filled; NULL: nobody wants to know
};

struct recovery_report {
    struct recover_counters counters;
    uint64_t segments, bytes, torn, damaged, unknown, removed;
    uint64_t id_last;
    struct replay_counters events;
};

struct recovery;

// NULL without memory.
struct recovery *recovery_new(const struct recovery_options *options);
void recovery_free(struct recovery *r); // has finished. NULL is fine
void recovery_on_done(struct recovery *r, const struct io_done *done);
bool recovery_finished(const struct recovery *r);
// Once finished. False: the engine must not start, and why.
bool recovery_result(const struct recovery *r, struct recovery_report *ret, struct refusal *why);
// The cursor of the events, for this life (queue/cursor.h); the caller's from now on. -1: none.
int recovery_take_cursor(struct recovery *r);
// The submission keys that were found; valid until recovery_free().
const struct recovered_key *recovery_keys(const struct recovery *r, uint64_t *ret_count);

#endif
