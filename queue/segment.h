// queue/segment.h: the segments of a journal's folder, as all workers know them.
//
// Owns:    for each segment its descriptor and who reads from it. Numbers are given once and stay;
//          a segment that is emptied is used again under its number.
// Threads: a slot is filled by the worker that makes the segment, before anything names it, and
//          not changed again but for `readers`.
//
// Reading while the home moves messages: segment_read_begins() counts the reader in first and then
// looks whether the message is still there. The home changes the place first and then looks for
// readers. So one of them sees the other, and no segment is used again under a reader.
#ifndef POSTHASTE_QUEUE_SEGMENT_H
#define POSTHASTE_QUEUE_SEGMENT_H

#include "engine/base/check.h"
#include "queue/entry.h"

#define SEGMENTS_MAX 65535u                   // numbers are 16 bits of a place
#define SEGMENTS_FOUND_MAX (SEGMENTS_MAX / 2) // taken in at a start: others are made then

struct segment {
    int fd;
    _Atomic uint32_t readers; // that have not done with it
    // The home's alone, but for `epoch`, which does not change while something in it is wanted:
    uint32_t next; // the home's list (segments.h)
    uint64_t epoch;
    uint64_t bytes;      // of the file
    uint64_t end;        // of what counts in it
    uint64_t live_bytes; // of messages that are not done with
    uint32_t live_count;
    uint32_t reuse_turn;   // found at start: its turn among all of these; 0: made since
    bool damaged;          // set aside, not used again, when nothing readable in it is wanted
    bool aside;            // that was done: it belongs to no home's list any more
    uint16_t unread_count; // reads of what lives in it that failed
    uint32_t lost_count;   // of those that live in it, when last looked through: unreadable
    uint64_t turn;         // among all that were opened
    uint64_t result_batch; // the last batch that holds a result of one of its messages
    uint64_t name;         // of the file
};

struct segment_table {
    struct segment *items;       // SEGMENTS_MAX of them; memory untouched until used
    _Atomic uint32_t count;      // numbers given so far
    _Atomic uint64_t epoch;      // the last count that was given: an epoch's upper half
    _Atomic uint64_t bytes;      // of all files
    uint64_t bytes_max;          // of these
    _Atomic uint64_t name;       // the last file name that was given
    _Atomic uint64_t turn;       // of the segment that was opened last
    _Atomic uint32_t reuse_turn; // whose turn it is among the segments that were found at start
    _Atomic uint32_t keys_left;  // to be written again before any of those is used again
};

bool segment_table_init(struct segment_table *t, uint64_t bytes_max); // false without memory
void segment_table_release(struct segment_table *t); // descriptors stay who closes them

// A number for a new segment, or SEGMENTS_MAX when all are given.
static inline uint32_t segment_take(struct segment_table *t)
{
    uint32_t number = atomic_fetch_add_explicit(&t->count, 1, memory_order_relaxed);
    return number < SEGMENTS_MAX ? number : SEGMENTS_MAX;
}

static inline struct segment *segment_at(const struct segment_table *t, uint32_t number)
{
    CHECK(number < SEGMENTS_MAX);
    return &t->items[number];
}

// Where the message is; the segment stays as it is until segment_read_ends().
static inline uint64_t segment_read_begins(const struct segment_table *t, const struct entry *e)
{
    for (;;) {
        uint64_t place = atomic_load(&e->place);
        struct segment *s = segment_at(t, place_segment(place));
        atomic_fetch_add(&s->readers, 1);
        if (atomic_load(&e->place) == place)
            return place;
        atomic_fetch_sub(&s->readers, 1);
    }
}

static inline void segment_read_ends(const struct segment_table *t, uint64_t place)
{
    atomic_fetch_sub(&segment_at(t, place_segment(place))->readers, 1);
}

#endif
