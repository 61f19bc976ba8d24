// queue/ready.h: the jobs of one domain that may go now, in the order in which they shall.
//
// Owns:    the order within each class of mail (queue/priority.h). Campaigns take turns there, a
//          job each, however many jobs one of them has and whenever it came; within a campaign jobs
//          go as they came. Which class goes is the caller's to say.
// Shape:   a flow for each class and campaign that has jobs, in a ring for its class. The first one
//          is part of the struct; others are made when a domain has two at a time, and kept until
//          the domain goes. Beyond READY_FLOWS_MAX campaigns share flows. All steps but finding a
//          flow cost the same however many there are.
// Threads: the domain's owner.
#ifndef POSTHASTE_QUEUE_READY_H
#define POSTHASTE_QUEUE_READY_H

#include "queue/job.h"

#define READY_FLOWS_MAX 64u
#define READY_FLOWS_PER_PART 7u // allocated together

struct flow {
    struct ready_link jobs; // of its first and last; itself when there is none
    struct flow *ring_next, *ring_prev;
    uint16_t campaign;
    uint8_t rank; // enum priority_class
};

struct flow_part {
    struct flow_part *next;
    uint32_t flow_count; // in use, with jobs or without
    struct flow flows[READY_FLOWS_PER_PART];
};

// Zeroed: none. It stays where it is: its first flow is part of it.
struct ready {
    uint32_t count;                      // of all jobs
    uint32_t counts[PRIORITY_CLASSES];   // of these, by class
    uint32_t flow_count;                 // made
    struct flow *next[PRIORITY_CLASSES]; // whose turn it is, of those with jobs
    struct flow *last_found;
    struct flow_part *parts;
    struct flow first;
};

void ready_release(struct ready *r); // no job is in it, or nobody needs them any more

void ready_add(struct ready *r, struct job *j);       // behind its campaign's others
void ready_add_front(struct ready *r, struct job *j); // what was interrupted: it is next
void ready_remove(struct ready *r, struct job *j);
struct job *ready_first(const struct ready *r, enum priority_class rank); // NULL: none
struct job *ready_take(struct ready *r, enum priority_class rank);
// Of the most urgent class that has some.
struct job *ready_take_any(struct ready *r);

// For looking at all of them, in no order. Zeroed: the beginning. The job that came last may be
// removed before the next one is asked for; nothing else may change meanwhile.
struct ready_walk {
    const struct flow_part *part; // that comes next
    const struct flow *flows;     // that are being looked at
    uint32_t flow_count;          // of these, left
    const struct ready_link *next;
};
struct job *ready_walk_next(const struct ready *r, struct ready_walk *w); // NULL: no more

#endif
