// tests/sim/day_rates.h: are rates kept over a day? Every connection that the engine opens and
// every message that it begins is seen here (the linker puts us in front of conn_open() and
// conn_add_transaction()), whichever worker does it, and counted for the site whose address it is.
//
// In no span of a window's length may there be more than the window allows: exactly, by the times
// of the last so many.
#ifndef POSTHASTE_TESTS_SIM_DAY_RATES_H
#define POSTHASTE_TESTS_SIM_DAY_RATES_H

#include "engine/policy/limits.h"
#include "tests/sim/world.h"

struct day_rates_seen {
    uint32_t excess_count;
    char excess[160];  // the first one; empty: none
    uint64_t at_limit; // how often something would have been too much a little earlier
};

// The first `site_count` sites each have these limits. Until day_rates_end().
void day_rates_watch(const struct limits *limits, uint32_t site_count, struct world *w);
struct day_rates_seen day_rates_end(void);

#endif
