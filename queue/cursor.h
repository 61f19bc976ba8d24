// queue/cursor.h: how far the events have come with the journal: the file "events.cursor" in its
// folder, which a start reads to tell of results that the life before it had not told of.
//
// Shape:   slots of CURSOR_SLOT_BYTES, less than a sector each, so that one is written whole or not
//          at all. The first says where the journal stood when this life began: everything up to
//          there has been told of. Behind it, one for each worker: how far it has come since.
// Damage:  a slot that is not good says nothing, and more is told of than need be.
// Knows not of: who writes it, and when. Pure.
#ifndef POSTHASTE_QUEUE_CURSOR_H
#define POSTHASTE_QUEUE_CURSOR_H

#include "engine/base/slice.h"

#define CURSOR_FILE "events.cursor"
#define CURSOR_SLOT_BYTES 64u
#define CURSOR_WORKERS_MAX 64u
#define CURSOR_FILE_BYTES (CURSOR_SLOT_BYTES * (1 + CURSOR_WORKERS_MAX))

// A place among all that one worker's journal has written: its segments count by their turns.
struct journal_place {
    uint64_t turn;
    uint64_t offset;
};

static inline bool place_is_before(struct journal_place a, struct journal_place b)
{
    return a.turn < b.turn || (a.turn == b.turn && a.offset < b.offset);
}

struct cursor_slot {
    uint64_t magic;
    uint32_t version;
    uint32_t checksum;  // CRC-32C of this struct, with this field as 0
    uint64_t base_turn; // the last segment's when this life began
    uint64_t turn;      // a worker's slot: all before this place was told of
    uint64_t offset;
    uint64_t reserved[3];
};
_Static_assert(sizeof(struct cursor_slot) == CURSOR_SLOT_BYTES, "as in the file");

struct cursor {
    uint64_t base_turn;
    struct journal_place told[CURSOR_WORKERS_MAX];
};

struct cursor_slot cursor_slot_of(uint64_t base_turn, struct journal_place told);
// The whole file, of a life that begins: `file` has CURSOR_FILE_BYTES.
void cursor_begin(char *file, uint64_t base_turn);
// What is missing or damaged reads as nothing told of.
void cursor_read(struct cursor *ret, struct slice file);
static inline uint64_t cursor_slot_offset(uint32_t worker)
{
    return (uint64_t)CURSOR_SLOT_BYTES * (1 + worker);
}
// Was a result told of that stands there, in a segment that this worker wrote?
bool cursor_covers(const struct cursor *c, uint32_t worker, struct journal_place at);

#endif
