// engine/control/events.h: what became of every recipient, one JSON line each, for programs.
//
// Events of results are a projection of the journal: a line is written when its result is on stable
// storage, and each has an id that is the same whenever it is written. How far the lines have come
// stands in a cursor (queue/cursor.h); what a crash leaves untold is told of at the next start
// (engine/replay.h). So each is told of at least once, and who counts looks at "event-id".
//
// Owns:   the lines that are not yet written, and their order; one worker's part of the cursor.
// Way:    gathered -> held, until the journal's batch with their results is synced -> appended ->
//         (the file is synced) -> the cursor moves on. One append, one sync, at most, under way.
// Bounds: EVENTS_BYTES_MAX wait; beyond, when the disk does not take them, lines are dropped and
//         counted.
// Line:   of a result (engine/site_events.h has the others)
//         {"time", "event": "delivered" | "deferred" | "failed", "event-id", "id", "sender",
//         "recipient", "campaign"?, "domain", "host", "address", "tls"?, "cipher"?, "code",
//         "enhanced", "text", "category"?, "attempt", "delay"?, "in-doubt"?}
#ifndef POSTHASTE_CONTROL_EVENTS_H
#define POSTHASTE_CONTROL_EVENTS_H

#include "engine/base/buffer.h"
#include "engine/base/json.h"
#include "engine/io/io.h"
#include "engine/tls/names.h"
#include "queue/journal.h"

#define EVENTS_BYTES_MAX (64u * 1024 * 1024)
// The file is synced so long after something was appended, or when the journal has gone on to
// another segment: those before it are not used again until that is done.
#define EVENTS_SYNC_US 1000000u
#define EVENTS_AGAIN_US 1000000u // until an append that failed is tried again
// Beyond, what may as well be left out should be.
#define EVENTS_ROOM_BYTES (1024u * 1024)

// Lines that go one way together.
struct events_part {
    struct buffer text;
    uint64_t first_batch; // that results of these are in
    uint64_t last_batch;
    struct journal_place place; // results before it are in these lines, or in earlier ones
};

struct events {
    struct io *io;
    const struct journal *journal; // that holds the results; NULL: they are safe already
    int fd;                        // -1: nobody wants them
    int cursor_fd;                 // -1: none
    uint8_t io_owner;
    uint32_t worker;
    uint64_t base_turn; // of the cursor
    bool exact;         // what was appended counts when it is synced
    bool whole_lines;   // into no regular file: at most PIPE_BUF at once
    bool syncs;         // somebody asks how far they have come, and the file can be synced
    bool abandoned;
    bool moving; // to another file: nothing is appended any more
    struct events_part lines, held;
    struct events_part written; // lent to the kernel
    size_t written_bytes;       // of these
    bool writing, syncing, marking;
    uint64_t again_us; // the last append failed, and is tried again then; 0: it did not
    // Appended, synced, and in the cursor: so far. `behind`: something was gathered since the first
    // was looked at while nothing waited.
    bool behind;
    bool unsynced;
    struct journal_place appended, synced, marked;
    uint64_t appended_batch, synced_batch;
    uint64_t heard_batch; // of results in batches up to this one nothing more will be heard
    struct journal_place sync_place; // of the sync under way
    uint64_t sync_batch;
    struct journal_place mark_place; // of the write to the cursor under way
    uint64_t synced_us, marked_us;   // when these were asked for
    struct cursor_slot slot;         // lent to that
    struct iovec slot_piece;
    uint64_t last_id; // of events that are no results
    uint64_t line_count;
    uint64_t dropped_count;
    int error; // the last that writing brought, or 0
};

// What one result is told with.
struct event {
    uint64_t id; // the message's
    uint32_t rcpt;
    uint64_t wall_us;
    uint8_t kind;     // enum result_kind
    uint8_t category; // engine/policy/category.h
    bool in_doubt;
    uint16_t attempt;
    uint16_t code;
    uint16_t enhanced[3];
    struct tls_numbers tls;
    uint32_t delay_s;
    struct slice sender, recipient, campaign, domain, host, address, text;
};

// `fd`: the caller's; -1: events are only counted. A file must be opened with O_APPEND; into
// anything else (a pipe) each write holds whole lines and at most PIPE_BUF bytes, so that several
// workers' lines do not mix.
// `exact`: lines count as told of when they are synced, if that can be.
void events_init(struct events *e, struct io *io, int fd, uint8_t io_owner, bool exact);
// Results that come are those of this journal, which is the worker's, as is its part of the cursor:
// the caller's descriptor of a file that cursor_begin() has begun, or -1.
void events_follow(struct events *e, const struct journal *journal, int cursor_fd, uint32_t worker,
                   uint64_t base_turn);
void events_release(struct events *e);

// The result has just been given to the journal.
void events_result(struct events *e, const struct result *r);
void events_add(struct events *e, const struct event *event);
// Others than results, written at most once: their line begins with time, event and event-id.
void events_open(struct events *e, struct json *j, const char *event);
void events_close(struct events *e, struct json *j);
// So few bytes wait that others than results may be told of, too.
bool events_has_room(const struct events *e);

void events_on_done(struct events *e, const struct io_done *done);
// Once a turn. `ending`: nothing more comes, syncs are due at once.
void events_flush(struct events *e, bool ending);
uint64_t events_due_us(const struct events *e); // when a turn is due though nothing happens
// Segments may be used again when the results in them are in batches up to this one.
uint64_t events_told_batch(const struct events *e);

// Another file is to be written to. False: something is under way, or not synced, in the old one;
// asked again in a later turn it will be true, and then the old one is used no longer.
bool events_move(struct events *e, int fd);
// Gives up what is not written: nobody takes it, and we must end.
void events_abandon(struct events *e);
bool events_idle(const struct events *e);

#endif
