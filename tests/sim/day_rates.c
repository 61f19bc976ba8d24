#include "tests/sim/day_rates.h"

#include "engine/base/check.h"
#include "engine/deliver/conn.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define EDGE 10 // within a tenth of the window behind its end is at the limit
#define SITES_MAX 16u

enum counted_thing { COUNTED_MESSAGES, COUNTED_CONNECTIONS, COUNTED_KINDS };

// The last times, as many as the window allows: the oldest must be a window ago.
struct watch {
    uint64_t *times_us;
    uint64_t count;
};

static struct {
    const struct limits *limits; // NULL: nobody watches
    uint32_t site_count;
    struct world *world;
    struct day_rates_seen seen;
    struct watch watches[SITES_MAX][COUNTED_KINDS][RATES_MAX];
} watched;

static const struct rate_limits *rates_of(enum counted_thing kind)
{
    return kind == COUNTED_MESSAGES ? &watched.limits->rates : &watched.limits->connection_rates;
}

void day_rates_watch(const struct limits *limits, uint32_t site_count, struct world *w)
{
    CHECK(site_count <= SITES_MAX);
    watched.limits = limits;
    watched.site_count = site_count;
    watched.world = w;
    watched.seen = (struct day_rates_seen){0};
    for (uint32_t site = 0; site < site_count; site++)
        for (int kind = 0; kind < COUNTED_KINDS; kind++)
            for (uint32_t i = 0; i < rates_of((enum counted_thing)kind)->count; i++) {
                uint32_t count = rates_of((enum counted_thing)kind)->items[i].count;
                watched.watches[site][kind][i] = (struct watch){calloc(count, sizeof(uint64_t)), 0};
                CHECK(watched.watches[site][kind][i].times_us);
            }
}

struct day_rates_seen day_rates_end(void)
{
    for (uint32_t site = 0; watched.limits && site < watched.site_count; site++)
        for (int kind = 0; kind < COUNTED_KINDS; kind++)
            for (uint32_t i = 0; i < rates_of((enum counted_thing)kind)->count; i++)
                free(watched.watches[site][kind][i].times_us);
    watched.limits = NULL;
    return watched.seen;
}

static void count_one(uint32_t site, enum counted_thing kind, struct watch *w,
                      const struct rate_limit *r)
{
    static const char *const words[] = {"messages", "connections"};
    uint64_t now_us = world_now_us(watched.world);
    uint64_t *oldest_us = &w->times_us[w->count % r->count];
    uint64_t within_us = now_us - *oldest_us;
    bool is_full = w->count >= r->count;
    if (is_full && within_us < r->window_us && watched.seen.excess_count++ == 0)
        snprintf(watched.seen.excess, sizeof(watched.seen.excess),
                 "site %u: %u %s within %" PRIu64 " us", site, r->count + 1, words[kind],
                 within_us);
    watched.seen.at_limit += is_full && within_us >= r->window_us &&
                             within_us < r->window_us + r->window_us / EDGE;
    *oldest_us = now_us;
    w->count++;
}

// "5.A.B.C", as day_test.c numbers them.
static uint32_t site_of(const struct io_address *a)
{
    const uint8_t *v4 = (const uint8_t *)&a->as.in.sin_addr;
    return v4[1] * UINT32_C(62500) + v4[2] * UINT32_C(250) + v4[3] - 1;
}

static void count(const struct conn *c, enum counted_thing kind)
{
    uint32_t site = site_of(&c->peer);
    if (!watched.limits || site >= watched.site_count)
        return;
    for (uint32_t i = 0; i < rates_of(kind)->count; i++)
        count_one(site, kind, &watched.watches[site][kind][i], &rates_of(kind)->items[i]);
}

int __real_conn_open(struct conn *c, struct io *io, const struct smtp_client_options *options);
int __wrap_conn_open(struct conn *c, struct io *io, const struct smtp_client_options *options);
int __wrap_conn_open(struct conn *c, struct io *io, const struct smtp_client_options *options)
{
    int error = __real_conn_open(c, io, options);
    if (error == 0)
        count(c, COUNTED_CONNECTIONS);
    return error;
}

void __real_conn_add_transaction(struct conn *c, struct transaction *tx);
void __wrap_conn_add_transaction(struct conn *c, struct transaction *tx);
void __wrap_conn_add_transaction(struct conn *c, struct transaction *tx)
{
    __real_conn_add_transaction(c, tx);
    count(c, COUNTED_MESSAGES);
}
