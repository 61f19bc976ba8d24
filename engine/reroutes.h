// engine/reroutes.h: an operator's word on how a domain's mail leaves, in place of the
// configuration's.
//
// Shape:   a list of domains and routes, and tables of limits with these put in. A table is not
//          changed once it is in use, and stays until the end: what was read from it may still be
//          used.
// Threads: worker 0, or whoever starts the engine.
#ifndef POSTHASTE_REROUTES_H
#define POSTHASTE_REROUTES_H

#include "engine/config.h"

#define REROUTES_MAX 1000u

struct reroute {
    char domain[256]; // lower-case A-labels
    char via[ROUTE_NAME_BYTES];
};

struct rerouted_table {
    struct rerouted_table *next;
    struct limits_table table;
    struct limits_rule rules[]; // what table.rules points to
};

struct reroutes {
    uint32_t count;
    struct reroute *items;         // sorted by domain
    struct rerouted_table *tables; // all that were made
};

void reroutes_release(struct reroutes *r);
// `via`: empty ends it. False: too many, or no memory.
bool reroutes_set(struct reroutes *r, struct slice domain, struct slice via);
// Is there room for one of this domain?
bool reroutes_have_room(const struct reroutes *r, struct slice domain);
// Is there such a route, or is it one of those that are always there?
bool reroutes_may_be(const struct config *c, struct slice via);
// The configuration's limits with these in force; those whose route is not there are left out. NULL
// without memory.
const struct limits_table *reroutes_apply(struct reroutes *r, const struct config *c);

#endif
