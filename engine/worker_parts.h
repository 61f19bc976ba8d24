// engine/worker_parts.h: the state of a worker, and what the files worker_NAME.c do for its turn
// (worker.c), for these alone.
#ifndef POSTHASTE_WORKER_PARTS_H
#define POSTHASTE_WORKER_PARTS_H

#include "engine/control/control.h"
#include "engine/control/events.h"
#include "engine/deliver/deliver.h"
#include "engine/order_place.h"
#include "engine/rates_file.h"
#include "engine/suppressor.h"
#include "engine/tls_tally_file.h"
#include "engine/worker.h"

// token.owner of requests and timers.
enum owner {
    OWNER_SUBMIT,
    OWNER_DELIVER,
    OWNER_RESOLVER,
    OWNER_EVENTS,
    OWNER_STORAGE,
    OWNER_MOVER,
    OWNER_NOTICES,
    OWNER_PICKUP,
    OWNER_SUPPRESSOR,
    OWNER_LISTENER,
    OWNER_SIGNAL,
    OWNER_CONTROL,
    OWNER_PEEK,
    OWNER_HOLDS,
    OWNER_RATES,
    OWNER_REOPEN,
    OWNER_TLS_TALLY,
    OWNER_STS
};

struct worker {
    struct shared *shared;
    uint32_t number;
    struct io *io;
    struct post post;
    struct wheel wheel;
    struct home home;
    struct resolver *resolver;
    struct tls_context *tls_client;
    struct sts *sts; // NULL: not used
    struct deliver *deliver;
    struct submit *submit;
    struct pickup *pickup;   // NULL: not on this worker
    struct control *control; // the same
    struct orders orders;    // that visit us
    struct order_place place;
    struct events events;
    struct suppressor suppressor; // of worker 0
    struct rates_file rates_file;
    struct tls_tally_file tally_file; // of worker 0
    bool accepting;                   // the list of suppressed addresses has been read
    uint32_t deal_next;               // who gets the next connection
    uint32_t handed_count;            // messages whose answer is to come
    uint32_t listening;               // listeners with an accept under way, a bit each
    struct wheel_timer accept_timer;
    int signal_fd;
    uint8_t stop;     // enum stop_stage, as far as it was carried out
    bool quiet;       // nothing under way, and told so
    bool drained;     // had a whole turn after all were quiet
    bool all_drained; // of all workers, and had a whole turn since
    uint64_t events_dropped_told;
    int events_error_told;
    uint32_t events_generation; // of the file that we write to
    bool reopening;             // the events' file is being opened anew
    uint64_t events_told_us;
    uint64_t events_end_us; // STOP_AT_ONCE: whoever takes them has so long
    bool opened;            // our journal has its first segment
    bool troubled, broken;  // our journal, as far as it was told
    uint64_t turn_count, wake_count;
    uint64_t changes_left_out; // of how sites are used: no event tells of them
};

// All workers have something to look at.
static inline void worker_wake_all(struct worker *w)
{
    w->post.wake = UINT64_MAX >> (64 - w->shared->worker_count);
}

// worker_accept.c: connections that come, dealt to all workers.
// Each listener belongs to one worker. Where no accept is under way, one begins.
void worker_accept(struct worker *w);
void worker_on_accept(struct worker *w, const struct io_done *done);
void worker_take_connection(struct worker *w, struct letter *l);

// worker_messages.c: messages that have come, on their way to their homes; and back to who waits
// for them, what became of them.
void worker_take_messages(struct worker *w);
void worker_tell_fates(struct worker *w);
void worker_take_handed(struct worker *w, struct letter *l); // for its key, which is ours
void worker_take_answer(struct worker *w, struct letter *l); // one of ours is there, or is not

// worker_events.c: the file of events, which may be opened anew and may be in trouble.
void worker_reopen_events(struct worker *w); // if that is wanted (shared.reopen_wanted)
void worker_on_events_reopened(struct worker *w, int32_t result);
// `ending`: no more lines will come.
void worker_flush_events(struct worker *w, bool ending);
void worker_tell_trouble_of_events(struct worker *w); // now and then

// worker_stop.c: from the signal to the last turn.
void worker_on_signal(struct worker *w);
void worker_follow_stop(struct worker *w); // carries out what was asked meanwhile
void worker_maybe_quiet(struct worker *w);
bool worker_all_quiet(const struct worker *w);
void worker_note_drained(struct worker *w, bool drained);
bool worker_all_drained(const struct worker *w);

// worker_trouble.c: a journal that cannot be written.
void worker_follow_trouble(struct worker *w);
// What it could not take is said in the log, as the last resort.
void worker_log_unrecorded(const struct home *h);

#endif
