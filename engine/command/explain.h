// engine/command/explain.h: an explanation, as the engine gives it, for people.
#ifndef POSTHASTE_COMMAND_EXPLAIN_H
#define POSTHASTE_COMMAND_EXPLAIN_H

#include "engine/base/slice.h"

void explain_print(struct slice line);

#endif
