// What has waited for too long among the ready jobs of a site's domains fails, now and then.

#include "engine/base/check.h"
#include "engine/deliver/target_parts.h"

#define EXPIRY_LOOKS 32u // in a message's life
#define EXPIRY_US_MIN (UINT64_C(5) * 1000 * 1000)
#define EXPIRY_US_MAX (UINT64_C(600) * 1000 * 1000)

// A part of a message's life, within limits: nobody minds so small a delay at its end.
static uint64_t look_every_us(const struct limits *l)
{
    uint64_t part_us = l->retry.lifetime_us / EXPIRY_LOOKS;
    uint64_t least_us = part_us > EXPIRY_US_MIN ? part_us : EXPIRY_US_MIN;
    return least_us < EXPIRY_US_MAX ? least_us : EXPIRY_US_MAX;
}

static void end_of_age(struct deliver *d, struct target *t, struct job *j)
{
    struct local_verdict v = verdict_of_old_age();
    struct failure why;
    failure_set(&why, v.code, v.enhanced, slice_of_text(v.text));
    why.reason = v.reason;
    outbox_whole_job(d, j, v.verdict, &why, NULL);
    target_job_left(d, t);
}

void target_expire_fetched(struct deliver *d, struct target *t, struct job *j)
{
    end_of_age(d, t, j);
}

// Those that must be read back first, and for which there is no room, wait for the next look.
static void target_expire(struct deliver *d, struct target *t)
{
    struct ready_walk walk = {0};
    for (struct job *j; (j = ready_walk_next(&t->domain.ready, &walk));) {
        bool is_there = entry_message(j->entry);
        if (!outbox_job_expired(d, j) || (!is_there && !fetch_has_room(d, j)))
            continue;
        target_took(j);
        j->message = entry_message(j->entry);
        if (is_there || !fetch_ask(d, j, FETCH_TO_EXPIRE))
            end_of_age(d, t, j);
    }
}

static void ring_expire(struct deliver *d, struct site *s, enum priority_class rank,
                        uint64_t now_us)
{
    for (struct target *t = s->rings[rank].first, *next; t; t = next) {
        next = t->ring[rank].next;
        const struct limits *l = limits_of_domain(d->o.limits, domain_name(&t->domain));
        if (now_us - t->looked_us < look_every_us(l))
            continue;
        t->looked_us = now_us;
        target_expire(d, t);
    }
}

static void site_expire(struct deliver *d, struct site *s, uint64_t now_us)
{
    for (int rank = 0; rank < PRIORITY_CLASSES; rank++)
        ring_expire(d, s, (enum priority_class)rank, now_us);
}

void targets_expire(struct deliver *d, uint64_t now_us)
{
    if (d->stopping || d->paused)
        return;
    for (uint32_t i = slab_next(&d->sites, 0); i != SLAB_NONE; i = slab_next(&d->sites, i + 1))
        site_expire(d, slab_at(&d->sites, i), now_us);
}
