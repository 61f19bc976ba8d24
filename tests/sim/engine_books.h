// tests/sim/engine_books.h: what was sent, acknowledged, delivered and told of each recipient of
// each message of a scenario, in each life of the engine, and whether that can be.
//
// Reports: what the engine tells senders of failures is mail of its own: its recipient is
//          PLAN_SENDER, and it counts for those that it names.
// Sources: what the loads started (each message while it is under way), their ledgers (what the
//          engine acknowledged), the exchangers' ledgers (what arrived), the engine's events, and
//          what its journal held when a life had ended.
// Read first: engine_audit.c, the list of all that must hold.
#ifndef POSTHASTE_TESTS_SIM_ENGINE_BOOKS_H
#define POSTHASTE_TESTS_SIM_ENGINE_BOOKS_H

#include "bench/load/message.h"
#include "engine/worker.h"
#include "tests/sim/engine_plan.h"
#include "tests/sim/engine_survey.h"

// One recipient in one life of the engine.
struct books_rcpt_life {
    uint8_t arrivals;                    // by connections of that life, also when it was over
    uint8_t delivered, failed, in_doubt; // events
    uint64_t last_arrival_us, final_us;  // final_us: of the event that says delivered or failed
    uint64_t first_us;                   // of any event or arrival; 0: none
    // On the disk, when it was over:
    bool named;      // there is such a recipient
    bool over;       // with a final result
    bool has_failed; // that is how
    bool seems_over; // it may be lost yet: a sync had failed
    uint32_t doubt;  // the attempt that has no result; 0: none
};

struct books_rcpt {
    char address[64];
    bool acknowledged;
    uint32_t arrivals;
    uint32_t attempts, attempts_life;     // of the last event
    uint64_t due_us;                      // as the last event said, if it was deferred; else 0
    uint32_t delivered, failed, in_doubt; // events
    uint32_t reports;                     // that name him: different ones
    char report_id[40];                   // the last
    uint64_t *told;                       // the last parts of their ids: none counts twice
    uint32_t told_count, told_room;
    struct books_rcpt_life lives[PLAN_LIVES_MAX];
};

struct books_message {
    bool started;
    bool acknowledged;
    bool known; // the engine has told something of it
    bool has_sender;
    char id[96];
    char engine_id[32];
    char hex[SHA256_HEX_BYTES];      // of its content
    char hex_7bit[SHA256_HEX_BYTES]; // of what becomes of that where 8BITMIME is not offered
    uint32_t rcpt_count;
    struct books_rcpt rcpts[PLAN_RCPTS_MAX];
};

// How a life of the engine ended.
struct books_life {
    uint64_t end_us;
    bool orderly;      // it came to an end by itself, and all was written that it had to say
    bool cut_off;      // orderly, but without waiting for its events
    bool broken;       // orderly, but its journal could not be written any more
    bool cursorless;   // it could not keep how far its events had come: a crash may lose some
    uint64_t grace_us; // what is older than this is on the disk
    uint64_t sessions[PLAN_SINKS_MAX]; // that each exchanger had had by then
};

struct books {
    const struct plan *plan;
    struct books_message *messages; // by number, from 1
    uint32_t life_count;
    struct books_life lives[PLAN_LIVES_MAX];
    uint64_t arrivals, duplicates, in_doubt;
    uint64_t reports_delivered, reports_failed; // events
    uint32_t unread, unread_failed; // events of messages that could not be read back: nameless
    uint64_t *nameless;             // of each a hash of its id: told again it may have a name
    uint32_t nameless_room;
    uint64_t moved;         // messages, as seen at the ends of lives
    uint64_t left_in_doubt; // recipients, at the ends of lives
    uint32_t holds;         // that an operator has asked for
    uint32_t complaint_count;
};

void books_init(struct books *b, const struct plan *p);
void books_release(struct books *b);

// Something is wrong: told on stderr, with the seed.
void books_complain(struct books *b, const char *format, ...) __attribute__((format(printf, 2, 3)));

static inline bool books_has(const struct books *b, uint64_t number)
{
    return b->messages[number].started;
}
void books_started(struct books *b, const struct load_message *m, struct load_author *author);

// A life is over. `survey`: of what it leaves; NULL: there is no journal.
void books_life_over(struct books *b, const struct books_life *life, const struct survey *survey);

// When all is over:
void books_read_acknowledged(struct books *b, struct slice ledger);           // of a load
void books_read_arrived(struct books *b, struct slice ledger, uint32_t sink); // of an exchanger
void books_read_events(struct books *b, struct slice events, uint32_t life);
void books_read_report(struct books *b, struct slice mail); // that has arrived
// What a life told, when it began, of those before it.
void books_read_replay(struct books *b, struct slice events);

// `sum`: the counters of all workers of the last life, when they had stopped.
void books_audit(struct books *b, const struct counters *sum);

#endif
