#include "bench/load/session.h"

#include "bench/load/dialogue.h"
#include "bench/load/secure.h"
#include "bench/load/worker.h"
#include "engine/base/check.h"

#include <errno.h>

enum load_op { LOAD_OP_CONNECT, LOAD_OP_RECEIVE, LOAD_OP_SEND };

static struct io_token token_of(const struct load_session *s, enum load_op op)
{
    return (struct io_token){.index = s->index,
                             .generation = s->generation,
                             .owner = LOAD_OWNER_SESSION,
                             .op = (uint8_t)op};
}

// -------------------------------------------------------------------------------------- sending

static void send_pieces(struct load_session *s, struct load_worker *w, const struct iovec *pieces,
                        unsigned count)
{
    s->sending = true;
    s->ops++;
    io_send(w->io, s->fd, pieces, count, token_of(s, LOAD_OP_SEND));
}

static void flush_wire(struct load_session *s, struct load_worker *w)
{
    unsigned count;
    const struct iovec *pieces = wire_pieces(&s->wire, &count);
    s->sends_sealed = false;
    send_pieces(s, w, pieces, count);
}

// One buffer is filled while the other goes out.
static void flush_sealed(struct load_session *s, struct load_worker *w)
{
    if (s->leaving_at == s->leaving.len) {
        if (!load_secure_fill(s)) {
            load_session_break(s, w, "no memory for TLS");
            return;
        }
        struct buffer sealed = s->sealed;
        s->sealed = s->leaving;
        s->leaving = sealed;
        s->leaving_at = 0;
        s->leaving_plain_bytes = s->sealed_plain_bytes;
        s->sealed_plain_bytes = 0;
        buffer_clear(&s->sealed);
    }
    if (s->leaving.len == 0)
        return;
    s->leaving_piece = (struct iovec){.iov_base = s->leaving.data + s->leaving_at,
                                      .iov_len = s->leaving.len - s->leaving_at};
    s->sends_sealed = true;
    send_pieces(s, w, &s->leaving_piece, 1);
}

// The last words, when nothing else is on its way.
static void part_sealed(struct load_session *s, struct load_worker *w)
{
    if (s->sending || !wire_empty(&s->wire))
        return;
    load_secure_part(s);
    flush_sealed(s, w);
}

// ------------------------------------------------------------------------- life of a connection

