// tests/sim/stage.h: the engine, with one worker mostly, in a simulated world, mail for one domain,
// and two exchangers that do as they are told. For tests in virtual time: days cost nothing.
//
//   stage_init() -> what is to be changed -> stage_begin() -> stage_until()... -> stage_end()
#ifndef POSTHASTE_TESTS_SIM_STAGE_H
#define POSTHASTE_TESTS_SIM_STAGE_H

#include "bench/load/worker.h"
#include "tests/sim/engine_life.h"
#include "tests/sim/peer.h"

#define STAGE_SECOND UINT64_C(1000000)
#define STAGE_FIRST "5.0.0.1" // mx1.example, preferred
#define STAGE_OTHER "5.0.0.2" // mx2.example

struct stage {
    // As stage_init() leaves it; to be changed before stage_begin():
    struct config config;                   // in memory alone; one connection
    struct peer_script script, good_script; // of the first exchanger, and of the other
    bool has_first, has_other;              // it listens
    bool first_is_lost;                     // connecting to it is never answered
    bool knows_other;                       // the DNS names it
    struct world_options options;           // no line is cut, and none is narrow
    struct load_plan load_plan;             // one message for one recipient
    uint32_t worker_count;                  // one; the events are the first one's
    // The stage's own:
    struct world *world;
    uint64_t began_us;
    struct io *keeper;
    struct life life;
    struct io_address engine_address[LIFE_ADDRESSES_MAX];
    struct peer *first, *other; // NULL: it does not listen
    struct load_content *content;
    struct load_domains *domains;
    struct load_worker *load;
    struct io *load_io;
    bool load_done;
};

// Message number `m` (1: the first) has the recipients r<m>.1@d0001.example, and so on; r<m>@ where
// it has one.
void stage_init(struct stage *s);
void stage_begin(struct stage *s);
// Times are since the beginning. Plays on until then.
void stage_until(struct stage *s, uint64_t us);
// Plays on until it says so, or until then. It is asked now and then.
bool stage_until_it(struct stage *s, uint64_t us, bool (*says_so)(const struct stage *s));
uint64_t stage_now_us(const struct stage *s);
void stage_end(struct stage *s); // stops the engine, and frees all

// The `nth` event of a recipient ("r1@"), as its line from there on; empty: there is none.
struct slice stage_event(const struct stage *s, const char *recipient, uint32_t nth);
bool stage_has(struct slice line, const char *text);
uint64_t stage_number(struct slice line, const char *name); // of a member; 0: none
// Copies for that recipient that an exchanger took.
uint32_t stage_arrivals(const struct peer *p, const char *recipient);

#endif
