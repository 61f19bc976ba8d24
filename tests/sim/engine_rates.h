// tests/sim/engine_rates.h: are rates kept? Every connection that the engine opens and every
// message that it begins is seen here (the linker puts us in front of conn_open(), conn_close() and
// conn_add_transaction()), whichever worker does it, and counted for the site whose address it is.
//
// Those of a provider's sites are counted together, too, against the provider's limits, and so are
// the connections that are open at a time.
//
// A life of the engine begins without knowing of the one before: so does the count.
#ifndef POSTHASTE_TESTS_SIM_ENGINE_RATES_H
#define POSTHASTE_TESTS_SIM_ENGINE_RATES_H

#include "tests/sim/engine_plan.h"

void rates_watch(const struct plan *p, struct world *w); // another scenario begins
void rates_new_life(void);

// What was too much since rates_watch().
struct rates_seen {
    uint32_t excess_count;
    char excess[160];  // the first one, for people; empty: none
    uint64_t at_limit; // how often something would have been too much a little earlier
};
struct rates_seen rates_seen(void);

#endif
