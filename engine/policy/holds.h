// engine/policy/holds.h: the standing holds of an operator: mail that they fit stays where it is,
// what is there now and what comes later, until they are released.
//
// Shape:   a table that is not changed once it is in use: a change makes another one, which goes
//          round the workers, and the old one is freed when all have it.
// Pure.
#ifndef POSTHASTE_POLICY_HOLDS_H
#define POSTHASTE_POLICY_HOLDS_H

#include "engine/policy/selector.h"
#include "queue/job.h"

#define HOLDS_MAX 1000u

struct holds {
    uint32_t count;
    struct selector items[];
};

// A copy of `old` (NULL: of none) with one more. NULL without memory.
struct holds *holds_with(const struct holds *old, const struct selector *s);
// A copy without that very one; `all` alone, where that is none itself, leaves none. NULL without
// memory.
struct holds *holds_released(const struct holds *old, const struct selector *s);
// The number of that very one; HOLDS_MAX: there is none.
uint32_t holds_find(const struct holds *h, const struct selector *s);

// Which of them keeps the job; NULL: none. Without its message, only those that need none are
// asked.
const struct selector *holds_keep(const struct holds *h, const struct job *j,
                                  const struct message *m);
// One that keeps all mail to that domain.
const struct selector *holds_keep_domain(const struct holds *h, struct slice domain);
bool holds_need_messages(const struct holds *h);

#endif
