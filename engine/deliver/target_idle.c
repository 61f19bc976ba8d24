// Recipient domains that nothing happens to: after a time they are taken out of the table, and
// freed when nobody can know of them any more. If a job still came, it is served first.

#include "engine/base/check.h"
#include "engine/deliver/target_parts.h"

#include <stdlib.h>

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

void target_maybe_idle(struct deliver *d, struct target *t)
{
    target_check(t);
    if (t->idle || t->unlinked || t->asking || t->busy_count > 0 || t->domain.ready.count > 0)
        return;
    idle_add(d, t);
}

void target_not_idle(struct deliver *d, struct target *t)
{
    if (t->idle)
        idle_remove(d, t);
}

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
        target_forget_answers(t);
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
        target_forget_answers(t);
        domain_discard(d->o.domains, &t->domain);
    }
}
