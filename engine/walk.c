// One piece of a walk: some jobs are taken up (pinned), their messages read back, those that are
// out called back, and then each is acted on. Each of the steps may have to wait.
//
//   take up -> read -> recall -> act -> take up ...

#include "engine/walk.h"

#include "engine/base/check.h"
#include "engine/home.h"

#include <stdlib.h>

struct walk *walk_new(uint32_t worker_count)
{
    return calloc(1, sizeof(struct walk) + worker_count * sizeof(struct recall));
}

bool walk_fits_rcpt(const struct selector *s, const struct message *m, uint32_t rcpt)
{
    return !m || selector_fits_rcpt(s, message_rcpt_address(m, rcpt));
}

static enum queue_state state_of(const struct job *j)
{
    switch ((enum job_place)atomic_load_explicit(&j->place, memory_order_acquire)) {
    case JOB_HOME: return job_is_parked(j) ? QUEUE_HELD : QUEUE_DEFERRED;
    case JOB_QUEUED:
    case JOB_READY: return QUEUE_READY;
    case JOB_SENDING: break;
    }
    return QUEUE_SENDING;
}

static struct selector_job facts_of(const struct order_place *p, const struct job *j)
{
    uint64_t then_us = message_id_wall_us(j->entry->id), now_us = io_wall_us(p->io);
    const struct message *m = entry_message(j->entry);
    const struct campaign *c = campaigns_at(&p->home->campaigns, j->entry->campaign);
    struct selector_job facts = {
        .id = j->entry->id,
        .age_us = now_us > then_us ? now_us - then_us : 0,
        .domain = SLICE_EMPTY,
        .campaign = c ? campaign_name(c) : SLICE_EMPTY,
        .state = state_of(j),
    };
    if (j->domain)
        facts.domain = domain_name(j->domain);
    else if (m) // it waits for room in the table of domains
        facts.domain = message_rcpt_domain(m, j->rcpt_first);
    return facts;
}

static bool walk_stops(const struct order *o, const struct walk *w)
{
    return w->enough || (!w->finishes && atomic_load(&o->cancelled));
}

// --- taking up

// False: there is no room now, for it or for its message.
static bool pin_job(struct order_place *p, struct order *o, struct walk *w, struct job *j)
{
    if (p->home->pin_count == HOME_PINS_MAX)
        return false;
    bool read = (w->reads || selector_needs_message(&o->selector)) && !entry_message(j->entry);
    struct peek *peek = read ? peek_begin(&p->peeks, j->entry) : NULL;
    if (read && !peek && !peeks_idle(&p->peeks))
        return false;
    CHECK(home_pin(p->home, j->entry));
    w->pins[w->pin_count++] = (struct walk_pin){.job = j, .peek = peek};
    return true;
}

static void take_up(struct order_place *p, struct order *o, struct walk *w, uint32_t *looks)
{
    const struct slab *jobs = &p->home->jobs;
    w->pin_first = w->pin_count = 0;
    w->recalled = false;
    while (*looks < WALK_LOOKS_MAX && w->pin_count < WALK_JOBS_MAX) {
        uint32_t index = slab_next(jobs, w->job_next);
        w->job_next = index;
        if (index == SLAB_NONE)
            return;
        struct job *j = slab_at(jobs, index);
        ++*looks;
        if (home_has_queued(p->home, j)) {
            struct selector_job facts = facts_of(p, j);
            if (selector_fits_job(&o->selector, &facts) && !pin_job(p, o, w, j))
                return; // this one again, later
        }
        w->job_next++;
    }
}

static void put_down(struct order_place *p, const struct walk_pin *pin)
{
    if (pin->peek)
        peek_end(&p->peeks, pin->peek);
    home_unpin(p->home, pin->job->entry);
}

// --- waiting

static bool reads_wait(const struct walk *w)
{
    for (uint32_t i = w->pin_first; i < w->pin_count; i++)
        if (w->pins[i].peek && w->pins[i].peek->reading)
            return true;
    return false;
}

static bool recalls_wait(const struct order_place *p, const struct walk *w)
{
    for (uint32_t i = 0; i < p->post->worker_count; i++)
        if (w->recalls_out[i].is_out)
            return true;
    return false;
}

void walk_on_recall_back(struct letter *l)
{
    CONTAINER_OF(l, struct recall, letter)->is_out = false;
}

// --- recalling

