#include "bench/load/session.h"

#include "bench/load/worker.h"
#include "engine/base/check.h"

#include <errno.h>
#include <sys/socket.h>

enum load_op { LOAD_OP_CONNECT, LOAD_OP_RECEIVE, LOAD_OP_SEND };

static const char *phase_word(enum smtp_phase phase)
{
    static const char *const words[SMTP_PHASE_COUNT] = {
        "greeting", "EHLO", "HELO", "MAIL", "RCPT", "DATA", "content", "RSET", "QUIT",
    };
    return words[phase];
}

static struct io_token token_of(const struct load_session *s, enum load_op op)
{
    return (struct io_token){.index = s->index,
                             .generation = s->generation,
                             .owner = LOAD_OWNER_SESSION,
                             .op = (uint8_t)op};
}

// ----------------------------------------------------------------------- chains of messages

static struct load_message *message_at(struct load_worker *w, uint64_t tag)
{
    return slab_at(&w->messages, (uint32_t)tag);
}

static void chain_push(struct load_chain *chain, struct load_worker *w, uint32_t index)
{
    message_at(w, index)->next = SLAB_NONE;
    if (chain->first == SLAB_NONE)
        chain->first = index;
    else
        message_at(w, chain->last)->next = index;
    chain->last = index;
}

static uint32_t chain_pop(struct load_chain *chain, struct load_worker *w)
{
    uint32_t index = chain->first;
    CHECK(index != SLAB_NONE);
    chain->first = message_at(w, index)->next;
    return index;
}

static void chain_free(struct load_chain *chain, struct load_worker *w)
{
    while (chain->first != SLAB_NONE)
        slab_give(&w->messages, chain_pop(chain, w));
}

// ------------------------------------------------------------------------- life of a connection

void load_session_init(struct load_session *s, struct load_worker *w, uint32_t index,
                       uint64_t due_us)
{
    *s = (struct load_session){
        .index = index,
        .fd = -1,
        .asked = {SLAB_NONE, SLAB_NONE},
        .ended = {SLAB_NONE, SLAB_NONE},
        .timer.owner = index,
    };
    wheel_arm(&w->wheel, &s->timer, due_us);
}

static void session_over(struct load_session *s, struct load_worker *w)
{
    s->state = LOAD_OVER;
    wheel_disarm(&w->wheel, &s->timer);
    w->sessions_over++;
}

// Waits before the next connection: not at all after one that carried messages, else longer and
// longer.
static void session_wait(struct load_session *s, struct load_worker *w)
{
    if (w->finishing) {
        session_over(s, w);
        return;
    }
    uint64_t wait_us = 0;
    if (s->message_count == 0) {
        s->back_off_us = s->back_off_us ? s->back_off_us * 2 : LOAD_RECONNECT_US_FIRST;
        if (s->back_off_us > LOAD_RECONNECT_US_MAX)
            s->back_off_us = LOAD_RECONNECT_US_MAX;
        wait_us = s->back_off_us;
    }
    s->state = LOAD_WAITING;
    wheel_arm(&w->wheel, &s->timer, w->now_us + wait_us);
}

// The kernel holds nothing of this connection any more.
static void session_closed(struct load_session *s, struct load_worker *w)
{
    chain_free(&s->asked, w);
    chain_free(&s->ended, w);
    wire_release(&s->wire);
    session_wait(s, w);
}

// What is under way when a session ends is lost: nobody knows whether the server has taken it.
static void lose_messages(struct load_session *s, struct load_worker *w, struct slice why)
{
    struct load_counters *counters = &w->stats.counters;
    for (uint32_t i = s->asked.first; i != SLAB_NONE; i = message_at(w, i)->next) {
        const struct load_message *m = message_at(w, i);
        uint32_t rcpts = m->transaction.rcpt_count - m->refused_count;
        counters->messages_lost++;
        counters->recipients_failed += rcpts;
        load_stats_fault(&w->stats, "lost", 0, why, rcpts);
    }
    if (s->asked.first != SLAB_NONE)
        counters->sessions_broken++;
}

static void session_close(struct load_session *s, struct load_worker *w, struct slice why)
{
    if (s->state == LOAD_TALKING) {
        lose_messages(s, w, why);
        smtp_client_release(&s->client);
        w->stats.counters.sessions_open--;
    }
    s->state = LOAD_CLOSING;
    wheel_disarm(&w->wheel, &s->timer);
    io_close(w->io, s->fd);
    s->fd = -1;
    if (s->ops == 0)
        session_closed(s, w);
}

