// tests/sim/engine_rates.h: are rates kept? Every connection that the engine opens and every
// message that it begins is seen here (the linker puts us in front of conn_open(), conn_close() and
// conn_add_transaction()), whichever worker does it, and counted for the site whose address it is.
//
// Those of a provider's sites are counted together, too, against the provider's limits, and so are
// the connections that are open at a time; those that take a route against the route's; and those
// that leave from one source against that one's, at each site, or at all of the provider's.
//
// A life of the engine may begin without knowing of the one before: so does the count then.
#ifndef POSTHASTE_TESTS_SIM_ENGINE_RATES_H
#define POSTHASTE_TESTS_SIM_ENGINE_RATES_H

#include "tests/sim/engine_plan.h"

void rates_watch(const struct plan *p, struct world *w); // another scenario begins
void rates_new_life(bool are_kept);                      // what was counted in longer windows

// What was too much since rates_watch().
struct rates_seen {
    uint32_t excess_count;
    char excess[160];  // the first one, for people; empty: none
    uint64_t at_limit; // how often something would have been too much a little earlier
};
struct rates_seen rates_seen(void);

#endif
