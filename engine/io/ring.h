// engine/io/ring.h: what the ring's own files share; nobody else includes it.
//
// ring.c owns the ring, its turn and the requests on sockets; ring_file.c asks for those on files.
#ifndef POSTHASTE_IO_RING_H
#define POSTHASTE_IO_RING_H

#include "engine/io/flight.h"
#include "engine/io/io.h"

struct io_uring_sqe;

// A submission entry, free until now.
struct io_uring_sqe *ring_entry(struct io *io);
// The next `count` entries will go to the kernel in one submission, as linked ones must.
void ring_keep_together(struct io *io, unsigned count);

// The last step of every request of our user: from here on a completion is owed. io_close() finds
// it by sqe->fd, or by the `fd` that it is about.
struct flight_request *ring_ask(struct io *io, struct io_uring_sqe *sqe, struct io_token token);
struct flight_request *ring_ask_about(struct io *io, struct io_uring_sqe *sqe, int fd,
                                      struct io_token token);

// What went wrong before the kernel could be asked comes back like all else.
void ring_ask_to_fail(struct io *io, int fd, int error, struct io_token token);

// WATCH_NAMES_BYTES for the names in a completion, until the next one.
char *ring_watch_names(struct io *io);

// The kernel's answer to a watch has come: turns it into what io_next() says. Asks for the next one
// unless done->ended.
void ring_watch_answered(struct io *io, struct flight_request *watch, struct io_done *done);

#endif
