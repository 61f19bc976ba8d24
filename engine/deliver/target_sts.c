// A recipient domain's MTA-STS policy: asked for together with its exchangers, and kept with the
// domain, also when that goes over to another worker.
//
// An MX answer that comes first waits for the policy's first (dns/sts.h says for how long at most).
// What is heard later counts from the next look on.

#include "engine/base/check.h"
#include "engine/deliver/target_parts.h"

#include <stddef.h>
#include <stdlib.h>

#define RECHECK_US (UINT64_C(300) * 1000 * 1000) // RFC 8461 3.3 wants no less after a failure

struct held_mx {
    uint64_t expires_us;
    bool secure;
    uint8_t canonical_len;
    char canonical[DNS_NAME_BYTES_MAX];
    struct mx_set *set;
};

static uint64_t recheck_us(const struct sts_policy *p)
{
    uint64_t half_us = p ? (uint64_t)p->max_age_s * 500000 : RECHECK_US;
    return half_us < RECHECK_US ? half_us : RECHECK_US;
}

// A copy of what there is of it.
static struct sts_policy *copy_policy(const struct sts_policy *p)
{
    size_t bytes = offsetof(struct sts_policy, mx) + p->mx_bytes;
    struct sts_policy *copy = malloc(bytes);
    CHECK(copy); // a few kilobytes at most
    memcpy(copy, p, bytes);
    return copy;
}

static bool is_asked_for(const struct deliver *d, const struct target *t)
{
    const struct limits *l = limits_of_domain(d->o.limits, domain_name(&t->domain));
    return d->o.sts && route_kind_of(l->route) == ROUTE_MX && tls_level_heeds_sts(l->tls);
}

void target_ask_sts(struct deliver *d, struct target *t)
{
    uint32_t index;
    if (t->sts_question || !is_asked_for(d, t) || io_now_us(d->io) < t->sts_due_us)
        return;
    struct question *q = slab_take(&d->questions, &index);
    if (!q)
        return;
    *q = (struct question){.kind = QUESTION_STS, .target = t};
    if (!sts_ask(d->o.sts, domain_name(&t->domain), index)) {
        slab_give(&d->questions, index);
        return;
    }
    t->sts_question = q;
    t->sts_waits = true;
}

bool target_holds_mx(struct target *t, const struct dns_mx_answer *a)
{
    if (a->status != DNS_FOUND || !t->sts_waits)
        return false;
    CHECK(!t->held_mx);
    t->held_mx = malloc(sizeof(*t->held_mx));
    CHECK(t->held_mx); // a few kilobytes at most, with its set
    *t->held_mx = (struct held_mx){.expires_us = a->expires_us,
                                   .secure = a->secure,
                                   .canonical_len = (uint8_t)a->canonical.len,
                                   .set = target_copy_set(a->hosts)};
    if (a->canonical.len > 0)
        memcpy(t->held_mx->canonical, a->canonical.data, a->canonical.len);
    return true;
}

static void go_on(struct deliver *d, struct target *t)
{
    struct held_mx held = *t->held_mx;
    const struct dns_mx_answer a = {.status = DNS_FOUND,
                                    .expires_us = held.expires_us,
                                    .hosts = held.set,
                                    .secure = held.secure,
                                    .canonical = slice_make(held.canonical, held.canonical_len)};
    free(t->held_mx);
    t->held_mx = NULL;
    target_hear_held_mx(d, t, &a);
    free(held.set);
}

static void keep_policy(struct deliver *d, struct target *t, const struct sts_answer *a)
{
    free(t->sts);
    t->sts = a->policy ? copy_policy(a->policy) : NULL;
    t->sts_due_us = io_now_us(d->io) + recheck_us(a->policy);
}

void target_on_sts(struct deliver *d, const struct sts_answer *a)
{
    struct question *q = slab_at(&d->questions, (uint32_t)a->tag);
    struct target *t = q->target;
    if (a->last)
        slab_give(&d->questions, (uint32_t)a->tag);
    if (!t)
        return; // it has gone over to another worker
    bool waited = t->sts_waits;
    keep_policy(d, t, a);
    t->sts_waits = false;
    if (a->last) {
        t->sts_question = NULL;
        tally_policy_trouble(d, t, a->trouble);
    }
    if (t->held_mx)
        go_on(d, t); // maybe to another worker
    else if (!waited)
        t->mx_expires_us = 0; // the next jobs look where they go now
}

void target_leave_sts(struct target *t)
{
    if (t->sts_question)
        t->sts_question->target = NULL;
    t->sts_question = NULL;
    t->sts_waits = false;
}

void target_forget_answers(struct target *t)
{
    target_leave_sts(t);
    if (t->held_mx)
        free(t->held_mx->set);
    free(t->held_mx);
    free(t->sts);
    free(t->mx_canonical);
    t->held_mx = NULL;
    t->sts = NULL;
    t->mx_canonical = NULL;
}

struct site_need target_need(const struct deliver *d, const struct target *t,
                             const struct mx_set *set, const struct limits *l)
{
    struct site_need need = site_need_of(l, set);
    bool is_named = route_kind_of(l->route) == ROUTE_HOSTS; // by the operator: as good as signed
    if (need.level == TLS_LEVEL_DANE && !t->mx_secure && !is_named)
        need.level = TLS_LEVEL_MAY;
    bool by_dane = need.level == TLS_LEVEL_DANE || need.level == TLS_LEVEL_DANE_ONLY;
    need.mx_secure = by_dane && (t->mx_secure || is_named);
    if (need.mx_secure)
        target_add_names(d, t, l->route, &need);
    if (!is_asked_for(d, t) || !t->sts || t->sts->mode != STS_ENFORCE)
        return need;
    need.sts = true;
    for (uint32_t i = 0; i < set->count; i++)
        if (sts_policy_allows(t->sts, slice_make(set->hosts[i].name, set->hosts[i].len)))
            need.sts_hosts |= UINT64_C(1) << i;
    return need;
}
