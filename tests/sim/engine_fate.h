// tests/sim/engine_fate.h: what happens to the engine of a scenario from outside: it is killed,
// loses power, is stopped, and started again; its disk fills and has room again.
#ifndef POSTHASTE_TESTS_SIM_ENGINE_FATE_H
#define POSTHASTE_TESTS_SIM_ENGINE_FATE_H

#include "tests/sim/engine_cast.h"

// After each turn of anybody. A life that has ended is in the books, and the next one begins,
// unless the scenario is in its last phases.
void fate_look(struct scene *s);
// When it has something to do though nothing else happens.
uint64_t fate_due_us(const struct scene *s);
// All deaths of the plan have come about.
bool fate_is_fulfilled(const struct scene *s);

#endif
