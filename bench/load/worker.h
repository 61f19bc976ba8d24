// bench/load/worker.h: the core of posthaste-load: one thread's share of the traffic.
//
// Owns:         its sessions, its messages under way, its dice, counters and ledger lines.
// Knows not of: options, terminals, threads, or which implementation of io.h it runs on: the
//               simulator runs it beside an engine and a sink in one thread.
// Read first:   load_worker_turn().
//
// A turn: take all completions and read all replies; fire timers; give due messages to sessions
// with room; then one send for each session that has something to say.
#ifndef POSTHASTE_BENCH_LOAD_WORKER_H
#define POSTHASTE_BENCH_LOAD_WORKER_H

#include "bench/ledger.h"
#include "bench/load/message.h"
#include "bench/load/pace.h"
#include "bench/load/plan.h"
#include "bench/load/row.h"
#include "bench/load/session.h"
#include "bench/load/stats.h"
#include "engine/base/slab.h"
#include "engine/base/wheel.h"
#include "engine/io/io.h"

#define LOAD_RECONNECT_US_FIRST 50000u // after a session that never became ready; then doubling
#define LOAD_RECONNECT_US_MAX 2000000u
#define LOAD_QUIT_US 5000000u // for the answer to QUIT

enum load_owner { LOAD_OWNER_SESSION = 1, LOAD_OWNER_LEDGER };

struct load_worker {
    struct io *io;
    const struct load_plan *plan;
    struct smtp_client_options client_options;
    uint64_t now_us;
    struct pace pace;
    struct load_author author;
    struct slab messages;
    struct tls_context *tls;       // NULL: the plan wants none
    struct buffer plain;           // of the records that a server has sent
    struct load_session *sessions; // plan->session_count
    uint32_t sessions_over;
    struct load_row dirty;  // have something to say, maybe
    struct load_row hungry; // have room for a message
    struct wheel wheel;
    struct ledger ledger;
    struct load_stats stats;
    uint64_t start_us;
    uint64_t good_us;    // when something last went well
    uint64_t verdict_us; // when a message last came to its end
    int error;           // what ended the run early: -errno of the ledger
    bool gave_up;        // the server was not there, or did not answer
    bool finishing;      // all sessions were told that no more messages come
};

// -ENOMEM, -EINVAL for trusted certificates that are none (main() has tried them before). Sessions
// begin to open in the first turn.
int load_worker_new(struct load_worker **ret_worker, struct io *io, const struct load_plan *plan);
// Only after its last turn.
void load_worker_free(struct load_worker *w);

// Puts the session into the row of those that may have something to say, or that have room.
void load_worker_dirty(struct load_worker *w, struct load_session *s);
void load_worker_hungry(struct load_worker *w, struct load_session *s);

// One turn. False when all is done: every session closed, every ledger line written.
bool load_worker_turn(struct load_worker *w);
// When the next turn is due even if nothing completes: what to give to io_wait().
uint64_t load_worker_due_us(const struct load_worker *w);
// Starts no further message; what is under way comes to its end.
void load_worker_stop(struct load_worker *w);

#endif
