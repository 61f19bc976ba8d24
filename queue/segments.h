// queue/segments.h: one home's segments: which is written, which are spare, when an old one may be
// used again. A plan: who carries it out is told by segments_next(), and says how it went.
//
//   made, or emptied -> spare -> open (written) -> sealed -> empty -> emptied: gets a new epoch, or
//                                                                     is removed
//
// Order:   a segment is emptied when it is the oldest, no message in it is wanted, nobody reads it,
//          and what ended its messages, and the beginning of the next segment, are on stable
//          storage. Oldest first, one at a time, each synced before the next begins: so a result
//          outlives its message, and no message comes back. Segments found at start have an order
//          of their own over all homes, since results of one home may stand in them for messages of
//          another's.
// Damage:  a segment in which something could not be read is not used again: what can be read is
//          moved, and it is set aside. Messages in it that are lost still name it until they are
//          over: then its file stays open under its new name, and its number taken, until the end.
// Room:    spares are made ahead, off everybody's way. SEGMENTS_RESERVE of them are kept for what
//          must be written though there is no room: results, and messages that are moved to free
//          others; they may go beyond the table's bytes_max. Without more, new messages are refused
//          (segments_accept()) until there is room.
// Threads: the home's.
#ifndef POSTHASTE_QUEUE_SEGMENTS_H
#define POSTHASTE_QUEUE_SEGMENTS_H

#include "engine/base/random.h"
#include "queue/segment.h"

#define SEGMENT_NONE UINT32_MAX
#define SEGMENTS_SPARE 2u         // wanted at all times
#define SEGMENTS_SPARE_MAX 8u     // beyond it they are removed
#define SEGMENTS_RESERVE 1u       // of the spares
#define SEGMENTS_AGAIN_US 500000u // until making one is tried again

enum segments_task_kind {
    SEGMENTS_NOTHING,
    SEGMENTS_MAKE,      // a new file of `bytes`: blocks, zeros, header, all synced, its folder too
    SEGMENTS_EMPTY,     // a new header with the new epoch, synced
    SEGMENTS_REMOVE,    // the file goes, its folder is synced
    SEGMENTS_SET_ASIDE, // it gets a name under which nobody takes it for a segment
};

struct segments_task {
    enum segments_task_kind kind;
    uint32_t number;
    uint64_t name;
    uint64_t bytes;
    uint64_t epoch;
};

struct segments {
    struct segment_table *table;
    uint32_t worker;
    uint64_t segment_bytes;
    struct random dice;    // for epochs
    uint32_t oldest, open; // of the list; `open` is its newest. SEGMENT_NONE: none
    uint32_t spares[SEGMENTS_SPARE_MAX + 1]; // a large one may come on top
    uint32_t spare_count;
    uint32_t count;  // in the list
    uint32_t unused; // numbers whose files are gone, linked by `next`; SEGMENT_NONE: none
    uint64_t used_bytes, live_bytes;
    uint64_t pass_turn;    // of the newest segment when moving began; 0: it has ended
    uint64_t garbage_kept; // what moving could not get rid of: ends of segments, padding
    uint64_t bytes_wanted; // a message larger than a segment waits for one of its own; 0: none
    struct segments_task task;
    bool no_room; // the last one could not be made
    bool stuck;   // one could not be emptied or removed: what it holds must not outlive what is
                  // behind it, so that stays too, until the next start
    int error;    // why: -ENOSPC, -EDQUOT; or worse
    uint64_t again_us;
    uint64_t made_count, emptied_count, removed_count;
};

void segments_init(struct segments *s, struct segment_table *table, uint32_t worker,
                   uint64_t segment_bytes, uint64_t seed);

// One that was found at start, oldest first: it is this home's from now on. Its fields are filled.
void segments_inherit(struct segments *s, uint32_t number);

// What is to be done next, if nothing is under way. `synced_batch`: results up to there are safe.
struct segments_task segments_next(struct segments *s, uint64_t synced_batch, uint64_t now_us);
// How the task went: 0 or -errno. After SEGMENTS_MAKE the descriptor is `fd`.
void segments_done(struct segments *s, int result, int fd, uint64_t now_us);
// When segments_next() is worth asking again though nothing has happened; UINT64_MAX: not.
uint64_t segments_due_us(const struct segments *s);

// Would segments_open() find one of that size sooner or later? False: one of that and `more` bytes
// is wanted from now on.
bool segments_has(struct segments *s, uint64_t bytes, uint64_t more);
// May new messages come?
bool segments_accept(const struct segments *s);
// A spare of at least `bytes` becomes the open one, behind the one that was. `reserved`: what comes
// may use the reserve. False: there is none (one is wanted from now on).
bool segments_open(struct segments *s, uint64_t bytes, bool reserved);
// Nobody waits any more for the one that could not be opened.
void segments_give_up(struct segments *s);

void segments_add_live(struct segments *s, uint64_t place, uint64_t bytes);
// No longer wanted; `batch`: what says so is written with that one (0: nothing needs to).
void segments_drop_live(struct segments *s, uint64_t place, uint64_t bytes, uint64_t batch);
// It was looked through: all that can be read and lives there was moved, `count` messages cannot.
void segments_lost(struct segments *s, uint32_t number, uint32_t count);
// It is not emptied before that batch is synced, whatever lives in it. SEGMENT_NONE: nothing.
void segments_keep(struct segments *s, uint32_t number, uint64_t batch);

// Is it worth moving what still lives in the oldest segment, to have its room? SEGMENT_NONE: no.
uint32_t segments_to_move(struct segments *s);

#endif
