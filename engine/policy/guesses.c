#include "engine/policy/guesses.h"

#include <stddef.h>

static const struct guess *find(const struct guesses *g, uint64_t who)
{
    const struct guess *set = g->items[who % GUESSES_SETS];
    for (uint32_t i = 0; i < GUESSES_WAYS; i++)
        if (set[i].count > 0 && set[i].who == who)
            return &set[i];
    return NULL;
}

uint64_t guesses_until_us(const struct guesses *g, uint64_t who, uint64_t now_us)
{
    const struct guess *item = find(g, who);
    return item && item->until_us > now_us ? item->until_us : 0;
}

// His own, or an empty one, or that of whom it is best to forget.
static struct guess *place_for(struct guesses *g, uint64_t who, uint64_t now_us)
{
    struct guess *set = g->items[who % GUESSES_SETS];
    struct guess *best = &set[0];
    for (uint32_t i = 0; i < GUESSES_WAYS; i++)
        if (now_us - set[i].last_us >= GUESSES_FORGET_US)
            set[i].count = 0;
    for (uint32_t i = 0; i < GUESSES_WAYS; i++) {
        if (set[i].count > 0 && set[i].who == who)
            return &set[i];
        if (set[i].count < best->count ||
            (set[i].count == best->count && set[i].last_us < best->last_us))
            best = &set[i];
    }
    *best = (struct guess){.who = who};
    return best;
}

void guesses_failed(struct guesses *g, uint64_t who, uint64_t pause_us_max, uint64_t now_us)
{
    struct guess *item = place_for(g, who, now_us);
    item->last_us = now_us;
    if (item->count < UINT32_MAX)
        item->count++;
    if (item->count <= GUESSES_FREE)
        return;
    const uint32_t doublings = item->count - GUESSES_FREE - 1;
    uint64_t pause_us = doublings < 32 ? GUESSES_PAUSE_US_FIRST << doublings : UINT64_MAX;
    item->until_us = now_us + (pause_us < pause_us_max ? pause_us : pause_us_max);
}

void guesses_forget(struct guesses *g, uint64_t who)
{
    struct guess *set = g->items[who % GUESSES_SETS];
    for (uint32_t i = 0; i < GUESSES_WAYS; i++)
        if (set[i].who == who)
            set[i].count = 0;
}
