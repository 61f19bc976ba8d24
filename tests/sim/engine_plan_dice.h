// tests/sim/engine_plan_dice.h: what plans are drawn with.
#ifndef POSTHASTE_TESTS_SIM_ENGINE_PLAN_DICE_H
#define POSTHASTE_TESTS_SIM_ENGINE_PLAN_DICE_H

#include "engine/base/random.h"

#include <stdbool.h>

#define KiB 1024u

static inline bool percent(struct random *r, uint32_t share)
{
    return random_below(r, 100) < share;
}

static inline uint32_t between(struct random *r, uint32_t least, uint32_t most)
{
    return least + random_below(r, most - least + 1);
}

// Off for this seed, or some rate: small ones as likely as large ones.
static inline uint32_t rate(struct random *r, uint32_t per_million_max)
{
    if (percent(r, 50))
        return 0;
    return per_million_max >> random_below(r, 6);
}

struct plan;
void plan_draw_journal(struct plan *p, struct random *r, bool fair); // of engine_plan_journal.c
void plan_draw_sources(struct plan *p);                              // of engine_plan_sources.c
void plan_draw_tls(struct plan *p, bool fair);                       // of engine_plan_tls.c

#endif
