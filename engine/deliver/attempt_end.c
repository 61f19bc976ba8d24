// A connection's end: what it says of the host and the site, and what becomes of the transactions
// on it.

#include "engine/base/check.h"
#include "engine/deliver/attempt_parts.h"

#define GIVEN_BACK_MAX 8
#define GIVEN_BACK_BY_USED 1
#define GIVEN_BACK_BY_FRESH 4

// --- what it says of the site

static void note_failure(struct conn *c)
{
    c->site->failure = c->failure;
    c->site->failure_host = c->host;
    c->site->failure_peer = c->peer;
}

static void conn_refused(struct deliver *d, struct conn *c)
{
    struct site *s = c->site;
    uint64_t now_us = io_now_us(d->io);
    d->counters.connections_failed++;
    note_failure(c);
    if (source_is_suspended(d, c))
        return; // it is not the host's fault
    if (c->failure.code >= 400 && s->open_count > 0 && c->failure.reason != REASON_AUTH_REFUSED) {
        // It serves others of ours, and says that this one is too many.
        lesson_connection_refused(d, s, &c->failure);
        return;
    }
    s->proven = s->open_count > s->opening_count;
    site_rest_address(s, &c->peer, now_us + retry_address_us(&s->limits.retry));
}

// It took us on, and ended before the first message had its verdict. What is not in doubt goes to
// the next host at once, if there is one. A host that says 421, or nothing at all, serves nobody
// now; one that breaks off may dislike this one message, until it does so again and again.
static void conn_let_us_down(struct deliver *d, struct conn *c)
{
    struct site *s = c->site;
    if (source_is_suspended(d, c)) { // another source may be welcome
        note_failure(c);
        return;
    }
    if (c->failure.code == 421 && lesson_serves(d, s)) {
        note_failure(c); // it has had enough of us for now: that is the rate's
        site_suspect_address(s, &c->peer, io_now_us(d->io));
        return;
    }
    s->break_count++;
    if (c->failure.code == 421 || c->timed_out || s->break_count >= SITE_BREAKS_MAX) {
        conn_refused(d, c);
        return;
    }
    note_failure(c);
    site_suspect_address(s, &c->peer, io_now_us(d->io));
}

// Has the other side refused the session? Also when it became ready, and ended before it was given
// anything, though there was work: else the next one would be opened at once, and the next.
static bool conn_is_refused(struct deliver *d, const struct conn *c)
{
    struct site *s = c->site;
    if (!c->session_ready)
        return true;
    return c->state == CONN_IDLE && c->message_count == 0 &&
           !smtp_client_has_answered(&c->client) && s->ready_count > 0 &&
           dispatch_may_begin(d, s) > 0;
}

// What a connection's end in the middle of transactions says of the site. A 421 says why.
static void conn_broke_off(struct deliver *d, struct conn *c)
{
    enum pace_break how = PACE_BROKE_LATE;
    if ((!c->tx_first && !c->broke_rules) || c->failure.code == 421 || d->stopping)
        return;
    if (c->broke_rules)
        how = PACE_BROKE_RULES;
    else if (!smtp_client_has_answered(&c->client))
        how = PACE_BROKE_FIRST;
    pace_broke(&c->site->pace, how, io_now_us(d->io));
}

void attempt_fail(struct deliver *d, struct conn *c)
{
    if (c->state == CONN_CLOSING)
        return;
    bool refused = conn_is_refused(d, c);
    bool let_down = !refused && c->message_count == 0 && c->tx_first;
    conn_enter(d, c, CONN_CLOSING);
    wheel_disarm(d->o.wheel, &c->timer);
    conn_broke_off(d, c);
    if (refused && !d->stopping && !c->tries_anew)
        conn_refused(d, c);
    if (let_down && !d->stopping)
        conn_let_us_down(d, c);
    dispatch_site(d, c->site);
    if (c->ops_in_flight == 0) { // no completion will bring it up again
        c->gone = true;
        conn_speaks(d, c);
    }
}

void attempt_close(struct deliver *d, struct conn *c, struct slice why)
{
    if (c->state == CONN_CLOSING)
        return;
    failure_set(&c->failure, 0, (struct enhanced_code){4, 3, 2}, why);
    attempt_fail(d, c);
}

// --- what becomes of its transactions

// A success that was said before our last byte had left is none.
static bool verdict_holds(const struct conn *c, const struct transaction *tx)
{
    return c->sent_bytes >= tx->end_bytes || tx->verdict != VERDICT_DELIVERED;
}

// What the machine knows of a transaction without verdict. Asked from the oldest on; *i counts
// those that it knows of. Another one had its verdict, and so was answered.
static struct smtp_unfinished left_how(const struct conn *c, const struct transaction *tx,
                                       uint32_t *i)
{
    struct smtp_unfinished u;
    if (tx->held || !smtp_client_unfinished(&c->client, *i, &u) || u.tag != tx->smtp.tag)
        return (struct smtp_unfinished){.answered = true};
    (*i)++;
    return u;
}

// Another session may take it at once: nothing was said about it, or this was the session's first
// message, and what was said ended with the session; unless it was a 421 about the content.
static bool transaction_may_go_elsewhere(const struct conn *c, const struct transaction *tx,
                                         bool answered)
{
    bool said = answered && c->message_count > 0;
    return !said && !tx->judged && job_given_back(tx->rcpts[0].job) < GIVEN_BACK_MAX;
}

// The connection has ended, and nothing is lent any more. `oldest`: the server was at this one.
static void transaction_left(struct deliver *d, struct conn *c, struct transaction *tx,
                             const struct smtp_unfinished *u, bool oldest)
{
    // Its last byte has reached the kernel, as far as we can know, and no verdict came.
    bool doubt = u->written && c->left_bytes >= u->end_bytes;
    uint8_t weight = oldest && c->message_count == 0 ? GIVEN_BACK_BY_FRESH : GIVEN_BACK_BY_USED;
    if (tx->held && verdict_holds(c, tx)) {
        verdict_carry_out(d, c, tx, &tx->why);
    } else if (!doubt && transaction_may_go_elsewhere(c, tx, u->answered)) {
        transaction_give_back(d, c, tx, weight);
    } else {
        tx->verdict = VERDICT_LATER;
        transaction_finish(d, c, tx, &c->failure, doubt);
    }
}

void attempt_gone(struct deliver *d, struct conn *c)
{
    struct site *s = c->site;
    uint32_t unfinished = 0;
    for (bool oldest = true; c->tx_first; oldest = false) {
        struct smtp_unfinished u = left_how(c, c->tx_first, &unfinished);
        transaction_left(d, c, c->tx_first, &u, oldest);
    }
    CHECK(!c->want_send);
    conn_release(c);
    slab_give(&d->conns, c->index);
    crowd_gone(d, s);
    s->conn_count--;
    d->counters.connections--;
    dispatch_site(d, s);
    starved_wake(d, 1); // there is room for one more
}
