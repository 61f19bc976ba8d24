// What happens on a connection, and what it means for the jobs in its transaction: replies,
// verdicts, the connection's end. Work comes to it from dispatch.c.

#include "engine/base/check.h"
#include "engine/deliver/parts.h"

#define CAP_KEPT_US (UINT64_C(60) * 1000 * 1000)
#define GIVEN_BACK_MAX 8
#define GIVEN_BACK_BY_USED 1
#define GIVEN_BACK_BY_FRESH 4
#define REST_US_MAX (UINT64_C(60) * 1000 * 1000)

// --- states of a connection, seen from its site

static bool conn_is_spare(const struct conn *c)
{
    return c->state <= CONN_IDLE;
}

static bool conn_is_opening(const struct conn *c)
{
    return c->state < CONN_IDLE;
}

static bool conn_is_open(const struct conn *c)
{
    return c->state != CONN_CLOSING;
}

static void idle_link(struct conn *c)
{
    c->prev = NULL;
    c->next = c->site->idle_first;
    if (c->next)
        c->next->prev = c;
    c->site->idle_first = c;
}

static void idle_unlink(struct conn *c)
{
    if (c->prev)
        c->prev->next = c->next;
    else
        c->site->idle_first = c->next;
    if (c->next)
        c->next->prev = c->prev;
}

// The one place where a connection changes its state.
void conn_enter(struct deliver *d, struct conn *c, enum conn_state state)
{
    struct site *s = c->site;
    s->spare_count -= conn_is_spare(c);
    s->open_count -= conn_is_open(c);
    s->opening_count -= conn_is_opening(c);
    if (c->state == CONN_IDLE)
        idle_unlink(c);
    if (state == CONN_CLOSING)
        conn_close(c, d->io);
    c->state = (uint8_t)state;
    if (state == CONN_IDLE)
        idle_link(c);
    s->spare_count += conn_is_spare(c);
    s->open_count += conn_is_open(c);
    s->opening_count += conn_is_opening(c);
    CHECK(s->spare_count <= s->open_count && s->open_count <= s->conn_count);
}

// It has something to say, or its deadline moved: looked at once, at the end of the turn.
void conn_speaks(struct deliver *d, struct conn *c)
{
    if (c->want_send)
        return;
    c->want_send = true;
    c->send_next = d->send_first;
    d->send_first = c;
}

static struct attempt conn_attempt(const struct conn *c)
{
    const struct mx_host *host = &c->site->set->hosts[c->host];
    return (struct attempt){slice_make(host->name, host->len), &c->peer};
}

// --- a transaction's end

// All recipients of one job that took part: rcpts[first..end). Returns with the job home, or back
// among the ready ones.
static void finish_job(struct deliver *d, struct conn *c, uint32_t first, uint32_t end,
                       enum verdict v, const struct failure *why, bool in_doubt)
{
    struct transaction *tx = &c->tx;
    struct job *j = tx->rcpts[first].job;
    struct target *t = job_target(j);
    struct attempt at = conn_attempt(c);
    uint32_t open_left = job_open_count(j);
    bool gone = false;
    for (uint32_t i = first; i < end; i++) {
        const struct transaction_rcpt *r = &tx->rcpts[i];
        if ((r->again && v == VERDICT_DELIVERED) || job_rcpt_state(j, r->rcpt) != RCPT_OPEN)
            continue;
        gone = --open_left == 0;
        outbox_result(d, j, r->rcpt, v, why, &at, in_doubt, gone);
        if (gone)
            break;
    }
    if (open_left > 0) {
        target_requeue(d, t, j);
        return;
    }
    if (!gone)
        outbox_job(d, j);
    target_job_left(d, t);
}

static void transaction_finish(struct deliver *d, struct conn *c, enum verdict v,
                               const struct failure *why, bool in_doubt)
{
    uint32_t count = c->tx.rcpt_count;
    for (uint32_t first = 0, end; first < count; first = end) {
        for (end = first + 1; end < count && c->tx.rcpts[end].job == c->tx.rcpts[first].job;)
            end++;
        finish_job(d, c, first, end, v, why, in_doubt);
    }
    transaction_clear(&c->tx);
    c->verdict_held = false;
}

