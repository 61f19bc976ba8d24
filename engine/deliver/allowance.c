#include "engine/deliver/allowance.h"

#include <stdlib.h>

// Room for the meters of `count` rates; new ones have counted nothing.
static bool meters_grow(struct rate_meter **meters, uint32_t old_count, uint32_t count)
{
    if (count == old_count)
        return true;
    struct rate_meter *grown = reallocarray(*meters, count, sizeof(*grown));
    if (!grown)
        return false;
    memset(grown + old_count, 0, (count - old_count) * sizeof(*grown));
    *meters = grown;
    return true;
}

bool allowance_init(struct allowance *a, const struct limits *l)
{
    *a = (struct allowance){0};
    throttle_init(&a->throttle);
    if (allowance_tighten(a, l))
        return true;
    allowance_release(a);
    return false;
}

void allowance_release(struct allowance *a)
{
    free(a->message_meters);
    free(a->connection_meters);
    a->message_meters = a->connection_meters = NULL;
}

// Rates and their meters, tightened together.
static bool tighten(struct rate_limits *rates, struct rate_meter **meters,
                    const struct rate_limits *by)
{
    struct rate_limits tight = *rates;
    rate_limits_tighten(&tight, by);
    if (!meters_grow(meters, rates->count, tight.count))
        return false;
    *rates = tight;
    return true;
}

bool allowance_tighten(struct allowance *a, const struct limits *l)
{
    return tighten(&a->messages, &a->message_meters, &l->rates) &&
           tighten(&a->connections, &a->connection_meters, &l->connection_rates);
}

static const struct rate_meter *meter_of(const struct rate_limits *rates,
                                         const struct rate_meter *meters, uint64_t window_us)
{
    for (uint32_t i = 0; i < rates->count; i++)
        if (rates->items[i].window_us == window_us)
            return &meters[i];
    return NULL;
}

static bool renew(struct rate_limits *rates, struct rate_meter **meters,
                  const struct rate_limits *by)
{
    struct rate_meter *fresh = NULL;
    if (!meters_grow(&fresh, 0, by->count))
        return false;
    for (uint32_t i = 0; i < by->count; i++) {
        const struct rate_meter *kept = meter_of(rates, *meters, by->items[i].window_us);
        if (kept)
            fresh[i] = *kept;
    }
    free(*meters);
    *meters = fresh;
    *rates = *by;
    return true;
}

bool allowance_renew(struct allowance *a, const struct limits *l)
{
    return renew(&a->messages, &a->message_meters, &l->rates) &&
           renew(&a->connections, &a->connection_meters, &l->connection_rates);
}

static uint32_t smaller(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static uint64_t later(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

uint32_t allowance_messages(struct allowance *a, uint32_t under_way, uint64_t now_us)
{
    return smaller(throttle_room(&a->throttle, under_way, now_us),
                   rate_limits_room(a->message_meters, &a->messages, now_us));
}

uint32_t allowance_connections(struct allowance *a, uint64_t now_us)
{
    return rate_limits_room(a->connection_meters, &a->connections, now_us);
}

uint64_t allowance_messages_due_us(struct allowance *a, uint64_t now_us)
{
    return later(throttle_due_us(&a->throttle, now_us),
                 rate_limits_due_us(a->message_meters, &a->messages, now_us));
}

uint64_t allowance_connections_due_us(struct allowance *a, uint64_t now_us)
{
    return rate_limits_due_us(a->connection_meters, &a->connections, now_us);
}

void allowance_message_begins(struct allowance *a, uint64_t now_us)
{
    rate_limits_count(a->message_meters, &a->messages, now_us);
    throttle_begins(&a->throttle, now_us);
}

void allowance_connection_opens(struct allowance *a, uint64_t now_us)
{
    rate_limits_count(a->connection_meters, &a->connections, now_us);
}

bool allowance_is_limited(const struct allowance *a, uint64_t now_us)
{
    return a->messages.count > 0 || a->connections.count > 0 ||
           throttle_is_active(&a->throttle, now_us);
}

uint64_t allowance_kept_until_us(struct allowance *a, uint64_t now_us)
{
    return later(rate_limits_end_us(a->message_meters, &a->messages, now_us),
                 rate_limits_end_us(a->connection_meters, &a->connections, now_us));
}

struct reason allowance_reason(struct allowance *a, uint64_t now_us)
{
    struct reason why = throttle_reason(&a->throttle, now_us);
    uint64_t due_us = rate_limits_due_us(a->message_meters, &a->messages, now_us);
    if (due_us > now_us)
        why = reason_binding(why, (struct reason){REASON_MESSAGE_RATE, due_us});
    if (why.kind != REASON_NONE)
        return why;
    due_us = allowance_connections_due_us(a, now_us);
    if (due_us > now_us)
        why = (struct reason){REASON_CONNECTION_RATE, due_us};
    return why;
}
