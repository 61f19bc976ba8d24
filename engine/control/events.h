// engine/control/events.h: what became of every recipient, one JSON line each, for programs.
//
// Owns:   the lines that are not yet written, and their order. One append a turn at most.
// Bounds: EVENTS_BYTES_MAX wait; beyond, when the disk does not take them, lines are dropped and
//         counted.
// Line:   {"time", "event": "delivered" | "deferred" | "failed", "id", "sender", "recipient",
//         "campaign"?, "domain", "host", "address", "code", "enhanced", "text", "category"?,
//         "attempt", "delay"?, "in-doubt"?}
#ifndef POSTHASTE_CONTROL_EVENTS_H
#define POSTHASTE_CONTROL_EVENTS_H

#include "engine/base/buffer.h"
#include "engine/io/io.h"
#include "queue/result.h"

#define EVENTS_BYTES_MAX (64u * 1024 * 1024)

struct events {
    struct io *io;
    int fd; // -1: nobody wants them
    uint8_t io_owner;
    bool writing;
    struct buffer lines;   // gather
    struct buffer written; // lent to the kernel
    size_t written_bytes;  // of these
    uint64_t line_count;
    uint64_t dropped_count;
    int error;        // the last that writing brought, or 0
    bool whole_lines; // at most PIPE_BUF at once
    bool abandoned;
};

// `fd`: the caller's; -1: events are only counted. A file must be opened with O_APPEND; into
// anything else (a pipe) each write holds whole lines and at most PIPE_BUF bytes, so that several
// workers' lines do not mix.
void events_init(struct events *e, struct io *io, int fd, uint8_t io_owner);
void events_release(struct events *e);

void events_result(struct events *e, const struct result *r);
void events_on_done(struct events *e, const struct io_done *done);
void events_flush(struct events *e); // once a turn
// Gives up what is not written: nobody takes it, and we must end.
void events_abandon(struct events *e);
bool events_idle(const struct events *e);

#endif
