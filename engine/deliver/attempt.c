// What happens on a connection, and what it means: replies and verdicts. Work comes to it from
// dispatch.c.

#include "engine/base/check.h"
#include "engine/deliver/attempt_parts.h"

struct attempt conn_attempt(const struct conn *c)
{
    const struct mx_host *host = &c->site->set->hosts[c->host];
    return (struct attempt){.host = slice_make(host->name, host->len),
                            .address = slice_make(c->peer_text, c->peer_text_len),
                            .tls = c->tls,
                            .reports = smtp_client_extensions(&c->client) & SMTP_DSN};
}

// --- what the machine tells

// It has nothing under way. It waits for work, or has done its share.
static void conn_rests(struct deliver *d, struct conn *c)
{
    if (c->started_count >= conn_messages_max(c, source_messages_max(c)) ||
        source_is_suspended(d, c) || c->spent || d->stopping ||
        c->refused_count >= CONN_REFUSED_MAX || conn_is_one_too_many(d, c)) {
        smtp_client_quit(&c->client);
        conn_enter(d, c, CONN_QUITTING);
    } else {
        conn_enter(d, c, CONN_IDLE);
    }
}

// A transaction has ended: there is room for another one.
static void conn_has_room(struct deliver *d, struct conn *c)
{
    if (c->tx_first)
        conn_look_willing(d, c);
    else
        conn_rests(d, c);
    dispatch_site(d, c->site);
}

static void on_ready(struct deliver *d, struct conn *c)
{
    c->session_ready = true;
    c->site->proven = true;
    lesson_session_ready(d, c->site);
    site_address_serves(c->site, &c->peer);
    if (!conn_offers(c, SMTP_8BITMIME))
        c->site->only_7bit_until_us = io_now_us(d->io) + SITE_7BIT_KEPT_US;
    conn_has_room(d, c);
}

// NULL: it has had its end.
static struct transaction *transaction_of(const struct conn *c, uint64_t tag)
{
    struct transaction *tx = c->tx_first;
    while (tx && (tx->smtp.tag != tag || tx->held))
        tx = tx->next;
    return tx;
}

static void on_rcpt_refused(struct deliver *d, struct conn *c, const struct smtp_event *e)
{
    struct transaction *tx = transaction_of(c, e->tag);
    CHECK(tx && e->rcpt < tx->rcpt_count);
    struct transaction_rcpt *r = &tx->rcpts[e->rcpt];
    struct attempt at = conn_attempt(c);
    struct failure why;
    failure_set(&why, e->reply->code, e->reply->enhanced, e->reply->text);
    tx->refused_count++;
    if (e->phase == SMTP_PHASE_RCPT && e->rcpt > 0 &&
        verdict_is_rcpt_limit(e->reply->code, e->reply->enhanced)) {
        r->again = true;
        tx->again_why = why;
        return;
    }
    enum verdict v = hear_reply(d, c, e->phase, e->reply, &why);
    lesson_answered(d, c->site, e->phase, &why, tx->began_us);
    outbox_result(d, r->job, r->rcpt, v, &why, &at, false, false);
}

// While its bytes are still lent, the verdict waits for them.
static void on_verdict(struct deliver *d, struct conn *c, const struct smtp_event *e)
{
    struct transaction *tx = transaction_of(c, e->tag);
    CHECK(tx);
    tx->verdict = hear_reply(d, c, e->phase, e->reply, &tx->why);
    tx->end_bytes = e->end_bytes;
    tx->held = c->sent_bytes < tx->end_bytes;
    if (tx->held)
        return;
    verdict_carry_out(d, c, tx, &tx->why);
    conn_has_room(d, c);
}

// More has gone out: which verdicts waited for that?
static void verdicts_let_go(struct deliver *d, struct conn *c)
{
    bool any = false;
    for (struct transaction *tx = c->tx_first, *next; tx; tx = next) {
        next = tx->next;
        if (!tx->held || c->sent_bytes < tx->end_bytes)
            continue;
        verdict_carry_out(d, c, tx, &tx->why);
        any = true;
    }
    if (any)
        conn_has_room(d, c);
}

