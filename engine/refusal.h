// engine/refusal.h: why the engine does not start: one line for people.
//
// Whoever finds the reason writes it down here and returns false; the subcommand prints it.
#ifndef POSTHASTE_REFUSAL_H
#define POSTHASTE_REFUSAL_H

#include <stdbool.h>

#define REFUSAL_BYTES_MAX 1024

struct refusal {
    char text[REFUSAL_BYTES_MAX]; // cut when it is longer
};

// Always false, so that a caller can say `return refuse(why, ...)`.
bool refuse(struct refusal *why, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
