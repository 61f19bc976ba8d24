// hold, release and holds: standing holds (engine/policy/holds.h).
//
//   round 0  worker 0 writes the change down, and waits until it is safe
//   round 1  every worker gets the new table, so that nothing more goes out that it keeps
//   round 2  every home looks through its jobs: what is to be kept is called back and parked; what
//            is kept by nothing any more is due when it was
#include "engine/base/check.h"
#include "engine/deliver/deliver.h"
#include "engine/home.h"
#include "engine/order_change.h"

#include <stdlib.h>

enum { ROUND_WRITE, ROUND_TABLE, ROUND_WALK, ROUNDS };

static const char *hold_word(struct order *o, struct slice key, struct slice value)
{
    (void)o;
    (void)value;
    if (slice_equal(key, SLICE("older")) || slice_equal(key, SLICE("newer")) ||
        slice_equal(key, SLICE("state")))
        return "a hold stands for what comes later, too: all, domain, sender, recipient, campaign or "
               "id";
    return SELECTOR_NOT_MINE;
}

static void append(struct holds_file *f, const struct order *o)
{
    const struct change *c = o->work;
    holds_file_append(f, o->kind->name, &c->meant);
}

// Every worker has it: what worker 0 knows as in force is the new one, and nobody uses the old one.
static void in_force(const struct order_place *p, struct change *c)
{
    struct holds *old = p->shared->holds;
    if (c->in_force || p->number != 0)
        return;
    c->in_force = true;
    p->shared->holds = c->holds;
    c->holds = old;
}

static enum order_step hold_visit(struct order_place *p, struct order *o)
{
    struct change *c = o->work;
    if (!o->dry_run && o->round == ROUND_WRITE)
        return change_write_down(p, o, append);
    if (!o->dry_run && o->round == ROUND_TABLE)
        deliver_set_holds(p->deliver, c->holds);
    if (o->round != ROUND_WALK)
        return ORDER_OVER;
    if (!o->dry_run)
        in_force(p, c);
    return change_visit(p, o);
}

static void hold_release(struct order *o)
{
    struct change *c = o->work;
    if (c)
        free(c->holds);
    change_release(o);
}

// --- hold

static void hold_act(struct order_place *p, struct order *o, const struct walked *w)
{
    if (o->dry_run) {
        change_count(o, w);
        return;
    }
    if (!change_may(o, w))
        return;
    change_count(o, w);
    home_park(p->home, w->job);
}

static bool hold_begin(struct order *o)
{
    const struct holds *now = o->place->shared->holds;
    if (!change_begin(o, hold_act))
        return false;
    struct change *c = o->work;
    c->meant = o->selector;
    c->walk->recalls = c->walk->keeps = !o->dry_run;
    if (holds_find(now, &o->selector) < HOLDS_MAX)
        return order_refuse(o, ORDER_REFUSED, "that hold is in force already");
    if (now && now->count == HOLDS_MAX)
        return order_refuse(o, ORDER_REFUSED, "there are %u holds, and no more can be", HOLDS_MAX);
    c->holds = holds_with(now, &o->selector);
    return c->holds || order_refuse(o, ORDER_LATER, "no memory");
}

const struct order_kind order_hold = {
    .name = "hold",
    .changes = true,
    .selects = true,
    .must_select = true,
    .rounds = ROUNDS,
    .word = hold_word,
    .begin = hold_begin,
    .visit = hold_visit,
    .end = change_end,
    .release = hold_release,
};

// --- release

// The table that is in force once the order has made its second round.
static const struct holds *holds_then(const struct order_place *p, const struct order *o)
{
    const struct change *c = o->work;
    return o->dry_run ? c->holds : p->shared->holds;
}

static void release_act(struct order_place *p, struct order *o, const struct walked *w)
{
    if (holds_keep(holds_then(p, o), w->job, w->message))
        return;
    change_count(o, w);
    if (!o->dry_run)
        home_let_go(p->home, w->job);
}

static bool release_begin(struct order *o)
{
    const struct holds *now = o->place->shared->holds;
    const struct selector everything = {.all = true};
    if (!change_begin(o, release_act))
        return false;
    struct change *c = o->work;
    c->meant = o->selector;
    if (holds_find(now, &o->selector) == HOLDS_MAX && !selector_equal(&o->selector, &everything))
        return order_refuse(o, ORDER_REFUSED,
                            "there is no such hold; 'posthaste hold' lists those that there are");
    c->holds = holds_released(now, &o->selector);
    if (!c->holds)
        return order_refuse(o, ORDER_LATER, "no memory");
    c->walk->reads = holds_need_messages(c->holds);
    c->walk->finishes = true; // nothing else lets go what is held
    o->selector = (struct selector){.states = 1u << QUEUE_HELD};
    return true;
}

const struct order_kind order_release = {
    .name = "release",
    .changes = true,
    .selects = true,
    .must_select = true,
    .rounds = ROUNDS,
    .word = hold_word,
    .begin = release_begin,
    .visit = hold_visit,
    .end = change_end,
    .release = hold_release,
};

// --- holds

static bool holds_begin(struct order *o)
{
    o->work = calloc(1, sizeof(uint32_t)); // how many have been told of
    return o->work || order_refuse(o, ORDER_LATER, "no memory");
}

static void say_hold(struct order *o, const struct selector *s)
{
    struct json j;
    struct buffer words;
    buffer_init(&words, SELECTOR_WORDS_BYTES_MAX);
    bool fits = selector_print(s, &words);
    order_line(o, &j);
    json_text(&j, "hold", fits ? buffer_slice(&words) : SLICE("?"));
    order_line_end(o, &j);
    buffer_release(&words);
}

static enum order_step holds_end(struct order *o)
{
    const struct holds *h = o->place->shared->holds;
    for (uint32_t *told = o->work; h && *told < h->count; ++*told) {
        if (order_page_full(o))
            return ORDER_AGAIN;
        say_hold(o, &h->items[*told]);
    }
    return ORDER_OVER;
}

const struct order_kind order_holds = {
    .name = "holds",
    .begin = holds_begin,
    .end = holds_end,
};
