// Where a recipient domain's mail goes: to the hosts of its route, or to what the DNS says.

#include "engine/base/check.h"
#include "engine/deliver/target_parts.h"

#include <stdlib.h>

#define ROUTE_KEPT_US (UINT64_C(60) * 1000 * 1000)

const struct route *target_route(const struct deliver *d, const struct target *t)
{
    return limits_of_domain(d->o.limits, domain_name(&t->domain))->route;
}

static void gathering_end(struct target *t)
{
    gathering_free(t->gathering);
    t->gathering = NULL;
}

static bool question_mx(struct deliver *d, struct target *t)
{
    uint32_t index;
    struct question *q = slab_take(&d->questions, &index);
    if (!q)
        return false;
    q->kind = QUESTION_MX;
    q->target = t;
    struct slice name = t->gathering ? gathering_name(t->gathering) : domain_name(&t->domain);
    if (resolver_ask_mx(d->o.resolver, name, index))
        return true;
    slab_give(&d->questions, index);
    return false;
}

static void target_ask(struct deliver *d, struct target *t)
{
    const struct route *r = target_route(d, t);
    if (route_kind_of(r) == ROUTE_EXCHANGERS) {
        t->gathering = gathering_new(r);
        CHECK(t->gathering); // a few kilobytes
    }
    t->asking = question_mx(d, t);
    if (!t->asking)
        gathering_end(t);
    else
        target_ask_sts(d, t);
    if (t->state != TARGET_NEW)
        return; // what is known still serves
    if (t->asking)
        t->state = TARGET_ASKING;
    else
        target_end_locally(
            d, t,
            (struct local_verdict){
                VERDICT_LATER, 451, {4, 4, 3}, "too many lookups", REASON_DNS_ASKING});
}

// To the hosts of its route. True: it is still ours.
static bool target_follow(struct deliver *d, struct target *t, const struct route *r)
{
    struct mx_set *set = malloc(sizeof(*set) + r->hosts.count * sizeof(set->hosts[0]));
    CHECK(set); // a few kilobytes at most
    route_set(r, set);
    t->mx_expires_us = io_now_us(d->io) + ROUTE_KEPT_US;
    bool ours = target_move(d, t, set);
    free(set);
    return ours;
}

bool target_look(struct deliver *d, struct target *t)
{
    const struct route *r = target_route(d, t);
    if (route_kind_of(r) == ROUTE_HOSTS)
        return target_follow(d, t, r);
    target_ask(d, t);
    return true;
}

// To what the DNS has found. True: it is still ours.
static bool target_move_to_found(struct deliver *d, struct target *t, const struct mx_set *found,
                                 bool is_gathered)
{
    const struct route *r = target_route(d, t);
    if (route_kind_of(r) == ROUTE_HOSTS) // it was given that route meanwhile
        return target_follow(d, t, r);
    if (route_kind_of(r) != ROUTE_EXCHANGERS || is_gathered)
        return target_move(d, t, found);
    target_ask(d, t); // the same: what was found is of its own name
    return true;
}

static struct local_verdict target_verdict_of_mx(const struct deliver *d, const struct target *t,
                                                 enum dns_status status)
{
    bool is_lost = route_kind_of(target_route(d, t)) != ROUTE_MX && status != DNS_TRY_LATER;
    return is_lost ? verdict_of_lost_route() : verdict_of_mx(status);
}

// True: the answer is whole, in *a. Else the next name of its route is asked for.
static bool target_gathers(struct deliver *d, struct target *t, struct dns_mx_answer *a)
{
    if (!t->gathering)
        return true;
    bool was_last = gathering_take(t->gathering, a);
    t->asking = !was_last && question_mx(d, t);
    *a = gathering_answer(t->gathering);
    return !t->asking;
}

static void target_found(struct deliver *d, struct target *t, const struct dns_mx_answer *a,
                         bool is_gathered)
{
    if (t->state == TARGET_ASKING)
        t->state = TARGET_NEW;
    t->mx_expires_us = a->expires_us;
    if (t->sts && t->sts_due_us < t->mx_expires_us)
        t->mx_expires_us = t->sts_due_us; // both are looked at together
    bool ours = true;
    if (a->status == DNS_FOUND) {
        t->mx_secure = a->secure;
        target_keep_canonical(t, a->canonical);
        ours = target_move_to_found(d, t, a->hosts, is_gathered);
    } else if (!(t->site && a->status == DNS_TRY_LATER)) { // else what was known still serves
        target_end_locally(d, t, target_verdict_of_mx(d, t, a->status));
        if (t->busy_count == 0)
            target_leave_site(d, t);
    }
    ours = ours && target_moves_on(d, t); // what it knew before, if it has learned nothing new
    if (ours)
        target_maybe_idle(d, t);
}

void target_on_mx(struct deliver *d, struct target *t, const struct dns_mx_answer *a)
{
    struct dns_mx_answer whole = *a;
    if (!t->gathering && target_holds_mx(t, a))
        return;
    t->asking = false;
    if (!target_gathers(d, t, &whole))
        return;
    struct gathering *gathering = t->gathering;
    t->gathering = NULL; // in a moment the domain may be another worker's
    target_found(d, t, &whole, gathering != NULL);
    gathering_free(gathering);
}

void target_hear_held_mx(struct deliver *d, struct target *t, const struct dns_mx_answer *a)
{
    t->asking = false;
    target_found(d, t, a, false);
}

void targets_stop_asking(struct deliver *d)
{
    for (uint32_t i = slab_next(&d->questions, 0); i != SLAB_NONE;
         i = slab_next(&d->questions, i + 1)) {
        const struct question *q = slab_at(&d->questions, i);
        if (q->kind != QUESTION_MX)
            continue;
        gathering_end(q->target);
        target_forget_next(q->target);
    }
}
