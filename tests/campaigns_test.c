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
    CU_ASSERT_EQUAL(campaigns_take(&c, SLICE("")), CAMPAIGN_NONE);
    CU_ASSERT_EQUAL(campaigns_find(&c, SLICE("spring")), CAMPAIGN_NONE);
    uint16_t spring = campaigns_take(&c, SLICE("spring"));
    CU_ASSERT_EQUAL(spring, campaign_number(SLICE("spring")));
    CU_ASSERT_EQUAL(campaigns_take(&c, SLICE("spring")), spring);
    uint16_t summer = campaigns_take(&c, SLICE("summer"));
    CU_ASSERT_NOT_EQUAL(summer, spring);
    CU_ASSERT_EQUAL(c.count, 2);
    CU_ASSERT_EQUAL(campaigns_find(&c, SLICE("spring")), spring);
    CU_ASSERT_EQUAL(campaigns_at(&c, spring)->message_count, 2);
    CU_ASSERT(slice_equal(campaign_name(campaigns_at(&c, summer)), SLICE("summer")));
    campaigns_drop(&c, spring);
    CU_ASSERT_EQUAL(campaigns_find(&c, SLICE("spring")), spring);
    campaigns_drop(&c, spring);
    CU_ASSERT_EQUAL(campaigns_find(&c, SLICE("spring")), CAMPAIGN_NONE);
    CU_ASSERT_PTR_NULL(campaigns_at(&c, spring));
    campaigns_drop(&c, CAMPAIGN_NONE);
    campaigns_drop(&c, CAMPAIGN_CROWD);
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
        numbers[i] = campaigns_take(&c, name);
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
        campaigns_drop(&c, numbers[i]);
    for (uint32_t i = 1; i < COUNT_OF(numbers); i += 2) {
        struct slice name = name_of(i, text);
        if (numbers[i] == CAMPAIGN_CROWD)
            continue;
        CU_ASSERT_EQUAL(campaigns_find(&c, name), numbers[i]);
        CU_ASSERT_EQUAL(campaigns_take(&c, name), numbers[i]);
    }
    campaigns_release(&c);
}

static const struct suite_test tests[] = {
    {"a name has a number while it has messages", a_name_has_a_number_while_it_has_messages},
    {"numbers are not shared", numbers_are_not_shared},
};

SUITE_MAIN("campaigns", tests)
