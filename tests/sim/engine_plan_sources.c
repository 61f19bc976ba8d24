// The addresses that the engine's mail leaves from, and limits of routes: with dice of their own,
// so that all else of a seed's plan stays as it is.
#include "engine/base/check.h"
#include "tests/sim/engine_plan.h"
#include "tests/sim/engine_plan_dice.h"

#include <stdio.h>

#define SOURCES_SEED UINT64_C(0x736f7572636573)
#define NO_LIMIT 1000000u

// As slow as lets all mail get out in an hour.
static void draw_rates(struct random *r, struct rate_limits *m, struct rate_limits *c)
{
    if (percent(r, 30))
        m->items[m->count++] = (struct rate_limit){between(r, 3, 50), between(r, 1, 50) * 100000};
    if (percent(r, 30))
        m->items[m->count++] = (struct rate_limit){between(r, 20, 200),
                                                   between(r, 60, 120) * PLAN_SECOND};
    if (percent(r, 20))
        c->items[c->count++] = (struct rate_limit){between(r, 5, 20), between(r, 1, 50) * 100000};
}

static void draw_source(struct source *s, struct random *r, uint32_t nth)
{
    char text[48];
    snprintf(s->name, sizeof(s->name), "source%u", nth);
    snprintf(s->hostname, sizeof(s->hostname), "out%u.example.net", nth);
    snprintf(text, sizeof(text), "6.0.0.%u", nth + 1);
    CHECK(io_address_parse(slice_of_text(text), 0, &s->v4));
    snprintf(text, sizeof(text), "2a02::%x", nth + 1);
    CHECK(io_address_parse(slice_of_text(text), 0, &s->v6));
    s->connections = percent(r, 50) ? between(r, 1, 4) : NO_LIMIT;
    s->messages_per_connection = percent(r, 30) ? between(r, 1, 5) : NO_LIMIT;
    draw_rates(r, &s->rates, &s->connection_rates);
}

static void draw_sources(struct plan *p, struct random *r)
{
    struct source_list list = {.count = between(r, 1, PLAN_SOURCES_MAX)};
    p->source_count = list.count;
    for (uint32_t i = 0; i < list.count; i++) {
        draw_source(&p->sources[i], r, i);
        memcpy(list.items[i].name, p->sources[i].name, sizeof(list.items[i].name));
        list.items[i].found = &p->sources[i];
    }
    for (uint32_t i = 0; i < p->config.limits.rule_count; i++)
        p->rules[i].limits.sources = list;
}

// Else nobody can say what was written down.
static bool disk_is_good(const struct plan *p)
{
    const struct world_faults *f = &p->world.faults;
    return p->disk.fail_nth == 0 && !p->disk.fills && f->no_space == 0 && f->write_failure == 0 &&
           f->sync_failure == 0 && f->read_failure == 0;
}

void plan_draw_sources(struct plan *p)
{
    struct random r;
    random_init(&r, p->seed ^ SOURCES_SEED);
    p->rates_survive = percent(&r, 50) && disk_is_good(p);
    if (percent(&r, 50))
        draw_sources(p, &r);
    for (uint32_t i = 0; i < p->domain_count; i++) {
        struct limits *l = &p->routes[i].limits;
        if (p->domains[i].kind != DOMAIN_BY_ROUTE || percent(&r, 30))
            continue;
        l->connections = percent(&r, 50) ? between(&r, 1, 4) : l->connections;
        draw_rates(&r, &l->rates, &l->connection_rates);
    }
}
