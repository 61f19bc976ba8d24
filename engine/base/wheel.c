// The level of a timer is the highest 6-bit digit in which its due tick differs from the tick
// reached; its slot is that digit. So all on a level come before all on the levels above, a
// level's slots come in their order, and time passing a digit of level n makes everything below
// level n due at once.
#include "engine/base/wheel.h"

#include "engine/base/check.h"

#define DIGIT_BITS 6
#define TICK_MAX ((1ull << (DIGIT_BITS * WHEEL_LEVELS)) - 1) // 8,900 years of milliseconds
#define LEVEL_EXPIRED WHEEL_LEVELS
_Static_assert(WHEEL_SLOTS == 1 << DIGIT_BITS, "a digit chooses a slot");

static unsigned level_of(uint64_t differing_bits)
{
    return (63 - (unsigned)__builtin_clzll(differing_bits)) / DIGIT_BITS;
}

static unsigned digit(uint64_t tick, unsigned level)
{
    return (unsigned)(tick >> (DIGIT_BITS * level)) & (WHEEL_SLOTS - 1);
}

// Rounded up: a timer never fires early.
static uint64_t due_tick(uint64_t due_us)
{
    uint64_t tick = due_us / WHEEL_TICK_US + (due_us % WHEEL_TICK_US != 0);
    return tick < TICK_MAX ? tick : TICK_MAX;
}

void wheel_init(struct wheel *w, uint64_t now_us)
{
    *w = (struct wheel){.tick = now_us / WHEEL_TICK_US};
    CHECK(w->tick < TICK_MAX);
}

static void push(struct wheel_timer **list, struct wheel_timer *t)
{
    t->next = *list;
    t->at = list;
    if (t->next)
        t->next->at = &t->next;
    *list = t;
}

static void place(struct wheel *w, struct wheel_timer *t)
{
    uint64_t tick = due_tick(t->due_us);
    if (tick <= w->tick) {
        t->level = LEVEL_EXPIRED;
        push(&w->expired, t);
        return;
    }
    t->level = (uint8_t)level_of(tick ^ w->tick);
    t->slot = (uint8_t)digit(tick, t->level);
    w->occupied[t->level] |= 1ull << t->slot;
    push(&w->slots[t->level][t->slot], t);
}

void wheel_arm(struct wheel *w, struct wheel_timer *t, uint64_t due_us)
{
    wheel_disarm(w, t);
    if (due_us == WHEEL_NEVER)
        return;
    t->due_us = due_us;
    place(w, t);
    w->timer_count++;
}

void wheel_disarm(struct wheel *w, struct wheel_timer *t)
{
    if (!t->at)
        return;
    *t->at = t->next;
    if (t->next)
        t->next->at = t->at;
    if (t->level != LEVEL_EXPIRED && !w->slots[t->level][t->slot])
        w->occupied[t->level] &= ~(1ull << t->slot);
    t->next = NULL;
    t->at = NULL;
    w->timer_count--;
}

// Takes the slots of `mask` off the level and places their timers anew, the last slot first:
// place() puts what is due in front, and the earliest shall fire first.
static void replace_slots(struct wheel *w, unsigned level, uint64_t mask)
{
    mask &= w->occupied[level];
    w->occupied[level] &= ~mask;
    while (mask) {
        unsigned slot = 63 - (unsigned)__builtin_clzll(mask);
        mask &= ~(1ull << slot);
        struct wheel_timer *t = w->slots[level][slot];
        w->slots[level][slot] = NULL;
        while (t) {
            struct wheel_timer *next = t->next;
            place(w, t);
            t = next;
        }
    }
}

static void advance(struct wheel *w, uint64_t tick)
{
    if (tick <= w->tick)
        return;
    unsigned level = level_of(tick ^ w->tick);
    w->tick = tick;
    CHECK(level < WHEEL_LEVELS);
    replace_slots(w, level, UINT64_MAX >> (WHEEL_SLOTS - 1 - digit(tick, level)));
    while (level-- > 0)
        replace_slots(w, level, UINT64_MAX);
}

struct wheel_timer *wheel_expire(struct wheel *w, uint64_t now_us)
{
    if (!w->expired)
        advance(w, now_us / WHEEL_TICK_US);
    struct wheel_timer *t = w->expired;
    if (t)
        wheel_disarm(w, t);
    return t;
}

uint64_t wheel_next_us(const struct wheel *w)
{
    if (w->expired)
        return 0;
    for (unsigned level = 0; level < WHEEL_LEVELS; level++) {
        if (!w->occupied[level])
            continue;
        unsigned slot = (unsigned)__builtin_ctzll(w->occupied[level]);
        unsigned shift = DIGIT_BITS * level;
        uint64_t tick = (w->tick >> shift & ~(uint64_t)(WHEEL_SLOTS - 1)) | slot;
        return (tick << shift) * WHEEL_TICK_US;
    }
    return WHEEL_NEVER;
}
