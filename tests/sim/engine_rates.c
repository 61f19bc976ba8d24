#include "tests/sim/engine_rates.h"

#include "engine/base/check.h"
#include "engine/deliver/conn.h"
#include "engine/policy/rate_memory.h"

#include <inttypes.h>
#include <stdio.h>

// Places: sites and the provider by their numbers, then routes by their domains'.
#define PLACE_ROUTE (PLAN_PROVIDER + 1)
#define PLACES (PLACE_ROUTE + PLAN_DOMAINS_MAX)

#define EDGE 10 // within a tenth of the window behind its end is at the limit

enum counted_thing { COUNTED_MESSAGES, COUNTED_CONNECTIONS, COUNTED_KINDS };

// The last times, as many as the rate's count: the oldest must be a window ago.
struct watch {
    uint64_t times_us[PLAN_RATE_COUNT_MAX];
    uint64_t count;
    uint64_t window_us;
};

static struct {
    const struct plan *plan;
    struct world *world;
    struct rates_seen seen;
    uint32_t open[PLACES]; // connections, where they are counted here
    uint32_t open_from[PLAN_PROVIDER + 1][PLAN_SOURCES_MAX];
    struct watch watches[PLACES][COUNTED_KINDS][PLAN_RATES_MAX];
    struct watch watches_from[PLAN_PROVIDER + 1][PLAN_SOURCES_MAX][COUNTED_KINDS][PLAN_RATES_MAX];
} watched;

void rates_watch(const struct plan *p, struct world *w)
{
    watched.plan = p;
    watched.world = w;
    watched.seen = (struct rates_seen){0};
    rates_new_life(false);
}

// Windows that are shorter than what is kept begin anew.
static void forget(struct watch watches[COUNTED_KINDS][PLAN_RATES_MAX], bool are_kept)
{
    for (int kind = 0; kind < COUNTED_KINDS; kind++)
        for (uint32_t i = 0; i < PLAN_RATES_MAX; i++)
            if (!are_kept || watches[kind][i].window_us < RATE_MEMORY_US_MIN)
                watches[kind][i].count = 0;
}

void rates_new_life(bool are_kept)
{
    memset(watched.open, 0, sizeof(watched.open));
    memset(watched.open_from, 0, sizeof(watched.open_from));
    for (uint32_t place = 0; place < PLACES; place++)
        forget(watched.watches[place], are_kept);
    for (uint32_t place = 0; place <= PLAN_PROVIDER; place++)
        for (uint32_t i = 0; i < PLAN_SOURCES_MAX; i++)
            forget(watched.watches_from[place][i], are_kept);
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

static void count_one(uint32_t site, enum counted_thing kind, struct watch *w,
                      const struct rate_limit *r)
{
    static const char *const words[] = {"messages", "connections"};
    uint64_t now_us = world_now_us(watched.world);
    CHECK(r->count <= PLAN_RATE_COUNT_MAX);
    w->window_us = r->window_us;
    uint64_t *oldest_us = &w->times_us[w->count % r->count];
    uint64_t within_us = now_us - *oldest_us;
    if (w->count >= r->count && within_us < r->window_us)
        complain(site, r->count + 1, words[kind], within_us);
    else if (w->count >= r->count && within_us < r->window_us + r->window_us / EDGE)
        watched.seen.at_limit++;
    *oldest_us = now_us;
    w->count++;
}

static void count_all(uint32_t place, enum counted_thing kind,
                      struct watch watches[COUNTED_KINDS][PLAN_RATES_MAX],
                      const struct rate_limits *messages, const struct rate_limits *connections)
{
    const struct rate_limits *r = kind == COUNTED_MESSAGES ? messages : connections;
    for (uint32_t i = 0; i < r->count; i++)
        count_one(place, kind, &watches[kind][i], &r->items[i]);
}

static void count_limits(uint32_t place, enum counted_thing kind, const struct limits *l)
{
    count_all(place, kind, watched.watches[place], &l->rates, &l->connection_rates);
}

// Its number stands in each of its addresses (draw_address()).
static const struct plan_site *site_of(const struct io_address *a)
{
    const uint8_t *v4 = (const uint8_t *)&a->as.in.sin_addr;
    uint32_t site = a->as.any.sa_family == AF_INET ? v4[1] : a->as.in6.sin6_addr.s6_addr[11];
    CHECK(site < watched.plan->site_count);
    return &watched.plan->sites[site];
}

// Where its limits are counted, beside those of its site; 0: nowhere. A route has a site for
// itself.
static uint32_t place_of_route(const struct plan_site *s)
{
    const struct plan *p = watched.plan;
    for (uint32_t i = 0; i < p->domain_count; i++)
        if (p->domains[i].kind == DOMAIN_BY_ROUTE && &p->sites[p->domains[i].site] == s)
            return PLACE_ROUTE + i;
    return 0;
}

static const struct route *route_at(uint32_t place)
{
    return &watched.plan->routes[place - PLACE_ROUTE];
}

static uint32_t number_of(const struct plan_site *s)
{
    return (uint32_t)(s - watched.plan->sites);
}

// Where what leaves from one source is counted.
static uint32_t place_of_sources(const struct plan_site *s)
{
    return s->shared ? PLAN_PROVIDER : number_of(s);
}

static uint32_t source_of(const struct conn *c)
{
    return (uint32_t)(conn_source(c) - watched.plan->sources);
}

static void count(const struct conn *c, enum counted_thing kind)
{
    if (!watched.plan) // a stage without one
        return;
    const struct plan_site *s = site_of(&c->peer);
    const struct source *from = conn_source(c);
    uint32_t route = place_of_route(s);
    if (!s->rates_vary)
        count_limits(number_of(s), kind, &s->limits);
    if (s->shared)
        count_limits(PLAN_PROVIDER, kind, &watched.plan->provider.limits);
    if (route)
        count_limits(route, kind, &route_at(route)->limits);
    if (from)
        count_all(place_of_sources(s), kind,
                  watched.watches_from[place_of_sources(s)][source_of(c)], &from->rates,
                  &from->connection_rates);
}

static void one_more(uint32_t place, uint32_t *open, uint32_t most)
{
    if (++*open > most)
        complain(place, *open, "connections at a time", 0);
}

static void count_open(const struct conn *c)
{
    if (!watched.plan)
        return;
    const struct plan_site *s = site_of(&c->peer);
    const struct source *from = conn_source(c);
    uint32_t route = place_of_route(s), place = place_of_sources(s);
    if (s->shared)
        one_more(PLAN_PROVIDER, &watched.open[PLAN_PROVIDER],
                 watched.plan->provider.limits.connections);
    if (route)
        one_more(route, &watched.open[route], route_at(route)->limits.connections);
    if (from)
        one_more(place, &watched.open_from[place][source_of(c)], from->connections);
}

static void count_closed(const struct conn *c)
{
    const struct plan_site *s = site_of(&c->peer);
    uint32_t route = place_of_route(s);
    watched.open[PLAN_PROVIDER] -= s->shared;
    if (route)
        watched.open[route]--;
    if (conn_source(c))
        watched.open_from[place_of_sources(s)][source_of(c)]--;
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
        count_closed(c);
}

void __real_conn_add_transaction(struct conn *c, struct transaction *tx);
void __wrap_conn_add_transaction(struct conn *c, struct transaction *tx);
void __wrap_conn_add_transaction(struct conn *c, struct transaction *tx)
{
    __real_conn_add_transaction(c, tx);
    count(c, COUNTED_MESSAGES);
}