static const struct message *message_of(const struct walk_pin *pin)
{
    const struct message *m = entry_message(pin->job->entry);
    return m || !pin->peek ? m : pin->peek->message;
}

static bool any_rcpt_fits(const struct selector *s, const struct walked *job)
{
    const struct job *j = job->job;
    for (uint32_t rcpt = j->rcpt_first; rcpt < (uint32_t)j->rcpt_first + j->rcpt_count; rcpt++)
        if (job_rcpt_is_left(j, rcpt) && walk_fits_rcpt(s, job->message, rcpt))
            return true;
    return false;
}

// Is it meant? Asked again whenever something may have happened to it.
static bool pin_fits(struct order_place *p, const struct order *o, const struct walk_pin *pin,
                     struct walked *ret)
{
    if (!home_has_queued(p->home, pin->job))
        return false;
    *ret = (struct walked){pin->job, message_of(pin), facts_of(p, pin->job)};
    if (pin->recalled) // what it was when it was looked for
        ret->facts.state = QUEUE_READY;
    if (!selector_fits_job(&o->selector, &ret->facts))
        return false;
    if (selector_needs_message(&o->selector) &&
        (!ret->message || !selector_fits_sender(&o->selector, message_sender(ret->message))))
        return false;
    return any_rcpt_fits(&o->selector, ret);
}

static void recall_all(struct order_place *p, struct order *o, struct walk *w)
{
    struct walked walked;
    for (uint32_t i = 0; i < p->post->worker_count; i++)
        w->recalls_out[i].job_count = 0;
    for (uint32_t i = w->pin_first; i < w->pin_count; i++) {
        struct job *j = w->pins[i].job;
        if (!pin_fits(p, o, &w->pins[i], &walked) || walked.facts.state != QUEUE_READY)
            continue;
        uint32_t owner = atomic_load_explicit(&j->domain->owner, memory_order_relaxed);
        struct recall *r = &w->recalls_out[owner];
        r->jobs[r->job_count++] = j;
        w->pins[i].recalled = true;
    }
    for (uint32_t i = 0; i < p->post->worker_count; i++) {
        struct recall *r = &w->recalls_out[i];
        if (r->job_count == 0)
            continue;
        r->home = p->number;
        r->is_out = true;
        r->letter.kind = LETTER_RECALL;
        post_leave(p->post, i, &r->letter);
    }
    w->recalled = true;
}

// --- acting

// What was called back and is not kept goes out again.
static void let_go(struct order_place *p, const struct walk_pin *pin)
{
    if (pin->recalled && home_has_queued(p->home, pin->job) && state_of(pin->job) == QUEUE_HELD)
        home_let_go(p->home, pin->job);
}

static void act(struct order_place *p, struct order *o, struct walk *w)
{
    struct walked walked;
    while (w->pin_first < w->pin_count && !order_page_full(o)) {
        const struct walk_pin *pin = &w->pins[w->pin_first++];
        bool unread = selector_needs_message(&o->selector) && !message_of(pin);
        w->unread_count += unread;
        bool acts = !walk_stops(o, w) && pin_fits(p, o, pin, &walked);
        if (acts)
            w->act(p, o, &walked);
        if (!acts || !w->keeps)
            let_go(p, pin);
        put_down(p, pin);
    }
}

enum order_step walk_visit(struct order_place *p, struct order *o, struct walk *w)
{
    uint32_t looks = 0;
    for (;;) {
        if (reads_wait(w) || recalls_wait(p, w))
            return ORDER_WAITS;
        if (w->recalls && !w->recalled && w->pin_first < w->pin_count && !walk_stops(o, w)) {
            recall_all(p, o, w);
            if (recalls_wait(p, w))
                return ORDER_WAITS;
        }
        act(p, o, w);
        if (w->pin_first < w->pin_count)
            return ORDER_AGAIN; // the page is full
        if (w->job_next == SLAB_NONE || walk_stops(o, w)) {
            w->job_next = 0; // for the next home
            w->pin_first = w->pin_count = 0;
            return ORDER_OVER;
        }
        if (looks >= WALK_LOOKS_MAX)
            return ORDER_AGAIN;
        take_up(p, o, w, &looks);
        if (w->pin_count == 0 && w->job_next != SLAB_NONE && looks < WALK_LOOKS_MAX)
            return ORDER_WAITS; // for memory, while others' messages are being read back
    }
}
