// tests/sim/tls_dice.h: OpenSSL's random bytes come from a seed, and its clock is a world's: with
// the same keys all that it says in a world is the same each time, to the byte.
#ifndef POSTHASTE_TESTS_SIM_TLS_DICE_H
#define POSTHASTE_TESTS_SIM_TLS_DICE_H

#include "tests/sim/world.h"

// From now on. `w`: NULL: there is none, and time() says so much as when worlds begin.
void tls_dice_init(uint64_t seed, const struct world *w);

#endif
