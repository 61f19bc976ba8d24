// queue/post.h: one worker's hand for leaving letters in all inboxes.
//
// Letters are pushed at once; who must be woken is gathered, so that the worker's turn ends with at
// most one wake-up a neighbour: for each bit in `wake`, io_wake() and clear it.
// Threads: one owner. The inboxes it points to are shared by all.
#ifndef POSTHASTE_QUEUE_POST_H
#define POSTHASTE_QUEUE_POST_H

#include "engine/base/check.h"
#include "queue/inbox.h"

#define POST_WORKERS_MAX 64

struct post {
    struct inbox *inboxes; // one a worker
    uint32_t worker_count;
    uint64_t wake; // a bit for each worker that sleeps over a letter of ours
};

static inline void post_leave(struct post *p, uint32_t worker, struct letter *l)
{
    CHECK(worker < p->worker_count);
    if (inbox_push(&p->inboxes[worker], l))
        p->wake |= UINT64_C(1) << worker;
}

#endif