// A session that never became ready, or never even connected. Gives up for all sessions when
// nothing has gone well for long.
static void count_failed(struct load_worker *w, const char *where, uint16_t code, struct slice why)
{
    w->stats.counters.sessions_failed++;
    load_stats_fault(&w->stats, where, code, why, 1);
    if (w->now_us - w->good_us >= w->plan->give_up_us) {
        w->gave_up = true;
        load_worker_stop(w);
    }
}

// The connection is no use any more, for a reason that is not in a reply.
static void session_break(struct load_session *s, struct load_worker *w, const char *why)
{
    if (!s->ready)
        count_failed(w, s->state == LOAD_CONNECTING ? "connect" : "greeting", 0,
                     slice_of_text(why));
    session_close(s, w, slice_of_text(why));
}

static void session_connect(struct load_session *s, struct load_worker *w)
{
    const struct load_plan *plan = w->plan;
    uint64_t nth = (uint64_t)s->index * plan->worker_count + plan->worker;
    s->generation++;
    s->ready = s->quitting = false;
    s->message_count = s->filled_bytes = s->sent_bytes = 0;
    s->asked_count = s->written_count = 0;
    s->asked_us = s->heard_us = w->now_us;
    int fd = io_connect(w->io, &plan->peers[nth % plan->peer_count], NULL,
                        token_of(s, LOAD_OP_CONNECT));
    if (fd < 0) {
        count_failed(w, "connect", 0, slice_of_text(strerror(-fd)));
        session_wait(s, w);
        return;
    }
    s->fd = fd;
    s->ops = 1;
    s->state = LOAD_CONNECTING;
    wheel_arm(&w->wheel, &s->timer, w->now_us + plan->reply_us_max);
}

static void receive(struct load_session *s, struct load_worker *w)
{
    s->ops++;
    io_receive(w->io, s->fd, token_of(s, LOAD_OP_RECEIVE));
}

static void on_connected(struct load_session *s, struct load_worker *w, int result)
{
    if (result < 0) {
        session_break(s, w, strerror(-result));
        return;
    }
    histogram_add(&w->stats.phases[LOAD_CONNECT], w->now_us - s->asked_us);
    s->asked_us = s->heard_us = w->now_us;
    s->state = LOAD_TALKING;
    struct load_counters *counters = &w->stats.counters;
    if (++counters->sessions_open > counters->sessions_open_peak)
        counters->sessions_open_peak = counters->sessions_open;
    smtp_client_init(&s->client, &w->client_options);
    wire_init(&s->wire);
    receive(s, w);
}

// ------------------------------------------------------------------------------ the dialogue

static void on_accepted(struct load_session *s, struct load_worker *w, const struct load_message *m)
{
    struct load_stats *stats = &w->stats;
    uint32_t rcpts = m->transaction.rcpt_count - m->refused_count;
    stats->counters.messages_accepted++;
    stats->counters.recipients_accepted += rcpts;
    stats->counters.bytes += m->size_bytes;
    w->good_us = w->now_us;
    s->back_off_us = 0;
    histogram_add(&stats->phases[LOAD_VERDICT], m->content_us ? w->now_us - m->content_us : 0);
    histogram_add(&stats->phases[LOAD_WHOLE], w->now_us - m->intended_us);
    histogram_add(&stats->interval, w->now_us - m->intended_us);
    if (!ledger_is_kept(&w->ledger))
        return;
    char hex[SHA256_HEX_BYTES];
    load_message_hash(m, &w->author, hex);
    for (uint32_t i = 0; i < m->transaction.rcpt_count; i++)
        if (!load_message_refused(m, i))
            ledger_add(&w->ledger, m->transaction.rcpts[i].address, m->id, hex, SLICE_EMPTY);
}

static void count_refused(struct load_worker *w, const struct smtp_event *e, uint32_t rcpts)
{
    w->stats.counters.recipients_failed += rcpts;
    if (rcpts > 0)
        load_stats_fault(&w->stats, phase_word(e->phase), e->reply->code, e->reply->text, rcpts);
}

static void on_verdict(struct load_session *s, struct load_worker *w, const struct load_message *m,
                       const struct smtp_event *e)
{
    w->verdict_us = w->now_us;
    if (e->phase == SMTP_PHASE_CONTENT && reply_is_success(e->reply)) {
        on_accepted(s, w, m);
        return;
    }
    w->stats.counters.messages_refused++;
    count_refused(w, e, m->transaction.rcpt_count - m->refused_count);
}

