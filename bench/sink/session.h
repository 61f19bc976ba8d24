// bench/sink/session.h: one client of the sink and its life:
//
//   TALKING -> ENDING -> CLOSING -> (its slot is given back)
//
//   TALKING  commands are read, replies go into the delay line
//   ENDING   nothing is read any more; replies leave, each at its time, then the end
//   CLOSING  the descriptor is gone; the kernel still holds memory or will still report
//
// Replies of a turn leave in one send at its end, and not before the ledger lines that they stand
// for are in the file.
#ifndef POSTHASTE_BENCH_SINK_SESSION_H
#define POSTHASTE_BENCH_SINK_SESSION_H

#include "bench/sink/arrival.h"
#include "bench/sink/delay.h"
#include "engine/base/wheel.h"
#include "engine/io/io.h"
#include "engine/smtp/server.h"

#define SINK_PENDING_BYTES_MAX (1024 * 1024) // replies that wait; beyond, nothing more is read
#define SINK_IDLE_ROOM_BYTES 4096            // an idle session keeps no larger buffer of replies

struct sink_worker;
struct pop3;
struct tls;

enum sink_session_state { SINK_TALKING, SINK_ENDING, SINK_CLOSING };

struct sink_session {
    struct smtp_server server;
    struct pop3 *pop3; // a session at the POP3 door; then `server` is not used
    struct tls *tls;   // NULL: in the clear
    enum sink_session_state state;
    uint32_t index;
    uint16_t generation;
    uint8_t ops; // requests in flight
    bool sending;
    bool receiving;
    bool is_dirty; // in the worker's chain of those with something to do at the end of the turn
    bool is_held;  // in its chain of those that wait for the ledger
    bool entered;  // counted by the limits
    bool in_transaction; // from the reply to MAIL until the verdict has left
    bool transaction_over;
    bool tls_begun;  // the client's first bytes have come
    bool tls_ready;  // the handshake is done
    bool tls_silent; // as the script wants it: nothing that comes is answered
    bool tls_due;    // right behind the reply to STARTTLS
    bool spoiled;    // the message under way could not be kept: it will be refused
    bool torn;       // of what is said next only a part leaves
    int fd;
    uint32_t listener;
    uint32_t dirty_next, held_next;
    uint32_t rcpt_count; // accepted in this transaction
    uint64_t number;     // unique among all sessions of all workers
    uint64_t heard_us;
    uint64_t ledger_position; // behind the last line that a reply waits for
    struct arrival *arrival;  // NULL outside of transactions, and where nothing is kept
    struct delay_line line;
    struct buffer leaving; // lent to the kernel while `sending`
    size_t leaving_at;
    struct iovec piece;
    struct wheel_timer timer;
    struct io_address client; // only where clients are counted
};

// A client has connected to listener `listener`; takes fd.
void sink_session_open(struct sink_worker *w, int fd, uint32_t listener);
void sink_session_on_done(struct sink_session *s, struct sink_worker *w,
                          const struct io_done *done);
void sink_session_on_timer(struct sink_session *s, struct sink_worker *w);
// Moves the worker's `replies` into the delay line, `delay_us` later than the line itself is long.
void sink_session_say(struct sink_session *s, struct sink_worker *w, uint64_t delay_us);
// Only a part of the `replies` leaves, or of the record that they make; then it ends.
void sink_session_tear(struct sink_session *s, struct sink_worker *w, uint64_t delay_us);
// As much of the bytes as still leaves: all, or what the dice of a torn session say.
struct slice sink_session_rest(const struct sink_session *s, struct sink_worker *w,
                               struct slice bytes);
// Nothing more is read; what was said still leaves. `delay_us`: of the end itself.
void sink_session_end(struct sink_session *s, struct sink_worker *w, uint64_t delay_us);
// Sends what is due, closes when all is said, and sees to the next timer.
void sink_session_flush(struct sink_session *s, struct sink_worker *w);
// The sink itself ends: says 421 and hurries.
void sink_session_hang_up(struct sink_session *s, struct sink_worker *w);
// Closes at once.
void sink_session_close(struct sink_session *s, struct sink_worker *w);
// Gives the slot back if nothing refers to it any more.
void sink_session_reap(struct sink_session *s, struct sink_worker *w);

#endif
