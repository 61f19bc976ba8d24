#include "engine/deliver/group.h"

#include "engine/base/check.h"
#include "engine/deliver/parts.h"

#include <stdlib.h>

// Connections that are opened beyond what could begin on them now: some never become ready, and
// must not hold up the others.
#define OPENING_AHEAD 8u
#define IDLE_LOOKS_MAX 32u

// --- birth and death

bool groups_init(struct deliver *d)
{
    const struct limits_table *t = d->group_limits = d->o.limits;
    d->groups = calloc(t->site_count + 1u, sizeof(*d->groups));
    if (!d->groups)
        return false;
    for (; d->group_count < t->site_count; d->group_count++) {
        struct site_group *g = &d->groups[d->group_count];
        g->rule = &t->sites[d->group_count];
        g->owner = (uint32_t)(slice_hash(slice_of_text(g->rule->name), 0) %
                              d->o.post->worker_count);
        struct io_token timer = {d->group_count, 0, d->o.io_owner, DELIVER_OP_GROUP};
        memcpy(&g->timer.owner, &timer, sizeof(timer));
        if (!allowance_init(&g->allowance, &g->rule->limits))
            return false;
    }
    return true;
}

void groups_release(struct deliver *d)
{
    for (uint32_t i = 0; i < d->group_count; i++) {
        wheel_disarm(d->o.wheel, &d->groups[i].timer);
        allowance_release(&d->groups[i].allowance);
    }
    free(d->groups);
}

struct site_group *group_of(struct deliver *d, const struct mx_set *set)
{
    const struct limits_site *rule = limits_site_of(d->group_limits, set);
    return rule ? &d->groups[rule - d->group_limits->sites] : NULL;
}

// --- what there is

static bool others_are_first(const struct site *s)
{
    return s->group->line_first && !s->has_turn;
}

uint32_t group_messages(struct deliver *d, struct site *s)
{
    struct site_group *g = s->group;
    uint64_t now_us = io_now_us(d->io);
    if (!g)
        return UINT32_MAX;
    if (others_are_first(s) && !s->reserved && allowance_is_limited(&g->allowance, now_us))
        return 0;
    return allowance_messages(&g->allowance, g->transaction_count, now_us);
}

static uint32_t connections_left(struct site_group *g, uint64_t now_us)
{
    uint32_t learned = throttle_connections(&g->allowance.throttle, now_us);
    uint32_t set = g->rule->limits.connections;
    uint32_t most = learned < set ? learned : set;
    return g->open_count < most ? most - g->open_count : 0;
}

uint32_t group_connections(struct deliver *d, struct site *s)
{
    struct site_group *g = s->group;
    uint64_t now_us = io_now_us(d->io);
    if (!g)
        return UINT32_MAX;
    if (others_are_first(s))
        return s->open_count;
    uint32_t left = connections_left(g, now_us);
    uint32_t by_rate = allowance_connections(&g->allowance, now_us);
    return s->open_count + (left < by_rate ? left : by_rate);
}

struct reason group_reason(struct deliver *d, struct site *s)
{
    struct site_group *g = s->group;
    uint64_t now_us = io_now_us(d->io);
    if (!g)
        return (struct reason){REASON_NONE, 0};
    struct reason why = allowance_reason(&g->allowance, now_us);
    if (why.kind == REASON_NONE && s->open_count == 0 && connections_left(g, now_us) == 0)
        return (struct reason){REASON_CONNECTION_LIMIT, 0};
    if (why.kind == REASON_NONE && others_are_first(s))
        return (struct reason){REASON_BEHIND_OTHERS, 0};
    return why;
}

void group_message_begins(struct deliver *d, struct site *s)
{
    s->reserved = false;
    if (s->group)
        allowance_message_begins(&s->group->allowance, io_now_us(d->io));
}

// What it opens in its turn it may use when it is ready, though others are first in line by then.
void group_connection_opens(struct deliver *d, struct site *s)
{
    if (!s->group)
        return;
    s->reserved = true;
    s->group->open_count++;
    s->group->opening_count++;
    allowance_connection_opens(&s->group->allowance, io_now_us(d->io));
}

