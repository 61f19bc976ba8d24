#include "queue/ready.h"

#include "engine/base/check.h"

#include <stdlib.h>

static struct job *job_of(const struct ready_link *l)
{
    return CONTAINER_OF((struct ready_link *)(uintptr_t)l, struct job, ready);
}

static bool flow_is_empty(const struct flow *f)
{
    return !f->jobs.next || f->jobs.next == &f->jobs;
}

// --- the ring of a class

// Behind all others.
static void ring_add(struct ready *r, struct flow *f)
{
    struct flow *next = r->next[f->rank];
    if (!next) {
        f->ring_next = f->ring_prev = f;
        r->next[f->rank] = f;
        return;
    }
    f->ring_next = next;
    f->ring_prev = next->ring_prev;
    f->ring_prev->ring_next = f;
    next->ring_prev = f;
}

static void ring_remove(struct ready *r, struct flow *f)
{
    if (f->ring_next == f) {
        r->next[f->rank] = NULL;
        return;
    }
    if (r->next[f->rank] == f)
        r->next[f->rank] = f->ring_next;
    f->ring_prev->ring_next = f->ring_next;
    f->ring_next->ring_prev = f->ring_prev;
}

// --- flows

static bool is_flow_of(const struct flow *f, uint16_t campaign, enum priority_class rank)
{
    return f->campaign == campaign && f->rank == rank;
}

// The flow of that campaign, or else one without jobs; NULL: there is neither.
static struct flow *flow_look(struct ready *r, uint16_t campaign, enum priority_class rank)
{
    struct flow *spare = NULL;
    if (is_flow_of(&r->first, campaign, rank))
        return &r->first;
    if (flow_is_empty(&r->first))
        spare = &r->first;
    for (struct flow_part *p = r->parts; p; p = p->next)
        for (uint32_t i = 0; i < p->flow_count; i++) {
            if (is_flow_of(&p->flows[i], campaign, rank))
                return &p->flows[i];
            if (!spare && flow_is_empty(&p->flows[i]))
                spare = &p->flows[i];
        }
    return spare;
}

static struct flow *flow_make(struct ready *r)
{
    struct flow_part *p = r->parts;
    if (!p || p->flow_count == READY_FLOWS_PER_PART) {
        p = calloc(1, sizeof(*p));
        CHECK(p); // a few hundred bytes
        p->next = r->parts;
        r->parts = p;
    }
    r->flow_count++;
    return &p->flows[p->flow_count++];
}

// Where a job of that campaign goes. When there are too many it is the flow of another one, of the
// same class.
static struct flow *flow_find(struct ready *r, uint16_t campaign, enum priority_class rank)
{
    struct flow *f = r->last_found;
    if (f && is_flow_of(f, campaign, rank))
        return f;
    f = flow_look(r, campaign, rank);
    if (!f && r->flow_count >= READY_FLOWS_MAX && r->next[rank])
        return r->next[rank]->ring_prev;
    if (!f)
        f = flow_make(r);
    if (flow_is_empty(f)) {
        f->jobs.next = f->jobs.prev = &f->jobs;
        f->campaign = campaign;
        f->rank = (uint8_t)rank;
    }
    r->last_found = f;
    return f;
}

// --- jobs

static struct flow *flow_for(struct ready *r, const struct job *j)
{
    struct flow *f = flow_find(r, job_campaign(j), job_class(j));
    r->count++;
    r->counts[f->rank]++;
    return f;
}

static void put_between(struct job *j, struct ready_link *prev, struct ready_link *next)
{
    j->ready.prev = prev;
    j->ready.next = next;
    prev->next = next->prev = &j->ready;
}

void ready_add(struct ready *r, struct job *j)
{
    struct flow *f = flow_for(r, j);
    if (flow_is_empty(f))
        ring_add(r, f);
    put_between(j, f->jobs.prev, &f->jobs);
}

void ready_add_front(struct ready *r, struct job *j)
{
    struct flow *f = flow_for(r, j);
    if (flow_is_empty(f))
        ring_add(r, f);
    put_between(j, &f->jobs, f->jobs.next);
    r->next[f->rank] = f;
}

void ready_remove(struct ready *r, struct job *j)
{
    struct ready_link *prev = j->ready.prev, *next = j->ready.next;
    enum priority_class rank = job_class(j);
    CHECK(r->counts[rank] > 0);
    prev->next = next;
    next->prev = prev;
    if (prev == next) // both are the flow's: it was the last one
        ring_remove(r, CONTAINER_OF(prev, struct flow, jobs));
    j->ready = (struct ready_link){NULL, NULL};
    r->count--;
    r->counts[rank]--;
}

struct job *ready_first(const struct ready *r, enum priority_class rank)
{
    return r->next[rank] ? job_of(r->next[rank]->jobs.next) : NULL;
}

struct job *ready_take(struct ready *r, enum priority_class rank)
{
    struct flow *f = r->next[rank];
    if (!f)
        return NULL;
    struct job *j = job_of(f->jobs.next);
    r->next[rank] = f->ring_next; // the next campaign's turn
    ready_remove(r, j);
    return j;
}

struct job *ready_take_any(struct ready *r)
{
    for (int rank = 0; rank < PRIORITY_CLASSES; rank++)
        if (r->next[rank])
            return ready_take(r, (enum priority_class)rank);
    return NULL;
}

// The flow that comes next. False: there is none.
static bool walk_flow(const struct ready *r, struct ready_walk *w)
{
    if (!w->flows) {
        w->flows = &r->first;
        w->flow_count = 1;
        w->part = r->parts;
    } else if (w->flow_count > 1) {
        w->flows++;
        w->flow_count--;
    } else if (w->part) {
        w->flows = w->part->flows;
        w->flow_count = w->part->flow_count;
        w->part = w->part->next;
    } else {
        return false;
    }
    w->next = w->flows->jobs.next;
    return true;
}

struct job *ready_walk_next(const struct ready *r, struct ready_walk *w)
{
    while (!w->flows || !w->next || w->next == &w->flows->jobs)
        if (!walk_flow(r, w))
            return NULL;
    struct job *j = job_of(w->next);
    w->next = j->ready.next;
    return j;
}

void ready_release(struct ready *r)
{
    while (r->parts) {
        struct flow_part *p = r->parts;
        r->parts = p->next;
        free(p);
    }
    *r = (struct ready){0};
}
