// engine/peek.h: messages that are read back because somebody wants to know, or to change, what is
// queued: a few at a time, as there is memory.
//
// Owns:    the messages read back, until peek_end().
// Threads: the home's. The entry must stay for as long as it is peeked at (home_pin()).
#ifndef POSTHASTE_PEEK_H
#define POSTHASTE_PEEK_H

#include "engine/base/slab.h"
#include "engine/io/io.h"
#include "queue/message_record.h"
#include "queue/segment.h"

#define PEEKS_MAX 256u

struct peek {
    uint32_t index;
    bool reading;
    const struct entry *entry;
    struct message *message; // NULL, once it is not `reading` any more: it could not be read
    uint64_t place;
    char *to;
    size_t bytes, bytes_read;
};

struct peeks {
    struct io *io;
    struct block_pool *blocks;
    const struct segment_table *segments;
    uint8_t io_owner;
    struct slab slots;
};

void peeks_init(struct peeks *p, struct io *io, struct block_pool *blocks,
                const struct segment_table *segments, uint8_t io_owner);
void peeks_release(struct peeks *p); // nothing is being read

// NULL: not now.
struct peek *peek_begin(struct peeks *p, const struct entry *e);
void peek_end(struct peeks *p, struct peek *k); // it is not `reading`
void peeks_on_done(struct peeks *p, const struct io_done *done);
static inline bool peeks_idle(const struct peeks *p)
{
    return p->slots.item_count == 0;
}

#endif
