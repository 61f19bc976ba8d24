// engine/home.h: what a worker remembers: the messages that it accepted, their jobs, and what has
// become of their recipients.
//
// Owns:    message memory, journal and segments, jobs, and the calendar of those that wait for a
//          later attempt.
// Memory:  a message is kept in memory from its arrival until no job of it is out, as long as less
//          than three quarters of the memory are taken; else it is read back by who delivers it.
//          What stays in any case is its jobs.
// Knows not of: sessions, sites, connections. A job leaves through a domain queue, and comes back
//          in a page of results.
// Threads: one worker. Only the home of a message writes about it.
#ifndef POSTHASTE_HOME_H
#define POSTHASTE_HOME_H

#include "engine/base/histogram.h"
#include "engine/base/slab.h"
#include "engine/control/events.h"
#include "engine/keyring.h"
#include "engine/mover.h"
#include "engine/notices.h"
#include "engine/policy/limits.h"
#include "engine/storage.h"
#include "queue/campaigns.h"
#include "queue/post.h"
#include "queue/suppression_page.h"

struct home_counters {
    uint64_t messages, recipients, jobs, jobs_crossed, jobs_retried, suppressed;
    uint64_t failures_put_off; // that count as deferred: their senders could not be told
    uint64_t ended;            // recipients, by an operator
};

#define HOME_PINS_MAX 2048u
#define SUPPRESSION_KEEPER 0u // the worker that keeps the list

// What a home has to do with the list of suppressed addresses.
struct home_suppress {
    const struct suppression *list; // NULL: there is none
    uint32_t add;                   // a bit for each category of failure that goes on it
    uint64_t for_us;
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
    struct segments segments;
    struct journal journal;
    struct storage storage;
    struct mover mover;
    struct notices notices;
    struct keyring keyring;
    struct message_list decided; // fates of messages that did not reach the journal
    struct slab jobs;
    struct calendar calendar;
    struct campaigns campaigns;
    struct home_suppress suppress;
    struct suppression_page *suppress_page; // fills during a turn; NULL: nothing bounced
    uint64_t journal_messages_found;
    uint64_t delay_report_us; // a message that waits so long is worth a word
    uint64_t parked_count;    // jobs that a hold keeps
    uint64_t over_count;      // jobs that are over; of messages that are not, or cannot go yet
    uint32_t pin_count;
    struct entry *pins[HOME_PINS_MAX]; // in no order
    struct home_counters counters;
    struct histogram commit_us; // from a message's last byte to its 250
};

// What a home begins with.
struct home_options {
    struct home_suppress suppress;
    uint64_t memory_bytes_max; // of accepted messages
    uint32_t worker_count;
    // NULL: the null journal. Else:
    struct segment_table *table;
    uint64_t segment_bytes;
    int dir_fd;
    uint8_t io_owner_storage, io_owner_mover, io_owner_notices;
    // For what senders are told:
    struct slice hostname;
    uint64_t delay_report_us;
    const struct limits_table *limits;
    struct home_found *found;         // taken over
    const struct recovered_key *keys; // of all homes
    uint64_t key_count;
};

// What was found at start, for one home (engine/recovery.h).
struct home_found {
    struct slab jobs; // with their entries; due_s counts from the start's now
    struct campaigns campaigns;
    uint32_t *segments; // oldest first
    uint32_t segment_count;
    uint64_t message_count;
};

// The borrowed members are set. 0 or -errno.
int home_init(struct home *h, const struct home_options *o);
void home_release(struct home *h); // what still waits goes too

// Jobs that were found at start are on their way, or wait until they are due.
void home_start(struct home *h);
// A complete message: with its id, its trace fields, and who waits for it. With a key it must have
// come to the key's owner (keys_owner()). Its fate comes by home_next_settled().
void home_accept(struct home *h, struct message *m);
// The next message whose fate is known: its client is to be told, and then home_take_settled().
// NULL: no more in this turn.
struct message *home_next_settled(struct home *h, enum journal_fate *ret_fate);
// Committed: its jobs leave. Else it goes, as if it had never been there.
void home_take_settled(struct home *h, struct message *m, enum journal_fate fate);
// Reports to senders get ids behind *id_last: before the first result.
void home_number_by(struct home *h, uint64_t *id_last);
// What became of a recipient of a message of ours.
void home_take_result(struct home *h, const struct result *r);
// Results of our messages. The page goes back to who filled it.
void home_take_results(struct home *h, struct result_page *p);
// What bounced in this turn leaves for the worker that keeps the list.
void home_suppress_flush(struct home *h);
// Jobs whose next attempt is due leave again.
void home_push_due(struct home *h);
uint64_t home_due_us(const struct home *h); // UINT64_MAX: nothing waits

// What there is to write and to sync is asked for. Once a turn, when all that this turn must
// remember is known.
void home_write(struct home *h);
void home_on_done(struct home *h, const struct io_done *done);
// Nothing more comes: what is left to be written is written now.
void home_close(struct home *h);
// A turn is due without waiting.
bool home_busy(const struct home *h);
// Nothing of it is under way, or waits to be.
bool home_idle(const struct home *h);

// --- for an operator's orders
//
// While it is pinned, the slots of an entry's jobs stay, whatever becomes of these. False: too many
// are. It may be pinned more than once.
bool home_pin(struct home *h, struct entry *e);
void home_unpin(struct home *h, struct entry *e);
bool home_pins(const struct home *h, const struct entry *e);
// Is it queued at all? Not while it is being accepted, nor when it is over.
bool home_has_queued(const struct home *h, const struct job *j);
// These are for jobs that are JOB_HOME.
void home_park(struct home *h, struct job *j);   // kept; one that is parked stays so
void home_let_go(struct home *h, struct job *j); // a parked one: due when it was, or at once
void home_hurry(struct home *h, struct job *j);  // due at once, parked or not
// Its open recipients for whom `fits` says true end here and now, for good. `m`: its message, or
// NULL where it is not known. Returns their count. Where they bounce, their sender is told, as when
// an exchanger had refused them; the job is not at home until that is done.
struct home_end {
    bool (*fits)(const void *context, const struct message *m, uint32_t rcpt);
    const void *context;
    struct slice text; // why
    bool bounces;
};
uint32_t home_end_job(struct home *h, struct job *j, const struct message *m,
                      const struct home_end *end);

uint64_t home_messages_left(const struct home *h); // accepted, and not done with

#endif
