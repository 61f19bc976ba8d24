// engine/policy/guesses.h: who has failed to prove who he is, how often, and how long he is not
// heard. Pure.
//
// A few failures cost nothing: people mistype. Each one behind these costs a pause, twice as long
// as the one before, up to a limit; an hour without a failure, and all is forgotten.
//
// Bounded: a table of places. Where too many share one, the one with the fewest failures goes: who
// has many addresses can make it forget some of his, not more than that.
#ifndef POSTHASTE_POLICY_GUESSES_H
#define POSTHASTE_POLICY_GUESSES_H

#include <stdint.h>

#define GUESSES_SETS 1024u
#define GUESSES_WAYS 4u
#define GUESSES_FREE 5u // failures without a pause
#define GUESSES_PAUSE_US_FIRST UINT64_C(2000000)
#define GUESSES_FORGET_US (UINT64_C(3600) * 1000 * 1000)

// Zeroed: nobody.
struct guess {
    uint64_t who;
    uint64_t last_us;  // failure
    uint64_t until_us; // he is not heard
    uint32_t count;    // of failures; 0: an empty place
};

// Zeroed is the start.
struct guesses {
    struct guess items[GUESSES_SETS][GUESSES_WAYS];
};

// `who`: a keyed hash of a name or an address, so that nobody can choose his place.

// Until when he is not heard; 0: he is.
uint64_t guesses_until_us(const struct guesses *g, uint64_t who, uint64_t now_us);
void guesses_failed(struct guesses *g, uint64_t who, uint64_t pause_us_max, uint64_t now_us);
void guesses_forget(struct guesses *g, uint64_t who);

#endif