// Nothing of it was answered: the server let the connection go just then, or did not take us on.
// Its jobs are ready again, as if they had not been taken; up to a limit, since it may also be this
// message that the server dislikes. A session that had served before is likely to have ended for
// reasons of its own, and weighs less.
static void transaction_give_back(struct deliver *d, struct conn *c)
{
    uint8_t weight = c->message_count > 0 ? GIVEN_BACK_BY_USED : GIVEN_BACK_BY_FRESH;
    uint32_t count = c->tx.rcpt_count;
    struct job *last = NULL;
    for (uint32_t i = 0; i < count; i++) {
        struct job *j = c->tx.rcpts[i].job;
        if (j == last)
            continue;
        CHECK(j->given_back + weight <= JOB_GIVEN_BACK_MAX);
        j->given_back = (j->given_back + weight) & (unsigned)JOB_GIVEN_BACK_MAX;
        target_requeue(d, job_target(j), j);
        last = j;
    }
    transaction_clear(&c->tx);
}

static void verdict_carry_out(struct deliver *d, struct conn *c)
{
    enum verdict v = verdict_of_reply(c->verdict_phase, c->verdict.code);
    transaction_finish(d, c, v, &c->verdict, false);
    c->message_count++;
}

// --- a connection's end

static void conn_refused(struct deliver *d, struct conn *c)
{
    struct site *s = c->site;
    uint64_t now_us = io_now_us(d->io);
    d->counters.connections_failed++;
    s->failure = c->failure;
    s->failure_host = c->host;
    s->failure_peer = c->peer;
    if (c->failure.code >= 400 && s->open_count > 0) {
        // It serves others of ours, and says that this one is too many.
        s->connections_now = s->open_count;
        s->cap_until_us = now_us + CAP_KEPT_US;
        return;
    }
    s->proven = s->open_count > s->opening_count;
    uint64_t rest_us = s->limits.retry.delay_us_first;
    site_rest_address(s, &c->peer, now_us + (rest_us < REST_US_MAX ? rest_us : REST_US_MAX));
}

// Has the other side refused the session? Also when it became ready, and ended before it was given
// anything, though there was work: else the next one would be opened at once, and the next.
static bool conn_is_refused(const struct conn *c)
{
    if (!c->session_ready)
        return true;
    return c->state == CONN_IDLE && c->message_count == 0 && !c->answered &&
           c->site->ready_count > 0;
}

// c->failure says why.
static void conn_fail(struct deliver *d, struct conn *c)
{
    if (c->state == CONN_CLOSING)
        return;
    bool refused = conn_is_refused(c);
    conn_enter(d, c, CONN_CLOSING);
    wheel_disarm(d->o.wheel, &c->timer);
    if (refused && !d->stopping)
        conn_refused(d, c);
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
    conn_fail(d, c);
}

// A success that was said before our last byte had left is none.
static bool conn_verdict_holds(const struct conn *c)
{
    return c->sent_bytes >= c->said_bytes ||
           verdict_of_reply(c->verdict_phase, c->verdict.code) != VERDICT_DELIVERED;
}

void attempt_gone(struct deliver *d, struct conn *c)
{
    struct site *s = c->site;
    if (transaction_open(&c->tx)) {
        bool in_doubt = !c->verdict_held && c->failure.code != 421 && conn_wrote_all(c);
        if (c->verdict_held && conn_verdict_holds(c))
            verdict_carry_out(d, c);
        else if (!in_doubt && !c->answered && c->tx.rcpts[0].job->given_back < GIVEN_BACK_MAX)
            transaction_give_back(d, c);
        else
            transaction_finish(d, c, VERDICT_LATER, &c->failure, in_doubt);
    }
    CHECK(!c->want_send);
    conn_release(c);
    slab_give(&d->conns, c->index);
    s->conn_count--;
    d->counters.connections--;
    dispatch_site(d, s);
    dispatch_starved(d, 1); // there is room for one more
}

// --- what the machine tells

