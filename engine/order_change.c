// retry, purge and bounce: what an operator does to mail that is queued.
//
// What is in a transaction is left alone, and said so: whoever asks may ask again. What is ready is
// called back first, so that nobody sends what is about to be gone.
#include "engine/order_change.h"
#include "engine/base/check.h"
#include "engine/base/log.h"
#include "engine/deliver/deliver.h"
#include "engine/home.h"

#include <stdlib.h>
#include <string.h>

#define CHANGE_RESULTS_BYTES (4u * 1024 * 1024) // that wait to be written

bool change_begin(struct order *o, change_act *act)
{
    struct change *c = calloc(1, sizeof(*c));
    o->work = c;
    if (c)
        c->walk = walk_new(o->place->post->worker_count);
    if (!c || !c->walk)
        return order_refuse(o, ORDER_LATER, "no memory");
    c->walk->act = act;
    return true;
}

enum order_step change_visit(struct order_place *p, struct order *o)
{
    if (p->home->journal.results.len > CHANGE_RESULTS_BYTES && !atomic_load(&o->cancelled))
        return ORDER_WAITS; // for the disk
    return walk_visit(p, o, ((struct change *)o->work)->walk);
}

enum order_step change_end(struct order *o)
{
    const struct change *c = o->work;
    struct json j;
    order_line(o, &j);
    json_text(&j, "request", slice_of_text(o->kind->name));
    json_bool(&j, "dry-run", o->dry_run);
    json_u64(&j, "jobs", c->jobs);
    json_u64(&j, "recipients", c->rcpts);
    json_u64(&j, "in-delivery", c->busy);
    json_u64(&j, "unreadable", c->walk->unread_count);
    order_line_end(o, &j);
    if (!o->dry_run)
        log_line(LOG_LEVEL_INFO, "control: %s: %llu recipients", o->kind->name,
                 (unsigned long long)c->rcpts);
    return ORDER_OVER;
}

void change_release(struct order *o)
{
    struct change *c = o->work;
    if (c)
        free(c->walk);
}

enum order_step change_write_down(struct order_place *p, struct order *o, change_append *append)
{
    struct change *c = o->work;
    struct holds_file *f = &p->holds_file;
    if (p->number != 0)
        return ORDER_OVER;
    if (!c->writes) {
        c->writes = true;
        append(f, o);
    }
    if (f->busy)
        return ORDER_WAITS;
    if (f->error < 0)
        order_refuse(o, ORDER_LATER, "it could not be written down: %s",
                     strerrordesc_np(-f->error));
    return ORDER_OVER;
}

bool change_may(struct order *o, const struct walked *w)
{
    struct change *c = o->work;
    // One without a domain waits for room in the table of domains.
    if (w->job->domain && atomic_load_explicit(&w->job->place, memory_order_relaxed) == JOB_HOME)
        return true;
    c->busy++;
    return false;
}

static uint32_t fitting_rcpts(const struct order *o, const struct walked *w)
{
    const struct job *j = w->job;
    uint32_t count = 0;
    for (uint32_t rcpt = j->rcpt_first; rcpt < (uint32_t)j->rcpt_first + j->rcpt_count; rcpt++)
        count += job_rcpt_state(j, rcpt) == RCPT_OPEN &&
                 walk_fits_rcpt(&o->selector, w->message, rcpt);
    return count;
}

void change_count(struct order *o, const struct walked *w)
{
    struct change *c = o->work;
    c->jobs++;
    c->rcpts += fitting_rcpts(o, w);
}

// --- retry

static void retry_act(struct order_place *p, struct order *o, const struct walked *w)
{
    if (w->facts.state != QUEUE_DEFERRED)
        return; // it is on its way, or a hold keeps it
    change_count(o, w);
    if (!o->dry_run)
        home_hurry(p->home, w->job);
}

// Before any job goes out, no site rests.
static enum order_step retry_visit(struct order_place *p, struct order *o)
{
    if (o->round > 0)
        return change_visit(p, o);
    if (!o->dry_run)
        deliver_try_now(p->deliver);
    return ORDER_OVER;
}

static bool retry_begin(struct order *o)
{
    return change_begin(o, retry_act);
}

const struct order_kind order_retry = {
    .name = "retry",
    .changes = true,
    .selects = true,
    .must_select = true,
    .rounds = 2,
    .begin = retry_begin,
    .visit = retry_visit,
    .end = change_end,
    .release = change_release,
};

// --- purge and bounce

static bool end_fits(const void *context, const struct message *m, uint32_t rcpt)
{
    return walk_fits_rcpt(context, m, rcpt);
}

static void end_act(struct order_place *p, struct order *o, const struct walked *w, bool bounces)
{
    struct change *c = o->work;
    const struct home_end end = {
        .fits = end_fits,
        .context = &o->selector,
        .bounces = bounces,
        .text = bounces ? SLICE("bounced by the operator") : SLICE("purged by the operator"),
    };
    if (o->dry_run) {
        if (w->facts.state == QUEUE_SENDING)
            c->busy++;
        else
            change_count(o, w);
        return;
    }
    if (!change_may(o, w))
        return;
    c->jobs++;
    c->rcpts += home_end_job(p->home, w->job, w->message, &end);
}

static void purge_act(struct order_place *p, struct order *o, const struct walked *w)
{
    end_act(p, o, w, false);
}

static void bounce_act(struct order_place *p, struct order *o, const struct walked *w)
{
    end_act(p, o, w, true);
}

static bool end_begin(struct order *o, change_act *act)
{
    if (!change_begin(o, act))
        return false;
    struct change *c = o->work;
    c->walk->recalls = !o->dry_run;
    c->walk->reads = !o->dry_run && !o->brief; // for their events
    return true;
}

static bool purge_begin(struct order *o)
{
    return end_begin(o, purge_act);
}

static bool bounce_begin(struct order *o)
{
    return end_begin(o, bounce_act);
}

const struct order_kind order_purge = {
    .name = "purge",
    .changes = true,
    .selects = true,
    .must_select = true,
    .rounds = 1,
    .begin = purge_begin,
    .visit = change_visit,
    .end = change_end,
    .release = change_release,
};

const struct order_kind order_bounce = {
    .name = "bounce",
    .changes = true,
    .selects = true,
    .must_select = true,
    .rounds = 1,
    .begin = bounce_begin,
    .visit = change_visit,
    .end = change_end,
    .release = change_release,
};
