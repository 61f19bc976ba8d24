// engine/mover.h: moves what still lives in an old segment to the open one, so that the old one can
// be used again (queue/segments.h says which and when).
//
// Order:   read back and checked -> appended to the journal with how far it has come -> synced ->
//          only then the entry's place is the new one, and the old bytes are garbage. A crash in
//          between leaves two copies with one id, which are one message.
// Damage:  what cannot be read stays, and its segment is set aside when it was looked through.
// Threads: the home's.
#ifndef POSTHASTE_MOVER_H
#define POSTHASTE_MOVER_H

#include "engine/io/io.h"
#include "queue/journal.h"

#define MOVER_SLOTS 32u        // messages on their way
#define MOVER_LOOKS_MAX 16384u // jobs looked at in one turn
#define MOVER_REST_US 1000000u // after one that could not be moved
#define MOVER_FAILURES_MAX 3u  // of a read; then it is for later
#define MOVER_AGAIN_US 100000u // after one that could not be read now
#define MOVER_UNREAD_MAX 3000u // such reads of a segment; then what cannot be read counts as lost

struct move {
    struct entry *entry; // NULL: free
    struct message *message;
    char *to;
    size_t bytes, bytes_read;
    uint16_t generation;
    uint8_t failures;
    bool reading;
};

struct notices;

struct mover {
    struct io *io;
    struct journal *journal;
    const struct slab *jobs;
    struct block_pool *blocks;
    const struct notices *notices; // what they are about is left where it is
    uint8_t io_owner;
    uint32_t segment;       // that is being emptied; SEGMENT_NONE
    uint32_t job_next;      // where to look on
    uint32_t lost_count;    // in this segment, that could not be read
    bool left_some;         // in it, for other reasons
    uint32_t taken_count;   // of the slots
    uint32_t reading_count; // of these
    uint64_t rest_until_us;
    uint64_t moved_count;
    struct move slots[MOVER_SLOTS];
};

void mover_init(struct mover *m, struct io *io, struct journal *journal, const struct slab *jobs,
                struct block_pool *blocks, uint8_t io_owner);
void mover_release(struct mover *m); // nothing is being read

void mover_turn(struct mover *m, struct segments *s); // begins nothing once the journal closes
// An entry that is held no longer, since it could not be moved; else NULL.
struct entry *mover_on_done(struct mover *m, const struct io_done *done);
// A message of ours is settled; it is freed. Returns its entry, which is held no longer.
struct entry *mover_settled(struct mover *m, struct message *message, enum journal_fate fate);
// The entry must stay until it is settled.
bool mover_holds(const struct mover *m, const struct entry *e);
bool mover_idle(const struct mover *m); // nothing is being read
bool mover_busy(const struct mover *m); // goes on looking in the next turn

#endif
