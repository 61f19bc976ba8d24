// The ready jobs of a site's domains: which one is next. A site has a ring of its domains for each
// class of mail; the domains take turns.

#include "engine/base/check.h"
#include "engine/deliver/target_parts.h"

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

void target_serves(struct target *t, bool serves)
{
    CHECK(t->site);
    t->in_ring = serves;
    for (int rank = 0; rank < PRIORITY_CLASSES; rank++)
        ring_update(t, (enum priority_class)rank);
}

void target_withdraw(struct target *t)
{
    if (t->in_ring)
        target_serves(t, false);
}

// --- their jobs, one by one

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
