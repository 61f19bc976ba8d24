// engine/replay.h: at start, what the life before had not told of: results that the journal holds
// behind the cursor of the events (queue/cursor.h) are told of now.
//
//   the cursor is read -> results behind it are gathered, while recovery reads the segments ->
//   their messages are read back, for sender and recipient -> lines are appended and synced -> the
//   cursor of the life that begins is written and synced
//
// It may be interrupted anywhere: then the next start tells of some of them again.
// Without a cursor this is the first life with events, or the first of its journal: nothing is
// told.
//
// Owns:    the descriptor of the cursor's file, until replay_take_cursor().
// Threads: recovery's.
#ifndef POSTHASTE_REPLAY_H
#define POSTHASTE_REPLAY_H

#include "engine/control/events.h"
#include "engine/io/io.h"
#include "queue/block.h"
#include "queue/recover.h"
#include "queue/segment.h"

#define REPLAY_BYTES_MAX (256u * 1024 * 1024) // of results that are gathered

struct replay_counters {
    uint64_t told, dropped; // results; dropped: there were too many
};

enum replay_step {
    REPLAY_OPEN, // the cursor
    REPLAY_READ,
    REPLAY_GATHERS, // results may come: replay_result()
    REPLAY_MESSAGE, // is read back
    REPLAY_APPENDS,
    REPLAY_CREATE, // the cursor, or empties it
    REPLAY_WRITE,
    REPLAY_SYNC,
    REPLAY_FORGET, // nobody wants events: the cursor goes
    REPLAY_DONE,
};

struct replay {
    struct io *io;
    int dir_fd; // of the journal
    uint8_t io_owner;
    enum replay_step step;
    const struct recover *recover;
    const struct segment_table *segments;
    struct events events;
    bool wanted; // somebody takes events
    bool found;  // a cursor
    struct cursor cursor;
    uint64_t base_turn; // of the life that begins
    int cursor_fd;
    char file[CURSOR_FILE_BYTES];
    size_t file_bytes;
    struct iovec piece;
    struct buffer results; // record payloads, each behind its length
    size_t results_at;
    struct block_pool blocks;
    struct message *message; // the last that was read
    const struct entry *reading;
    char *to;
    size_t bytes, bytes_read;
    struct replay_counters counters;
};

// `events_fd`: -1: nobody wants events. Begins to read the cursor. `recover` finds messages.
void replay_begin(struct replay *r, struct io *io, uint8_t io_owner, int dir_fd, int events_fd,
                  const struct recover *recover, const struct segment_table *segments);
void replay_release(struct replay *r); // replay_take_cursor() was called, if it has finished
void replay_on_done(struct replay *r, const struct io_done *done); // of its owner

bool replay_gathers(const struct replay *r); // segments may be read now
// A result record (without its header) in a segment of that worker.
void replay_result(struct replay *r, struct slice payload, uint32_t worker,
                   struct journal_place at);
// All segments were read, and no message was forgotten yet. `base_turn`: the last one's.
void replay_tell(struct replay *r, uint64_t base_turn);
bool replay_finished(const struct replay *r);
// The descriptor of the cursor, or -1 (nobody wants events, or it cannot be kept); the caller's
// from now on.
int replay_take_cursor(struct replay *r);

#endif
