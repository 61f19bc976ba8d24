#include "queue/campaigns.h"

#include "engine/base/check.h"

#include <stdlib.h>

// The place of that name among the numbers near its own, or else the first one that is free; NULL:
// neither.
static struct campaign **look(const struct campaigns *c, struct slice name)
{
    struct campaign **spare = NULL;
    uint32_t number = campaign_number(name);
    for (uint32_t looks = 0; looks < CAMPAIGN_LOOKS_MAX; looks++) {
        struct campaign **at = &c->numbers[number];
        if (*at && slice_equal(campaign_name(*at), name))
            return at;
        if (!*at && !spare)
            spare = at;
        number = number % (CAMPAIGN_CROWD - 1u) + 1;
    }
    return spare;
}

static struct campaign *campaign_new(struct slice name, uint64_t now_us)
{
    struct campaign *made = calloc(1, sizeof(*made));
    if (!made)
        return NULL;
    CHECK(name.len <= sizeof(made->name));
    memcpy(made->name, name.data, name.len);
    made->name_len = (uint8_t)name.len;
    made->first_us = now_us;
    return made;
}

// --- those that are over

static void over_add(struct campaigns *c, struct campaign *one)
{
    one->newer = NULL;
    if (c->over_last)
        c->over_last->newer = one;
    else
        c->over_first = one;
    c->over_last = one;
    c->over_count++;
}

static void over_remove(struct campaigns *c, struct campaign *one)
{
    struct campaign **at = &c->over_first, *before = NULL;
    while (*at != one) {
        before = *at;
        at = &before->newer;
    }
    *at = one->newer;
    if (c->over_last == one)
        c->over_last = before;
    c->over_count--;
}

static void forget_oldest(struct campaigns *c)
{
    struct campaign *oldest = c->over_first;
    over_remove(c, oldest);
    c->numbers[oldest->number] = NULL;
    c->count--;
    free(oldest);
}

// --- numbers

uint16_t campaigns_take(struct campaigns *c, struct slice name, uint64_t now_us)
{
    if (name.len == 0)
        return CAMPAIGN_NONE;
    if (!c->numbers)
        c->numbers = calloc(CAMPAIGN_CROWD, sizeof(struct campaign *));
    struct campaign **at = c->numbers ? look(c, name) : NULL;
    if (at && !*at) {
        *at = campaign_new(name, now_us);
        c->count += *at != NULL;
        if (*at)
            (*at)->number = (uint16_t)(at - c->numbers);
    } else if (at && (*at)->message_count == 0) {
        over_remove(c, *at);
    }
    if (!at || !*at)
        return CAMPAIGN_CROWD;
    (*at)->message_count++;
    return (uint16_t)(at - c->numbers);
}

void campaigns_drop(struct campaigns *c, uint16_t number, bool is_over)
{
    if (number == CAMPAIGN_NONE || number == CAMPAIGN_CROWD)
        return;
    struct campaign *one = c->numbers[number];
    CHECK(one && one->message_count > 0);
    one->over_count += is_over;
    if (--one->message_count > 0)
        return;
    over_add(c, one);
    if (c->over_count > CAMPAIGNS_OVER_MAX)
        forget_oldest(c);
}

void campaigns_note(struct campaigns *c, uint16_t number, enum campaign_count what)
{
    if (number != CAMPAIGN_NONE && number != CAMPAIGN_CROWD)
        c->numbers[number]->counts[what]++;
}

uint16_t campaigns_find(const struct campaigns *c, struct slice name)
{
    struct campaign **at = c->numbers && name.len > 0 ? look(c, name) : NULL;
    return at && *at ? (uint16_t)(at - c->numbers) : CAMPAIGN_NONE;
}

const struct campaign *campaigns_at(const struct campaigns *c, uint16_t number)
{
    return c->numbers && number < CAMPAIGN_CROWD ? c->numbers[number] : NULL;
}

void campaigns_release(struct campaigns *c)
{
    for (uint32_t i = 0; c->numbers && i < CAMPAIGN_CROWD; i++)
        free(c->numbers[i]);
    free(c->numbers);
    *c = (struct campaigns){0};
}
