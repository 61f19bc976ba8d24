#include "tests/sim/engine_rates.h"

#include "engine/base/check.h"
#include "engine/deliver/conn.h"

#include <inttypes.h>
#include <stdio.h>

#define EDGE 10 // within a tenth of the window behind its end is at the limit

enum counted { COUNTED_MESSAGES, COUNTED_CONNECTIONS, COUNTED_KINDS };

// The last times, as many as the rate's count: the oldest must be a window ago.
struct watch {
    uint64_t times_us[PLAN_RATE_COUNT_MAX];
    uint64_t count;
};

static struct {
    const struct plan *plan;
    struct world *world;
    struct rates_seen seen;
    uint32_t open; // connections of the provider
    struct watch watches[PLAN_SITES_MAX + 1][COUNTED_KINDS][PLAN_RATES_MAX];
} watched;

void rates_watch(const struct plan *p, struct world *w)
{
    watched.plan = p;
    watched.world = w;
    watched.seen = (struct rates_seen){0};
    rates_new_life();
}

void rates_new_life(void)
{
    watched.open = 0;
    for (uint32_t site = 0; site <= PLAN_PROVIDER; site++)
        for (int kind = 0; kind < COUNTED_KINDS; kind++)
            for (uint32_t i = 0; i < PLAN_RATES_MAX; i++)
                watched.watches[site][kind][i].count = 0;
}

struct rates_seen rates_seen(void)
{
    return watched.seen;
}

static void complain(uint32_t site, uint32_t count, const char *what, uint64_t within_us)
{
    if (watched.seen.excess_count++ == 0)
        snprintf(watched.seen.excess, sizeof(watched.seen.excess),
                 "site %u: %u %s within %" PRIu64 " us", site, count, what, within_us);
}

static void count_one(uint32_t site, enum counted kind, struct watch *w, const struct rate_limit *r)
{
    static const char *const words[] = {"messages", "connections"};
    uint64_t now_us = world_now_us(watched.world);
    CHECK(r->count <= PLAN_RATE_COUNT_MAX);
    uint64_t *oldest_us = &w->times_us[w->count % r->count];
    uint64_t within_us = now_us - *oldest_us;
    if (w->count >= r->count && within_us < r->window_us)
        complain(site, r->count + 1, words[kind], within_us);
    else if (w->count >= r->count && within_us < r->window_us + r->window_us / EDGE)
        watched.seen.at_limit++;
    *oldest_us = now_us;
    w->count++;
}

static void count_all(uint32_t site, enum counted kind, const struct limits *l)
{
    const struct rate_limits *r = kind == COUNTED_MESSAGES ? &l->rates : &l->connection_rates;
    for (uint32_t i = 0; i < r->count; i++)
        count_one(site, kind, &watched.watches[site][kind][i], &r->items[i]);
}

// Its number stands in each of its addresses (draw_address()).
static const struct plan_site *site_of(const struct io_address *a)
{
    const uint8_t *v4 = (const uint8_t *)&a->as.in.sin_addr;
    uint32_t site = a->as.any.sa_family == AF_INET ? v4[1] : a->as.in6.sin6_addr.s6_addr[11];
    CHECK(site < watched.plan->site_count);
    return &watched.plan->sites[site];
}

static void count(const struct conn *c, enum counted kind)
{
    if (!watched.plan) // a stage without one
        return;
    const struct plan_site *s = site_of(&c->peer);
    if (!s->rates_vary)
        count_all((uint32_t)(s - watched.plan->sites), kind, &s->limits);
    if (s->shared)
        count_all(PLAN_PROVIDER, kind, &watched.plan->provider.limits);
}

static void count_open(const struct conn *c)
{
    if (!watched.plan)
        return;
    uint32_t most = watched.plan->provider.limits.connections;
    if (site_of(&c->peer)->shared && ++watched.open > most)
        complain(PLAN_PROVIDER, watched.open, "connections at a time", 0);
}

int __real_conn_open(struct conn *c, struct io *io, const struct smtp_client_options *options);
int __wrap_conn_open(struct conn *c, struct io *io, const struct smtp_client_options *options);
int __wrap_conn_open(struct conn *c, struct io *io, const struct smtp_client_options *options)
{
    int error = __real_conn_open(c, io, options);
    if (error == 0) {
        count(c, COUNTED_CONNECTIONS);
        count_open(c);
    }
    return error;
}

void __real_conn_close(struct conn *c, struct io *io);
void __wrap_conn_close(struct conn *c, struct io *io);
void __wrap_conn_close(struct conn *c, struct io *io)
{
    __real_conn_close(c, io);
    if (watched.plan)
        watched.open -= site_of(&c->peer)->shared;
}

void __real_conn_add_transaction(struct conn *c, struct transaction *tx);
void __wrap_conn_add_transaction(struct conn *c, struct transaction *tx);
void __wrap_conn_add_transaction(struct conn *c, struct transaction *tx)
{
    __real_conn_add_transaction(c, tx);
    count(c, COUNTED_MESSAGES);
}
