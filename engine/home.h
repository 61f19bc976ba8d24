// engine/home.h: what a worker remembers: the messages that it accepted, their jobs, and what has
// become of their recipients.
//
// Owns:    message memory, journal, jobs, and the calendar of those that wait for a later attempt.
// Knows not of: sessions, sites, connections. A job leaves through a domain queue, and comes back
// in
//          a page of results.
// Threads: one worker. Only the home of a message writes about it.
#ifndef POSTHASTE_HOME_H
#define POSTHASTE_HOME_H

#include "engine/base/slab.h"
#include "engine/control/events.h"
#include "engine/io/io.h"
#include "queue/journal.h"
#include "queue/post.h"

struct home_counters {
    uint64_t messages, recipients, jobs, jobs_crossed, jobs_retried;
};

struct home {
    // Borrowed:
    struct io *io;
    struct post *post;
    struct domain_table *domains;
    struct events *events;
    uint32_t number; // of the worker
    // Owned:
    struct block_pool blocks;
    struct journal journal;
    struct slab jobs;
    struct calendar calendar;
    struct home_counters counters;
};

// The borrowed members are set. `memory_bytes_max`: of accepted messages.
void home_init(struct home *h, uint64_t memory_bytes_max);
void home_release(struct home *h); // what still waits goes too

// The next message that is durable now: its jobs are on their way, its client is to be told. NULL:
// no more in this turn.
struct message *home_next_committed(struct home *h);
// Results of our messages. The page goes back to who filled it.
void home_take_results(struct home *h, struct result_page *p);
// Jobs whose next attempt is due leave again.
void home_push_due(struct home *h);
uint64_t home_due_us(const struct home *h); // UINT64_MAX: nothing waits

uint64_t home_messages_left(const struct home *h); // accepted, and not done with

#endif
