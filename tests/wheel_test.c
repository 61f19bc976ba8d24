// The timing wheel against the plainest model: a list that is searched.
#include "engine/base/check.h"
#include "engine/base/random.h"
#include "engine/base/wheel.h"
#include "tests/suite.h"

#include <stdlib.h>

#define SECOND_US 1000000ull
#define HOUR_US (3600 * SECOND_US)
#define TIMERS 300

static uint64_t tick_up(uint64_t us)
{
    return (us + WHEEL_TICK_US - 1) / WHEEL_TICK_US * WHEEL_TICK_US;
}

static void fires_on_time_at_every_distance(void)
{
    // Alone in the wheel, from several starts, at each side of every power of two.
    static const uint64_t starts[] = {0, 999, 63999, 64000, 4095999, 123456789012};
    for (size_t s = 0; s < COUNT_OF(starts); s++)
        for (unsigned bit = 0; bit < 50; bit++)
            for (uint64_t nudge = 0; nudge < 3; nudge++) {
                struct wheel w;
                struct wheel_timer t = {.owner = 7};
                uint64_t due_us = starts[s] + (1ull << bit) + nudge - 1;
                uint64_t want_us = tick_up(due_us);
                unsigned steps = 0;
                uint64_t now_us = starts[s];
                wheel_init(&w, now_us);
                wheel_arm(&w, &t, due_us);
                // Following the wheel's own advice must lead there, without firing early.
                while (wheel_next_us(&w) < WHEEL_NEVER && steps++ < 20) {
                    if (wheel_next_us(&w) > now_us)
                        now_us = wheel_next_us(&w);
                    CU_ASSERT_TRUE(now_us <= want_us);
                    struct wheel_timer *fired = wheel_expire(&w, now_us);
                    CU_ASSERT_EQUAL(fired != NULL, now_us >= want_us);
                    CU_ASSERT_TRUE(!fired || fired == &t);
                }
                CU_ASSERT_TRUE(now_us == want_us || due_us <= starts[s]);
                CU_ASSERT_FALSE(wheel_armed(&t));
                CU_ASSERT_EQUAL(w.timer_count, 0);
                if (want_us > starts[s] + WHEEL_TICK_US) { // and in one leap
                    wheel_init(&w, starts[s]);
                    wheel_arm(&w, &t, due_us);
                    CU_ASSERT_PTR_NULL(wheel_expire(&w, want_us - 1));
                    CU_ASSERT_PTR_EQUAL(wheel_expire(&w, want_us + 12345), &t);
                }
            }
}

static void past_and_never(void)
{
    struct wheel w;
    struct wheel_timer t = {0};
    wheel_init(&w, 5 * SECOND_US);
    CU_ASSERT_EQUAL(wheel_next_us(&w), WHEEL_NEVER);
    wheel_arm(&w, &t, 1);
    CU_ASSERT_EQUAL(wheel_next_us(&w), 0);
    CU_ASSERT_PTR_EQUAL(wheel_expire(&w, 5 * SECOND_US), &t);
    CU_ASSERT_PTR_NULL(wheel_expire(&w, 5 * SECOND_US));
    wheel_arm(&w, &t, 6 * SECOND_US);
    wheel_arm(&w, &t, WHEEL_NEVER);
    CU_ASSERT_FALSE(wheel_armed(&t));
    wheel_disarm(&w, &t);               // twice is nothing
    wheel_arm(&w, &t, WHEEL_NEVER - 1); // some 8,900 years from now, or later
    CU_ASSERT_PTR_NULL(wheel_expire(&w, 1000000 * HOUR_US));
    CU_ASSERT_TRUE(wheel_armed(&t));
    CU_ASSERT_PTR_NULL(wheel_expire(&w, 1)); // a clock that stands still or lags does no harm
    wheel_disarm(&w, &t);
    CU_ASSERT_EQUAL(wheel_next_us(&w), WHEEL_NEVER);
}

static void earliest_first(void)
{
    struct wheel w;
    struct wheel_timer t[64] = {0};
    wheel_init(&w, 0);
    for (unsigned i = 0; i < COUNT_OF(t); i++)
        wheel_arm(&w, &t[i], (i * 37 % 64 + 1) * WHEEL_TICK_US);
    uint64_t last_us = 0;
    struct wheel_timer *fired;
    unsigned count = 0;
    while ((fired = wheel_expire(&w, 63 * WHEEL_TICK_US))) {
        CU_ASSERT_TRUE(fired->due_us >= last_us);
        last_us = fired->due_us;
        count++;
    }
    CU_ASSERT_EQUAL(count, 63);
}

// Arms, moves, disarms and lets time pass at random, beside a model.
static void agrees_with_a_list(void)
{
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct random r;
        struct wheel w;
        struct wheel_timer timers[TIMERS] = {0};
        uint64_t model[TIMERS] = {0}; // due; 0: not armed
        uint64_t now_us = seed * 987654321;
        random_init(&r, seed);
        wheel_init(&w, now_us);
        for (int step = 0; step < 3000; step++) {
            uint32_t i = random_below(&r, TIMERS);
            uint64_t distance_us = random_u64(&r) >> (20 + random_below(&r, 40));
            switch (random_below(&r, 4)) {
            case 0:
            case 1:
                model[i] = now_us + distance_us;
                wheel_arm(&w, &timers[i], model[i]);
                break;
            case 2:
                model[i] = 0;
                wheel_disarm(&w, &timers[i]);
                break;
            case 3: {
                uint64_t next_us = wheel_next_us(&w);
                for (unsigned k = 0; k < TIMERS; k++)
                    CU_ASSERT_TRUE(!model[k] || next_us <= tick_up(model[k]));
                now_us += distance_us >> random_below(&r, 30);
                struct wheel_timer *fired;
                while ((fired = wheel_expire(&w, now_us))) {
                    size_t k = (size_t)(fired - timers);
                    CU_ASSERT_TRUE(model[k] && model[k] <= now_us);
                    model[k] = 0;
                }
                uint64_t reached_us = now_us / WHEEL_TICK_US * WHEEL_TICK_US;
                for (unsigned k = 0; k < TIMERS; k++)
                    CU_ASSERT_TRUE(!model[k] || model[k] > reached_us);
            } break;
            }
            uint32_t armed_count = 0;
            for (unsigned k = 0; k < TIMERS; k++)
                armed_count += model[k] > 0;
            CU_ASSERT_EQUAL(w.timer_count, armed_count);
        }
    }
}

static const struct suite_test tests[] = {
    {"fires on time at every distance", fires_on_time_at_every_distance},
    {"past and never", past_and_never},
    {"the earliest first", earliest_first},
    {"agrees with a list", agrees_with_a_list},
};
SUITE_MAIN("wheel", tests)
