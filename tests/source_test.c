// Which of our addresses a connection leaves from: tables of offers in, a choice out; and what all
// of them may do together.

#include "engine/policy/source.h"
#include "tests/suite.h"

#define NONE SOURCES_MAX
#define ALL UINT32_MAX
#define BUSY                                                                                       \
    {                                                                                              \
        SOURCE_V4, false, ALL, 0, 0, 0, 0                                                          \
    }
#define FREE(n)                                                                                    \
    {                                                                                              \
        SOURCE_V4, false, ALL, (n), 0, 0, 0                                                        \
    }
#define SPENT(due)                                                                                 \
    {                                                                                              \
        SOURCE_V4, false, 0, ALL, (due), 0, 0                                                      \
    }
#define SLOW(due)                                                                                  \
    {                                                                                              \
        SOURCE_V4, false, ALL, 0, 0, (due), 0                                                      \
    }
#define AWAY(until)                                                                                \
    {                                                                                              \
        SOURCE_V4, true, ALL, ALL, 0, 0, (until)                                                   \
    }
#define SIX(n)                                                                                     \
    {                                                                                              \
        SOURCE_V6, false, ALL, (n), 0, 0, 0                                                        \
    }
#define BOTH(n)                                                                                    \
    {                                                                                              \
        SOURCE_ANY, false, ALL, (n), 0, 0, 0                                                       \
    }

static const struct {
    const char *name;
    struct source_offer offers[4];
    uint32_t count;
    uint8_t family;
    uint32_t turn;
    uint32_t want;
} choose_cases[] = {
    {"the only one", {FREE(1)}, 1, SOURCE_V4, 0, 0},
    {"the only one is busy", {BUSY}, 1, SOURCE_V4, 0, NONE},
    {"without limits", {FREE(ALL)}, 1, SOURCE_V4, 7, 0},
    {"equal ones take turns: the first", {FREE(2), FREE(2), FREE(2)}, 3, SOURCE_V4, 0, 0},
    {"the second", {FREE(2), FREE(2), FREE(2)}, 3, SOURCE_V4, 1, 1},
    {"the third", {FREE(2), FREE(2), FREE(2)}, 3, SOURCE_V4, 2, 2},
    {"and from the start", {FREE(2), FREE(2), FREE(2)}, 3, SOURCE_V4, 3, 0},
    {"the one with more left", {FREE(2), FREE(5), FREE(4)}, 3, SOURCE_V4, 0, 1},
    {"whoever's turn it is", {FREE(5), FREE(2), FREE(4)}, 3, SOURCE_V4, 1, 0},
    {"a busy one is passed over", {BUSY, FREE(1)}, 2, SOURCE_V4, 0, 1},
    {"one that may send nothing", {SPENT(9), FREE(1)}, 2, SOURCE_V4, 0, 1},
    {"a suspended one", {AWAY(9), FREE(1)}, 2, SOURCE_V4, 0, 1},
    {"all suspended", {AWAY(9), AWAY(8)}, 2, SOURCE_V4, 0, NONE},
    {"families must match", {SIX(9), FREE(1)}, 2, SOURCE_V4, 0, 1},
    {"the other way round", {FREE(9), SIX(1)}, 2, SOURCE_V6, 0, 1},
    {"nobody has that family", {FREE(9), FREE(1)}, 2, SOURCE_V6, 0, NONE},
    {"one that has both", {FREE(9), BOTH(1)}, 2, SOURCE_V6, 0, 1},
    {"the right family is suspended", {AWAY(9), SIX(1)}, 2, SOURCE_V4, 0, NONE},
};

static void test_choices(void)
{
    for (size_t i = 0; i < sizeof(choose_cases) / sizeof(choose_cases[0]); i++) {
        uint32_t got = source_choose(choose_cases[i].offers, choose_cases[i].count,
                                     choose_cases[i].family, choose_cases[i].turn);
        CU_ASSERT_EQUAL(got, choose_cases[i].want);
        if (got != choose_cases[i].want)
            printf("\n  %s: got %u", choose_cases[i].name, got);
    }
}