static void on_done(struct load_session *s, struct load_worker *w, const struct smtp_event *e)
{
    uint32_t index = chain_pop(&s->asked, w);
    CHECK(e->tag == index);
    s->asked_count--;
    if (s->written_count > 0)
        s->written_count--;
    on_verdict(s, w, message_at(w, index), e);
    if (wire_empty(&s->wire))
        slab_give(&w->messages, index);
    else
        chain_push(&s->ended, w, index);
    load_worker_hungry(w, s);
    if (s->quitting && s->asked_count == 0)
        wheel_arm(&w->wheel, &s->timer, w->now_us + LOAD_QUIT_US);
}

static void on_replied(struct load_session *s, struct load_worker *w, const struct smtp_event *e)
{
    if (e->phase == SMTP_PHASE_GREETING) {
        histogram_add(&w->stats.phases[LOAD_GREETING], w->now_us - s->asked_us);
        s->asked_us = w->now_us;
    } else if (e->phase == SMTP_PHASE_DATA && s->asked.first == e->tag) {
        histogram_add(&w->stats.phases[LOAD_ENVELOPE],
                      w->now_us - message_at(w, e->tag)->started_us);
    }
}

static void on_ready(struct load_session *s, struct load_worker *w)
{
    histogram_add(&w->stats.phases[LOAD_EHLO], w->now_us - s->asked_us);
    s->ready = true;
    w->good_us = w->now_us;
    w->stats.counters.sessions++;
    load_worker_hungry(w, s);
}

static void on_closed(struct load_session *s, struct load_worker *w, const struct smtp_event *e)
{
    struct slice why = e->reply ? e->reply->text : slice_of_text(e->why);
    if (!s->ready)
        count_failed(w, phase_word(e->phase), e->reply ? e->reply->code : 0, why);
    session_close(s, w, why);
}

static void on_event(struct load_session *s, struct load_worker *w, const struct smtp_event *e)
{
    switch (e->kind) {
    case SMTP_MORE: return;
    case SMTP_REPLIED: on_replied(s, w, e); return;
    case SMTP_READY: on_ready(s, w); return;
    case SMTP_RCPT_REFUSED:
        load_message_refuse(message_at(w, e->tag), e->rcpt);
        count_refused(w, e, 1);
        return;
    case SMTP_DONE: on_done(s, w, e); return;
    case SMTP_CLOSED: on_closed(s, w, e); return;
    }
}

static void on_bytes(struct load_session *s, struct load_worker *w, struct slice bytes)
{
    s->heard_us = w->now_us;
    load_worker_dirty(w, s);
    while (s->state == LOAD_TALKING) {
        struct smtp_event e = smtp_client_feed(&s->client, &bytes);
        if (e.kind == SMTP_MORE)
            return;
        on_event(s, w, &e);
    }
}

static void on_received(struct load_session *s, struct load_worker *w, const struct io_done *done)
{
    if (s->state == LOAD_TALKING && done->result > 0)
        on_bytes(s, w, done->bytes);
    if (done->lends)
        io_return(w->io, done->lent);
    if (s->state != LOAD_TALKING || !done->ended)
        return;
    if (done->result == -ENOBUFS || done->result > 0)
        receive(s, w);
    else
        session_break(s, w, done->result == 0 ? "closed by the server" : strerror(-done->result));
}

static void on_sent(struct load_session *s, struct load_worker *w, int result)
{
    s->sending = false;
    if (s->state != LOAD_TALKING)
        return;
    if (result < 0) {
        session_break(s, w, strerror(-result));
        return;
    }
    s->sent_bytes += (uint64_t)result;
    wire_sent(&s->wire, (size_t)result);
    for (uint32_t i = s->asked.first; i != SLAB_NONE; i = message_at(w, i)->next) {
        struct load_message *m = message_at(w, i);
        if (m->end_bytes == 0 || m->end_bytes > s->sent_bytes)
            break;
        if (m->content_us == 0)
            m->content_us = w->now_us;
    }
    if (wire_empty(&s->wire))
        chain_free(&s->ended, w);
    load_worker_dirty(w, s);
}

void load_session_on_done(struct load_session *s, struct load_worker *w, const struct io_done *done)
{
    CHECK(s->ops > 0 && done->token.generation == s->generation);
    if (done->ended)
        s->ops--;
    switch ((enum load_op)done->token.op) {
    case LOAD_OP_CONNECT:
        if (s->state == LOAD_CONNECTING)
            on_connected(s, w, done->result);
        break;
    case LOAD_OP_RECEIVE: on_received(s, w, done); break;
    case LOAD_OP_SEND: on_sent(s, w, done->result); break;
    }
    if (s->state == LOAD_CLOSING && s->ops == 0)
        session_closed(s, w);
}

