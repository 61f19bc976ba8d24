// Sites of the same exchangers that need different sessions (struct site_need), or whose mail
// leaves from different sources, are one site to who runs these: what it allows holds for all of
// them. They are a group that is made when the second comes, and goes with the last.

#include "engine/base/check.h"
#include "engine/deliver/parts.h"

#include <stdio.h>

#define PLACE_SEED UINT64_C(0x73697374657273)

struct sisters {
    struct site_group group; // first: a pointer to it is one to the whole
    struct limits_site rule;
    uint32_t index; // in the slab
    uint32_t site_count;
    uint32_t limits_turn;
};

static struct sisters *sisters_of_group(struct site_group *g)
{
    CHECK(g->is_of_sisters);
    return (struct sisters *)(void *)g;
}

size_t sisters_bytes(void)
{
    return sizeof(struct sisters);
}

void sisters_release(struct deliver *d)
{
    for (uint32_t i = slab_next(&d->sisters, 0); i != SLAB_NONE;
         i = slab_next(&d->sisters, i + 1)) {
        struct sisters *x = slab_at(&d->sisters, i);
        wheel_disarm(d->o.wheel, &x->group.timer);
        source_book_release(d, &x->group.sources);
        allowance_release(&x->group.allowance);
    }
    slab_release(&d->sisters);
}

uint64_t sisters_place(uint64_t hash)
{
    return slice_hash(slice_make(&hash, sizeof(hash)), PLACE_SEED);
}

// What is said on one connection is each one's own.
static void limit_by(struct sisters *x, const struct limits *l)
{
    x->rule.limits = *l;
    x->rule.limits.messages_per_connection = UINT32_MAX;
    x->rule.limits.rcpts_per_transaction = UINT32_MAX;
    x->rule.limits.window = UINT32_MAX;
}

static struct sisters *sisters_new(struct deliver *d, const struct site *first)
{
    uint32_t index;
    struct sisters *x = slab_take(&d->sisters, &index);
    if (!x)
        return NULL;
    limit_by(x, &first->limits);
    if (!allowance_init(&x->group.allowance, &x->rule.limits)) {
        slab_give(&d->sisters, index);
        return NULL;
    }
    x->index = index;
    x->limits_turn = d->limits_turn;
    x->group.allowance.throttle = first->allowance.throttle; // what it has learned
    x->group.is_of_sisters = true;
    x->group.name = x->rule.name;
    x->group.limits = &x->rule.limits;
    x->group.place = sisters_place(first->hash);
    allowance_remember(&x->group.allowance, d->o.rate_memory, x->group.place);
    allowance_inherit(&x->group.allowance, &first->allowance);
    x->group.owner = d->o.worker;
    snprintf(x->rule.name, sizeof(x->rule.name), "%.*s", (int)sizeof(x->rule.name) - 1,
             first->set->hosts[0].name);
    struct io_token timer = {index, slab_generation(&d->sisters, index), d->o.io_owner,
                             DELIVER_OP_SISTERS};
    memcpy(&x->group.timer.owner, &timer, sizeof(timer));
    return x;
}

// From being alone: what it has counts for the group, too.
static void adopt(struct deliver *d, struct sisters *x, struct site *s)
{
    site_joins(s, &x->group);
    x->group.sources = s->own_sources;
    s->own_sources = (struct source_book){NULL};
    x->site_count++;
    x->group.open_count += s->open_count + s->lent_count; // what is lent ends later: lend.c
    x->group.opening_count += s->opening_count;
    x->group.transaction_count += s->transaction_count;
    for (uint32_t i = slab_next(&d->conns, 0); i != SLAB_NONE; i = slab_next(&d->conns, i + 1)) {
        struct conn *c = slab_at(&d->conns, i);
        if (c->site == s && c->state == CONN_IDLE)
            group_conn_idle(c);
    }
}

struct site_group *sisters_group(struct deliver *d, const struct mx_set *set, uint64_t hash)
{
    struct site *s = d->site_buckets[hash % SITE_BUCKETS];
    while (s && !(s->hash == hash && !s->borrowed && mx_set_equal(s->set, set) &&
                  (!s->group || s->group->is_of_sisters)))
        s = s->bucket_next;
    if (!s || s->group)
        return s ? s->group : NULL;
    struct sisters *x = sisters_new(d, s);
    if (!x)
        return NULL; // without memory each keeps to the limits by itself
    adopt(d, x, s);
    return &x->group;
}

bool sisters_print_counted(struct deliver *d, struct buffer *out, const struct rate_clock *clock)
{
    bool is_ok = true;
    for (uint32_t i = slab_next(&d->sisters, 0); i != SLAB_NONE && is_ok;
         i = slab_next(&d->sisters, i + 1)) {
        struct sisters *x = slab_at(&d->sisters, i);
        is_ok = allowance_print(&x->group.allowance, out, clock) &&
                source_book_print(&x->group.sources, out, clock);
    }
    return is_ok;
}

void sisters_join(struct site_group *g)
{
    if (g && g->is_of_sisters)
        sisters_of_group(g)->site_count++;
}

void sisters_leave(struct deliver *d, struct site_group *g)
{
    if (!g || !g->is_of_sisters || --sisters_of_group(g)->site_count > 0)
        return;
    CHECK(!g->line_first && !g->has_turn && g->open_count == 0);
    wheel_disarm(d->o.wheel, &g->timer);
    source_book_release(d, &g->sources);
    allowance_release(&g->allowance);
    slab_give(&d->sisters, sisters_of_group(g)->index);
}

// The first to come with limits of another table does away with those of the old one.
void sisters_learn_limits(struct deliver *d, struct site_group *g, const struct limits *l)
{
    if (!g || !g->is_of_sisters)
        return;
    struct sisters *x = sisters_of_group(g);
    bool old = x->limits_turn != d->limits_turn;
    struct limits all = old ? *l : limits_tighter(&x->rule.limits, l);
    limit_by(x, &all);
    x->limits_turn = d->limits_turn;
    CHECK(old ? allowance_renew(&g->allowance, l) : allowance_tighten(&g->allowance, l));
}
