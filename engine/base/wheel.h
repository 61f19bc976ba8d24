// engine/base/wheel.h: a hierarchical timing wheel.
//
// Owns:    no memory: timers live inside what they belong to.
// Shape:   8 levels of 64 slots, 1 ms ticks on the lowest: add and cancel cost the same at any
//          distance. A timer never fires early, and at most one tick late.
// Threads: one owner.
#ifndef POSTHASTE_BASE_WHEEL_H
#define POSTHASTE_BASE_WHEEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WHEEL_LEVELS 8
#define WHEEL_SLOTS 64
#define WHEEL_TICK_US 1000u
#define WHEEL_NEVER UINT64_MAX

struct wheel_timer {
    struct wheel_timer *next;
    struct wheel_timer **at; // who points to us; NULL while not armed
    uint64_t due_us;
    uint64_t owner; // the caller's: what to look up when it fires
    uint8_t level;  // the wheel's: where it stands, so that an emptied slot is noticed
    uint8_t slot;
};

struct wheel {
    uint64_t tick;                   // time reached, in ticks
    uint64_t occupied[WHEEL_LEVELS]; // a bit for each slot that holds timers
    struct wheel_timer *slots[WHEEL_LEVELS][WHEEL_SLOTS];
    struct wheel_timer *expired; // due, waiting for wheel_expire()
    uint32_t timer_count;
};

void wheel_init(struct wheel *w, uint64_t now_us);

static inline bool wheel_armed(const struct wheel_timer *t)
{
    return t->at != NULL;
}

// Arms t for due_us (at once when that is past); an armed one is moved. WHEEL_NEVER disarms.
void wheel_arm(struct wheel *w, struct wheel_timer *t, uint64_t due_us);
void wheel_disarm(struct wheel *w, struct wheel_timer *t); // nothing happens when not armed

// The next timer that is due at now_us, disarmed; NULL when there is none left. Call until NULL.
struct wheel_timer *wheel_expire(struct wheel *w, uint64_t now_us);

// When to call wheel_expire() next: no timer fires before, though the wheel may only want to move
// some nearer. 0: at once. WHEEL_NEVER: no timer is armed.
uint64_t wheel_next_us(const struct wheel *w);

#endif