static void conn_free_for_work(struct deliver *d, struct conn *c)
{
    if (c->message_count >= c->site->limits.messages_per_connection || d->stopping) {
        smtp_client_quit(&c->client);
        conn_enter(d, c, CONN_QUITTING);
    } else {
        conn_enter(d, c, CONN_IDLE);
    }
    dispatch_site(d, c->site);
}

static void on_ready(struct deliver *d, struct conn *c)
{
    c->session_ready = true;
    c->answered = false;
    c->site->proven = true;
    site_address_serves(c->site, &c->peer);
    conn_free_for_work(d, c);
}

static void on_rcpt_refused(struct deliver *d, struct conn *c, const struct smtp_event *e)
{
    CHECK(e->rcpt < c->tx.rcpt_count);
    struct transaction_rcpt *r = &c->tx.rcpts[e->rcpt];
    struct attempt at = conn_attempt(c);
    struct failure why;
    c->answered = true;
    failure_set(&why, e->reply->code, e->reply->enhanced, e->reply->text);
    if (e->phase == SMTP_PHASE_RCPT && e->rcpt > 0 &&
        verdict_is_rcpt_limit(why.code, why.enhanced)) {
        r->again = true;
        return;
    }
    outbox_result(d, r->job, r->rcpt, verdict_of_reply(e->phase, why.code), &why, &at, false,
                  false);
}

static void on_verdict(struct deliver *d, struct conn *c, const struct smtp_event *e)
{
    failure_set(&c->verdict, e->reply->code, e->reply->enhanced, e->reply->text);
    c->verdict_phase = e->phase;
    c->answered = true;
    c->verdict_held = c->sending; // its bytes are still lent: the verdict waits for them
    if (!c->verdict_held) {
        verdict_carry_out(d, c);
        conn_free_for_work(d, c);
    }
}

static void on_closed(struct deliver *d, struct conn *c, const struct smtp_event *e)
{
    if (e->reply)
        failure_set(&c->failure, e->reply->code, e->reply->enhanced, e->reply->text);
    else
        failure_set(&c->failure, 0, (struct enhanced_code){4, 5, 0}, slice_of_text(e->why));
    conn_fail(d, c);
}

void attempt_events(struct deliver *d, struct conn *c, struct slice bytes)
{
    while (c->state != CONN_CLOSING) {
        struct smtp_event e = smtp_client_feed(&c->client, &bytes);
        c->moved |= e.kind != SMTP_MORE;
        switch (e.kind) {
        case SMTP_MORE: return;
        case SMTP_REPLIED: c->answered = true; break;
        case SMTP_READY: on_ready(d, c); break;
        case SMTP_RCPT_REFUSED: on_rcpt_refused(d, c, &e); break;
        case SMTP_DONE: on_verdict(d, c, &e); break;
        case SMTP_CLOSED: on_closed(d, c, &e); return;
        }
    }
}

void attempt_on_done(struct deliver *d, const struct io_done *done)
{
    struct slice bytes;
    struct conn *c = slab_find(&d->conns, done->token.index, done->token.generation);
    CHECK(c); // a slot lives until its last completion
    switch (conn_on_done(c, d->io, done, &bytes)) {
    case CONN_NOTHING: break;
    case CONN_CONNECTED:
        c->moved = true;
        conn_speaks(d, c);
        break;
    case CONN_BYTES:
        conn_speaks(d, c);
        attempt_events(d, c, bytes);
        break;
    case CONN_SENT:
        conn_speaks(d, c);
        c->moved |= wire_empty(&c->wire); // from here on it is the other side's turn
        if (c->verdict_held && wire_empty(&c->wire)) {
            verdict_carry_out(d, c);
            conn_free_for_work(d, c);
        }
        break;
    case CONN_LOST: conn_fail(d, c); break;
    case CONN_GONE:
        if (c->want_send) // dispatch_flush() passes it on
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
    failure_set(&c->failure, 0, (struct enhanced_code){4, 4, 2},
                c->state == CONN_CONNECTING ? SLICE("connection attempt timed out")
                                            : SLICE("no answer in time"));
    conn_fail(d, c);
}
