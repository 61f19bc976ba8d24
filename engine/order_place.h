// engine/order_place.h: what an order may look at and change on the worker that it visits; and the
// kinds of orders that there are (engine/control/order.h).
//
// Threads: the worker's own.
#ifndef POSTHASTE_ORDER_PLACE_H
#define POSTHASTE_ORDER_PLACE_H

#include "engine/control/order.h"
#include "engine/control/rates.h"
#include "engine/holds_file.h"
#include "engine/peek.h"
#include "engine/shared.h"

struct suppressor;
struct worker;

struct order_place {
    struct shared *shared;
    const struct worker *worker; // for its counters
    uint32_t number;             // of the worker
    struct io *io;
    struct post *post;
    struct home *home;
    struct deliver *deliver;
    struct submit *submit;
    struct events *events;
    struct peeks peeks;
    struct rates rates;
    struct holds_file holds_file;  // worker 0's
    struct suppressor *suppressor; // worker 0's
};

void order_place_note_rates(struct order_place *p);

extern const struct order_kind *const order_kinds[]; // NULL behind the last

// One file each, order_NAME.c.
extern const struct order_kind order_status, order_metrics, order_list, order_count, order_retry,
    order_purge, order_hold, order_release, order_holds, order_drain, order_stop, order_reload,
    order_campaign, order_suppress, order_explain, order_bounce, order_reroute, order_tls_report,
    order_key, order_top;

#endif
