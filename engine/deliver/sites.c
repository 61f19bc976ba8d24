// The sites that this worker has, found by their MX sets and what sessions must be there.

#include "engine/deliver/parts.h"

bool site_is(const struct site *s, const struct mx_set *set, const struct site_group *g,
             const struct limits *l, const struct site_need *need)
{
    const struct site_group *here = s->group && s->group->is_of_sisters ? NULL : s->group;
    return here == g && mx_set_equal(s->set, set) && site_need_equal(&s->need, need) &&
           sources_are(s, &l->sources);
}

struct site *site_find(struct deliver *d, const struct mx_set *set, uint64_t hash,
                       const struct site_group *g, const struct limits *l,
                       const struct site_need *need)
{
    struct site *s = d->site_buckets[hash % SITE_BUCKETS];
    while (s && !(s->hash == hash && site_is(s, set, g, l, need)))
        s = s->bucket_next;
    return s;
}

// What its rates are remembered by, beyond a restart. While it has no sisters it is as they are
// together: whichever of them comes first after a restart, what all have taken counts.
static uint64_t place_of_site(uint64_t hash, const struct site_group *g,
                              const struct site_need *need, const struct source_list *sources)
{
    const uint32_t kind[] = {need->level, need->implicit};
    if (!g)
        return sisters_place(hash);
    uint64_t place = slice_hash(slice_make(kind, sizeof(kind)), hash ^ g->place);
    if (need->login)
        place = slice_hash(slice_of_text(need->login->login.user), place);
    if (need->domain.len > 0)
        place = slice_hash(need->domain, place);
    for (uint32_t i = 0; i < sources->count; i++)
        place = slice_hash(slice_of_text(sources->items[i].name), place);
    return place;
}

void site_joins(struct site *s, struct site_group *g)
{
    s->group = g;
    s->place = place_of_site(s->hash, g, &s->need, &s->limits.sources);
    allowance_moves(&s->allowance, s->place);
}

struct site *site_make(struct deliver *d, const struct mx_set *set, uint64_t hash,
                       struct site_group *g, const struct limits *l, const struct site_need *need)
{
    uint32_t index;
    struct site *s = slab_take(&d->sites, &index);
    struct limits within = g ? limits_within_site(l, g->limits) : *l;
    if (!s)
        return NULL;
    if (!site_init(s, set, hash, &within, need)) {
        slab_give(&d->sites, index);
        return NULL;
    }
    s->group = g;
    s->place = place_of_site(hash, g, need, &l->sources);
    allowance_remember(&s->allowance, d->o.rate_memory, s->place);
    if (!sources_init(d, s, &l->sources)) {
        site_release(s);
        slab_give(&d->sites, index);
        return NULL;
    }
    s->index = index;
    s->limits_turn = d->limits_turn;
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
    uint64_t sources_us = sources_kept_until_us(s, now_us);
    if (sources_us > kept_us)
        kept_us = sources_us;
    if (kept_us > now_us && !d->stopping) { // what it has taken counts for whoever comes next
        wheel_arm(d->o.wheel, &s->timer, kept_us);
        return;
    }
    wheel_disarm(d->o.wheel, &s->timer);
    struct site **at = &d->site_buckets[s->hash % SITE_BUCKETS];
    while (*at != s)
        at = &(*at)->bucket_next;
    *at = s->bucket_next;
    sources_release(d, s);
    sisters_leave(d, s->group);
    site_release(s);
    slab_give(&d->sites, s->index);
}
