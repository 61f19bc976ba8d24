// Recipient domains: from a name to a site, and over to the site's owner when that is another
// worker.
//
//   NEW -> ASKING -> PLACED -> (answer got old: asks again, stays PLACED meanwhile)
//     ^______/ failed: its ready jobs end      \-> handed over: the new owner places it
//
// One whose mail goes nowhere (ROUTE_NULL, ROUTE_FAIL) stays NEW, with who owned it first. One
// whose route names hosts (ROUTE_HOSTS) is placed at once; its route is looked at again now and
// then.

#include "engine/base/check.h"
#include "engine/deliver/target_parts.h"

#include <stdlib.h>

void target_check(const struct target *t)
{
    CHECK((t->state == TARGET_PLACED) == (t->site != NULL));
    CHECK(!t->in_ring || (t->site && !t->next_set));
    CHECK(!t->ending || !t->in_ring);
    CHECK(!t->idle || (t->busy_count == 0 && t->domain.ready.count == 0 && !t->asking));
}

// --- jobs that come

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

// Jobs have come: the site is told, or looked for. True: it is still ours.
static bool target_has_jobs(struct deliver *d, struct target *t)
{
    target_not_idle(d, t);
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
            target_tell_limits(d, t, t->site);
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

void target_forget_drain(struct deliver *d, struct target *t)
{
    struct target **at = &d->again_first;
    while (*at != t)
        at = &(*at)->again_next;
    *at = t->again_next;
    t->drain_again = false;
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

// --- jobs that come back, or have left

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
