#include "engine/order_gather.h"

#include "engine/worker.h"

#include <stdlib.h>

static const char *state_of(const struct shared *s)
{
    if (atomic_load(&s->stop) != STOP_NOT)
        return "stopping";
    if (atomic_load(&s->troubled) > 0)
        return "journal in trouble";
    return atomic_load(&s->draining) ? "draining" : "running";
}

bool gather_begin(struct order *o)
{
    const struct shared *s = o->place->shared;
    struct gathered *g = calloc(1, sizeof(*g));
    if (!g)
        return order_refuse(o, ORDER_LATER, "no memory");
    o->work = g;
    g->worker_count = s->worker_count;
    g->uptime_us = io_now_us(o->place->io) - s->started_us;
    g->state = state_of(s);
    if (s->journal_fd >= 0) {
        g->journal_bytes = atomic_load(&s->segments.bytes);
        g->journal_bytes_max = s->segments.bytes_max;
    }
    return true;
}

static struct rates_sample sample_now(const struct order_place *p)
{
    struct counters c = worker_counters(p->worker);
    return (struct rates_sample){
        .at_us = io_now_us(p->io),
        .counts = {[RATE_ACCEPTED] = c.messages,
                   [RATE_DELIVERED] = c.deliver.delivered,
                   [RATE_DEFERRED] = c.deliver.deferred,
                   [RATE_FAILED] = c.deliver.failed},
    };
}

void order_place_note_rates(struct order_place *p)
{
    if (io_now_us(p->io) < rates_due_us(&p->rates))
        return;
    struct rates_sample now = sample_now(p);
    rates_note(&p->rates, &now);
}

enum order_step gather_visit(struct order_place *p, struct order *o)
{
    struct gathered *g = o->work;
    struct counters c = worker_counters(p->worker);
    struct rates_sample now = sample_now(p);
    counters_add(&g->counters, &c);
    histogram_merge(&g->commit_us, worker_commit_us(p->worker));
    for (uint32_t i = 0; i < RATE_COUNT; i++)
        g->rates[i] += rates_per_s(&p->rates, &now, (enum rate)i);
    g->jobs += p->home->jobs.item_count - p->home->over_count;
    g->jobs_deferred += p->home->calendar.count;
    g->jobs_held += p->home->parked_count;
    if (p->home->storage.segments && !segments_accept(p->home->storage.segments))
        g->is_full = true;
    return ORDER_OVER;
}
