// tests/sim/engine_operator.h: an operator at work on the engine of a scenario: holds mail and lets
// it go, retries, purges and lists, at any moment. Whatever he does, the books must be right.
#ifndef POSTHASTE_TESTS_SIM_ENGINE_OPERATOR_H
#define POSTHASTE_TESTS_SIM_ENGINE_OPERATOR_H

#include "tests/sim/engine_cast.h"

// After each turn of anybody.
void operator_look(struct scene *s);
// From now on he does nothing but let go what is held.
void operator_lets_go(struct scene *s);

#endif
