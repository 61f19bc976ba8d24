// Jobs that their home wants back (queue/recall.h), and those that a hold keeps from going out.

#include "queue/recall.h"
#include "engine/base/check.h"
#include "engine/deliver/parts.h"

// What has come for its domain, and has not been looked at, is looked at now.
static void drain_first(struct deliver *d, const struct job *j)
{
    if (atomic_load_explicit(&j->place, memory_order_acquire) == JOB_QUEUED &&
        atomic_load_explicit(&j->domain->owner, memory_order_acquire) == d->o.worker)
        target_dirty(d, job_target(j));
}

void recall(struct deliver *d, struct letter *l)
{
    struct recall *r = CONTAINER_OF(l, struct recall, letter);
    for (uint32_t i = 0; i < r->job_count && !d->stopping; i++) {
        struct job *j = r->jobs[i];
        drain_first(d, j);
        if (job_is_ours(d, j))
            target_gives_up(d, job_target(j), j);
    }
    outbox_flush(d);
    r->letter.kind = LETTER_RECALL_BACK;
    post_leave(d->o.post, r->home, &r->letter);
}

bool job_is_held(const struct deliver *d, const struct job *j, const struct message *m)
{
    return d->o.holds && holds_keep(d->o.holds, j, m);
}

void job_stays(struct deliver *d, struct loan *loan, uint32_t item, struct job *j)
{
    struct target *t = job_target(j);
    outbox_untried(d, j);
    if (loan)
        lend_job_ended(d, loan, item);
    else
        target_job_left(d, t);
}
