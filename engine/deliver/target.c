// Recipient domains: from a name to a site, and over to the site's owner when that is another
// worker.
//
//   NEW -> ASKING -> PLACED -> (answer got old: asks again, stays PLACED meanwhile)
//     ^______/ failed: its ready jobs end      \-> handed over: the new owner places it
//
// One whose mail goes nowhere (ROUTE_NULL, ROUTE_FAIL) stays NEW, with who owned it first. One
// whose route names hosts (ROUTE_HOSTS) is placed at once; its route is looked at again now and
// then.
// An unused domain is taken out of the table and freed; if a job still came, it is served first.

#include "engine/base/check.h"
#include "engine/deliver/parts.h"

#include <stdlib.h>

#define ENDING_FETCHES_MAX 32u
#define EXPIRY_LOOKS 32u // in a message's life
#define EXPIRY_US_MIN (UINT64_C(5) * 1000 * 1000)
#define EXPIRY_US_MAX (UINT64_C(600) * 1000 * 1000)
#define ROUTE_KEPT_US (UINT64_C(60) * 1000 * 1000)

static void target_check(const struct target *t)
{
    CHECK((t->state == TARGET_PLACED) == (t->site != NULL));
    CHECK(!t->in_ring || (t->site && !t->next_set));
    CHECK(!t->ending || !t->in_ring);
    CHECK(!t->idle || (t->busy_count == 0 && t->domain.ready.count == 0 && !t->asking));
}

// --- the rings of a site's domains with ready jobs, one a class

static void ring_add(struct target *t, enum priority_class rank)
{
    struct site_ring *r = &t->site->rings[rank];
    t->ring[rank].next = NULL;
    t->ring[rank].prev = r->last;
    if (r->last)
        r->last->ring[rank].next = t;
    else
        r->first = t;
    r->last = t;
}

static void ring_remove(struct target *t, enum priority_class rank)
{
    struct site_ring *r = &t->site->rings[rank];
    struct ring_place *at = &t->ring[rank];
    if (at->prev)
        at->prev->ring[rank].next = at->next;
    else
        r->first = at->next;
    if (at->next)
        at->next->ring[rank].prev = at->prev;
    else
        r->last = at->prev;
}

// Its ready jobs of that class have changed, or whether they are its site's.
static void ring_update(struct target *t, enum priority_class rank)
{
    struct site *s = t->site;
    uint32_t count = t->in_ring ? t->domain.ready.counts[rank] : 0;
    uint32_t before = t->ring[rank].counted;
    if (count > 0 && before == 0)
        ring_add(t, rank);
    if (count == 0 && before > 0)
        ring_remove(t, rank);
    s->ready_count = s->ready_count - before + count;
    s->rings[rank].job_count = s->rings[rank].job_count - before + count;
    t->ring[rank].counted = count;
}

static void target_serves(struct target *t, bool serves)
{
    CHECK(t->site);
    t->in_ring = serves;
    for (int rank = 0; rank < PRIORITY_CLASSES; rank++)
        ring_update(t, (enum priority_class)rank);
}

// --- idle domains

static void idle_remove(struct deliver *d, struct target *t)
{
    t->idle = false;
    if (t->idle_prev)
        t->idle_prev->idle_next = t->idle_next;
    else
        d->idle_first = t->idle_next;
    if (t->idle_next)
        t->idle_next->idle_prev = t->idle_prev;
    else
        d->idle_last = t->idle_prev;
}

static void idle_add(struct deliver *d, struct target *t)
{
    t->idle = true;
    t->idle_since_us = io_now_us(d->io);
    t->idle_next = NULL;
    t->idle_prev = d->idle_last;
    if (d->idle_last)
        d->idle_last->idle_next = t;
    else
        d->idle_first = t;
    d->idle_last = t;
}

