#include "engine/deliver/allowance.h"

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
    counted_release(&a->messages);
    counted_release(&a->connections);
}

void allowance_remember(struct allowance *a, const struct rate_memory *memory, uint64_t place)
{
    counted_remember(&a->messages, memory, place, RATE_OF_MESSAGES);
    counted_remember(&a->connections, memory, place, RATE_OF_CONNECTIONS);
    struct rest rest;
    if (rate_memory_recall_rest(memory, place, REST_OF_SITE, &rest))
        (void)throttle_back_off(&a->throttle, rest.until_us, 0);
}

void allowance_moves(struct allowance *a, uint64_t place)
{
    a->messages.place = a->connections.place = place;
}

void allowance_inherit(struct allowance *a, const struct allowance *from)
{
    counted_inherit(&a->messages, &from->messages);
    counted_inherit(&a->connections, &from->connections);
}

bool allowance_print(struct allowance *a, struct buffer *out, const struct rate_clock *clock)
{
    const struct rest rest = {.until_us = a->throttle.held_until_us};
    return counted_print(&a->messages, out, clock) && counted_print(&a->connections, out, clock) &&
           rate_memory_print_rest(out, a->messages.place, REST_OF_SITE, rest, clock);
}

bool allowance_tighten(struct allowance *a, const struct limits *l)
{
    return counted_tighten(&a->messages, &l->rates) &&
           counted_tighten(&a->connections, &l->connection_rates);
}

bool allowance_renew(struct allowance *a, const struct limits *l)
{
    return counted_renew(&a->messages, &l->rates) &&
           counted_renew(&a->connections, &l->connection_rates);
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
                   counted_room(&a->messages, now_us));
}

uint32_t allowance_connections(struct allowance *a, uint64_t now_us)
{
    return counted_room(&a->connections, now_us);
}

uint64_t allowance_messages_due_us(struct allowance *a, uint64_t now_us)
{
    return later(throttle_due_us(&a->throttle, now_us), counted_due_us(&a->messages, now_us));
}

uint64_t allowance_connections_due_us(struct allowance *a, uint64_t now_us)
{
    return counted_due_us(&a->connections, now_us);
}

void allowance_message_begins(struct allowance *a, uint64_t now_us)
{
    counted_add(&a->messages, now_us);
    throttle_begins(&a->throttle, now_us);
}

void allowance_connection_opens(struct allowance *a, uint64_t now_us)
{
    counted_add(&a->connections, now_us);
}

bool allowance_is_limited(const struct allowance *a, uint64_t now_us)
{
    return a->messages.rates.count > 0 || a->connections.rates.count > 0 ||
           throttle_is_active(&a->throttle, now_us);
}

uint64_t allowance_kept_until_us(struct allowance *a, uint64_t now_us)
{
    return later(counted_end_us(&a->messages, now_us), counted_end_us(&a->connections, now_us));
}

struct reason allowance_reason(struct allowance *a, uint64_t now_us)
{
    struct reason why = throttle_reason(&a->throttle, now_us);
    uint64_t due_us = counted_due_us(&a->messages, now_us);
    if (due_us > now_us)
        why = reason_binding(why, (struct reason){REASON_MESSAGE_RATE, due_us});
    if (why.kind != REASON_NONE)
        return why;
    due_us = allowance_connections_due_us(a, now_us);
    if (due_us > now_us)
        why = (struct reason){REASON_CONNECTION_RATE, due_us};
    return why;
}
