// engine/notices.h: what a home owes the senders of its messages: a report (engine/message/dsn.h)
// about recipients that have failed, and about those that wait long or were passed on to a server
// that sends no reports, where that was asked for.
//
//   result taken -> (its message is read back) -> report built -> in the journal -> settled
//
// Atomic:  the record that says "failed" is not written when the result comes, but in one batch
//          with the report (message->results): a crash loses neither of them, and repeats neither.
//          Until that is settled the recipient is RCPT_FAILING, which is open on disk, and the jobs
//          of its message that come home are held: its bytes stay, and stay where they are.
//          What is no failure has its record at once; a crash may lose the report of it.
// Together: what fails of one message until its report is built stands in one report, up to
//          DSN_RCPTS_MAX recipients.
// None:    for the null sender (so none for a report that fails: its record is all), for who said
//          NOTIFY without FAILURE, for messages that are marked so. Without its content, which
//          damage has taken, a failure is recorded alone, and logged; where it is the reading that
//          fails, it comes again, until JOB_ATTEMPTS_MAX.
// Room:    reports are new messages. Where those are refused reports wait, and the results with
//          them; but what is refused may be so because of the originals: one report at a time is
//          written to the open segment as long as a part of it is left for results, and one may go
//          beyond the limit of memory. When more than NOTICES_BYTES_MAX wait, or the engine stops
//          meanwhile, failures are taken for deferrals: they come again.
// Owns:    the reports until they are settled, and the results that they tell of.
// Threads: the home's.
#ifndef POSTHASTE_NOTICES_H
#define POSTHASTE_NOTICES_H

#include "engine/mover.h"
#include "engine/policy/limits.h"
#include "queue/result.h"

#define NOTICES_BYTES_MAX (64u * 1024 * 1024) // of results that wait to be told of
#define NOTICES_MAX 200000u                   // messages that they belong to
#define NOTICES_READS_MAX 32u                 // originals that are read back at once
#define NOTICES_WRITING_MAX 256u              // reports on their way to the journal
#define NOTICES_FREE_MAX 256u                 // kept for the next ones, with their memory
#define NOTICES_ROOM_PART 4u     // of the open segment is kept for results without room
#define NOTICES_AGAIN_US 100000u // until what could not be done is tried again
#define NOTICES_BUCKETS 16384u

enum notice_end {
    NOTICE_REPORTED, // the report and the records of what failed are safe
    NOTICE_ALONE,    // no report is due, or it cannot be made: failures are recorded without
    NOTICE_PUT_OFF,  // failures count as deferred
    NOTICE_UNREAD,   // the same, while they have attempts left; then they are recorded without
};

// What is to be told about one message.
struct notice {
    struct notice *next;        // in a list
    struct notice *bucket_next; // of those that may be told about
    uint32_t index;             // in the slab
    uint8_t end;                // enum notice_end
    bool writing;               // a report is on its way
    struct entry *entry;
    struct job *jobs;         // that have come home meanwhile, linked by `next`
    struct message *original; // read back
    uint64_t report_id;       // it keeps it if it must be written again; 0: none yet
    struct buffer results;    // kept as they came
    size_t told_bytes;        // of these, what the report on its way tells of, or what has ended
    struct buffer records;    // of those that have failed
    // Being read:
    char *to;
    size_t bytes, bytes_read;
    uint8_t failures;
    bool reading;
};

struct notice_list {
    struct notice *first, *last;
};

struct notices {
    // Borrowed:
    struct io *io;
    struct journal *journal;
    struct mover *mover;
    struct slab *jobs;
    struct block_pool *blocks;
    struct slice hostname;
    const struct limits_table *limits;
    uint64_t *id_last;
    uint32_t home;
    uint8_t io_owner;
    // Owned:
    struct slab slab;
    struct notice **buckets;
    struct notice_list waiting; // for their turn
    struct notice_list over;    // for notices_next_over()
    struct notice *free_first;
    uint32_t free_count;
    uint32_t original_count; // in memory for us
    uint32_t reading_count;  // of these, being read
    uint32_t writing_count;
    uint64_t bytes; // of results
    uint64_t rest_until_us;
    struct buffer report; // being put together
    uint64_t report_count;
};

// The borrowed members are set. False without memory.
bool notices_init(struct notices *n);
void notices_release(struct notices *n); // nothing is being read; messages have gone

// Takes a result with `notice` of one of the home's jobs. One that says "failed" has neither its
// record nor its event until it is over. False: too many wait.
bool notices_take(struct notices *n, const struct result *r);
// Holds a job that comes home while its message is to be told about. False: there is no reason to.
bool notices_hold(struct notices *n, struct job *j);
// It must stay where it is: it is being read back, or what says that recipients have failed is
// being written. One that merely waits may be moved: it may be waiting for the room that this
// makes.
bool notices_concern(const struct notices *n, const struct entry *e);

void notices_turn(struct notices *n);
void notices_on_done(struct notices *n, const struct io_done *done);
// Its report is settled; the message itself stays the caller's.
void notices_settled(struct notices *n, struct message *m, enum journal_fate fate);

// The next one that is over (its `end` says how); then each of its results, *offset from 0, and
// then notices_forget(), which returns the jobs that were held, linked by `next`: none while more
// is to be told of the same message.
struct notice *notices_next_over(struct notices *n);
bool notice_next_result(const struct notice *t, size_t *offset, struct result *ret);
struct job *notices_forget(struct notices *n, struct notice *t);

uint64_t notices_due_us(const struct notices *n); // UINT64_MAX: nothing waits for its turn
// Nothing waits, nothing is being read.
bool notices_idle(const struct notices *n);

#endif