static void target_maybe_idle(struct deliver *d, struct target *t)
{
    target_check(t);
    if (t->idle || t->unlinked || t->asking || t->busy_count > 0 || t->domain.ready.count > 0)
        return;
    idle_add(d, t);
}

// --- placing

static struct site *site_find(struct deliver *d, const struct mx_set *set, uint64_t hash)
{
    struct site *s = d->site_buckets[hash % SITE_BUCKETS];
    while (s && !(s->hash == hash && mx_set_equal(s->set, set)))
        s = s->bucket_next;
    return s;
}

struct site *site_make(struct deliver *d, const struct mx_set *set, uint64_t hash,
                       struct site_group *g, const struct limits *l)
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
    s->limits_turn = d->limits_turn;
    s->group = g;
    struct io_token timer = {index, slab_generation(&d->sites, index), d->o.io_owner,
                             DELIVER_OP_SITE};
    memcpy(&s->timer.owner, &timer, sizeof(timer));
    s->bucket_next = d->site_buckets[hash % SITE_BUCKETS];
    d->site_buckets[hash % SITE_BUCKETS] = s;
    return s;
}

// Its ready jobs are the site's no longer.
static void target_withdraw(struct target *t)
{
    if (t->in_ring)
        target_serves(t, false);
}

static void target_leave_site(struct deliver *d, struct target *t)
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
    dispatch_site_unused(d, s);
}

// The first to come with limits of another table does away with those of the old one.
static void site_learn_limits(struct deliver *d, struct target *t, struct site *s)
{
    const struct limits *l = limits_of_domain(d->o.limits, domain_name(&t->domain));
    bool old = s->limits_turn != d->limits_turn;
    struct limits all = s->group ? limits_within_site(l, &s->group->rule->limits) : *l;
    s->limits = old ? all : limits_tighter(&s->limits, &all);
    // Half a kilobyte for each rate that is set.
    CHECK(old ? allowance_renew(&s->allowance, l) : allowance_tighten(&s->allowance, l));
    s->limits_turn = t->limits_turn = d->limits_turn;
}

void targets_take_limits(struct deliver *d)
{
    d->limits_turn++;
    for (uint32_t i = slab_next(&d->sites, 0); i != SLAB_NONE; i = slab_next(&d->sites, i + 1)) {
        struct site *s = slab_at(&d->sites, i);
        for (int rank = 0; rank < PRIORITY_CLASSES; rank++)
            for (struct target *t = s->rings[rank].first; t; t = t->ring[rank].next) {
                site_learn_limits(d, t, s);
                t->mx_expires_us = 0; // its route may be another one
            }
        dispatch_site(d, s);
    }
}

static void target_join_site(struct deliver *d, struct target *t, struct site *s)
{
    site_learn_limits(d, t, s);
    s->target_count++;
    t->site = s;
    t->state = TARGET_PLACED;
    target_serves(t, true);
    if (t->domain.ready.count > 0)
        dispatch_site(d, s);
}

// --- ending

static void end_job(struct deliver *d, const struct ending *e, struct job *j)
{
    struct attempt at = {slice_make(e->host, e->host_len), slice_make(e->address, e->address_len),
                         false};
    outbox_whole_job(d, j, e->verdict, &e->why, e->has_host ? &at : NULL);
}

// Ends what can be ended now; for the rest their messages are read back first.
static void target_end_step(struct deliver *d, struct target *t)
{
    struct job *j;
    while (t->ending_fetch_count < ENDING_FETCHES_MAX && !d->stopping &&
           (j = ready_take_any(&t->domain.ready))) {
        atomic_store_explicit(&j->place, JOB_SENDING, memory_order_relaxed);
        j->message = entry_message(j->entry);
        if (!j->message && fetch_ask(d, j, FETCH_TO_END)) {
            t->ending_fetch_count++;
            t->busy_count++;
        } else { // without memory: its event will lack sender and recipient
            end_job(d, t->ending, j);
        }
    }
    if (t->ending_fetch_count > 0)
        return;
    free(t->ending);
    t->ending = NULL;
}

