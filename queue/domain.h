// queue/domain.h: recipient domains, and the lock-free queue of jobs that each one has.
//
// Owns:    the table of domains (liburcu's rculfhash, fixed size), each domain's queue (wfcqueue),
//          and the protocol by which jobs cross from any worker to the one that owns the domain:
//
//            producer: domain_push(); the queue was empty -> leave dirty_letter with d->owner
//            owner:    take the letter first, then domain_drain(); false -> again in the next turn
//
// Why no job is left without a letter. A queue becomes non-empty by one push, whose producer leaves
// the letter after it. If the letter is under way already, it is taken out later than that, and
// the drain comes after the taking out: it sees the job. Jobs behind it need no letter, for a drain
// goes on until the queue is empty; if it must stop before (a producer is between the two steps of
// its push, or others have a right to this turn too) it says false, and the owner is the one who
// knows. So an owner may drain at any time, and a letter may find nothing; neither does harm.
//
// Handing over: the owner stops dequeuing, sets `owner` (release), and then sends handover_letter:
//          what he did until then is seen by who takes that letter out. A dirty letter that comes
//          to the old owner is passed on to d->owner (acquire). It may also reach the new owner
//          ahead of the domain itself: he leaves the queue alone until the domain comes, and drains
//          then. So producers may leave the letter with either.
// Freeing: a domain that is domain_unused() is taken out by domain_unlink(), and given back by
//          domain_free() when it is still unused after DOMAIN_EPOCHS epochs (queue/epoch.h), one
//          after the other. In the first end the turns of those who had found it; in the second
//          the turn of a former owner who passes on a letter that one of them left with him. A job
//          that came in between is served first.
// Threads: find and push from any registered thread; the rest is the owner's.
#ifndef POSTHASTE_QUEUE_DOMAIN_H
#define POSTHASTE_QUEUE_DOMAIN_H

#include "queue/epoch.h"
#include "queue/inbox.h"
#include "queue/ready.h"

#include <urcu/rculfhash.h>

#ifndef DOMAIN_COUNT_MAX // tests want fewer
#define DOMAIN_COUNT_MAX (1u << 20)
#endif
#define DOMAIN_WORKERS_MAX EPOCH_WORKERS_MAX
#define DOMAIN_NAME_BYTES 256  // a name of 253 bytes (RFC 1035 2.3.4), or an address literal
#define DOMAIN_DRAIN_MAX 4096u // jobs taken from one domain at once
#define DOMAIN_EPOCHS 2        // between the last that is heard of a domain and its end

// Four parts, so that no cache line goes to and fro for what others do with their own: what all
// workers read and hardly anybody writes, a short name included; the homes' count, in the line
// where only long names end; the crossing, one line for a whole push and for all that the owner
// does to take the job out; and the owner's.
struct domain {
    struct cds_lfht_node node;
    uint64_t hash;          // in the table; differs from run to run
    _Atomic uint16_t owner; // worker
    uint8_t name_len;
    char name[DOMAIN_NAME_BYTES]; // lower-case A-labels, or an address literal
    _Atomic uint32_t job_count;   // domain_ref()
    struct cds_wfcq_tail tail __attribute__((aligned(64)));
    struct __cds_wfcq_head head; // an empty queue's producer writes to it, too
    struct letter dirty_letter;
    struct letter handover_letter;
    struct ready ready __attribute__((aligned(64))); // the owner's, as is all behind it
    // What delivery keeps about the domain follows: see domain_table_new().
};

struct domain_table;

// Domains are allocated with `item_bytes` (>= sizeof(struct domain), which stands first), zeroed.
struct domain_table *domain_table_new(size_t item_bytes, uint32_t worker_count);
void domain_table_free(struct domain_table *t); // frees the domains too; nobody may use them

// Finds the domain, or makes it with owner hash(name). NULL at DOMAIN_COUNT_MAX, without memory, or
// when the name is too long. What is found stays valid until the caller's turn ends, and for longer
// with domain_ref().
struct domain *domain_find(struct domain_table *t, struct slice name);
// The same, but makes none: NULL where there is none.
struct domain *domain_look(struct domain_table *t, struct slice name);
// At start, while nobody else uses the table: also beyond DOMAIN_COUNT_MAX. What was accepted must
// not wait for room that only its own delivery can make.
struct domain *domain_find_anyway(struct domain_table *t, struct slice name);
bool domain_table_full(const struct domain_table *t); // domain_find() makes no more
// At start, too: domains without jobs are freed at once.
void domain_table_sweep(struct domain_table *t);

// A domain with jobs is not forgotten, wherever these are (a deferred one waits at home): the home
// calls domain_ref() when it makes a job, and domain_unref() when the job is over, as the last that
// it does with job.domain.
static inline void domain_ref(struct domain *d)
{
    atomic_fetch_add_explicit(&d->job_count, 1, memory_order_relaxed);
}

static inline void domain_unref(struct domain *d)
{
    atomic_fetch_sub_explicit(&d->job_count, 1, memory_order_release);
}

// Any thread. True: the queue was empty, the caller leaves d->dirty_letter with d->owner.
bool domain_push(struct domain *d, struct job *j);
// Owner: moves what is queued to d->ready. False: not all of it; ask again next turn.
bool domain_drain(struct domain *d);
bool domain_queue_empty(const struct domain *d);

// Owner: no job is anywhere, no letter is under way.
bool domain_unused(const struct domain *d);
void domain_unlink(struct domain_table *t, struct domain *d); // not found any more
void domain_free(struct domain_table *t, struct domain *d);   // CHECKs that it is unused
// At the very end, when all workers have stopped: an unlinked domain goes, jobs or not.
void domain_discard(struct domain_table *t, struct domain *d);
uint32_t domain_count(const struct domain_table *t);

static inline struct slice domain_name(const struct domain *d)
{
    return slice_make(d->name, d->name_len);
}

#endif