// ------------------------------------------------------------------------------ the worker's asks

static void on_silence(struct load_session *s, struct load_worker *w)
{
    enum smtp_phase phase;
    bool awaits = smtp_client_awaits(&s->client, &phase);
    bool quits = awaits && phase == SMTP_PHASE_QUIT;
    uint64_t limit_us = quits ? LOAD_QUIT_US : w->plan->reply_us_max;
    if (!awaits && !s->sending)
        s->heard_us = w->now_us; // nothing was asked: nobody is late
    if (s->heard_us + limit_us > w->now_us)
        wheel_arm(&w->wheel, &s->timer, s->heard_us + limit_us);
    else
        session_break(s, w, "no reply in time");
}

void load_session_on_timer(struct load_session *s, struct load_worker *w)
{
    switch (s->state) {
    case LOAD_WAITING: session_connect(s, w); return;
    case LOAD_CONNECTING: session_break(s, w, "no connection in time"); return;
    case LOAD_TALKING: on_silence(s, w); return;
    case LOAD_CLOSING:
    case LOAD_OVER: return;
    }
}

bool load_session_has_room(const struct load_session *s, const struct load_worker *w)
{
    return s->state == LOAD_TALKING && s->ready && !s->quitting &&
           s->message_count < w->plan->messages_per_session && smtp_client_can_start(&s->client);
}

static void session_quit(struct load_session *s, struct load_worker *w)
{
    s->quitting = true;
    smtp_client_quit(&s->client);
    load_worker_dirty(w, s);
    if (s->timer.due_us > w->now_us + LOAD_QUIT_US)
        wheel_arm(&w->wheel, &s->timer, w->now_us + LOAD_QUIT_US);
}

bool load_session_start(struct load_session *s, struct load_worker *w, uint64_t intended_us)
{
    const struct load_plan *plan = w->plan;
    uint32_t index;
    struct load_message *m = slab_take(&w->messages, &index);
    if (!m)
        return false;
    uint64_t number = (w->pace.count - 1) * plan->worker_count + plan->worker + 1;
    load_message_write(m, &w->author, number, index, io_wall_us(w->io));
    m->intended_us = intended_us;
    m->started_us = w->now_us;
    w->stats.counters.messages_started++;
    if (s->asked_count == 0)
        s->heard_us = w->now_us;
    s->message_count++;
    if (smtp_client_start(&s->client, &m->transaction)) {
        chain_push(&s->asked, w, index);
        s->asked_count++;
    } else { // the machine itself refuses it, and nothing is on the wire
        struct slice nothing = SLICE_EMPTY;
        struct smtp_event e = smtp_client_feed(&s->client, &nothing);
        CHECK(e.kind == SMTP_DONE && e.tag == index);
        on_verdict(s, w, m, &e);
        slab_give(&w->messages, index);
    }
    if (s->message_count == plan->messages_per_session)
        session_quit(s, w);
    return true;
}

void load_session_finish(struct load_session *s, struct load_worker *w)
{
    switch (s->state) {
    case LOAD_WAITING: session_over(s, w); return;
    case LOAD_CONNECTING: session_close(s, w, SLICE_EMPTY); return;
    case LOAD_TALKING: session_quit(s, w); return;
    case LOAD_CLOSING:
    case LOAD_OVER: return;
    }
}

// Learns where in the stream each content ends that the machine has just written.
static void note_written(struct load_session *s, struct load_worker *w)
{
    struct smtp_unfinished u;
    while (s->written_count < s->asked_count &&
           smtp_client_unfinished(&s->client, s->written_count, &u) && u.written) {
        message_at(w, u.tag)->end_bytes = u.end_bytes;
        s->written_count++;
    }
}

void load_session_flush(struct load_session *s, struct load_worker *w)
{
    if (s->state != LOAD_TALKING || s->sending)
        return;
    if (wire_empty(&s->wire)) {
        smtp_client_fill(&s->client, &s->wire);
        note_written(s, w);
    }
    if (wire_empty(&s->wire))
        return;
    unsigned count;
    const struct iovec *pieces = wire_pieces(&s->wire, &count);
    s->sending = true;
    s->ops++;
    io_send(w->io, s->fd, pieces, count, token_of(s, LOAD_OP_SEND));
}
