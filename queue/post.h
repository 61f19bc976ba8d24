// queue/post.h: one worker's hand for leaving letters in all inboxes, and for taking out its own.
//
// Letters are pushed at once, but for those that say that a domain has jobs: of these a turn has
// many, nothing rests on when they come, and an inbox's end is a cache line that all workers write
// to. They wait for post_flush(). What a worker leaves for itself stays here until it takes it.
// Who must be woken is gathered, so that the worker's turn ends with at most one wake-up a
// neighbour: for each bit in `wake`, io_wake() and clear it.
// Threads: one owner. The inboxes it points to are shared by all.
#ifndef POSTHASTE_QUEUE_POST_H
#define POSTHASTE_QUEUE_POST_H

#include "engine/base/check.h"
#include "queue/inbox.h"

#define POST_WORKERS_MAX 64

// It stays where it is.
struct post {
    struct inbox *inboxes; // one a worker
    uint32_t worker_count;
    uint32_t worker; // whose hand it is
    uint64_t wake;   // a bit for each worker that sleeps over a letter of ours
    struct letters letters[POST_WORKERS_MAX]; // that wait, for each; our own, all for us
};

static inline void post_init(struct post *p, struct inbox *inboxes, uint32_t worker_count,
                             uint32_t worker)
{
    CHECK(worker < worker_count && worker_count <= POST_WORKERS_MAX);
    p->inboxes = inboxes;
    p->worker_count = worker_count;
    p->worker = worker;
    p->wake = 0;
    for (uint32_t i = 0; i < worker_count; i++)
        letters_init(&p->letters[i]);
}

static inline void post_leave(struct post *p, uint32_t worker, struct letter *l)
{
    CHECK(worker < p->worker_count);
    if (worker == p->worker || l->kind == LETTER_DOMAIN_DIRTY)
        letters_add(&p->letters[worker], l);
    else if (inbox_push(&p->inboxes[worker], l))
        p->wake |= UINT64_C(1) << worker;
}

// Once a turn at least, before its end is told in any way.
static inline void post_flush(struct post *p)
{
    for (uint32_t i = 0; i < p->worker_count; i++)
        if (i != p->worker && inbox_append(&p->inboxes[i], &p->letters[i]))
            p->wake |= UINT64_C(1) << i;
}

// The next letter for us; NULL: there is none now. Ours come first: what others do because of what
// we did comes after it.
static inline struct letter *post_take(struct post *p)
{
    struct letter *l = letters_take(&p->letters[p->worker]);
    return l ? l : inbox_pop(&p->inboxes[p->worker]);
}

// False: there is a letter for us, go on.
static inline bool post_sleep(struct post *p)
{
    return letters_empty(&p->letters[p->worker]) && inbox_sleep(&p->inboxes[p->worker]);
}

static inline void post_wakes(struct post *p)
{
    inbox_wake(&p->inboxes[p->worker]);
}

#endif
