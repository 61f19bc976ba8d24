// Rates: never more in any span of a window's length, whatever comes when; and not much less than
// that when there is always something that waits.
#include "engine/base/random.h"
#include "engine/policy/rate.h"
#include "tests/suite.h"

#include <stdlib.h>
#include <string.h>

#define SECOND UINT64_C(1000000)
#define HOUR (3600 * SECOND)
#define COUNTED_MAX 200000

struct stage {
    struct rate_limits rates;
    struct rate_meter meters[RATES_MAX];
    uint64_t now_us;
    uint64_t *counted_us; // when each was
    uint32_t counted;
};

static void begin(struct stage *s, const struct rate_limit *rates, uint32_t count)
{
    memset(s, 0, sizeof(*s));
    s->now_us = 5 * SECOND;
    s->counted_us = calloc(COUNTED_MAX, sizeof(*s->counted_us));
    CU_ASSERT_PTR_NOT_NULL_FATAL(s->counted_us);
    s->rates.count = count;
    memcpy(s->rates.items, rates, count * sizeof(*rates));
}

static void end(struct stage *s)
{
    free(s->counted_us);
}

static bool take(struct stage *s)
{
    bool due = rate_limits_due_us(s->meters, &s->rates, s->now_us) == s->now_us;
    bool room = rate_limits_room(s->meters, &s->rates, s->now_us) > 0;
    CU_ASSERT_EQUAL(due, room);
    if (!room || s->counted == COUNTED_MAX)
        return false;
    rate_limits_count(s->meters, &s->rates, s->now_us);
    s->counted_us[s->counted++] = s->now_us;
    return true;
}

// The most that any span of that length holds, each from one that was counted on.
static uint32_t most_within(const struct stage *s, uint64_t window_us)
{
    uint32_t most = 0;
    for (uint32_t first = 0, last = 0; last < s->counted; last++) {
        while (s->counted_us[last] - s->counted_us[first] >= window_us)
            first++;
        if (last - first + 1 > most)
            most = last - first + 1;
    }
    return most;
}

static void check_never_more(const struct stage *s)
{
    for (uint32_t i = 0; i < s->rates.count; i++)
        CU_ASSERT(most_within(s, s->rates.items[i].window_us) <= s->rates.items[i].count);
}

static void test_a_burst_passes_at_once(void)
{
    struct stage s;
    begin(&s, (struct rate_limit[]){{100, SECOND}}, 1);
    CU_ASSERT_EQUAL(rate_limits_room(s.meters, &s.rates, s.now_us), 100);
    while (take(&s))
        ;
    CU_ASSERT_EQUAL(s.counted, 100);
    CU_ASSERT_EQUAL(rate_limits_due_us(s.meters, &s.rates, s.now_us), s.now_us + SECOND);
    s.now_us += SECOND - 1;
    CU_ASSERT_FALSE(take(&s));
    s.now_us++;
    while (take(&s))
        ;
    CU_ASSERT_EQUAL(s.counted, 200);
    check_never_more(&s);
    end(&s);
}

// The second half of one second and the first of the next are a second, too.
static void test_no_span_across_two_seconds(void)
{
    struct stage s;
    begin(&s, (struct rate_limit[]){{10, SECOND}}, 1);
    s.now_us += SECOND * 9 / 10;
    while (take(&s))
        ;
    s.now_us += SECOND / 5;
    CU_ASSERT_FALSE(take(&s));
    end(&s);
}

// Something always waits, and whoever has it sleeps until it is due.
static void run(struct stage *s, uint64_t for_us)
{
    uint64_t end_us = s->now_us + for_us;
    while (s->now_us < end_us) {
        while (take(s))
            ;
        if (s->counted == COUNTED_MAX)
            return;
        uint64_t due_us = rate_limits_due_us(s->meters, &s->rates, s->now_us);
        CU_ASSERT_FATAL(due_us > s->now_us);
        s->now_us = due_us;
    }
}

static void test_several_windows(void)
{
    struct stage s;
    begin(&s, (struct rate_limit[]){{14, SECOND}, {600, 60 * SECOND}, {50000, 24 * HOUR}}, 3);
    run(&s, 26 * HOUR);
    check_never_more(&s);
    CU_ASSERT(s.counted >= 50000);
    CU_ASSERT(s.counted <= 100000);
    end(&s);
}

