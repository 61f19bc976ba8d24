// Where a recipient domain's mail goes: to the hosts of its route, or to what the DNS says.

#include "engine/base/check.h"
#include "engine/deliver/target_parts.h"

#include <stdlib.h>

#define ROUTE_KEPT_US (UINT64_C(60) * 1000 * 1000)

const struct route *target_route(const struct deliver *d, const struct target *t)
{
    return limits_of_domain(d->o.limits, domain_name(&t->domain))->route;
}

static bool question_mx(struct deliver *d, struct target *t)
{
    uint32_t index;
    struct question *q = slab_take(&d->questions, &index);
    if (!q)
        return false;
    q->kind = QUESTION_MX;
    q->target = t;
    if (resolver_ask_mx(d->o.resolver, route_mx_name(target_route(d, t), domain_name(&t->domain)),
                        index))
        return true;
    slab_give(&d->questions, index);
    return false;
}

static void target_ask(struct deliver *d, struct target *t)
{
    t->asking = question_mx(d, t);
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
static bool target_move_to_found(struct deliver *d, struct target *t, const struct mx_set *found)
{
    const struct route *r = target_route(d, t);
    if (route_kind_of(r) == ROUTE_HOSTS) // it was given that route meanwhile
        return target_follow(d, t, r);
    if (route_kind_of(r) != ROUTE_EXCHANGERS)
        return target_move(d, t, found);
    struct mx_set *set = target_copy_set(found);
    route_adopt(r, set);
    bool ours = target_move(d, t, set);
    free(set);
    return ours;
}

static struct local_verdict target_verdict_of_mx(const struct deliver *d, const struct target *t,
                                                 enum dns_status status)
{
    bool is_lost = route_kind_of(target_route(d, t)) != ROUTE_MX && status != DNS_TRY_LATER;
    return is_lost ? verdict_of_lost_route() : verdict_of_mx(status);
}

void target_on_mx(struct deliver *d, struct target *t, const struct dns_mx_answer *a)
{
    t->asking = false;
    if (t->state == TARGET_ASKING)
        t->state = TARGET_NEW;
    t->mx_expires_us = a->expires_us;
    bool ours = true;
    if (a->status == DNS_FOUND) {
        ours = target_move_to_found(d, t, a->hosts);
    } else if (!(t->site && a->status == DNS_TRY_LATER)) { // else what was known still serves
        target_end_locally(d, t, target_verdict_of_mx(d, t, a->status));
        if (t->busy_count == 0)
            target_leave_site(d, t);
    }
    if (ours)
        target_maybe_idle(d, t);
}
