#include "engine/deliver/group.h"

#include "engine/base/check.h"
#include "engine/deliver/parts.h"
#include "engine/policy/route.h"

#include <stdlib.h>

// Connections that are opened beyond what could begin on them now: some never become ready, and
// must not hold up the others.
#define OPENING_AHEAD 8u
#define IDLE_LOOKS_MAX 32u
// Of what their rates are remembered by.
#define GROUP_SEED UINT64_C(0x73697465)
#define GROUP_SEED_ROUTE UINT64_C(0x726f757465)

// --- birth and death

// NULL: too many, or no memory.
static struct site_group *group_new(struct deliver *d, const char *name, const struct limits *l,
                                    const struct route *r)
{
    uint32_t number = d->group_count;
    struct site_group *g = number < GROUPS_MAX ? calloc(1, sizeof(*g)) : NULL;
    if (!g || !allowance_init(&g->allowance, l)) {
        free(g);
        return NULL;
    }
    g->name = name;
    g->limits = l;
    g->owner = (uint32_t)(slice_hash(slice_of_text(name), 0) % d->o.post->worker_count);
    g->route = r;
    g->place = slice_hash(slice_of_text(name), r ? GROUP_SEED_ROUTE : GROUP_SEED);
    allowance_remember(&g->allowance, d->o.rate_memory, g->place);
    struct io_token timer = {number, 0, d->o.io_owner, DELIVER_OP_GROUP};
    memcpy(&g->timer.owner, &timer, sizeof(timer));
    d->groups[d->group_count++] = g;
    return g;
}

bool groups_init(struct deliver *d)
{
    const struct limits_table *t = d->group_limits = d->o.limits;
    d->groups = calloc(GROUPS_MAX, sizeof(struct site_group *));
    if (!d->groups)
        return false;
    for (uint32_t i = 0; i < t->site_count; i++)
        if (!group_new(d, t->sites[i].name, &t->sites[i].limits, NULL))
            return false;
    return true;
}

void groups_release(struct deliver *d)
{
    for (uint32_t i = 0; i < d->group_count; i++) {
        struct site_group *g = d->groups[i];
        wheel_disarm(d->o.wheel, &g->timer);
        source_book_release(d, &g->sources);
        allowance_release(&g->allowance);
        free(g);
    }
    free(d->groups);
}

void group_follow(struct site_group *g, const struct route *r)
{
    if (!g->route || !r || g->route == r || strcmp(g->name, r->name) != 0)
        return;
    g->route = r;
    g->name = r->name;
    g->limits = &r->limits;
    CHECK(allowance_renew(&g->allowance, g->limits)); // a few kilobytes at most
}

static struct site_group *group_of_route(struct deliver *d, const struct route *r)
{
    if (!r || !limits_are_shared(&r->limits))
        return NULL;
    for (uint32_t i = d->group_limits->site_count; i < d->group_count; i++)
        if (d->groups[i]->route == r || strcmp(d->groups[i]->name, r->name) == 0) {
            group_follow(d->groups[i], r);
            return d->groups[i];
        }
    return group_new(d, r->name, &r->limits, r);
}

struct site_group *group_of(struct deliver *d, const struct mx_set *set, const struct route *r)
{
    const struct limits_site *rule = limits_site_of(d->group_limits, set);
    return rule ? d->groups[rule - d->group_limits->sites] : group_of_route(d, r);
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
    uint32_t set = g->limits->connections;
    uint32_t most = learned < set ? learned : set;
    return g->open_count < most ? most - g->open_count : 0;
}

bool group_has_too_many(const struct site_group *g)
{
    return g && g->open_count > g->limits->connections;
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

static uint64_t later(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

// Is there what the first one needs? If not, whatever brings it looks again.
static bool line_moves(struct deliver *d, struct site_group *g, const struct source_sum *leaving)
{
    uint64_t now_us = io_now_us(d->io);
    uint32_t room = allowance_messages(&g->allowance, g->transaction_count, now_us);
    if (room == 0 || leaving->messages == 0) {
        uint64_t due_us = allowance_messages_due_us(&g->allowance, now_us);
        wait_until(d, g, later(due_us, leaving->messages_due_us));
        return false;
    }
    if (g->line_first->open_count > 0)
        return true;
    if (g->opening_count >= (uint64_t)room + OPENING_AHEAD)
        return false;
    bool sources_full = leaving->connections == 0 && leaving->connections_due_us == 0;
    if (connections_left(g, now_us) == 0 || sources_full) {
        quit_idle(d, g);
        return false;
    }
    uint64_t due_us = allowance_connections_due_us(&g->allowance, now_us);
    wait_until(d, g, later(due_us, leaving->connections_due_us));
    return allowance_connections(&g->allowance, now_us) > 0 && leaving->connections > 0;
}

// One whose sources are not wanted waits for that alone, and not in line.
static struct source_sum line_first_leaves(struct deliver *d, struct site_group *g)
{
    struct source_sum leaving = {.all_suspended = true};
    while (g->line_first) {
        leaving = sources_sum(d, g->line_first);
        if (!leaving.all_suspended)
            break;
        dispatch_site(d, line_take(g));
    }
    return leaving;
}

void group_next(struct deliver *d, struct site_group *g)
{
    if (g->has_turn || d->stopping || d->paused)
        return;
    struct source_sum leaving = line_first_leaves(d, g);
    if (!g->line_first || !line_moves(d, g, &leaving))
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
    struct source_sum leaving = sources_sum(d, s);
    if (leaving.all_suspended)
        return false;
    return group_messages(d, s) == 0 || leaving.messages == 0 ||
           (s->open_count == 0 && (group_connections(d, s) == 0 || leaving.connections == 0));
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

void group_source_suspended(struct deliver *d, struct site_group *g, const struct source_use *u)
{
    for (struct conn *c = g->idle_first, *next; c; c = next) {
        next = c->idle_next;
        if (c->site->sources[c->source].use == u)
            attempt_quit(d, c);
    }
}
