// The sites that this worker has, found by their MX sets and what sessions must be there.

#include "engine/deliver/parts.h"

struct site *site_find(struct deliver *d, const struct mx_set *set, uint64_t hash,
                       const struct site_need *need)
{
    struct site *s = d->site_buckets[hash % SITE_BUCKETS];
    while (s && !(s->hash == hash && mx_set_equal(s->set, set) && site_need_equal(&s->need, need)))
        s = s->bucket_next;
    return s;
}

struct site *site_make(struct deliver *d, const struct mx_set *set, uint64_t hash,
                       struct site_group *g, const struct limits *l, const struct site_need *need)
{
    uint32_t index;
    struct site *s = slab_take(&d->sites, &index);
    struct limits within = g ? limits_within_site(l, &g->rule->limits) : *l;
    if (!s)
        return NULL;
    if (!site_init(s, set, hash, &within)) {
        slab_give(&d->sites, index);
        return NULL;
    }
    s->index = index;
    s->need = *need;
    s->limits_turn = d->limits_turn;
    s->group = g;
    sisters_join(g);
    struct io_token timer = {index, slab_generation(&d->sites, index), d->o.io_owner,
                             DELIVER_OP_SITE};
    memcpy(&s->timer.owner, &timer, sizeof(timer));
    s->bucket_next = d->site_buckets[hash % SITE_BUCKETS];
    d->site_buckets[hash % SITE_BUCKETS] = s;
    return s;
}

void site_free_unused(struct deliver *d, struct site *s)
{
    if (s->target_count > 0 || s->conn_count > 0 || s->ask_count > 0 || s->dirty ||
        s->has_dispatch || s->starved || s->fetch_count > 0 || s->fetched_count > 0 ||
        s->lease_first || s->borrowed || s->in_line || s->has_turn)
        return;
    uint64_t now_us = io_now_us(d->io), kept_us = allowance_kept_until_us(&s->allowance, now_us);
    if (kept_us > now_us && !d->stopping) { // what it has taken counts for whoever comes next
        wheel_arm(d->o.wheel, &s->timer, kept_us);
        return;
    }
    wheel_disarm(d->o.wheel, &s->timer);
    struct site **at = &d->site_buckets[s->hash % SITE_BUCKETS];
    while (*at != s)
        at = &(*at)->bucket_next;
    *at = s->bucket_next;
    sisters_leave(d, s->group);
    site_release(s);
    slab_give(&d->sites, s->index);
}