static void on_closed(struct deliver *d, struct conn *c, const struct smtp_event *e)
{
    if (e->reply)
        (void)hear_reply(d, c, e->phase, e->reply,
                         &c->failure); // of the session, of no recipient
    else
        failure_set(&c->failure, 0, (struct enhanced_code){4, 5, 0}, slice_of_text(e->why));
    secure_closed(d, c, e);
    c->broke_rules = e->broke_rules;
    struct transaction *tx = e->reply ? transaction_of(c, e->tag) : NULL;
    if (tx && e->phase == SMTP_PHASE_CONTENT)
        tx->judged = true;
    if (c->failure.code == 421 && c->tx_first)
        lesson_answered(d, c->site, e->phase, &c->failure, c->tx_first->began_us);
    attempt_fail(d, c);
}

void attempt_events(struct deliver *d, struct conn *c, struct slice bytes)
{
    while (c->state != CONN_CLOSING) {
        uint64_t replies_before = smtp_client_replies(&c->client);
        struct smtp_event e = smtp_client_feed(&c->client, &bytes);
        c->replied |= smtp_client_replies(&c->client) > replies_before;
        c->moved |= e.kind != SMTP_MORE || smtp_client_replies(&c->client) > replies_before;
        switch (e.kind) {
        case SMTP_MORE: return;
        case SMTP_REPLIED: CHECK(e.kind != SMTP_REPLIED); break; // decisions_only
        case SMTP_TLS:
            if (!secure_begin(d, c))
                attempt_fail(d, c);
            return;
        case SMTP_READY: on_ready(d, c); break;
        case SMTP_RCPT_REFUSED: on_rcpt_refused(d, c, &e); break;
        case SMTP_DONE: on_verdict(d, c, &e); break;
        case SMTP_CLOSED: on_closed(d, c, &e); return;
        }
    }
}

// --- what comes from outside

static void on_connected(struct deliver *d, struct conn *c)
{
    c->moved = true;
    conn_speaks(d, c);
    if (c->plan.way == TLS_WAY_AT_ONCE && !secure_begin(d, c))
        attempt_fail(d, c);
}

static void on_bytes(struct deliver *d, struct conn *c, struct slice bytes)
{
    conn_speaks(d, c);
    if (!c->channel)
        attempt_events(d, c, bytes);
    else if (!secure_bytes(d, c, bytes))
        attempt_fail(d, c);
}

void attempt_on_done(struct deliver *d, const struct io_done *done)
{
    struct slice bytes;
    struct conn *c = slab_find(&d->conns, done->token.index, done->token.generation);
    CHECK(c); // a slot lives until its last completion
    switch (conn_on_done(c, d->io, done, &bytes)) {
    case CONN_NOTHING: break;
    case CONN_CONNECTED: on_connected(d, c); break;
    case CONN_BYTES: on_bytes(d, c, bytes); break;
    case CONN_SENT:
        conn_speaks(d, c);
        c->moved |= conn_unsent(c) == 0; // from here on it is the other side's turn
        verdicts_let_go(d, c);
        break;
    case CONN_LOST:
        secure_lost(d, c);
        attempt_fail(d, c);
        break;
    case CONN_GONE:
        if (c->want_send) // say_all() passes it on
            c->gone = true;
        else
            attempt_gone(d, c);
        break;
    }
    if (done->lends)
        io_return(d->io, done->lent);
}

void attempt_quit(struct deliver *d, struct conn *c)
{
    CHECK(c->state == CONN_IDLE);
    smtp_client_quit(&c->client);
    c->moved = true;
    conn_enter(d, c, CONN_QUITTING);
    conn_speaks(d, c);
}

void attempt_on_timer(struct deliver *d, struct conn *c)
{
    uint64_t now_us = io_now_us(d->io);
    if (now_us < c->deadline_us) {
        wheel_arm(d->o.wheel, &c->timer, c->deadline_us);
        return;
    }
    if (c->state == CONN_IDLE) {
        attempt_quit(d, c);
        return;
    }
    c->timed_out = true;
    failure_set(&c->failure, 0, (struct enhanced_code){4, 4, 2},
                c->state == CONN_CONNECTING ? SLICE("connection attempt timed out")
                                            : SLICE("no answer in time"));
    secure_lost(d, c);
    attempt_fail(d, c);
}
