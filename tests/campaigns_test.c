// tests/campaigns_test.c: names of campaigns and their numbers.
#include "engine/base/check.h"
#include "queue/campaigns.h"
#include "tests/suite.h"

#include <stdio.h>

static struct slice name_of(uint32_t i, char text[32])
{
    snprintf(text, 32, "campaign %u", i);
    return slice_of_text(text);
}

static void a_name_has_a_number_while_it_has_messages(void)
{
    struct campaigns c = {0};
    CU_ASSERT_EQUAL(campaigns_take(&c, SLICE(""), 1), CAMPAIGN_NONE);
    CU_ASSERT_EQUAL(campaigns_find(&c, SLICE("spring")), CAMPAIGN_NONE);
    uint16_t spring = campaigns_take(&c, SLICE("spring"), 1);
    CU_ASSERT_EQUAL(spring, campaign_number(SLICE("spring")));
    CU_ASSERT_EQUAL(campaigns_take(&c, SLICE("spring"), 1), spring);
    uint16_t summer = campaigns_take(&c, SLICE("summer"), 1);
    CU_ASSERT_NOT_EQUAL(summer, spring);
    CU_ASSERT_EQUAL(c.count, 2);
    CU_ASSERT_EQUAL(campaigns_find(&c, SLICE("spring")), spring);
    CU_ASSERT_EQUAL(campaigns_at(&c, spring)->message_count, 2);
    CU_ASSERT(slice_equal(campaign_name(campaigns_at(&c, summer)), SLICE("summer")));
    campaigns_drop(&c, spring, true);
    CU_ASSERT_EQUAL(campaigns_find(&c, SLICE("spring")), spring);
    campaigns_note(&c, spring, CAMPAIGN_DELIVERED);
    campaigns_note(&c, CAMPAIGN_NONE, CAMPAIGN_DELIVERED);
    campaigns_drop(&c, spring, true);
    CU_ASSERT(campaigns_at(&c, spring)->message_count == 0 && c.over_count == 1);
    CU_ASSERT_EQUAL(campaigns_take(&c, SLICE("spring"), 9), spring); // it goes on
    CU_ASSERT(c.over_count == 0 && campaigns_at(&c, spring)->first_us == 1);
    CU_ASSERT_EQUAL(campaigns_at(&c, spring)->counts[CAMPAIGN_DELIVERED], 1);
    campaigns_drop(&c, spring, true);
    campaigns_drop(&c, CAMPAIGN_NONE, true);
    campaigns_drop(&c, CAMPAIGN_CROWD, true);
    campaigns_release(&c);
    CU_ASSERT_PTR_NULL(campaigns_at(&c, summer));
}

// Many, of which some want the same number: each has one of its own, or is in the crowd.
static void numbers_are_not_shared(void)
{
    static uint16_t numbers[40000];
    static bool taken[UINT16_MAX];
    struct campaigns c = {0};
    char text[32];
    uint32_t crowd = 0, moved = 0;
    for (uint32_t i = 0; i < COUNT_OF(numbers); i++) {
        struct slice name = name_of(i, text);
        numbers[i] = campaigns_take(&c, name, 1);
        moved += numbers[i] != campaign_number(name);
        crowd += numbers[i] == CAMPAIGN_CROWD;
        if (numbers[i] == CAMPAIGN_CROWD)
            continue;
        CU_ASSERT(numbers[i] != CAMPAIGN_NONE && !taken[numbers[i]]);
        taken[numbers[i]] = true;
    }
    CU_ASSERT(moved > 1000 && crowd < 400);
    CU_ASSERT_EQUAL(c.count, COUNT_OF(numbers) - crowd);
    // Whoever goes leaves the others found.
    for (uint32_t i = 0; i < COUNT_OF(numbers); i += 2)
        campaigns_drop(&c, numbers[i], true);
    for (uint32_t i = 1; i < COUNT_OF(numbers); i += 2) {
        struct slice name = name_of(i, text);
        if (numbers[i] == CAMPAIGN_CROWD)
            continue;
        CU_ASSERT_EQUAL(campaigns_find(&c, name), numbers[i]);
        CU_ASSERT_EQUAL(campaigns_take(&c, name, 1), numbers[i]);
    }
    campaigns_release(&c);
}

// They come and go without end: what is over is remembered, up to a limit.
static void those_that_are_over_are_forgotten(void)
{
    struct campaigns c = {0};
    char text[32];
    for (uint32_t i = 0; i < 2000; i++)
        campaigns_drop(&c, campaigns_take(&c, name_of(i, text), 1), true);
    CU_ASSERT(c.over_count == CAMPAIGNS_OVER_MAX && c.count == CAMPAIGNS_OVER_MAX);
    CU_ASSERT_EQUAL(campaigns_find(&c, name_of(0, text)), CAMPAIGN_NONE);
    CU_ASSERT_NOT_EQUAL(campaigns_find(&c, name_of(1999, text)), CAMPAIGN_NONE);
    for (uint32_t i = 1900; i < 2000; i += 3)
        campaigns_take(&c, name_of(i, text), 1);
    CU_ASSERT_EQUAL(c.over_count, CAMPAIGNS_OVER_MAX - 34);
    campaigns_release(&c);
}

static const struct suite_test tests[] = {
    {"those that are over are forgotten", those_that_are_over_are_forgotten},
    {"a name has a number while it has messages", a_name_has_a_number_while_it_has_messages},
    {"numbers are not shared", numbers_are_not_shared},
};

SUITE_MAIN("campaigns", tests)
