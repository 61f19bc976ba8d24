// The table of requests in flight beside a plain list.
#include "engine/base/check.h"
#include "engine/base/random.h"
#include "engine/io/flight.h"
#include "tests/suite.h"

#include <stdlib.h>

#define TOKENS 300

// Among them some that share a chain, and the one that no descriptor has.
static const int fds[] = {3, 4, 3 + (1 << 14), 3 + (1 << 15), 4 + (1 << 14), -1, 99};

// The token's index stands in its low half, and generations differ in the upper one.
static uint64_t token_of(uint32_t i)
{
    return (uint64_t)(i / 100) << 32 | i % 100;
}

static void check_walks(const struct flight *f, const int *model)
{
    uint32_t cursor = 0;
    uint32_t count = 0;
    uint64_t token;
    while (flight_next(f, &cursor, &token))
        count++;
    CU_ASSERT_EQUAL(count, flight_count(f));
    for (size_t k = 0; k < COUNT_OF(fds); k++) {
        bool seen[TOKENS] = {0};
        cursor = 0;
        while (flight_next_on(f, fds[k], &cursor, &token)) {
            uint64_t i = (token >> 32) * 100 + (token & 0xffffffff);
            CU_ASSERT_TRUE_FATAL(i < TOKENS && !seen[i]);
            seen[i] = true;
        }
        for (uint32_t i = 0; i < TOKENS; i++)
            CU_ASSERT_EQUAL(seen[i], model[i] == (int)k);
    }
}

static void agrees_with_a_list(void)
{
    struct flight f;
    struct random r;
    int model[TOKENS]; // index in fds, or -1
    uint32_t count = 0;
    random_init(&r, 1);
    memset(model, 0xff, sizeof(model));
    CU_ASSERT_TRUE_FATAL(flight_init(&f));
    for (int step = 0; step < 20000; step++) {
        uint32_t i = random_below(&r, TOKENS);
        CU_ASSERT_EQUAL(flight_has(&f, token_of(i)), model[i] >= 0);
        if (model[i] >= 0) {
            flight_remove(&f, token_of(i));
            model[i] = -1;
            count--;
        } else {
            model[i] = (int)random_below(&r, COUNT_OF(fds));
            flight_add(&f, token_of(i), fds[model[i]]);
            count++;
        }
        CU_ASSERT_EQUAL(flight_count(&f), count);
        if (step % 100 == 0)
            check_walks(&f, model);
    }
    flight_release(&f);
}

static void a_hundred_thousand(void)
{
    struct flight f;
    CU_ASSERT_TRUE_FATAL(flight_init(&f));
    for (uint32_t i = 0; i < 100000; i++)
        flight_add(&f, (uint64_t)7 << 32 | i, (int)(i / 2));
    CU_ASSERT_EQUAL(flight_count(&f), 100000);
    for (uint32_t i = 0; i < 100000; i++)
        flight_remove(&f, (uint64_t)7 << 32 | i);
    CU_ASSERT_EQUAL(flight_count(&f), 0);
    flight_release(&f);
    flight_release(&(struct flight){0}); // half-built
}

static const struct suite_test tests[] = {
    {"agrees with a list", agrees_with_a_list},
    {"a hundred thousand", a_hundred_thousand},
};
SUITE_MAIN("flight", tests)
