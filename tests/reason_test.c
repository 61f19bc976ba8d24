// Every reason has its words, and of two that hold the right one binds.

#include "engine/policy/reason.h"
#include "tests/suite.h"

static void test_each_has_words(void)
{
    for (int r = REASON_NONE; r < REASON_COUNT; r++) {
        const char *word = reason_word((enum reason_kind)r);
        CU_ASSERT(strlen(word) > 0 && strspn(word, "abcdefghijklmnopqrstuvwxyz-") == strlen(word));
        CU_ASSERT(strlen(reason_text((enum reason_kind)r)) > 0);
        CU_ASSERT(strlen(reason_next((enum reason_kind)r)) > 0);
        for (int other = REASON_NONE; other < r; other++)
            CU_ASSERT_STRING_NOT_EQUAL(word, reason_word((enum reason_kind)other));
    }
}

static const struct {
    struct reason a, b;
    enum reason_kind want;
} binding_cases[] = {
    {{REASON_NONE, 0}, {REASON_NONE, 0}, REASON_NONE},
    {{REASON_NONE, 0}, {REASON_HOLD, 0}, REASON_HOLD},
    {{REASON_HOLD, 0}, {REASON_NONE, 0}, REASON_HOLD},
    {{REASON_CONNECTION_RATE, 5}, {REASON_SITE_BACK_OFF, 9}, REASON_SITE_BACK_OFF},
    {{REASON_SITE_BACK_OFF, 9}, {REASON_CONNECTION_RATE, 5}, REASON_SITE_BACK_OFF},
    {{REASON_MESSAGE_RATE, 5}, {REASON_CONNECTION_RATE, 5}, REASON_MESSAGE_RATE},
    {{REASON_SITE_BACK_OFF, 9}, {REASON_DISK, 0}, REASON_DISK}, // who knows when that ends
    {{REASON_DISK, 0}, {REASON_SITE_BACK_OFF, 9}, REASON_DISK},
};

static void test_what_binds(void)
{
    for (size_t i = 0; i < sizeof(binding_cases) / sizeof(binding_cases[0]); i++) {
        struct reason got = reason_binding(binding_cases[i].a, binding_cases[i].b);
        CU_ASSERT_EQUAL(got.kind, binding_cases[i].want);
    }
}

static void test_what_is_final(void)
{
    CU_ASSERT(reason_is_final(REASON_DELIVERED) && reason_is_final(REASON_FAILED));
    CU_ASSERT(!reason_is_final(REASON_RETRY_LATER) && !reason_is_final(REASON_NONE));
}

static const struct suite_test tests[] = {
    {"each has words", test_each_has_words},
    {"what binds", test_what_binds},
    {"what is final", test_what_is_final},
};
SUITE_MAIN("reason", tests)
