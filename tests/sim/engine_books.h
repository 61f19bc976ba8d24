// tests/sim/engine_books.h: what was sent, acknowledged, delivered and told of each recipient of
// each message of a scenario, and whether that can be.
//
// Sources: what the loads started (each message while it is under way), their ledgers (what the
//          engine acknowledged), the exchangers' ledgers (what arrived), the engine's events.
// Read first: books_audit(), the list of all that must hold.
#ifndef POSTHASTE_TESTS_SIM_ENGINE_BOOKS_H
#define POSTHASTE_TESTS_SIM_ENGINE_BOOKS_H

#include "bench/load/message.h"
#include "engine/worker.h"
#include "tests/sim/engine_plan.h"

struct books_rcpt {
    char address[64];
    bool acknowledged;
    uint32_t arrivals;
    uint32_t attempts;                    // of the last event
    uint32_t delivered, failed, in_doubt; // events
};

struct books_message {
    bool started;
    bool acknowledged;
    bool known; // the engine has told something of it
    char id[96];
    char engine_id[32];
    char hex[SHA256_HEX_BYTES]; // of its content
    uint32_t rcpt_count;
    struct books_rcpt rcpts[PLAN_RCPTS_MAX];
};

struct books {
    const struct plan *plan;
    struct books_message *messages; // by number, from 1
    uint64_t arrivals, duplicates, in_doubt;
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

void books_read_acknowledged(struct books *b, struct slice ledger); // of a load
void books_read_arrived(struct books *b, struct slice ledger);      // of an exchanger
void books_read_events(struct books *b, struct slice events);

// `sum`: the counters of all workers, when they had stopped.
void books_audit(struct books *b, const struct counters *sum);

#endif
