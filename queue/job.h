// queue/job.h: the unit of work: one message to one recipient domain.
//
// Life:   the home makes it -> domain queue -> the domain's owner (ready, then sending) -> results
//         go home, and the job with them -> over, or the home's calendar until it is due -> domain
//         queue again. It has one owner at a time and changes hands only through a queue.
// Shape:  80 bytes, a slot of its home's slab: what a queued recipient costs. The first job of a
//         message holds its entry (queue/entry.h). Slots are given back when all jobs of the
//         message are over: until then its siblings' owners may look at them.
#ifndef POSTHASTE_QUEUE_JOB_H
#define POSTHASTE_QUEUE_JOB_H

#include "queue/calendar.h"
#include "queue/entry.h"

#include <stdatomic.h>
#include <urcu/wfcqueue.h>

struct domain;

enum job_place {
    JOB_HOME,    // being made, being closed, in the calendar, or parked
    JOB_QUEUED,  // in a domain queue
    JOB_READY,   // among its domain's ready ones: set and left by the domain's owner alone
    JOB_SENDING, // in a transaction, or its results are on their way
};

// Of jobs that are ready: a ring (queue/ready.h).
struct ready_link {
    struct ready_link *next, *prev;
};

struct job {
    union {
        struct {
            union {
                struct cds_wfcq_node link; // JOB_QUEUED
                struct job *next;          // calendar, JOB_SENDING
            };
            union {
                struct job *prev;        // calendar, recovery
                struct message *message; // JOB_SENDING: in memory for as long as that lasts
            };
        };
        struct ready_link ready; // JOB_READY
    };
    struct entry *entry;
    struct domain *domain; // set by the home before it pushes the first of them; domain_ref()
    uint32_t index;        // in the home's slab
    uint32_t due_s;        // calendar: monotonic seconds
    uint16_t rcpt_first;
    uint16_t rcpt_count;
    uint8_t attempt_count; // stops at JOB_ATTEMPTS_MAX
    uint8_t home;
    uint8_t progress;       // of this attempt: see below
    _Atomic uint8_t place;  // enum job_place; see below
    struct entry own_entry; // of the message, in its first job
};
_Static_assert(sizeof(struct job) == 80, "what a queued recipient costs");
_Static_assert(MESSAGE_RCPTS_MAX <= UINT16_MAX, "recipients are counted in 16 bits");

#define JOB_ATTEMPTS_MAX 250
#define JOB_GIVEN_BACK_MAX 15
#define JOB_GIVEN_BACK_SHIFT 3

// Parked: JOB_HOME, and not in the calendar, since an operator's hold keeps it. Its due_s stays.
static inline void job_park(struct job *j)
{
    j->next = j;
}

static inline bool job_is_parked(const struct job *j)
{
    return j->next == j;
}

// job.progress is two numbers: below, where its recipient is the message's only one, enum
// rcpt_state; above, the weight of the sessions that ended before they answered this attempt.
// Whoever owns the job writes it; the home may look while it is out.
static inline uint8_t job_progress(const struct job *j)
{
    return __atomic_load_n(&j->progress, __ATOMIC_RELAXED);
}

static inline uint32_t job_given_back(const struct job *j)
{
    return job_progress(j) >> JOB_GIVEN_BACK_SHIFT;
}

static inline void job_set_given_back(struct job *j, uint32_t weight)
{
    uint32_t most = weight < JOB_GIVEN_BACK_MAX ? weight : JOB_GIVEN_BACK_MAX;
    uint32_t state = job_progress(j) & ((1u << JOB_GIVEN_BACK_SHIFT) - 1);
    __atomic_store_n(&j->progress, (uint8_t)(most << JOB_GIVEN_BACK_SHIFT | state),
                     __ATOMIC_RELAXED);
}

// States of a job's recipients, by their number in the message. Whoever owns the job writes them;
// the home may look while it is out.
static inline enum rcpt_state job_rcpt_state(const struct job *j, uint32_t rcpt)
{
    const struct spread *s = entry_spread(j->entry);
    if (s)
        return (enum rcpt_state)__atomic_load_n(&spread_states(s)[rcpt], __ATOMIC_RELAXED);
    return (enum rcpt_state)(job_progress(j) & ((1u << JOB_GIVEN_BACK_SHIFT) - 1));
}

static inline void job_set_rcpt_state(struct job *j, uint32_t rcpt, enum rcpt_state state)
{
    struct spread *s = entry_spread(j->entry);
    if (s)
        __atomic_store_n(&spread_states(s)[rcpt], (uint8_t)state, __ATOMIC_RELAXED);
    else
        __atomic_store_n(&j->progress, (uint8_t)(job_given_back(j) << JOB_GIVEN_BACK_SHIFT | state),
                         __ATOMIC_RELAXED);
}

uint32_t job_open_count(const struct job *j); // of its recipients

// Has that recipient come to no end yet? Also while what became of it is on its way home.
static inline bool job_rcpt_is_left(const struct job *j, uint32_t rcpt)
{
    enum rcpt_state state = job_rcpt_state(j, rcpt);
    return state != RCPT_DELIVERED && state != RCPT_FAILED;
}

uint32_t job_left_count(const struct job *j); // of its recipients

// Those of its message, which nobody changes.
static inline enum priority_class job_class(const struct job *j)
{
    return priority_class(j->entry->priority);
}

static inline uint16_t job_campaign(const struct job *j)
{
    return j->entry->campaign;
}

// The owner of one job may take a sibling along when that one is JOB_READY in a domain which is his
// too. He looks at `place` first, and only if it says JOB_READY at the sibling's domain and whose
// it is; all else in a sibling is another's. Relaxed loads and stores will do: in a domain of his
// own he alone sets and leaves JOB_READY, and his own stores he sees; in another's it does not
// matter how old the answer is, since the domain stays for as long as this turn.

#endif
