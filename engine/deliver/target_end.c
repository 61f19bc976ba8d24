// All ready jobs of a domain end with the same verdict.

#include "engine/base/check.h"
#include "engine/deliver/target_parts.h"

#include <stdlib.h>

#define ENDING_FETCHES_MAX 32u

static void end_job(struct deliver *d, const struct ending *e, struct job *j)
{
    struct attempt at = {.host = slice_make(e->host, e->host_len),
                         .address = slice_make(e->address, e->address_len)};
    outbox_whole_job(d, j, e->verdict, &e->why, e->has_host ? &at : NULL);
}

void target_end_step(struct deliver *d, struct target *t)
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

void target_end_locally(struct deliver *d, struct target *t, struct local_verdict v)
{
    struct failure why;
    failure_set(&why, v.code, v.enhanced, slice_of_text(v.text));
    why.reason = v.reason;
    target_end_ready(d, t, v.verdict, &why, NULL);
}

void target_discard(struct deliver *d, struct target *t)
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
