// tests/priority_test.c: what is said of a message's priority and campaign, and which class goes
// next.
#include "engine/base/check.h"
#include "engine/policy/turns.h"
#include "tests/suite.h"

#define BAD 127

static const struct {
    const char *text;
    int want;
    enum priority_class rank;
} words[] = {
    {"transactional", 4, PRIORITY_TRANSACTIONAL},
    {"Transactional", 4, PRIORITY_TRANSACTIONAL},
    {"normal", 0, PRIORITY_NORMAL},
    {"BULK", -4, PRIORITY_BULK},
    {"0", 0, PRIORITY_NORMAL},
    {"9", 9, PRIORITY_TRANSACTIONAL},
    {"1", 1, PRIORITY_TRANSACTIONAL},
    {"-1", -1, PRIORITY_BULK},
    {"-9", -9, PRIORITY_BULK},
    {"", BAD, 0},
    {"-", BAD, 0},
    {"10", BAD, 0},
    {"-10", BAD, 0},
    {"+1", BAD, 0},
    {"1 ", BAD, 0},
    {"urgent", BAD, 0},
    {"bulk, normal", BAD, 0},
    {"--1", BAD, 0},
    {":", BAD, 0},
    {"/", BAD, 0},
};

static void words_and_numbers(void)
{
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        int8_t got = BAD;
        bool good = priority_parse(slice_of_text(words[i].text), &got);
        CU_ASSERT_EQUAL(got, words[i].want);
        CU_ASSERT_EQUAL(good, words[i].want != BAD);
        if (good)
            CU_ASSERT_EQUAL(priority_class(got), words[i].rank);
    }
    for (int priority = FORMAT_PRIORITY_MIN; priority <= FORMAT_PRIORITY_MAX; priority++) {
        char text[PRIORITY_TEXT_BYTES];
        int8_t got = BAD;
        CU_ASSERT(priority_parse(slice_of_text(priority_print(priority, text)), &got));
        CU_ASSERT_EQUAL(got, priority);
    }
}

static void names_of_campaigns(void)
{
    char longest[CAMPAIGN_NAME_BYTES_MAX + 1];
    memset(longest, 'x', sizeof(longest));
    CU_ASSERT(campaign_name_valid(SLICE("spring sale")) && campaign_name_valid(SLICE("~")));
    CU_ASSERT(campaign_name_valid(slice_make(longest, sizeof(longest) - 1)));
    CU_ASSERT(!campaign_name_valid(slice_make(longest, sizeof(longest))));
    CU_ASSERT(!campaign_name_valid(SLICE("")) && !campaign_name_valid(SLICE(" a")));
    CU_ASSERT(!campaign_name_valid(SLICE("a ")) && !campaign_name_valid(SLICE("a\tb")));
    CU_ASSERT(!campaign_name_valid(SLICE("a\0b")) && !campaign_name_valid(SLICE("gr\xc3\xbc\xc3")));
    CU_ASSERT_EQUAL(campaign_number(SLICE("")), CAMPAIGN_NONE);
    CU_ASSERT_NOT_EQUAL(campaign_number(SLICE("a")), CAMPAIGN_NONE);
    CU_ASSERT_NOT_EQUAL(campaign_number(SLICE("a")), campaign_number(SLICE("b")));
}

// Who waits ("t", "n", "b", always), and who starts.
static const struct {
    const char *name, *wait;
    unsigned t, n, b; // of 160 starts
} shares[] = {
    {"one alone", "b", 0, 0, 160},
    {"the urgent in front of the normal", "tn", 140, 20, 0},
    {"the urgent in front of bulk", "tb", 150, 0, 10},
    {"the normal in front of bulk", "nb", 0, 150, 10},
    {"all three", "tnb", 130, 20, 10},
};

static void no_class_waits_for_ever(void)
{
    for (size_t i = 0; i < COUNT_OF(shares); i++) {
        struct turns t = {{0}};
        unsigned got[PRIORITY_CLASSES] = {0}, waits[PRIORITY_CLASSES] = {0};
        uint32_t waiting = 0;
        for (const char *c = shares[i].wait; *c; c++)
            waiting |= 1u << (strchr("tnb", *c) - "tnb");
        for (int start = 0; start < 160; start++) {
            enum priority_class rank = turns_next(&t, waiting);
            CU_ASSERT_FATAL(rank < PRIORITY_CLASSES && (waiting & 1u << rank));
            turns_went(&t, rank, waiting);
            got[rank]++;
            for (unsigned other = 0; other < PRIORITY_CLASSES; other++)
                waits[other] = other == rank ? 0 : waits[other] + 1;
            CU_ASSERT(!(waiting & 2) || waits[PRIORITY_NORMAL] <= TURNS_NORMAL_EVERY);
            CU_ASSERT(!(waiting & 4) || waits[PRIORITY_BULK] <= TURNS_BULK_EVERY);
        }
        int near = (int)(got[0] - shares[i].t) + (int)(got[2] - shares[i].b);
        if (near < -2 || near > 2 || got[1] + 2 < shares[i].n || got[1] > shares[i].n + 2) {
            fprintf(stderr, "\n  %s: got %u, %u, %u", shares[i].name, got[0], got[1], got[2]);
            CU_FAIL("shares");
        }
    }
    CU_ASSERT_EQUAL(turns_next(&(struct turns){{0}}, 0), PRIORITY_CLASSES);
}

// One who has only just come has not been passed over yet.
static void waiting_begins_anew(void)
{
    struct turns t = {{0}};
    for (int start = 0; start < 1000; start++)
        turns_went(&t, PRIORITY_TRANSACTIONAL, 1);
    CU_ASSERT_EQUAL(turns_next(&t, 1 | 4), PRIORITY_TRANSACTIONAL);
    for (int start = 0; start < 1000; start++)
        turns_went(&t, PRIORITY_TRANSACTIONAL, 1 | 4);
    CU_ASSERT_EQUAL(turns_next(&t, 1 | 4), PRIORITY_BULK);
}

static const struct suite_test tests[] = {
    {"words and numbers", words_and_numbers},
    {"names of campaigns", names_of_campaigns},
    {"no class waits for ever", no_class_waits_for_ever},
    {"waiting begins anew", waiting_begins_anew},
};

SUITE_MAIN("priority", tests)
