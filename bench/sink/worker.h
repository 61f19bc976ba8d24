// bench/sink/worker.h: the core of posthaste-sink: one thread's share of the sessions.
//
// Owns:         its listeners, sessions, dice, counters and ledger lines.
// Knows not of: options, terminals, threads, or which implementation of io.h it runs on: the
//               simulator runs it beside an engine and a load in one thread.
// Read first:   sink_worker_turn().
//
// A turn: take all completions, read all commands; fire timers; then one send for each session
// with replies that are due, and one write to the ledger.
#ifndef POSTHASTE_BENCH_SINK_WORKER_H
#define POSTHASTE_BENCH_SINK_WORKER_H

#include "bench/ledger.h"
#include "bench/sink/listeners.h"
#include "bench/sink/plan.h"
#include "bench/sink/session.h"
#include "bench/sink/stats.h"
#include "engine/base/slab.h"
#include "engine/base/wheel.h"
#include "engine/io/io.h"

#define SINK_SESSIONS_MAX (1u << 20)      // of one worker
#define SINK_ACCEPT_AGAIN_US 100000u      // after accepting failed, mostly for want of descriptors
#define SINK_SEALED_BYTES_MAX (64 * 1024) // at a time
#define SINK_STOP_US 1000000u             // for sessions to take their 421

enum sink_owner { SINK_OWNER_SESSION = 1, SINK_OWNER_LISTENER, SINK_OWNER_LEDGER };

struct sink_worker {
    struct io *io;
    const struct sink_plan *plan;
    uint32_t number;
    uint64_t now_us;
    uint64_t heard_us; // when any client last said anything
    uint64_t start_us;
    uint64_t first_us, last_us; // the first and the last accepted message; 0: none yet
    struct random dice;
    struct sink_listeners *listeners;
    uint32_t accept_count; // standing
    struct wheel_timer accept_timer;
    struct slab sessions;
    uint64_t session_count;
    uint32_t dirty_first;
    uint32_t held_first;
    struct arrival *free_arrivals;
    bool keeps_arrivals; // somebody wants to know what arrives
    struct wheel wheel;
    struct ledger ledger;
    struct buffer replies;   // of the session that is being fed
    struct buffer plain;     // of the records that it has sent
    struct buffer sealed;    // what TLS wants to be sent to it
    struct tls_context *tls; // NULL: the plan wants none
    struct sink_stats stats;
    int32_t transactions;           // sessions inside one now
    int32_t transactions_published; // of these, known to plan->limits
    uint64_t stop_us;               // 0: not asked to stop
    char time_text[40];             // of this turn; empty: not yet needed
    char (*listener_texts)[IO_ADDRESS_TEXT_BYTES];
};

// Accepts at listeners that are open. Takes their descriptors, lends the rest for its life.
// -ENOMEM, -EINVAL for a certificate that is none (main() has tried it before).
int sink_worker_new(struct sink_worker **ret_worker, struct io *io, const struct sink_plan *plan,
                    struct sink_listeners *listeners, uint32_t number);
// Only after its last turn.
void sink_worker_free(struct sink_worker *w);

// One turn. False when it was asked to stop and all is done.
bool sink_worker_turn(struct sink_worker *w);
// When the next turn is due even if nothing completes: what to give to io_wait().
uint64_t sink_worker_due_us(const struct sink_worker *w);
// Closes the listeners; sessions get a 421, those slower than SINK_STOP_US are cut off.
void sink_worker_stop(struct sink_worker *w);
// 0, or the -errno that ended the ledger.
static inline int sink_worker_error(const struct sink_worker *w)
{
    return w->ledger.error;
}

// --- for session.c

// See the session at the end of this turn.
void sink_worker_dirty(struct sink_worker *w, struct sink_session *s);
// See it when the ledger has been written.
void sink_worker_hold(struct sink_worker *w, struct sink_session *s);
struct arrival *sink_worker_take_arrival(struct sink_worker *w); // NULL without memory
void sink_worker_give_arrival(struct sink_worker *w, struct arrival *a);
const char *sink_worker_time_text(struct sink_worker *w);

#endif
