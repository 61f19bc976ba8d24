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

static struct campaign *campaign_new(struct slice name)
{
    struct campaign *made = calloc(1, sizeof(*made));
    if (!made)
        return NULL;
    CHECK(name.len <= sizeof(made->name));
    memcpy(made->name, name.data, name.len);
    made->name_len = (uint8_t)name.len;
    return made;
}

uint16_t campaigns_take(struct campaigns *c, struct slice name)
{
    if (name.len == 0)
        return CAMPAIGN_NONE;
    if (!c->numbers)
        c->numbers = calloc(CAMPAIGN_CROWD, sizeof(struct campaign *));
    struct campaign **at = c->numbers ? look(c, name) : NULL;
    if (at && !*at) {
        *at = campaign_new(name);
        c->count += *at != NULL;
    }
    if (!at || !*at)
        return CAMPAIGN_CROWD;
    (*at)->message_count++;
    return (uint16_t)(at - c->numbers);
}

void campaigns_drop(struct campaigns *c, uint16_t number)
{
    if (number == CAMPAIGN_NONE || number == CAMPAIGN_CROWD)
        return;
    struct campaign *gone = c->numbers[number];
    CHECK(gone && gone->message_count > 0);
    if (--gone->message_count > 0)
        return;
    free(gone);
    c->numbers[number] = NULL;
    c->count--;
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