void load_session_init(struct load_session *s, struct load_worker *w, uint32_t index,
                       uint64_t due_us)
{
    *s = (struct load_session){
        .index = index,
        .fd = -1,
        .asked = LOAD_CHAIN_EMPTY,
        .ended = LOAD_CHAIN_EMPTY,
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
    load_chain_free(&s->asked, &w->messages);
    load_chain_free(&s->ended, &w->messages);
    wire_release(&s->wire);
    buffer_release(&s->sealed);
    buffer_release(&s->leaving);
    session_wait(s, w);
}

void load_session_close(struct load_session *s, struct load_worker *w, uint16_t code,
                        struct slice why)
{
    if (s->state == LOAD_TALKING) {
        if (s->quitting && s->tls_ready)
            part_sealed(s, w);
        load_dialogue_lose(s, w, code, why);
        smtp_client_release(&s->client);
        tls_free(s->tls);
        s->tls = NULL;
        w->stats.counters.sessions_open--;
    }
    s->state = LOAD_CLOSING;
    wheel_disarm(&w->wheel, &s->timer);
    io_close(w->io, s->fd);
    s->fd = -1;
    // The last completion does the rest: a connect or a receive is in flight, or has just ended.
}

void load_session_count_failed(struct load_worker *w, const char *where, uint16_t code,
                               struct slice why)
{
    w->stats.counters.sessions_failed++;
    load_stats_fault(&w->stats, where, code, why, 1);
    if (w->now_us - w->good_us >= w->plan->give_up_us) {
        w->gave_up = true;
        load_worker_stop(w);
    }
}

// What a session that is not ready was about.
static const char *step_of(const struct load_session *s)
{
    if (s->state == LOAD_CONNECTING)
        return "connect";
    return s->tls && !s->tls_ready ? "TLS" : "greeting";
}

void load_session_break(struct load_session *s, struct load_worker *w, const char *why)
{
    if (!s->ready && !s->quitting)
        load_session_count_failed(w, step_of(s), 0, slice_of_text(why));
    load_session_close(s, w, 0, slice_of_text(why));
}

const struct io_address *load_session_peer(const struct load_session *s,
                                           const struct load_worker *w)
{
    const struct load_plan *plan = w->plan;
    uint64_t nth = (uint64_t)s->index * plan->worker_count + plan->worker;
    return &plan->peers[nth % plan->peer_count];
}

static void session_connect(struct load_session *s, struct load_worker *w)
{
    const struct load_plan *plan = w->plan;
    s->generation++;
    s->ready = s->quitting = false;
    s->message_count = s->sent_bytes = 0;
    s->tls_ready = s->sends_sealed = false;
    s->sealed_plain_bytes = s->leaving_plain_bytes = 0;
    s->asked_count = s->written_count = 0;
    s->asked_us = s->heard_us = w->now_us;
    int fd = io_connect(w->io, load_session_peer(s, w), NULL, token_of(s, LOAD_OP_CONNECT));
    if (fd < 0) {
        load_session_count_failed(w, "connect", 0, slice_of_text(strerror(-fd)));
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
        load_session_break(s, w, strerror(-result));
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
    buffer_init(&s->sealed, LOAD_SEALED_BYTES_MAX);
    buffer_init(&s->leaving, LOAD_SEALED_BYTES_MAX);
    receive(s, w);
    if (w->plan->tls == LOAD_TLS_IMPLICIT && !load_secure_start(s, w))
        load_session_break(s, w, "no memory for TLS");
    load_worker_dirty(w, s);
}

static void on_received(struct load_session *s, struct load_worker *w, const struct io_done *done)
{
    if (s->state == LOAD_TALKING && done->result > 0) {
        if (s->tls)
            load_secure_feed(s, w, done->bytes);
        else
            load_dialogue_feed(s, w, done->bytes);
    }
    if (done->lends)
        io_return(w->io, done->lent);
    if (s->state != LOAD_TALKING || !done->ended)
        return;
    if (done->result == -ENOBUFS || done->result > 0)
        receive(s, w);
    else
        load_session_break(s, w,
                           done->result == 0 ? "closed by the server" : strerror(-done->result));
}

static void on_sent(struct load_session *s, struct load_worker *w, int result)
{
    s->sending = false;
    if (s->state != LOAD_TALKING)
        return;
    if (result < 0) {
        load_session_break(s, w, strerror(-result));
        return;
    }
    if (s->sends_sealed) {
        s->leaving_at += (size_t)result;
        s->sent_bytes += s->leaving_at == s->leaving.len ? s->leaving_plain_bytes : 0;
    } else {
        s->sent_bytes += (uint64_t)result;
        wire_sent(&s->wire, (size_t)result);
    }
    load_dialogue_note_sent(s, w);
    if (wire_empty(&s->wire))
        load_chain_free(&s->ended, &w->messages);
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
    bool shakes = s->tls && !s->tls_ready;
    bool awaits = smtp_client_awaits(&s->client, &phase);
    bool quits = awaits && phase == SMTP_PHASE_QUIT;
    uint64_t limit_us = quits ? LOAD_QUIT_US : w->plan->reply_us_max;
    if (!awaits && !shakes && !s->sending)
        s->heard_us = w->now_us; // nothing was asked: nobody is late
    if (s->heard_us + limit_us > w->now_us)
        wheel_arm(&w->wheel, &s->timer, s->heard_us + limit_us);
    else
        load_session_break(s, w, "no reply in time");
}

void load_session_on_timer(struct load_session *s, struct load_worker *w)
{
    switch (s->state) {
    case LOAD_WAITING: session_connect(s, w); return;
    case LOAD_CONNECTING: load_session_break(s, w, "no connection in time"); return;
    case LOAD_TALKING: on_silence(s, w); return;
    case LOAD_CLOSING:
    case LOAD_OVER: return;
    }
}

void load_session_finish(struct load_session *s, struct load_worker *w)
{
    switch (s->state) {
    case LOAD_WAITING: session_over(s, w); return;
    case LOAD_CONNECTING: load_session_close(s, w, 0, SLICE_EMPTY); return;
    case LOAD_TALKING: load_dialogue_quit(s, w); return;
    case LOAD_CLOSING:
    case LOAD_OVER: return;
    }
}

void load_session_flush(struct load_session *s, struct load_worker *w)
{
    if (s->state != LOAD_TALKING || s->sending)
        return;
    if (wire_empty(&s->wire)) {
        smtp_client_fill(&s->client, &s->wire);
        load_dialogue_note_written(s, w);
    }
    if (s->tls)
        flush_sealed(s, w);
    else if (!wire_empty(&s->wire))
        flush_wire(s, w);
}