static const struct {
    const char *name;
    struct source_offer offers[3];
    uint32_t count;
    struct source_sum want;
} sum_cases[] = {
    {"one without limits",
     {BOTH(ALL)},
     1,
     {.families = SOURCE_ANY, .families_now = SOURCE_ANY, .messages = ALL, .connections = ALL}},
    {"two together",
     {FREE(2), SIX(3)},
     2,
     {.families = SOURCE_ANY, .families_now = SOURCE_ANY, .messages = ALL, .connections = 5}},
    {"one family is busy",
     {BUSY, SIX(3)},
     2,
     {.families = SOURCE_ANY, .families_now = SOURCE_V6, .messages = ALL, .connections = 3}},
    {"one is suspended",
     {AWAY(9), SIX(3)},
     2,
     {.families = SOURCE_ANY,
      .families_now = SOURCE_V6,
      .messages = ALL,
      .connections = 3,
      .suspended_to_us = 9}},
    {"all are: the first that may again",
     {AWAY(9), AWAY(7)},
     2,
     {.families = SOURCE_V4,
      .all_suspended = true,
      .suspended_to_us = 7,
      .messages_due_us = 7,
      .connections_due_us = 7}},
    {"all rates are used up: the same",
     {SPENT(9), SPENT(7)},
     2,
     {.families = SOURCE_V4, .messages_due_us = 7}},
    {"a suspended one with nothing left",
     {{SOURCE_V4, true, 0, ALL, 9, 0, 5}},
     1,
     {.families = SOURCE_V4,
      .all_suspended = true,
      .suspended_to_us = 5,
      .messages_due_us = 9,
      .connections_due_us = 5}},
    {"none may be opened for a while",
     {SLOW(9), SLOW(7)},
     2,
     {.families = SOURCE_V4, .messages = ALL, .connections_due_us = 7}},
    {"nor until one is closed", {BUSY, BUSY}, 2, {.families = SOURCE_V4, .messages = ALL}},
};

static void test_sums(void)
{
    for (size_t i = 0; i < sizeof(sum_cases) / sizeof(sum_cases[0]); i++) {
        struct source_sum got = source_sum(sum_cases[i].offers, sum_cases[i].count);
        const struct source_sum *want = &sum_cases[i].want;
        bool same = got.families == want->families && got.families_now == want->families_now &&
                    got.messages == want->messages && got.connections == want->connections &&
                    got.all_suspended == want->all_suspended &&
                    got.suspended_to_us == want->suspended_to_us &&
                    got.messages_due_us == want->messages_due_us &&
                    got.connections_due_us == want->connections_due_us;
        CU_ASSERT_TRUE(same);
        if (!same)
            printf("\n  %s", sum_cases[i].name);
    }
}

// Three of different limits are filled in turn until each has as many as it may.
static void test_fills_all(void)
{
    struct source_offer offers[] = {FREE(1), FREE(4), FREE(4)};
    uint32_t turn = 0, opened[3] = {0};
    for (int i = 0; i < 9; i++) {
        uint32_t at = source_choose(offers, 3, SOURCE_V4, turn);
        CU_ASSERT_FATAL(at < 3);
        turn = at + 1;
        opened[at]++;
        offers[at].connections--;
    }
    CU_ASSERT(opened[0] == 1 && opened[1] == 4 && opened[2] == 4);
    CU_ASSERT_EQUAL(source_choose(offers, 3, SOURCE_V4, turn), NONE);
}

static void test_addresses(void)
{
    struct source s = {.name = "a"};
    struct io_address peer4 = {.as.any.sa_family = AF_INET};
    struct io_address peer6 = {.as.any.sa_family = AF_INET6};
    s.v4.len = sizeof(s.v4.as.in);
    CU_ASSERT_EQUAL(source_families(&s), SOURCE_V4);
    CU_ASSERT_EQUAL(source_families(NULL), SOURCE_ANY);
    CU_ASSERT_PTR_NULL(source_address(NULL, &peer4));
    CU_ASSERT_PTR_EQUAL(source_address(&s, &peer4), &s.v4);
    CU_ASSERT_PTR_EQUAL(source_address(&s, &peer6), &s.v6);
    CU_ASSERT_EQUAL(source_family_of(&peer6), SOURCE_V6);
}

static void test_lists(void)
{
    struct source_list a = {2, {{"a", NULL}, {"b", NULL}}}, b = a;
    CU_ASSERT_TRUE(source_list_equal(&a, &b));
    b.count = 1;
    CU_ASSERT_FALSE(source_list_equal(&a, &b));
    b = (struct source_list){2, {{"b", NULL}, {"a", NULL}}};
    CU_ASSERT_FALSE(source_list_equal(&a, &b));
}

static const struct suite_test tests[] = {
    {"choices", test_choices},     {"sums", test_sums},   {"fills all", test_fills_all},
    {"addresses", test_addresses}, {"lists", test_lists},
};

SUITE_MAIN("source", tests)
