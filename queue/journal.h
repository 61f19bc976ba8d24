// queue/journal.h: what makes «250» true: accepted messages and what became of them, on their way
// to stable storage. A plan without I/O: whoever owns it asks journal_next() what to write or sync,
// and says how that went.
//
//   appended -> gathered in a batch -> written -> synced -> settled: acknowledged, and delivered
//
// Group commit: while a write is under way the next batch gathers; while a sync is under way
//          batches are written already, and the next sync covers all that have completed by then.
//          A message waits for a sync and for nothing else. Results are written at once, and synced
//          with the next group, or when they are RESULTS_US_MAX old or RESULTS_BYTES_MAX many.
// Segments: a batch goes to the open one. When it does not fit, what was written is synced, and the
//          next one opens with a record that says so.
// Marks:   each batch says how far its segment is durable; so the last one needs another behind it,
//          or damage to it would look like a torn tail. After a while of rest, and at the end, a
//          batch without records says it.
// Errors:  a sync or write that fails is the end of its segment: it is never believed again. Those
//          who wait are refused, the next segment opens with a record where the failed one ends,
//          and the results that were not safe are written there again. Until that is synced nothing
//          new may start (journal_troubled()). If it fails too the journal is broken for good.
// Null:    remembers in memory alone: a message is settled at the end of the turn that appended it,
//          and a crash loses it. It measures everything but the disk.
// Threads: one owner, the home.
#ifndef POSTHASTE_QUEUE_JOURNAL_H
#define POSTHASTE_QUEUE_JOURNAL_H

#include "engine/base/buffer.h"
#include "queue/cursor.h"
#include "queue/result.h"
#include "queue/segments.h"

#include <sys/uio.h>

#define JOURNAL_PIECES_MAX 1024u                   // iovecs of a batch
#define JOURNAL_BATCH_BYTES_MAX (8u * 1024 * 1024) // beyond one message
#define JOURNAL_RESULTS_US_MAX 5000u               // until results are synced
#define JOURNAL_MEMORY_US 20000u                   // until a batch without memory is tried again
#define JOURNAL_MARK_US 1000000u                   // of rest, until the last batch is marked
#define JOURNAL_RESULTS_BYTES_MAX (1024u * 1024)   // the same
#define JOURNAL_UNSYNCED_BYTES_MAX (32u * 1024 * 1024) // of results; a disk that stalls

enum journal_fate {
    JOURNAL_COMMITTED,
    JOURNAL_NO_ROOM, // 452
    JOURNAL_FAILED,  // 451
    // Said by the home of what it does not append (engine/home.h):
    JOURNAL_NO_MEMORY,
    JOURNAL_KEY_SAME,  // it is there already, under the id that it has now
    JOURNAL_KEY_OTHER, // its key was used for something else
};

enum journal_task_kind {
    JOURNAL_NOTHING,
    JOURNAL_WRITE,          // `pieces` at `offset`
    JOURNAL_WRITE_AND_SYNC, // and sync when that is written
    JOURNAL_SYNC,
};

struct journal_task {
    enum journal_task_kind kind;
    int fd;
    const struct iovec *pieces; // lent until journal_wrote()
    uint32_t piece_count;
    uint64_t offset;
};

enum journal_state {
    JOURNAL_OPEN,    // batches are written
    JOURNAL_SEALING, // the open segment is full: all of it is synced, then the next one is opened
    JOURNAL_FAILING, // it has failed: what is under way must end, then the next one is opened
    JOURNAL_BROKEN,  // nothing is written any more
};

struct journal_counters {
    uint64_t messages, results, forgotten;
    uint64_t writes, syncs, batches, messages_synced, bytes;
    uint64_t messages_refused, segments_failed;
};

struct journal {
    struct segments *segments; // NULL: the null journal
    enum journal_state state;
    bool troubled;               // a segment has failed, and nothing was synced since
    bool starved;                // what waits is large, and its segment is not made yet
    bool blocked;                // results wait, and there is no segment for them
    uint64_t no_memory_until_us; // no batch is tried before; 0: there was enough for the last
    int error;                   // the last

    struct message_list waiting; // gather
    struct buffer results;       // records that gather; checksums are filled in when it is written
    uint32_t result_count;       // of these
    uint64_t batch;              // the one that gathers
    uint64_t synced_batch;       // all that had come when it was put together is safe

