#include "engine/policy/holds.h"

#include "engine/base/check.h"
#include "queue/domain.h"

#include <stdlib.h>

static struct holds *holds_new(uint32_t room)
{
    return calloc(1, sizeof(struct holds) + room * sizeof(struct selector));
}

struct holds *holds_with(const struct holds *old, const struct selector *s)
{
    uint32_t count = old ? old->count : 0;
    CHECK(count < HOLDS_MAX);
    struct holds *h = holds_new(count + 1);
    if (!h)
        return NULL;
    for (uint32_t i = 0; i < count; i++)
        h->items[i] = old->items[i];
    h->items[count] = *s;
    h->count = count + 1;
    return h;
}

uint32_t holds_find(const struct holds *h, const struct selector *s)
{
    for (uint32_t i = 0; h && i < h->count; i++)
        if (selector_equal(&h->items[i], s))
            return i;
    return HOLDS_MAX;
}

struct holds *holds_released(const struct holds *old, const struct selector *s)
{
    const struct selector everything = {.all = true};
    uint32_t at = holds_find(old, s);
    struct holds *h = holds_new(old ? old->count : 0);
    if (!h || !old || (at == HOLDS_MAX && selector_equal(s, &everything)))
        return h;
    for (uint32_t i = 0; i < old->count; i++)
        if (i != at)
            h->items[h->count++] = old->items[i];
    return h;
}

static bool fits_message(const struct selector *s, const struct job *j, const struct message *m)
{
    if (!selector_fits_sender(s, message_sender(m)))
        return false;
    for (uint32_t rcpt = j->rcpt_first; rcpt < (uint32_t)j->rcpt_first + j->rcpt_count; rcpt++)
        if (job_rcpt_state(j, rcpt) == RCPT_OPEN &&
            selector_fits_rcpt(s, message_rcpt_address(m, rcpt)))
            return true;
    return false;
}

const struct selector *holds_keep(const struct holds *h, const struct job *j,
                                  const struct message *m)
{
    const struct selector_job facts = {
        .id = j->entry->id,
        .domain = j->domain ? domain_name(j->domain) : SLICE_EMPTY,
        .campaign = m ? message_campaign(m) : SLICE_EMPTY,
    };
    for (uint32_t i = 0; h && i < h->count; i++) {
        const struct selector *s = &h->items[i];
        if (!selector_fits_job(s, &facts))
            continue;
        if (!selector_needs_message(s) || (m && fits_message(s, j, m)))
            return s;
    }
    return NULL;
}

const struct selector *holds_keep_domain(const struct holds *h, struct slice domain)
{
    const struct selector_job facts = {.domain = domain};
    for (uint32_t i = 0; h && i < h->count; i++) {
        const struct selector *s = &h->items[i];
        if (s->id == 0 && !selector_needs_message(s) && selector_fits_job(s, &facts))
            return s;
    }
    return NULL;
}

bool holds_need_messages(const struct holds *h)
{
    for (uint32_t i = 0; h && i < h->count; i++)
        if (selector_needs_message(&h->items[i]) || h->items[i].campaign[0])
            return true;
    return false;
}
