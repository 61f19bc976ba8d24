// tests/share_test.c: who may open a connection when there are too few for all.
#include "engine/base/check.h"
#include "engine/policy/share.h"
#include "tests/suite.h"

static const struct {
    const char *name;
    struct share_load load; // count_max, count, slow_count, site_count, is_prompt
    enum share want;
} cases[] = {
    {"nobody is there", {100, 0, 0, 0, false}, SHARE_OPEN},
    {"a new site while there is room", {100, 74, 74, 0, false}, SHARE_OPEN},
    {"a new site when its part is used up", {100, 75, 75, 0, false}, SHARE_REPLACES},
    {"a slow site with one then waits", {100, 75, 75, 1, false}, SHARE_WAIT},
    {"a prompt site has the rest", {100, 99, 75, 50, true}, SHARE_OPEN},
    {"prompt sites may take all", {100, 100, 0, 30, true}, SHARE_WAIT},
    {"one that has none comes first all the same", {100, 100, 75, 0, true}, SHARE_REPLACES},
    {"a new one among prompt ones", {100, 100, 0, 0, false}, SHARE_REPLACES},
    {"a new one, prompt ones have nearly all", {100, 99, 0, 0, false}, SHARE_OPEN},
    {"slow sites keep to a few when it gets scarce", {100, 40, 37, 2, false}, SHARE_WAIT},
    {"and may have more before", {100, 40, 36, 19, false}, SHARE_OPEN},
    {"one of them has less than a few", {100, 40, 37, 1, false}, SHARE_OPEN},
    {"a single connection", {1, 0, 0, 0, false}, SHARE_OPEN},
    {"a single connection, taken", {1, 1, 1, 0, false}, SHARE_REPLACES},
};

static void who_may_open_one(void)
{
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        enum share got = share_of(&cases[i].load);
        if (got != cases[i].want)
            fprintf(stderr, "\n  %s: got %d, want %d", cases[i].name, got, cases[i].want);
        CU_ASSERT_EQUAL(got, cases[i].want);
    }
}

static const struct suite_test tests[] = {
    {"who may open one", who_may_open_one},
};

SUITE_MAIN("share", tests)
