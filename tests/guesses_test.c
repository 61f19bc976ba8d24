// Guesses: a few cost nothing, then each costs twice the pause; an hour forgets; the table is
// bounded.
#include "engine/policy/guesses.h"
#include "tests/suite.h"

#include <stdlib.h>

#define SECOND UINT64_C(1000000)
#define MINUTE (60 * SECOND)

static struct guesses *begin(void)
{
    struct guesses *g = calloc(1, sizeof(*g));
    CU_ASSERT_PTR_NOT_NULL_FATAL(g);
    return g;
}

static void pauses_double(void)
{
    struct guesses *g = begin();
    uint64_t now_us = 7 * SECOND;
    for (uint32_t i = 0; i < GUESSES_FREE; i++) {
        guesses_failed(g, 42, MINUTE, now_us);
        CU_ASSERT_EQUAL(guesses_until_us(g, 42, now_us), 0);
    }
    static const uint64_t seconds[] = {2, 4, 8, 16, 32, 60, 60};
    for (size_t i = 0; i < sizeof(seconds) / sizeof(seconds[0]); i++) {
        guesses_failed(g, 42, MINUTE, now_us);
        uint64_t until_us = now_us + seconds[i] * SECOND;
        CU_ASSERT_EQUAL(guesses_until_us(g, 42, now_us), until_us);
        CU_ASSERT_EQUAL(guesses_until_us(g, 42, until_us - 1), until_us);
        CU_ASSERT_EQUAL(guesses_until_us(g, 42, until_us), 0);
        CU_ASSERT_EQUAL(guesses_until_us(g, 43, now_us), 0);
        now_us = until_us;
    }
    free(g);
}

static void an_hour_forgets(void)
{
    struct guesses *g = begin();
    for (uint32_t i = 0; i <= GUESSES_FREE; i++)
        guesses_failed(g, 1, MINUTE, SECOND);
    guesses_failed(g, 1, MINUTE, SECOND + GUESSES_FORGET_US - 1);
    CU_ASSERT(guesses_until_us(g, 1, SECOND + GUESSES_FORGET_US) > 0);
    guesses_failed(g, 1, MINUTE, SECOND + 2 * GUESSES_FORGET_US);
    CU_ASSERT_EQUAL(guesses_until_us(g, 1, SECOND + 2 * GUESSES_FORGET_US), 0);
    free(g);
}

static void forgiven(void)
{
    struct guesses *g = begin();
    for (uint32_t i = 0; i <= GUESSES_FREE; i++)
        guesses_failed(g, 1, MINUTE, SECOND);
    guesses_forget(g, 1);
    CU_ASSERT_EQUAL(guesses_until_us(g, 1, SECOND), 0);
    guesses_failed(g, 1, MINUTE, SECOND);
    CU_ASSERT_EQUAL(guesses_until_us(g, 1, SECOND), 0);
    free(g);
}

// Those who share a place with many others: who has failed most is kept.
static void the_worst_is_kept(void)
{
    struct guesses *g = begin();
    for (uint32_t i = 0; i < GUESSES_FREE + 3; i++)
        guesses_failed(g, 5, MINUTE, SECOND);
    for (uint64_t i = 1; i <= 1000; i++)
        guesses_failed(g, 5 + i * GUESSES_SETS, MINUTE, SECOND + i);
    CU_ASSERT_EQUAL(guesses_until_us(g, 5, SECOND), 9 * SECOND);
    free(g);
}

static const struct suite_test tests[] = {
    {"pauses double", pauses_double},
    {"an hour forgets", an_hour_forgets},
    {"forgiven", forgiven},
    {"the worst is kept", the_worst_is_kept},
};

SUITE_MAIN("guesses", tests)
