// queue/job.h: the unit of work: one message to one recipient domain.
//
// Life:   the home makes it -> domain queue -> the domain's owner (ready, then sending) -> results
//         go home, and the job with them -> over, or the home's calendar until it is due -> domain
//         queue again. It has one owner at a time and changes hands only through a queue.
// Shape:  64 bytes, a slot of its home's slab, given back when all jobs of the message are over:
//         until then its siblings' owners may look at it.
#ifndef POSTHASTE_QUEUE_JOB_H
#define POSTHASTE_QUEUE_JOB_H

#include "queue/calendar.h"
#include "queue/message.h"

#include <stdatomic.h>
#include <urcu/wfcqueue.h>

struct domain;

enum job_place {
    JOB_HOME,    // being made, being closed, or in the calendar
    JOB_QUEUED,  // in a domain queue
    JOB_READY,   // in its domain's ready list: set and left by the domain's owner alone
    JOB_SENDING, // in a transaction, or its results are on their way
};

struct job {
    union {
        struct cds_wfcq_node link; // JOB_QUEUED
        struct job *next;          // JOB_READY, calendar
    };
    struct job *prev;    // JOB_READY
    struct job *sibling; // ring of the jobs of one message; fixed from the first push on
    struct message *message;
    struct domain *domain; // set by the home before it pushes the first of them; domain_ref()
    uint32_t index;        // in the home's slab
    uint32_t rcpt_first;
    uint32_t rcpt_count;
    uint32_t due_s; // calendar: monotonic seconds
    uint16_t attempt_count;
    uint8_t
        given_back; // in this attempt: weight of the sessions that ended before they answered it
    uint8_t home;
    _Atomic uint8_t place; // enum job_place; see below
};
_Static_assert(sizeof(struct job) == 64, "one cache line");

// The owner of one job may take a sibling along when that one is JOB_READY in a domain which is his
// too. He looks at `place` first, and only if it says JOB_READY at the sibling's domain and whose
// it is; all else in a sibling is another's. Relaxed loads and stores will do: in a domain of his
// own he alone sets and leaves JOB_READY, and his own stores he sees; in another's it does not
// matter how old the answer is, since the domain stays for as long as this turn.

// A list of jobs that one thread owns, linked both ways.
struct job_list {
    struct job *first;
    struct job *last;
    uint32_t count;
};

void job_list_add(struct job_list *l, struct job *j);       // at the end
void job_list_add_front(struct job_list *l, struct job *j); // for what was interrupted
void job_list_remove(struct job_list *l, struct job *j);
struct job *job_list_take(struct job_list *l); // the first, or NULL

#endif
