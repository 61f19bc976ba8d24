// status: the engine at a glance.
#include "engine/order_gather.h"

static void say_queue(struct json *j, const struct gathered *g)
{
    uint64_t waiting = g->jobs_deferred + g->jobs_held;
    json_u64(j, "messages-queued", g->counters.messages_left);
    json_u64(j, "active", g->jobs > waiting ? g->jobs - waiting : 0);
    json_u64(j, "deferred", g->jobs_deferred);
    json_u64(j, "held", g->jobs_held);
}

static void say_since_start(struct json *j, const struct gathered *g)
{
    json_u64(j, "accepted-total", g->counters.messages);
    json_u64(j, "delivered-total", g->counters.deliver.delivered);
    json_u64(j, "deferred-total", g->counters.deliver.deferred);
    json_u64(j, "failed-total", g->counters.deliver.failed);
    json_double(j, "accepted-per-s", g->rates[RATE_ACCEPTED]);
    json_double(j, "delivered-per-s", g->rates[RATE_DELIVERED]);
    json_double(j, "deferred-per-s", g->rates[RATE_DEFERRED]);
    json_double(j, "failed-per-s", g->rates[RATE_FAILED]);
}

// What an operator must see first.
static const char *state_word(const struct gathered *g)
{
    bool runs = strcmp(g->state, "running") == 0;
    return runs && g->is_full ? "no room for new mail" : g->state;
}

static enum order_step status_end(struct order *o)
{
    const struct gathered *g = o->work;
    struct json j;
    order_line(o, &j);
    json_text(&j, "version", SLICE(POSTHASTE_VERSION));
    json_text(&j, "state", slice_of_text(state_word(g)));
    json_u64(&j, "uptime-s", g->uptime_us / 1000000);
    json_u64(&j, "workers", g->worker_count);
    say_queue(&j, g);
    say_since_start(&j, g);
    json_u64(&j, "connections", g->counters.deliver.connections);
    json_u64(&j, "sites", g->counters.deliver.sites);
    json_u64(&j, "sources-suspended", g->counters.deliver.sources_suspended);
    json_u64(&j, "sessions", g->counters.submit.sessions);
    json_u64(&j, "journal-bytes", g->journal_bytes);
    json_u64(&j, "journal-bytes-max", g->journal_bytes_max);
    order_line_end(o, &j);
    return ORDER_OVER;
}

const struct order_kind order_status = {
    .name = "status",
    .rounds = 1,
    .begin = gather_begin,
    .visit = gather_visit,
    .end = status_end,
};
