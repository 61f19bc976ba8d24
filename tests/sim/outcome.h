// tests/sim/outcome.h: one message for three recipients, the engine, and an exchanger that answers
// one step in a way of choice: what becomes of each recipient?
#ifndef POSTHASTE_TESTS_SIM_OUTCOME_H
#define POSTHASTE_TESTS_SIM_OUTCOME_H

#include "tests/sim/peer.h"

#define OUTCOME_RCPTS 3

enum outcome_setup {
    OUTCOME_LOCKSTEP,  // the exchanger offers nothing
    OUTCOME_PIPELINED, // PIPELINING
    OUTCOME_STREAMED,  // and CHUNKING, and one message before this one
    OUTCOME_ALONE,     // PIPELINING, and there is no other exchanger
    OUTCOME_SETUP_COUNT,
};

struct outcome_case {
    enum outcome_setup setup;
    bool refuses;       // nobody listens at the exchanger
    bool is_black_hole; // connecting to it is never answered
    struct slice step;  // of peer.h; and what it answers there:
    struct slice say;
    bool closes, is_silent;
};

// A letter for each recipient, as the first event about him and what arrived tell:
//   1  delivered to the exchanger      d  deferred
//   2  delivered to the other one      ?  deferred, and in doubt
//   f  failed                          !  it is something else: ret_trouble says what
struct outcome {
    char letters[OUTCOME_RCPTS + 1];
    char trouble[160];
};
struct outcome outcome_play(const struct outcome_case *c);

#endif
