// Many sites want connections, and there are only so many. Which of these wait for an answer, and
// for how long, is kept here; policy/share.h says what that means for who wants one more.
//
//   opened -> waiting -> (an answer) -> waiting, or idle: in no list
//                \-> stuck, after SHARE_STUCK_US -> (an answer) -> waiting ...
//                       \-> closed, so that another site may have a connection

#include "engine/base/check.h"
#include "engine/deliver/parts.h"
#include "engine/policy/share.h"

#define LOOKS_MAX 16 // for one that may be closed

static struct conn_queue *queue_of(struct deliver *d, const struct conn *c)
{
    return c->is_stuck ? &d->stuck : &d->waiting;
}

static void queue_remove(struct deliver *d, struct conn *c)
{
    struct conn_queue *q = queue_of(d, c);
    if (c->wait_prev)
        c->wait_prev->wait_next = c->wait_next;
    else
        q->first = c->wait_next;
    if (c->wait_next)
        c->wait_next->wait_prev = c->wait_prev;
    else
        q->last = c->wait_prev;
    c->site->stuck_count -= c->is_stuck;
    c->is_waiting = c->is_stuck = false;
}

static void queue_add(struct deliver *d, struct conn *c, bool is_stuck)
{
    c->is_waiting = true;
    c->is_stuck = is_stuck;
    c->site->stuck_count += is_stuck;
    struct conn_queue *q = queue_of(d, c);
    c->wait_next = NULL;
    c->wait_prev = q->last;
    if (q->last)
        q->last->wait_next = c;
    else
        q->first = c;
    q->last = c;
}

static void site_is_prompt(struct deliver *d, struct site *s, bool prompt)
{
    if (s->is_prompt == prompt)
        return;
    s->is_prompt = prompt;
    if (prompt)
        d->slow_count -= s->conn_count;
    else
        d->slow_count += s->conn_count;
}

void crowd_moved(struct deliver *d, struct conn *c)
{
    uint64_t now_us = io_now_us(d->io);
    bool in_time = c->is_waiting && !c->is_stuck && now_us - c->waits_since_us < SHARE_STUCK_US;
    if (c->replied && c->session_ready)
        site_is_prompt(d, c->site, in_time);
    c->replied = false;
    if (c->is_waiting)
        queue_remove(d, c);
    if (c->state != CONN_CONNECTING && c->state != CONN_OPENING && c->state != CONN_BUSY)
        return; // it is our turn, or its end
    c->waits_since_us = now_us;
    queue_add(d, c, false);
}

void crowd_left(struct deliver *d, struct conn *c)
{
    if (c->is_waiting)
        queue_remove(d, c);
}

void crowd_opened(struct deliver *d, const struct site *s)
{
    d->slow_count += !s->is_prompt;
}

void crowd_gone(struct deliver *d, const struct site *s)
{
    d->slow_count -= !s->is_prompt;
}

void crowd_sweep(struct deliver *d, uint64_t now_us)
{
    struct conn *c;
    while ((c = d->waiting.first) && now_us - c->waits_since_us >= SHARE_STUCK_US) {
        queue_remove(d, c);
        queue_add(d, c, true);
        site_is_prompt(d, c->site, false);
    }
}

// Nothing of it may arrive without our knowing.
static bool may_give_way(const struct conn *c)
{
    struct smtp_unfinished u;
    for (uint32_t i = 0; smtp_client_unfinished(&c->client, i, &u); i++)
        if (u.written)
            return false;
    return true;
}

static void one_gives_way(struct deliver *d)
{
    struct conn *c = d->stuck.first;
    for (uint32_t looks = 0; c && looks < LOOKS_MAX; looks++, c = c->wait_next)
        if (may_give_way(c)) {
            d->counters.gave_way++;
            attempt_close(d, c, SLICE("no answer for too long, and others want the connection"));
            return;
        }
}

bool crowd_may_connect(struct deliver *d, const struct site *s)
{
    struct share_load load = {
        .count_max = d->o.conn_count_max,
        .count = d->conns.item_count,
        .slow_count = d->slow_count,
        .site_count = s->conn_count,
        .is_prompt = s->is_prompt,
    };
    switch (share_of(&load)) {
    case SHARE_OPEN: return true;
    case SHARE_WAIT: return false;
    case SHARE_REPLACES:
        if (!s->starved) // else one has been closed for it
            one_gives_way(d);
        return false;
    }
    CHECK(false);
}
