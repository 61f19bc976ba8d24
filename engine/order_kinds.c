// What may be asked of the engine: a line each.
#include "engine/order_place.h"

const struct order_kind *const order_kinds[] = {
    &order_status,  &order_metrics, &order_list,       &order_count,   &order_hold,
    &order_release, &order_holds,   &order_retry,      &order_purge,   &order_drain,
    &order_stop,    &order_reload,  &order_campaign,   &order_explain, &order_suppress,
    &order_bounce,  &order_reroute, &order_tls_report, &order_key,     &order_top,
    NULL,
};
