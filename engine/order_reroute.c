// reroute: how a domain's mail leaves, from now on, whatever the configuration says.
//
//   round 0  worker 0 writes it down, and waits until it is safe
//   round 1  every worker gets a new table of limits
//   round 2  what is ready is called back, and goes out again by the new route
#include "engine/deliver/deliver.h"
#include "engine/order_change.h"
#include "engine/smtp/address.h"

#include <stdlib.h>

enum { ROUND_WRITE, ROUND_TABLE, ROUND_WALK, ROUNDS };

static const char *reroute_word(struct order *o, struct slice key, struct slice value)
{
    if (slice_equal(key, SLICE("via"))) {
        if (value.len == 0 || value.len >= ROUTE_NAME_BYTES)
            return "is no name of a route";
        memcpy(o->subject, value.data, value.len);
        o->subject[value.len] = '\0';
        return NULL;
    }
    if (slice_equal(key, SLICE("domain")))
        return SELECTOR_NOT_MINE;
    return "a route is a domain's: domain and via, or domain alone";
}

static void reroute_act(struct order_place *p, struct order *o, const struct walked *w)
{
    (void)p;
    change_count(o, w);
}

static bool reroute_begin(struct order *o)
{
    const struct shared *s = o->place->shared;
    if (!change_begin(o, reroute_act))
        return false;
    struct change *c = o->work;
    c->walk->recalls = !o->dry_run;
    c->walk->finishes = true;
    if (!o->selector.domain[0])
        return order_refuse(o, ORDER_REFUSED, "of which domain?");
    if (!o->subject[0])
        return true;
    if (!reroutes_may_be(s->config_now, slice_of_text(o->subject)))
        return order_refuse(o, ORDER_REFUSED, "there is no route \"%s\"", o->subject);
    if (!reroutes_have_room(&s->reroutes, slice_of_text(o->selector.domain)))
        return order_refuse(o, ORDER_REFUSED,
                            "%u domains have a route of their own, and no more can", REROUTES_MAX);
    return true;
}

static void append(struct holds_file *f, const struct order *o)
{
    holds_file_append_reroute(f, o->selector.domain, o->subject);
}

static enum order_step write_down(struct order_place *p, struct order *o)
{
    struct change *c = o->work;
    struct shared *s = p->shared;
    enum order_step step = change_write_down(p, o, append);
    if (step != ORDER_OVER || p->number != 0 || o->how != ORDER_DONE)
        return step;
    if (!reroutes_set(&s->reroutes, slice_of_text(o->selector.domain), slice_of_text(o->subject)) ||
        !(c->limits = reroutes_apply(&s->reroutes, s->config_now)))
        order_refuse(o, ORDER_LATER, "there is no memory for it; the next start will know of it");
    return ORDER_OVER;
}

static enum order_step reroute_visit(struct order_place *p, struct order *o)
{
    const struct change *c = o->work;
    if (o->round == ROUND_WALK)
        return change_visit(p, o);
    if (o->dry_run)
        return ORDER_OVER;
    if (o->round == ROUND_WRITE)
        return write_down(p, o);
    deliver_set_limits(p->deliver, c->limits);
    return ORDER_OVER;
}

const struct order_kind order_reroute = {
    .name = "reroute",
    .changes = true,
    .selects = true,
    .must_select = true,
    .rounds = ROUNDS,
    .word = reroute_word,
    .begin = reroute_begin,
    .visit = reroute_visit,
    .end = change_end,
    .release = change_release,
};