// What comes evenly, just as fast as the rate, and waits where it must: it comes to 32/33 of it.
static void test_what_comes_evenly(void)
{
    static const struct rate_limit rates[] = {
        {1, SECOND}, {7, SECOND}, {33, SECOND}, {1000, SECOND}};
    for (uint32_t i = 0; i < 4; i++) {
        struct stage s;
        uint32_t waiting = 0, came = 0;
        begin(&s, &rates[i], 1);
        for (uint64_t us = 0; us < 60 * SECOND; us += 250) {
            s.now_us += 250;
            if (us * rates[i].count >= came * SECOND) {
                came++;
                waiting++;
            }
            while (waiting > 0 && take(&s))
                waiting--;
        }
        check_never_more(&s);
        CU_ASSERT(s.counted >= 60 * rates[i].count / 33 * 32);
        end(&s);
    }
}

static void test_many_seeds(void)
{
    for (uint64_t seed = 0; seed < 200; seed++) {
        struct random r;
        struct stage s;
        struct rate_limit rates[RATES_MAX];
        random_init(&r, seed);
        uint32_t count = 1 + random_below(&r, 3);
        for (uint32_t i = 0; i < count; i++)
            rates[i] = (struct rate_limit){1 + random_below(&r, 200),
                                           RATE_US_MIN + random_below(&r, 60000000)};
        begin(&s, rates, count);
        for (uint32_t i = 0; i < 3000; i++) {
            for (uint32_t burst = random_below(&r, 8); burst > 0; burst--)
                take(&s);
            s.now_us += random_below(&r, 2u << random_below(&r, 22));
        }
        check_never_more(&s);
        end(&s);
    }
}

// A smaller count holds at once, with what was counted before.
static void test_the_limit_becomes_tighter(void)
{
    struct stage s;
    begin(&s, (struct rate_limit[]){{10, SECOND}}, 1);
    for (int i = 0; i < 8; i++)
        CU_ASSERT_TRUE(take(&s));
    rate_limits_tighten(&s.rates, &(struct rate_limits){1, {{5, SECOND}}});
    CU_ASSERT_FALSE(take(&s));
    CU_ASSERT_EQUAL(rate_limits_room(s.meters, &s.rates, s.now_us + SECOND), 5);
    end(&s);
}

static void test_until_when_it_is_remembered(void)
{
    struct stage s;
    begin(&s, (struct rate_limit[]){{10, SECOND}, {1000, HOUR}}, 2);
    CU_ASSERT_EQUAL(rate_limits_end_us(s.meters, &s.rates, s.now_us), s.now_us);
    take(&s);
    CU_ASSERT_EQUAL(rate_limits_end_us(s.meters, &s.rates, s.now_us), s.now_us + HOUR);
    CU_ASSERT_EQUAL(rate_limits_end_us(s.meters, &s.rates, s.now_us + HOUR), s.now_us + HOUR);
    end(&s);
}

static void test_of_two_the_tighter(void)
{
    struct rate_limits r = {2, {{100, SECOND}, {1000, HOUR}}};
    const struct rate_limits by = {2, {{14, SECOND}, {500, 60 * SECOND}}};
    rate_limits_tighten(&r, &by);
    CU_ASSERT_EQUAL(r.count, 3);
    CU_ASSERT_EQUAL(r.items[0].count, 14);
    CU_ASSERT_EQUAL(r.items[1].count, 1000);
    CU_ASSERT_EQUAL(r.items[2].count, 500);
    rate_limits_tighten(&r, &(struct rate_limits){0});
    CU_ASSERT_EQUAL(r.count, 3);
    // More windows than there is room for: what is kept is at least as tight as each.
    for (uint32_t i = 1; i <= 20; i++)
        rate_limits_tighten(&r, &(struct rate_limits){1, {{i, i * 7 * SECOND}}});
    CU_ASSERT_EQUAL(r.count, RATES_MAX);
    for (uint32_t i = 1; i <= 20; i++) {
        bool is_held = false;
        for (uint32_t at = 0; at < r.count; at++)
            is_held |= r.items[at].window_us >= i * 7 * SECOND && r.items[at].count <= i;
        CU_ASSERT(is_held);
    }
}

static const struct suite_test tests[] = {
    {"a burst passes at once", test_a_burst_passes_at_once},
    {"no span across two seconds", test_no_span_across_two_seconds},
    {"several windows", test_several_windows},
    {"what comes evenly", test_what_comes_evenly},
    {"many seeds", test_many_seeds},
    {"the limit becomes tighter", test_the_limit_becomes_tighter},
    {"until when it is remembered", test_until_when_it_is_remembered},
    {"of two the tighter", test_of_two_the_tighter},
};

SUITE_MAIN("rate", tests)
