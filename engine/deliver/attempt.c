// What happens on a connection, and what it means for the jobs in its transaction: replies,
// verdicts, the connection's end. Work comes to it from dispatch.c.

#include "engine/base/check.h"
#include "engine/deliver/parts.h"

#define GIVEN_BACK_MAX 8
#define GIVEN_BACK_BY_USED 1
#define GIVEN_BACK_BY_FRESH 4

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

static void willing_link(struct conn *c)
{
    c->willing = true;
    c->prev = NULL;
    c->next = c->site->willing_first;
    if (c->next)
        c->next->prev = c;
    c->site->willing_first = c;
}

static void willing_unlink(struct conn *c)
{
    c->willing = false;
    if (c->prev)
        c->prev->next = c->next;
    else
        c->site->willing_first = c->next;
    if (c->next)
        c->next->prev = c->prev;
}

static bool conn_is_willing(const struct deliver *d, struct conn *c)
{
    return !d->stopping && (c->state == CONN_IDLE || c->state == CONN_BUSY) &&
           c->site->open_count <= lend_connections_max(d, c->site) && !c->spent &&
           c->started_count < conn_messages_max(c, c->site->limits.messages_per_connection) &&
           (c->refused_count == 0 || c->tx_count + c->refused_count < CONN_REFUSED_MAX) &&
           smtp_client_can_start(&c->client);
}

void conn_look_willing(struct deliver *d, struct conn *c)
{
    smtp_client_set_window(&c->client, c->site->pace.window);
    bool willing = conn_is_willing(d, c);
    if (willing == c->willing)
        return;
    if (willing)
        willing_link(c);
    else
        willing_unlink(c);
}

// `by`: 1 or -1.
static void conn_counts(const struct conn *c, int by)
{
    struct site *s = c->site;
    s->spare_count += (uint32_t)(by * conn_is_spare(c));
    s->open_count += (uint32_t)(by * conn_is_open(c));
    s->opening_count += (uint32_t)(by * conn_is_opening(c));
    if (!s->group)
        return;
    s->group->open_count += (uint32_t)(by * conn_is_open(c));
    s->group->opening_count += (uint32_t)(by * conn_is_opening(c));
}

// The one place where a connection changes its state.
void conn_enter(struct deliver *d, struct conn *c, enum conn_state state)
{
    const struct site *s = c->site;
    conn_counts(c, -1);
    if (c->state == CONN_IDLE)
        group_conn_not_idle(c);
    if (state == CONN_CLOSING) {
        conn_close(c, d->io);
        crowd_left(d, c);
    }
    c->state = (uint8_t)state;
    if (c->state == CONN_IDLE)
        group_conn_idle(c);
    conn_counts(c, 1);
    CHECK(s->spare_count <= s->open_count && s->open_count <= s->conn_count);
    conn_look_willing(d, c);
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
    return (struct attempt){slice_make(host->name, host->len),
                            slice_make(c->peer_text, c->peer_text_len),
                            smtp_client_extensions(&c->client) & SMTP_DSN};
}

// --- a transaction's end

void job_waits_again(struct deliver *d, struct loan *loan, struct job *j)
{
    if (loan)
        lend_job_back(d, loan);
    else
        target_requeue(d, job_target(j), j);
}

// A job of that domain has gone home.
static void job_left(struct deliver *d, const struct transaction *tx, struct target *t)
{
    if (tx->loan)
        lend_job_ended(d, tx->loan, tx->loan_item);
    else
        target_job_left(d, t);
}

// None of its recipients is open: it goes home, all of whose results have gone before.
static void job_over(struct deliver *d, const struct transaction *tx, struct job *j)
{
    struct target *t = job_target(j);
    outbox_job(d, j);
    job_left(d, tx, t);
}

// What becomes of a recipient when the transaction comes to its end.
struct fate {
    enum verdict verdict;
    const struct failure *why;
    bool in_doubt;
};

// One that was too many for this transaction shares nothing with the others: there was no place for
// him, and when these have been served there is. Where nobody at all was taken it cannot have been
// that.
static struct fate fate_of_one_too_many(const struct transaction *tx)
{
    bool nobody = tx->refused_count == tx->rcpt_count;
    return (struct fate){nobody ? verdict_of_reply(SMTP_PHASE_RCPT, tx->again_why.code)
                                : VERDICT_LATER,
                         &tx->again_why, false};
}

// All recipients of one job that took part: rcpts[first..end). Returns with the job home, or back
// among the ready ones.
static void finish_job(struct deliver *d, struct conn *c, const struct transaction *tx,
                       uint32_t first, uint32_t end, const struct failure *why, bool in_doubt)
{
    struct job *j = tx->rcpts[first].job;
    struct target *t = job_target(j);
    struct attempt at = conn_attempt(c);
    uint32_t open_left = job_open_count(j);
    bool gone = false;
    for (uint32_t i = first; i < end; i++) {
        const struct transaction_rcpt *r = &tx->rcpts[i];
        if ((r->again && tx->verdict == VERDICT_DELIVERED) ||
            job_rcpt_state(j, r->rcpt) != RCPT_OPEN)
            continue;
        struct fate f = r->again ? fate_of_one_too_many(tx)
                                 : (struct fate){tx->verdict, why, in_doubt};
        gone = --open_left == 0;
        outbox_result(d, j, r->rcpt, f.verdict, f.why, &at, f.in_doubt, gone);
        if (gone)
            break;
    }
    if (open_left > 0)
        job_waits_again(d, tx->loan, j);
    else if (gone)
        job_left(d, tx, t);
    else
        job_over(d, tx, j);
}

