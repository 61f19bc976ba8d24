// engine/order_change.h: what orders have in common that change queued mail: they walk, act, and
// tell how much it was. For order_change.c, order_hold.c and order_reroute.c.
#ifndef POSTHASTE_ORDER_CHANGE_H
#define POSTHASTE_ORDER_CHANGE_H

#include "engine/walk.h"

struct holds;
struct limits_table;

struct change {
    struct walk *walk;
    uint64_t jobs, rcpts;
    uint64_t busy; // jobs that are in a transaction, and were left alone
    // hold and release:
    struct selector meant;
    struct holds *holds; // the new table, until it is in force; then the old one
    bool writes;         // it was begun to write it down
    bool in_force;
    const struct limits_table *limits; // reroute's
};

typedef void change_act(struct order_place *p, struct order *o, const struct walked *w);

// For order_kind. order.work is a struct change.
bool change_begin(struct order *o, change_act *act);
enum order_step change_visit(struct order_place *p, struct order *o);
enum order_step change_end(struct order *o);
void change_release(struct order *o);

// What must last is written down by worker 0: `append` puts it into the file of holds, once. Waits
// until it is safe; the order is refused when it could not be.
typedef void change_append(struct holds_file *f, const struct order *o);
enum order_step change_write_down(struct order_place *p, struct order *o, change_append *append);

// Is the job at home? Else it counts as busy.
bool change_may(struct order *o, const struct walked *w);
void change_count(struct order *o, const struct walked *w); // the job, and its recipients

#endif
