// A recipient domain's place: it joins a site, or goes over to another worker whose site that is;
// and it moves, when it has other exchangers than before. Its limits bind its site.

#include "engine/base/check.h"
#include "engine/deliver/target_parts.h"

#include <stdlib.h>

// --- at its site

void target_leave_site(struct deliver *d, struct target *t)
{
    struct site *s = t->site;
    if (!s)
        return;
    target_withdraw(t);
    free(t->next_set);
    t->next_set = NULL;
    t->site = NULL;
    t->state = TARGET_NEW;
    CHECK(s->target_count > 0);
    s->target_count--;
    site_free_unused(d, s);
}

// The first to come with limits of another table does away with those of the old one.
void target_tell_limits(struct deliver *d, struct target *t, struct site *s)
{
    struct limits l = limits_in_force(limits_of_domain(d->o.limits, domain_name(&t->domain)));
    bool old = s->limits_turn != d->limits_turn;
    struct limits all = l;
    sisters_learn_limits(d, s->group, &l);
    if (s->group) {
        group_follow(s->group, l.route);
        all = limits_within_site(&l, s->group->limits);
    }
    s->limits = old ? all : limits_tighter(&s->limits, &all);
    // Half a kilobyte for each rate that is set.
    CHECK(old ? allowance_renew(&s->allowance, &l) : allowance_tighten(&s->allowance, &l));
    if (sources_are(s, &l.sources)) // else it moves as soon as that can be
        CHECK(sources_renew(s, &l.sources));
    s->limits_turn = t->limits_turn = d->limits_turn;
}

// By another table. One that asks for other sessions than its site has moves: no more of its mail
// goes there.
static void target_takes_limits(struct deliver *d, struct target *t, struct site *s)
{
    struct limits l = limits_in_force(limits_of_domain(d->o.limits, domain_name(&t->domain)));
    struct site_need need = target_need(d, t, s->set, &l);
    t->mx_expires_us = 0; // its route may be another one
    if (site_is(s, s->set, group_of(d, s->set, l.route), &l, &need))
        target_tell_limits(d, t, s);
    else
        target_move(d, t, s->set);
}

void targets_take_limits(struct deliver *d)
{
    d->limits_turn++;
    for (uint32_t i = slab_next(&d->sites, 0); i != SLAB_NONE; i = slab_next(&d->sites, i + 1)) {
        struct site *s = slab_at(&d->sites, i);
        dispatch_site(d, s); // and so it stays, though all of its domains should move
        for (int rank = 0; rank < PRIORITY_CLASSES; rank++)
            for (struct target *t = s->rings[rank].first, *next; t; t = next) {
                next = t->ring[rank].next;
                target_takes_limits(d, t, s);
            }
    }
}

static void target_join_site(struct deliver *d, struct target *t, struct site *s)
{
    target_tell_limits(d, t, s);
    s->target_count++;
    t->site = s;
    t->state = TARGET_PLACED;
    target_serves(t, true);
    if (t->domain.ready.count > 0)
        dispatch_site(d, s);
}

// --- to a site, and to another one

struct mx_set *target_copy_set(const struct mx_set *set)
{
    size_t bytes = sizeof(*set) + set->count * sizeof(set->hosts[0]);
    struct mx_set *copy = malloc(bytes);
    CHECK(copy); // a few kilobytes at most
    memcpy(copy, set, bytes);
    return copy;
}

static void target_hand_over(struct deliver *d, struct target *t, const struct mx_set *set,
                             uint32_t owner)
{
    struct mx_set *carried = target_copy_set(set); // `set` may be next_set, which goes now
    target_leave_site(d, t);
    target_not_idle(d, t);
    if (t->drain_again)
        target_forget_drain(d, t);
    t->carried = carried;
    target_leave_sts(t);
    outbox_flush(d); // what we know of its jobs leaves before they do
    setback_forget(d, t);
    atomic_store_explicit(&t->domain.owner, (uint16_t)owner, memory_order_release);
    post_leave(d->o.post, owner, &t->domain.handover_letter);
}

bool target_place(struct deliver *d, struct target *t, const struct mx_set *set)
{
    uint64_t hash = mx_set_hash(set, 0);
    struct limits l = limits_in_force(limits_of_domain(d->o.limits, domain_name(&t->domain)));
    struct site_group *g = group_of(d, set, l.route);
    uint32_t owner = g ? g->owner : (uint32_t)(hash % d->o.post->worker_count);
    CHECK(t->busy_count == 0 && !t->asking); // the answer would come to who has it no more
    // A domain that is out of the table ends here: nobody else knows of it. While stopping, its
    // owner may take no letters any more.
    if (owner != d->o.worker && !t->unlinked && !d->stopping) {
        target_hand_over(d, t, set, owner);
        return false;
    }
    struct site_need need = target_need(d, t, set, &l);
    struct site *s = site_find(d, set, hash, g, &l, &need);
    if (t->site && t->site == s)
        return true;
    if (!s)
        s = site_make(d, set, hash, g ? g : sisters_group(d, set, hash), &l, &need);
    target_leave_site(d, t);
    if (s)
        target_join_site(d, t, s);
    else
        target_end_locally(
            d, t,
            (struct local_verdict){VERDICT_LATER, 452, {4, 3, 1}, "too many sites", REASON_MEMORY});
    return true;
}

bool target_move(struct deliver *d, struct target *t, const struct mx_set *set)
{
    if (t->busy_count == 0 && !t->asking)
        return target_place(d, t, set);
    struct limits l = limits_in_force(limits_of_domain(d->o.limits, domain_name(&t->domain)));
    struct site_need need = target_need(d, t, set, &l);
    bool same = t->site && site_is(t->site, set, group_of(d, set, l.route), &l, &need);
    target_withdraw(t);
    free(t->next_set);
    t->next_set = same ? NULL : target_copy_set(set);
    if (same && !t->ending) {
        target_serves(t, true);
        dispatch_site(d, t->site);
    }
    return true;
}

void target_forget_next(struct target *t)
{
    free(t->next_set);
    t->next_set = NULL;
}

bool target_moves_on(struct deliver *d, struct target *t)
{
    if (!t->next_set || t->busy_count > 0 || t->asking)
        return true;
    struct mx_set *set = t->next_set;
    t->next_set = NULL;
    bool ours = target_place(d, t, set);
    free(set);
    return ours;
}