void target_end_fetched(struct deliver *d, struct target *t, struct job *j)
{
    CHECK(t->ending && t->ending_fetch_count > 0);
    end_job(d, t->ending, j);
    t->ending_fetch_count--;
    target_end_step(d, t);
    target_job_left(d, t);
}

void target_end_ready(struct deliver *d, struct target *t, enum verdict v,
                      const struct failure *why, const struct attempt *at)
{
    target_withdraw(t);
    if (d->stopping)
        return; // their home may take no letters any more: they stay as they are, and are left
    if (!t->ending)
        t->ending = malloc(sizeof(*t->ending));
    CHECK(t->ending); // a few hundred bytes
    *t->ending = (struct ending){.verdict = v, .why = *why, .has_host = at};
    if (at) {
        struct slice host = slice_take(at->host, sizeof(t->ending->host));
        t->ending->host_len = (uint8_t)host.len;
        memcpy(t->ending->host, host.data, host.len);
        struct slice address = slice_take(at->address, sizeof(t->ending->address));
        t->ending->address_len = (uint8_t)address.len;
        memcpy(t->ending->address, address.data, address.len);
    }
    target_end_step(d, t);
}

static void target_end_locally(struct deliver *d, struct target *t, struct local_verdict v)
{
    struct failure why;
    failure_set(&why, v.code, v.enhanced, slice_of_text(v.text));
    why.reason = v.reason;
    target_end_ready(d, t, v.verdict, &why, NULL);
}

// What was not in memory is not read back for this: its events lack sender and recipient.
static void target_discard(struct deliver *d, struct target *t)
{
    struct local_verdict v = verdict_of_discarding();
    struct failure why;
    struct job *j;
    failure_set(&why, v.code, v.enhanced, slice_of_text(v.text));
    why.reason = v.reason;
    // While stopping, their home may take no letters any more.
    while (!d->stopping && (j = ready_take_any(&t->domain.ready))) {
        atomic_store_explicit(&j->place, JOB_SENDING, memory_order_relaxed);
        j->message = entry_message(j->entry);
        outbox_whole_job(d, j, v.verdict, &why, NULL);
    }
}

static const struct route *target_route(const struct deliver *d, const struct target *t)
{
    return limits_of_domain(d->o.limits, domain_name(&t->domain))->route;
}

// Its ready jobs go nowhere. True: they have ended, or are about to.
static bool target_goes_nowhere(struct deliver *d, struct target *t)
{
    const struct route *r = target_route(d, t);
    if (t->state != TARGET_NEW)
        return false;
    switch (route_kind_of(r)) {
    case ROUTE_NULL: target_discard(d, t); return true;
    case ROUTE_FAIL: target_end_locally(d, t, verdict_of_failing(r)); return true;
    case ROUTE_MX:
    case ROUTE_HOSTS:
    case ROUTE_EXCHANGERS: break;
    }
    return false;
}

// An operator's hold on the whole domain: nobody looks for its exchangers.
static bool target_is_held(struct deliver *d, struct target *t)
{
    struct job *j;
    if (!d->o.holds || d->stopping || !holds_keep_domain(d->o.holds, domain_name(&t->domain)))
        return false;
    target_withdraw(t);
    while ((j = ready_take_any(&t->domain.ready))) {
        atomic_store_explicit(&j->place, JOB_SENDING, memory_order_relaxed);
        j->message = entry_message(j->entry);
        outbox_untried(d, j);
    }
    return true;
}

static void again_remove(struct deliver *d, struct target *t)
{
    struct target **at = &d->again_first;
    while (*at != t)
        at = &(*at)->again_next;
    *at = t->again_next;
    t->drain_again = false;
}