static void transaction_over(struct deliver *d, struct conn *c, struct transaction *tx)
{
    conn_remove_transaction(c, tx);
    transaction_release(tx);
    slab_give(&d->transactions, tx->index);
}

// It ends with tx->verdict.
static void transaction_finish(struct deliver *d, struct conn *c, struct transaction *tx,
                               const struct failure *why, bool in_doubt)
{
    uint32_t count = tx->rcpt_count;
    for (uint32_t first = 0, end; first < count; first = end) {
        for (end = first + 1; end < count && tx->rcpts[end].job == tx->rcpts[first].job;)
            end++;
        finish_job(d, c, tx, first, end, why, in_doubt);
    }
    transaction_over(d, c, tx);
}

// Nothing of it was answered: the server let the connection go just then, did not take us on, or
// was still at an older message; or the session itself has failed. Its jobs are ready again, as if
// they had not been taken; up to a limit, since it may also be this message that the server
// dislikes. A session that had served before is likely to have ended for reasons of its own, and
// one with an older message because of that one: they weigh less.
static void transaction_give_back(struct deliver *d, struct conn *c, struct transaction *tx,
                                  uint8_t weight)
{
    struct job *last = NULL;
    for (uint32_t i = 0; i < tx->rcpt_count; i++) {
        struct job *j = tx->rcpts[i].job;
        if (j == last)
            continue;
        last = j;
        if (job_open_count(j) == 0) { // each of its recipients has been answered
            job_over(d, tx, j);
            continue;
        }
        job_set_given_back(j, job_given_back(j) + weight);
        job_waits_again(d, tx->loan, j);
    }
    transaction_over(d, c, tx);
}

static void verdict_carry_out(struct deliver *d, struct conn *c, struct transaction *tx,
                              const struct failure *why)
{
    if (tx->verdict == VERDICT_DELIVERED) {
        pace_took(&c->site->pace, (uint16_t)c->site->limits.window);
        lesson_taken(d, c->site);
    } else {
        pace_answered(&c->site->pace);
        lesson_answered(d, c->site, SMTP_PHASE_CONTENT, why, tx->began_us);
    }
    c->site->break_count = 0;
    c->message_count++;
    c->refused_count += tx->verdict != VERDICT_DELIVERED;
    transaction_finish(d, c, tx, why, false);
}

// --- a connection's end

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
    if (c->failure.code >= 400 && s->open_count > 0) {
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

// c->failure says why.
static void conn_fail(struct deliver *d, struct conn *c)
{
    if (c->state == CONN_CLOSING)
        return;
    bool refused = conn_is_refused(d, c);
    bool let_down = !refused && c->message_count == 0 && c->tx_first;
    conn_enter(d, c, CONN_CLOSING);
    wheel_disarm(d->o.wheel, &c->timer);
    conn_broke_off(d, c);
    if (refused && !d->stopping)
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
    conn_fail(d, c);
}

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
    bool doubt = u->written && c->sent_bytes >= u->end_bytes;
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
    dispatch_starved(d, 1); // there is room for one more
}

// --- what the machine tells

// It has nothing under way. It waits for work, or has done its share.
static void conn_rests(struct deliver *d, struct conn *c)
{
    if (c->started_count >= conn_messages_max(c, c->site->limits.messages_per_connection) ||
        c->spent || d->stopping || c->refused_count >= CONN_REFUSED_MAX ||
        c->site->open_count > lend_connections_max(d, c->site)) {
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
    site_serves(c->site);
    site_address_serves(c->site, &c->peer);
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
    enum verdict v = hear_reply(d, c->site, e->phase, e->reply, &why);
    lesson_answered(d, c->site, e->phase, &why, tx->began_us);
    outbox_result(d, r->job, r->rcpt, v, &why, &at, false, false);
}

// While its bytes are still lent, the verdict waits for them.
static void on_verdict(struct deliver *d, struct conn *c, const struct smtp_event *e)
{
    struct transaction *tx = transaction_of(c, e->tag);
    CHECK(tx);
    tx->verdict = hear_reply(d, c->site, e->phase, e->reply, &tx->why);
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
        (void)hear_reply(d, c->site, e->phase, e->reply,
                         &c->failure); // of the session, of no recipient
    else
        failure_set(&c->failure, 0, (struct enhanced_code){4, 5, 0}, slice_of_text(e->why));
    c->broke_rules = e->broke_rules;
    struct transaction *tx = e->reply ? transaction_of(c, e->tag) : NULL;
    if (tx && e->phase == SMTP_PHASE_CONTENT)
        tx->judged = true;
    if (c->failure.code == 421 && c->tx_first)
        lesson_answered(d, c->site, e->phase, &c->failure, c->tx_first->began_us);
    conn_fail(d, c);
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
        verdicts_let_go(d, c);
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
    c->timed_out = true;
    failure_set(&c->failure, 0, (struct enhanced_code){4, 4, 2},
                c->state == CONN_CONNECTING ? SLICE("connection attempt timed out")
                                            : SLICE("no answer in time"));
    conn_fail(d, c);
}