    // The batch on its way to the file.
    bool writing;
    bool rewrite;                // it was short: the rest is to be written
    struct message_list written; // in it, and in earlier ones that are not synced
    struct buffer results_written;
    struct buffer notes; // headers of the batch
    struct iovec *pieces;
    uint32_t piece_first, piece_count;
    uint64_t write_at; // in the open segment
    uint64_t write_end;
    uint64_t write_batch; // written_batch when it is complete
    uint64_t bytes_left;

    // The open segment: all before these offsets was written, or is synced.
    uint64_t written_end;
    uint64_t synced_end;
    bool syncing;
    bool sync_linked;  // it was asked for together with the write
    uint64_t sync_end; // what the sync under way covers
    uint64_t sync_batch;
    uint64_t written_batch; // the last that left no results behind for a later one
    struct buffer unsynced; // results since the last good sync, in case it is not good
    size_t sync_covers;     // of these, what the sync under way makes safe
    uint64_t unsynced_since_us;
    uint64_t marked_end;  // a batch says that all before it is durable
    uint64_t records_end; // of the last batch with records
    uint64_t synced_us;   // when
    bool closing;         // marks are due at once
    bool opens;           // the next batch is the first of its segment
    struct record_opens opening;

    // The last batch with keys in it.
    bool keys_gather;
    bool keys_parted; // they stand in more than one batch: they are to be written again
    uint64_t keys_batch;
    uint32_t keys_segment;

    struct message_list settled;
    struct journal_counters counters;
};

// False without memory. `segments`: NULL for the null journal.
bool journal_init(struct journal *j, struct segments *segments);
void journal_release(struct journal *j);

// The message is complete, its entry made. It waits until it is settled.
void journal_append(struct journal *j, struct message *m);
// A message of ours, read back from the segment that it shall leave: when it is settled as
// JOURNAL_COMMITTED, m->place is where it stands then.
void journal_move(struct journal *j, struct message *m);
// A result of one of this journal's messages. Written at once, waited for by nobody.
void journal_result(struct journal *j, const struct result *r);
// The same for one that stands in the batch of a message (message->results): its record.
bool journal_put_result(struct buffer *b, const struct result *r);
// Writes down a submission key again, as one of the results. Those of one batch stand in
// j->keys_segment when j->keys_batch is synced.
void journal_key(struct journal *j, const struct record_key *k);
// Every recipient has a final result: the bytes become garbage.
void journal_forget(struct journal *j, const struct entry *e);

// What is to be done now. Ask until JOURNAL_NOTHING.
struct journal_task journal_next(struct journal *j, uint64_t now_us, uint64_t wall_us);
void journal_wrote(struct journal *j, int32_t result,
                   uint64_t now_us); // of a write, bytes or -errno
void journal_synced(struct journal *j, int32_t result, uint64_t now_us);
uint64_t journal_due_us(const struct journal *j); // when to ask again though nothing has happened

// The next message whose fate is known, in the order in which they were appended; NULL: none.
struct message *journal_settled(struct journal *j, enum journal_fate *ret_fate);

// At the end, with nothing under way: a message whose fate nobody has asked for. NULL: none left.
struct message *journal_take_any(struct journal *j);

// New messages may come. Else *ret_fate says how to refuse.
bool journal_accepts(const struct journal *j, enum journal_fate *ret_fate);
// Nothing new may start: what comes of it could not be written.
bool journal_troubled(const struct journal *j);
bool journal_broken(const struct journal *j);
// It has a segment to write to: true from the first on. Before that results could only gather.
bool journal_opened(const struct journal *j);
// Nothing more comes: what was written is marked without delay.
void journal_close(struct journal *j);
// There is something to do or to tell at once.
bool journal_busy(const struct journal *j);
// Nothing waits to be written or synced, nothing is under way.
bool journal_idle(const struct journal *j);
// For who tells of results when they are safe. What comes now goes into j->batch; all that had come
// when that one was put together is safe when journal_safe_batch() has reached it. (UINT64_MAX:
// nothing is ever safer than it is.)
uint64_t journal_safe_batch(const struct journal *j);
// All that is safe stands before this place; what came with a message is told of when its fate is
// (journal_settled()), which is before the turn ends.
struct journal_place journal_frontier(const struct journal *j);
// Results that were not written, of a broken journal: the next one, *offset from 0. For the log.
bool journal_unrecorded(const struct journal *j, size_t *offset, struct record_result *ret);

#endif