static struct mx_set *copy_set(const struct mx_set *set)
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
    struct mx_set *carried = copy_set(set); // `set` may be next_set, which goes now
    target_leave_site(d, t);
    if (t->idle)
        idle_remove(d, t);
    if (t->drain_again)
        again_remove(d, t);
    t->carried = carried;
    outbox_flush(d); // what we know of its jobs leaves before they do
    setback_forget(d, t);
    atomic_store_explicit(&t->domain.owner, (uint16_t)owner, memory_order_release);
    post_leave(d->o.post, owner, &t->domain.handover_letter);
}

// True: it is still ours. None of its jobs is in a transaction: these would tie it to its site.
static bool target_place(struct deliver *d, struct target *t, const struct mx_set *set)
{
    uint64_t hash = mx_set_hash(set, 0);
    const struct limits *l = limits_of_domain(d->o.limits, domain_name(&t->domain));
    struct site_group *g = group_of(d, set);
    uint32_t owner = g ? g->owner : (uint32_t)(hash % d->o.post->worker_count);
    CHECK(t->busy_count == 0);
    // A domain that is out of the table ends here: nobody else knows of it. While stopping, its
    // owner may take no letters any more.
    if (owner != d->o.worker && !t->unlinked && !d->stopping) {
        target_hand_over(d, t, set, owner);
        return false;
    }
    struct site *s = site_find(d, set, hash);
    if (t->site && t->site == s)
        return true;
    if (!s)
        s = site_make(d, set, hash, g, l);
    target_leave_site(d, t);
    if (s)
        target_join_site(d, t, s);
    else
        target_end_locally(
            d, t,
            (struct local_verdict){VERDICT_LATER, 452, {4, 3, 1}, "too many sites", REASON_MEMORY});
    return true;
}

