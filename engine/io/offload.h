// engine/io/offload.h: the threads behind io_offload(): work that would hold up the loop.
//
// Owns:         its threads, the way to them and the way back.
// Knows not of: rings, or what the work is. ring.c polls offload_fd().
// Threads:      all of these functions are for the one thread that has the io. What it asks for in
//               a turn is handed over together, and what is done is fetched together: a lock each
//               time, not one for each piece of work. Of brief pieces the loop is told when there
//               are some: it would push aside whom it waits for, and have one thing to do.
#ifndef POSTHASTE_IO_OFFLOAD_H
#define POSTHASTE_IO_OFFLOAD_H

#include "engine/io/io.h"

#define OFFLOAD_COUNT_MAX (1u << 20) // asked for, and not told of
#define OFFLOAD_UNTOLD_MAX 64u       // brief pieces that are done, while the next one is

struct offload;

// With as many threads as can be had, one at least. 0 or -errno.
int offload_new(struct offload **ret, unsigned thread_count);
// Waits for what has begun; the rest is dropped. NULL is fine.
void offload_free(struct offload *o);

// Readable when something is done that offload_fetch() has not fetched.
int offload_fd(const struct offload *o);

void offload_ask(struct offload *o, enum io_haste haste, io_work *work, void *argument,
                 struct io_token token);
void offload_hand_over(struct offload *o); // what was asked for since
void offload_fetch(struct offload *o);
// Of what was fetched, whose work is done. False: no more.
bool offload_next(struct offload *o, struct io_token *ret);
bool offload_has_next(const struct offload *o);

#endif
