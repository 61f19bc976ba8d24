#include "engine/reroutes.h"

#include "engine/base/check.h"

#include <stdlib.h>

void reroutes_release(struct reroutes *r)
{
    while (r->tables) {
        struct rerouted_table *t = r->tables;
        r->tables = t->next;
        free(t);
    }
    free(r->items);
    *r = (struct reroutes){0};
}

// Where that domain stands, or would.
static uint32_t place_of(const struct reroutes *r, struct slice domain)
{
    uint32_t at = 0;
    while (at < r->count) {
        struct slice here = slice_of_text(r->items[at].domain);
        size_t len = here.len < domain.len ? here.len : domain.len;
        int order = memcmp(here.data, domain.data, len);
        if (order > 0 || (order == 0 && here.len >= domain.len))
            break;
        at++;
    }
    return at;
}

static bool stands_at(const struct reroutes *r, uint32_t at, struct slice domain)
{
    return at < r->count && slice_equal(slice_of_text(r->items[at].domain), domain);
}

bool reroutes_have_room(const struct reroutes *r, struct slice domain)
{
    return r->count < REROUTES_MAX || stands_at(r, place_of(r, domain), domain);
}

bool reroutes_set(struct reroutes *r, struct slice domain, struct slice via)
{
    uint32_t at = place_of(r, domain);
    bool there = stands_at(r, at, domain);
    size_t behind = r->count - at;
    if (!r->items)
        r->items = calloc(REROUTES_MAX, sizeof(*r->items));
    if (!r->items || domain.len >= sizeof(r->items->domain) || via.len >= sizeof(r->items->via))
        return false;
    if (via.len == 0) {
        if (there)
            memmove(&r->items[at], &r->items[at + 1], (behind - 1) * sizeof(*r->items));
        r->count -= there;
        return true;
    }
    if (!there) {
        if (r->count == REROUTES_MAX)
            return false;
        memmove(&r->items[at + 1], &r->items[at], behind * sizeof(*r->items));
        r->count++;
        r->items[at] = (struct reroute){0};
        memcpy(r->items[at].domain, domain.data, domain.len);
    }
    memset(r->items[at].via, 0, sizeof(r->items[at].via));
    memcpy(r->items[at].via, via.data, via.len);
    return true;
}

// False: there is none of that name. *ret: NULL for the domain's exchangers.
static bool route_named(const struct config *c, struct slice via, const struct route **ret)
{
    *ret = NULL;
    if (slice_equal(via, SLICE("mx")))
        return true;
    if (slice_equal(via, SLICE("null")))
        *ret = &route_null;
    for (uint32_t i = 0; !*ret && i < c->route_count; i++)
        if (slice_equal(via, slice_of_text(c->routes[i].name)))
            *ret = &c->routes[i];
    return *ret;
}

bool reroutes_may_be(const struct config *c, struct slice via)
{
    const struct route *route;
    return route_named(c, via, &route);
}

static void put_rule(struct rerouted_table *t, const struct limits_rule *rule)
{
    t->rules[t->table.rule_count++] = *rule;
}

static void put_reroute(struct rerouted_table *t, const struct config *c, const struct reroute *r)
{
    struct limits_rule rule = {.limits = *limits_of_domain(&c->limits, slice_of_text(r->domain))};
    const struct route *route;
    memcpy(rule.domain, r->domain, sizeof(rule.domain));
    if (route_named(c, slice_of_text(r->via), &route)) {
        memcpy(rule.limits.via, r->via, sizeof(rule.limits.via));
        rule.limits.route = route;
    }
    put_rule(t, &rule);
}

const struct limits_table *reroutes_apply(struct reroutes *r, const struct config *c)
{
    const struct limits_table *base = &c->limits;
    struct rerouted_table *t = calloc(1, sizeof(*t) + (base->rule_count + r->count) *
                                                          sizeof(struct limits_rule));
    if (!t)
        return NULL;
    t->table = *base;
    t->table.rules = t->rules;
    t->table.rule_count = 0;
    uint32_t at = 0; // both are sorted
    for (uint32_t i = 0; i < r->count; i++) {
        while (at < base->rule_count && strcmp(base->rules[at].domain, r->items[i].domain) < 0)
            put_rule(t, &base->rules[at++]);
        if (at < base->rule_count && strcmp(base->rules[at].domain, r->items[i].domain) == 0)
            at++;
        put_reroute(t, c, &r->items[i]);
    }
    while (at < base->rule_count)
        put_rule(t, &base->rules[at++]);
    t->next = r->tables;
    r->tables = t;
    return &t->table;
}