// Other exchangers than before: no more jobs go to the old ones. It moves when those under way
// there have ended. True: it is still ours.
static bool target_move(struct deliver *d, struct target *t, const struct mx_set *set)
{
    if (t->busy_count == 0)
        return target_place(d, t, set);
    bool same = t->site && mx_set_equal(t->site->set, set);
    target_withdraw(t);
    free(t->next_set);
    t->next_set = same ? NULL : copy_set(set);
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

// A job of it has left its transaction. True: it is still ours.
static bool target_moves_on(struct deliver *d, struct target *t)
{
    if (!t->next_set || t->busy_count > 0)
        return true;
    struct mx_set *set = t->next_set;
    t->next_set = NULL;
    bool ours = target_place(d, t, set);
    free(set);
    return ours;
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

// Where its mail goes is to be found out. True: it is still ours.
static bool target_look(struct deliver *d, struct target *t)
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
    struct mx_set *set = copy_set(found);
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

// Jobs have come: the site is told, or looked for. True: it is still ours.
static bool target_has_jobs(struct deliver *d, struct target *t)
{
    if (t->idle)
        idle_remove(d, t);
    if (t->unlinked) { // heard of again: the wait begins anew
        t->epoch_count = 0;
        epoch_mark(d->o.epochs, t->mark);
    }
    if (t->ending) { // what comes now ends with the others
        target_end_step(d, t);
        target_maybe_idle(d, t);
        return true;
    }
    if (target_is_held(d, t)) {
        target_maybe_idle(d, t);
        return true;
    }
    if (t->limits_turn != d->limits_turn && t->state == TARGET_PLACED) {
        t->mx_expires_us = 0; // its route may be another one
        if (t->busy_count == 0)
            target_leave_site(d, t);
    }
    bool old = t->state == TARGET_PLACED && io_now_us(d->io) >= t->mx_expires_us;
    if (t->state == TARGET_PLACED && !t->next_set) {
        if (t->limits_turn != d->limits_turn)
            site_learn_limits(d, t, t->site);
        target_serves(t, true);
        dispatch_site(d, t->site);
    }
    if (old && t->busy_count == 0 && route_ends_here(target_route(d, t)))
        target_leave_site(d, t); // it was given that route meanwhile
    if (target_goes_nowhere(d, t)) {
        target_maybe_idle(d, t);
        return true;
    }
    if ((t->state == TARGET_NEW || old) && !t->asking && !target_look(d, t))
        return false;
    target_maybe_idle(d, t); // its jobs may have ended at once
    return true;
}

// True: it is still ours.
static bool target_drain(struct deliver *d, struct target *t)
{
    uint32_t before = t->domain.ready.count;
    if (!domain_drain(&t->domain) && !t->drain_again) {
        t->drain_again = true;
        t->again_next = d->again_first;
        d->again_first = t;
    }
    return t->domain.ready.count == before || target_has_jobs(d, t);
}

void target_dirty(struct deliver *d, struct target *t)
{
    uint32_t owner = atomic_load_explicit(&t->domain.owner, memory_order_acquire);
    if (owner != d->o.worker) { // it was handed over meanwhile: so is this letter
        post_leave(d->o.post, owner, &t->domain.dirty_letter);
        return;
    }
    // The letter may come before the domain itself: then placing it will drain.
    if (t->carried)
        return;
    target_drain(d, t);
}

void target_handed_over(struct deliver *d, struct target *t)
{
    struct mx_set *set = t->carried;
    t->carried = NULL;
    bool ours = target_place(d, t, set);
    free(set);
    if (ours && target_drain(d, t))
        target_maybe_idle(d, t);
}

void targets_drain_again(struct deliver *d)
{
    struct target *t = d->again_first;
    d->again_first = NULL;
    while (t) {
        struct target *next = t->again_next;
        t->drain_again = false;
        target_drain(d, t);
        t = next;
    }
}

// --- jobs of a site

static void target_left_ready(struct target *t, enum priority_class rank)
{
    CHECK(t->site && t->ring[rank].counted > 0);
    t->busy_count++;
    ring_update(t, rank);
}

static uint32_t site_waiting(const struct site *s)
{
    uint32_t waiting = 0;
    for (int rank = 0; rank < PRIORITY_CLASSES; rank++)
        waiting |= s->rings[rank].first ? 1u << rank : 0;
    return waiting;
}

struct target *target_of_site(const struct site *s)
{
    for (int rank = 0; rank < PRIORITY_CLASSES; rank++)
        if (s->rings[rank].first)
            return s->rings[rank].first;
    return NULL;
}

struct job *target_first_of(const struct site *s, enum priority_class rank)
{
    const struct target *t = s->rings[rank].first;
    return t ? ready_first(&t->domain.ready, rank) : NULL;
}

struct job *target_take_of(struct site *s, enum priority_class rank)
{
    struct target *t = s->rings[rank].first;
    if (!t)
        return NULL;
    struct job *j = ready_take(&t->domain.ready, rank);
    CHECK(j);
    atomic_store_explicit(&j->place, JOB_SENDING, memory_order_relaxed);
    j->message = entry_message(j->entry);
    target_left_ready(t, rank);
    if (t->ring[rank].counted > 0 && t->ring[rank].next) { // the next domain's turn
        ring_remove(t, rank);
        ring_add(t, rank);
    }
    return j;
}

struct job *target_first(const struct site *s)
{
    uint32_t waiting = site_waiting(s);
    return waiting ? target_first_of(s, turns_next(&s->turns, waiting)) : NULL;
}

struct job *target_take(struct site *s)
{
    uint32_t waiting = site_waiting(s);
    if (!waiting)
        return NULL;
    enum priority_class rank = turns_next(&s->turns, waiting);
    turns_went(&s->turns, rank, waiting);
    return target_take_of(s, rank);
}

void target_took(struct job *j)
{
    struct target *t = job_target(j);
    ready_remove(&t->domain.ready, j);
    atomic_store_explicit(&j->place, JOB_SENDING, memory_order_relaxed);
    target_left_ready(t, job_class(j));
}

static struct job *job_in_memory(const struct target *t, uint32_t *looks)
{
    struct ready_walk walk = {0};
    for (struct job *j; *looks > 0 && (j = ready_walk_next(&t->domain.ready, &walk)); (*looks)--)
        if (entry_message(j->entry))
            return j;
    return NULL;
}

struct job *target_take_in_memory(struct site *s, uint32_t looks)
{
    for (int rank = 0; rank < PRIORITY_CLASSES; rank++)
        for (struct target *t = s->rings[rank].first; t && looks > 0; t = t->ring[rank].next) {
            struct job *j = job_in_memory(t, &looks);
            if (!j)
                continue;
            target_took(j);
            j->message = entry_message(j->entry);
            return j;
        }
    return NULL;
}

void target_requeue(struct deliver *d, struct target *t, struct job *j)
{
    CHECK(t->busy_count > 0);
    t->busy_count--;
    outbox_forget_message(d, j);
    ready_add_front(&t->domain.ready, j);
    atomic_store_explicit(&j->place, JOB_READY, memory_order_release);
    if (target_has_jobs(d, t))
        target_moves_on(d, t);
}

void target_job_left(struct deliver *d, struct target *t)
{
    CHECK(t->busy_count > 0);
    t->busy_count--;
    if (target_moves_on(d, t))
        target_maybe_idle(d, t);
}

// --- what has waited for too long

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

void target_gives_up(struct deliver *d, struct target *t, struct job *j)
{
    if (t->ending)
        return; // its end is near
    ready_remove(&t->domain.ready, j);
    if (t->in_ring)
        ring_update(t, job_class(j));
    atomic_store_explicit(&j->place, JOB_SENDING, memory_order_relaxed);
    j->message = entry_message(j->entry);
    outbox_untried(d, j);
    target_maybe_idle(d, t);
}

// --- forgetting

static bool target_unlink(struct deliver *d, struct target *t)
{
    struct epoch_mark *mark = malloc(sizeof(*mark));
    if (!mark)
        return false; // a later sweep tries again
    idle_remove(d, t);
    target_leave_site(d, t);
    domain_unlink(d->o.domains, &t->domain);
    t->unlinked = true;
    t->mark = mark;
    epoch_mark(d->o.epochs, mark);
    t->idle_next = d->unlinked_first;
    d->unlinked_first = t;
    return true;
}

// queue/domain.h says why it takes several epochs.
static bool target_may_go(struct deliver *d, struct target *t)
{
    if (!epoch_passed(d->o.epochs, t->mark))
        return false;
    if (++t->epoch_count < DOMAIN_EPOCHS) {
        epoch_mark(d->o.epochs, t->mark);
        return false;
    }
    return !t->asking && !t->drain_again && domain_unused(&t->domain);
}

void targets_sweep(struct deliver *d, uint64_t now_us)
{
    while (d->idle_first && now_us - d->idle_first->idle_since_us >= d->o.domain_idle_us) {
        struct target *t = d->idle_first;
        if (domain_unused(&t->domain) && target_unlink(d, t))
            continue;
        idle_remove(d, t); // jobs of it wait for a later attempt
        idle_add(d, t);
    }
    for (struct target **at = &d->unlinked_first; *at;) {
        struct target *t = *at;
        if (!target_may_go(d, t)) {
            at = &t->idle_next;
            continue;
        }
        *at = t->idle_next;
        target_leave_site(d, t); // a late job may have placed it again
        free(t->mark);
        setback_forget(d, t);
        domain_free(d->o.domains, &t->domain);
    }
}

void targets_release(struct deliver *d)
{
    while (d->unlinked_first) {
        struct target *t = d->unlinked_first;
        d->unlinked_first = t->idle_next;
        free(t->mark);
        setback_forget(d, t);
        domain_discard(d->o.domains, &t->domain);
    }
}
