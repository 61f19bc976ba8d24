// bench/load/session.h: one connection of posthaste-load and its life:
//
//   WAITING -> CONNECTING -> TALKING -> CLOSING -> WAITING (again) ... -> OVER
//
//   WAITING     for its turn in the ramp, or before it tries again
//   CONNECTING  the connect is asked
//   TALKING     the client machine runs; from greeting to QUIT
//   CLOSING     the descriptor is gone; the kernel still holds memory or will still report
//   OVER        nothing left to do for it
#ifndef POSTHASTE_BENCH_LOAD_SESSION_H
#define POSTHASTE_BENCH_LOAD_SESSION_H

#include "bench/load/chain.h"
#include "engine/base/wheel.h"
#include "engine/io/io.h"
#include "engine/smtp/client.h"

struct load_worker;
struct tls;

enum load_session_state {
    LOAD_WAITING,
    LOAD_CONNECTING,
    LOAD_TALKING,
    LOAD_CLOSING,
    LOAD_OVER,
};

struct load_session {
    enum load_session_state state;
    uint32_t index;
    uint16_t generation; // of this connection
    int fd;
    uint8_t ops; // requests in flight
    bool sending;
    bool sends_sealed; // from `leaving`, else from `wire`
    bool is_dirty;     // stands in the worker's row of those who may have something to say
    bool is_hungry;    // stands in the worker's row of those who have room for a message
    bool ready;        // became ready in this connection
    bool quitting;
    uint64_t asked_us; // when the step that is timed now began
    uint64_t heard_us; // when the peer last did anything, or we last had nothing to ask
    uint64_t back_off_us;
    uint64_t message_count;  // started in this connection
    uint64_t sent_bytes;     // of these, that the kernel has taken
    struct load_chain asked; // messages without verdict, oldest first
    uint32_t asked_count;
    uint32_t written_count;  // of these, whose last byte is on the wire
    struct load_chain ended; // with verdict, while the wire may still point to them
    struct wheel_timer timer;
    struct wire wire;
    struct smtp_client client;
    struct tls *tls; // NULL: in the clear
    bool tls_ready;
    bool tls_due;                // right behind the server's 220
    struct buffer sealed;        // what TLS wants to be sent
    uint64_t sealed_plain_bytes; // of the wire, that are in it
    struct buffer leaving;       // what the kernel has of it while `sending`
    size_t leaving_at;
    uint64_t leaving_plain_bytes;
    struct iovec leaving_piece;
};

// Opens at `due_us`.
void load_session_init(struct load_session *s, struct load_worker *w, uint32_t index,
                       uint64_t due_us);

// Its timer has fired.
void load_session_on_timer(struct load_session *s, struct load_worker *w);
// A completion for it; stale ones of an earlier connection never come (CLOSING waits for them).
void load_session_on_done(struct load_session *s, struct load_worker *w,
                          const struct io_done *done);
// No more messages for any session: QUIT behind the last verdict, or no more waiting for its turn.
void load_session_finish(struct load_session *s, struct load_worker *w);
// The session is no use any more. `code` and `why`: for the messages that are lost with it.
void load_session_close(struct load_session *s, struct load_worker *w, uint16_t code,
                        struct slice why);
// The connection is no use any more, for a reason that is not in a reply.
void load_session_break(struct load_session *s, struct load_worker *w, const char *why);
const struct io_address *load_session_peer(const struct load_session *s,
                                           const struct load_worker *w);
// Counts a session that never became ready, or never even connected. Gives up for all sessions
// when nothing has gone well for long.
void load_session_count_failed(struct load_worker *w, const char *where, uint16_t code,
                               struct slice why);
// Sends what may be said.
void load_session_flush(struct load_session *s, struct load_worker *w);

#endif
