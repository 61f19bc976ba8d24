// queue/entry.h: one queued message as its home remembers it: where its bytes are, and how far its
// recipients have come. The bytes themselves are on disk; in memory only while somebody needs them.
//
// Shape:   32 bytes, in the message's first job; a message with several recipients has a spread
//          beside it, from the heap: its jobs, and a byte of state for each recipient.
// Threads: the home's. While a job is out, its owner reads what is not marked as the home's; what
//          he needs is not changed meanwhile, but for `place`: see
//          queue/segment.h.
#ifndef POSTHASTE_QUEUE_ENTRY_H
#define POSTHASTE_QUEUE_ENTRY_H

#include "engine/base/slab.h"
#include "queue/format.h"
#include "queue/message.h"
#include "queue/priority.h"

#include <stdatomic.h>

struct job;

// Where a message's record begins: its segment (queue/segments.h), and the offset in it.
#define PLACE_NONE UINT64_MAX // not written, or never to be
#define PLACE_OFFSET_BITS 48
static inline uint64_t place_make(uint32_t segment, uint64_t offset)
{
    return (uint64_t)segment << PLACE_OFFSET_BITS | offset;
}
static inline uint32_t place_segment(uint64_t place)
{
    return (uint32_t)(place >> PLACE_OFFSET_BITS);
}
static inline uint64_t place_offset(uint64_t place)
{
    return place & ((UINT64_C(1) << PLACE_OFFSET_BITS) - 1);
}

// For a message with several recipients. jobs[job_count] and states[rcpt_count] follow.
struct spread {
    struct message *message;
    uint32_t job_count;
    uint32_t rcpt_count;
    uint32_t open_count, out_count; // the home's: see below
    struct job *jobs[];             // fixed from the first push on
};

static inline uint8_t *spread_states(const struct spread *s)
{
    return (uint8_t *)(uintptr_t)&s->jobs[s->job_count];
}

struct entry {
    uint64_t id;
    _Atomic uint64_t place; // the home may move the bytes while jobs are out
    union {
        struct message *message; // the home's own copy in memory, or NULL
        struct spread *spread;   // has_spread: holds that pointer
    };
    uint32_t payload_bytes : 31; // of the record
    uint32_t has_spread : 1;
    uint16_t campaign; // its number: queue/campaigns.h
    int8_t priority;
    bool only_open : 1; // the home's, without a spread: the only job is not over
    bool only_out : 1;  // the home's, without a spread: and not in its calendar
};
_Static_assert(sizeof(struct entry) == 32, "half a cache line");

static inline struct spread *entry_spread(const struct entry *e)
{
    return e->has_spread ? e->spread : NULL;
}

// The home's copy in memory, good while a job is out; NULL: to be read from its place.
static inline struct message *entry_message(const struct entry *e)
{
    return e->has_spread ? e->spread->message : e->message;
}

static inline void entry_set_message(struct entry *e, struct message *m)
{
    if (e->has_spread)
        e->spread->message = m;
    else
        e->message = m;
}

// The home's: jobs that are not over.
static inline uint32_t entry_open_count(const struct entry *e)
{
    return e->has_spread ? e->spread->open_count : e->only_open;
}

static inline void entry_set_open_count(struct entry *e, uint32_t count)
{
    if (e->has_spread)
        e->spread->open_count = count;
    else
        e->only_open = count > 0;
}

// The home's: of these, not in its calendar.
static inline uint32_t entry_out_count(const struct entry *e)
{
    return e->has_spread ? e->spread->out_count : e->only_out;
}

static inline void entry_set_out_count(struct entry *e, uint32_t count)
{
    if (e->has_spread)
        e->spread->out_count = count;
    else
        e->only_out = count > 0;
}

uint32_t entry_job_count(const struct entry *e);
struct job *entry_job(const struct entry *e, uint32_t nth);
// The number of the job that recipient `rcpt` of the message belongs to.
uint32_t entry_job_of_rcpt(const struct entry *e, uint32_t rcpt);

// Jobs and an entry for a message whose recipients are in groups (rcpts[].starts_group), from
// `jobs`, a slab of struct job; all recipients are OPEN. The jobs know no domain yet. NULL without
// memory.
struct entry *entry_new(struct slab *jobs, uint32_t home, const struct message_rcpt *rcpts,
                        uint32_t rcpt_count, uint32_t job_count);
void entry_free(struct slab *jobs, struct entry *e); // the jobs too
size_t entry_spread_bytes(const struct entry *e);    // on the heap

#endif