// --- the line

static void line_add(struct site_group *g, struct site *s, bool first)
{
    s->in_line = true;
    s->line_next = first ? g->line_first : NULL;
    if (first)
        g->line_first = s;
    else if (g->line_last)
        g->line_last->line_next = s;
    else
        g->line_first = s;
    if (!s->line_next)
        g->line_last = s;
}

static struct site *line_take(struct site_group *g)
{
    struct site *s = g->line_first;
    g->line_first = s->line_next;
    if (!g->line_first)
        g->line_last = NULL;
    s->in_line = false;
    return s;
}

// An idle connection makes room for a site that has none: one with nothing to do for its own site,
// else one whose site comes later in line.
static void quit_idle(struct deliver *d, struct site_group *g)
{
    struct conn *c = g->idle_first, *second = NULL;
    for (uint32_t looks = 0; c && looks < IDLE_LOOKS_MAX; looks++, c = c->idle_next) {
        if (c->site->ready_count + c->site->fetched_count == 0)
            break;
        if (!second && !c->site->reserved && !c->site->has_turn)
            second = c;
    }
    if (!c || c->site->ready_count + c->site->fetched_count > 0)
        c = second;
    if (c)
        attempt_quit(d, c);
}

static void wait_until(struct deliver *d, struct site_group *g, uint64_t due_us)
{
    if (due_us > io_now_us(d->io)) // else what is under way brings it up
        wheel_arm(d->o.wheel, &g->timer, due_us);
}

// Is there what the first one needs? If not, whatever brings it looks again.
static bool line_moves(struct deliver *d, struct site_group *g)
{
    uint64_t now_us = io_now_us(d->io);
    uint32_t room = allowance_messages(&g->allowance, g->transaction_count, now_us);
    if (room == 0) {
        wait_until(d, g, allowance_messages_due_us(&g->allowance, now_us));
        return false;
    }
    if (g->line_first->open_count > 0)
        return true;
    if (g->opening_count >= (uint64_t)room + OPENING_AHEAD)
        return false;
    if (connections_left(g, now_us) == 0) {
        quit_idle(d, g);
        return false;
    }
    wait_until(d, g, allowance_connections_due_us(&g->allowance, now_us));
    return allowance_connections(&g->allowance, now_us) > 0;
}

void group_next(struct deliver *d, struct site_group *g)
{
    if (g->has_turn || !g->line_first || d->stopping || d->paused || !line_moves(d, g))
        return;
    struct site *s = line_take(g);
    s->has_turn = g->has_turn = true;
    dispatch_site(d, s);
}

// Does it lack what the group has not got? In its turn nothing else counts: what it could have had,
// and did not take, it lacks for reasons of its own (no address yet, no answer), and what ends
// these brings it up again.
static bool lacks(struct deliver *d, struct site *s)
{
    if (s->ready_count + s->fetched_count == 0 || s->in_line || d->stopping || d->paused)
        return false;
    return group_messages(d, s) == 0 || (s->open_count == 0 && group_connections(d, s) == 0);
}

void group_turn_ends(struct deliver *d, struct site *s)
{
    struct site_group *g = s->group;
    if (!g)
        return;
    if (s->open_count == 0)
        s->reserved = false;
    if (lacks(d, s))
        line_add(g, s, s->reserved);
    if (s->has_turn)
        s->has_turn = g->has_turn = false;
    group_next(d, g);
}

// --- idle connections

void group_conn_idle(struct conn *c)
{
    struct site_group *g = c->site->group;
    if (!g)
        return;
    c->idle_prev = NULL;
    c->idle_next = g->idle_first;
    if (c->idle_next)
        c->idle_next->idle_prev = c;
    g->idle_first = c;
}

void group_conn_not_idle(struct conn *c)
{
    struct site_group *g = c->site->group;
    if (!g)
        return;
    if (c->idle_prev)
        c->idle_prev->idle_next = c->idle_next;
    else
        g->idle_first = c->idle_next;
    if (c->idle_next)
        c->idle_next->idle_prev = c->idle_prev;
}
