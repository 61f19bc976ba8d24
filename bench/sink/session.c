#include "bench/sink/session.h"

#include "bench/sink/dialogue.h"
#include "bench/sink/secure.h"
#include "bench/sink/worker.h"
#include "engine/base/check.h"

#include <errno.h>

enum sink_op { SINK_OP_RECEIVE, SINK_OP_SEND };

static struct io_token token_of(const struct sink_session *s, enum sink_op op)
{
    return (struct io_token){.index = s->index,
                             .generation = s->generation,
                             .owner = SINK_OWNER_SESSION,
                             .op = (uint8_t)op};
}

static void receive(struct sink_session *s, struct sink_worker *w)
{
    s->ops++;
    s->receiving = true;
    io_receive(w->io, s->fd, token_of(s, SINK_OP_RECEIVE));
}

// ---------------------------------------------------------------------------------- its end

static void leave_transaction(struct sink_session *s, struct sink_worker *w)
{
    if (!s->in_transaction)
        return;
    s->in_transaction = s->transaction_over = false;
    w->transactions--;
}

void sink_session_reap(struct sink_session *s, struct sink_worker *w)
{
    if (s->state != SINK_CLOSING || s->ops > 0 || s->is_dirty || s->is_held)
        return;
    buffer_release(&s->leaving);
    slab_give(&w->sessions, s->index);
}

void sink_session_close(struct sink_session *s, struct sink_worker *w)
{
    CHECK(s->state != SINK_CLOSING);
    s->state = SINK_CLOSING;
    if (s->in_transaction && !s->transaction_over)
        w->stats.sessions_broken++;
    leave_transaction(s, w);
    sink_dialogue_release(s, w);
    sink_secure_release(s, w);
    wheel_disarm(&w->wheel, &s->timer);
    delay_line_release(&s->line);
    io_close(w->io, s->fd);
    s->fd = -1;
    if (s->entered) {
        sink_limits_leave(w->plan->limits, s->listener, &s->client);
        w->stats.sessions_open--;
    }
    sink_worker_dirty(w, s); // to be reaped
}

// ---------------------------------------------------------------------------------- replies

struct slice sink_session_rest(const struct sink_session *s, struct sink_worker *w,
                               struct slice bytes)
{
    bool is_cut = s->torn && bytes.len > 0;
    return is_cut ? slice_take(bytes, random_below(&w->dice, (uint32_t)bytes.len)) : bytes;
}

static bool put(struct sink_session *s, struct sink_worker *w, struct slice text, uint64_t due_us)
{
    return s->tls ? sink_secure_say(s, w, text, due_us)
                  : delay_line_put(&s->line, sink_session_rest(s, w, text), due_us);
}

void sink_session_say(struct sink_session *s, struct sink_worker *w, uint64_t delay_us)
{
    delay_us += w->plan->latency_us;
    struct slice text = buffer_slice(&w->replies);
    if (text.len == 0)
        return;
    if (!s->pop3)
        sink_stats_count_replies(&w->stats, text);
    if (s->state != SINK_CLOSING && !put(s, w, text, delay_us ? w->now_us + delay_us : 0))
        sink_session_close(s, w);
    buffer_clear(&w->replies);
    sink_worker_dirty(w, s);
}

void sink_session_end(struct sink_session *s, struct sink_worker *w, uint64_t delay_us)
{
    sink_session_say(s, w, 0);
    if (s->state != SINK_TALKING)
        return;
    s->state = SINK_ENDING;
    delay_us += w->plan->latency_us;
    if (delay_us > 0 && !delay_line_put(&s->line, SLICE_EMPTY, w->now_us + delay_us))
        sink_session_close(s, w);
    sink_worker_dirty(w, s);
}

void sink_session_tear(struct sink_session *s, struct sink_worker *w, uint64_t delay_us)
{
    s->torn = true;
    sink_session_say(s, w, delay_us);
    sink_session_end(s, w, 0);
}

void sink_session_hang_up(struct sink_session *s, struct sink_worker *w)
{
    sink_dialogue_part(s, w, "421 4.3.2 The sink is ending");
    delay_line_hurry(&s->line);
}

void sink_session_open(struct sink_worker *w, int fd, uint32_t listener)
{
    uint32_t index;
    struct sink_session *s = w->stop_us ? NULL : slab_take(&w->sessions, &index);
    if (!s) {
        io_close(w->io, fd);
        return;
    }
    s->index = index;
    s->generation = slab_generation(&w->sessions, index);
    s->fd = fd;
    s->listener = listener;
    s->number = w->session_count++ * w->plan->worker_count + w->number + 1;
    s->heard_us = w->heard_us = w->now_us;
    s->timer.owner = index;
    delay_line_init(&s->line);
    buffer_init(&s->leaving, DELAY_LINE_BYTES_MAX);
    sink_dialogue_open(s, w);
    if (s->state == SINK_TALKING)
        receive(s, w);
    sink_worker_dirty(w, s);
}

// ---------------------------------------------------------------------------------- sockets

static void on_received(struct sink_session *s, struct sink_worker *w, const struct io_done *done)
{
    if (done->result > 0 && s->state == SINK_TALKING) {
        if (s->tls)
            sink_secure_feed(s, w, done->bytes);
        else
            sink_dialogue_feed(s, w, done->bytes);
    }
    if (done->lends)
        io_return(w->io, done->lent);
    if (!done->ended)
        return;
    s->receiving = false;
    if (s->state != SINK_TALKING)
        return;
    if (done->result == -ECANCELED)
        sink_worker_dirty(w, s); // we have too much to say: flush sees when to go on
    else if (done->result > 0 || done->result == -ENOBUFS)
        receive(s, w);
    else if (done->result == 0)
        sink_session_end(s, w,
                         0); // the client has shut down its side; it may still want our replies
    else
        sink_session_close(s, w);
}

static void on_sent(struct sink_session *s, struct sink_worker *w, int result)
{
    s->sending = false;
    if (s->state == SINK_CLOSING)
        return;
    if (result < 0) {
        sink_session_close(s, w);
        return;
    }
    s->leaving_at += (size_t)result;
    if (s->leaving_at == s->leaving.len) {
        buffer_clear(&s->leaving);
        s->leaving_at = 0;
        if (s->transaction_over && delay_line_empty(&s->line))
            leave_transaction(s, w);
    }
    sink_worker_dirty(w, s);
}

void sink_session_on_done(struct sink_session *s, struct sink_worker *w, const struct io_done *done)
{
    CHECK(s->ops > 0 && done->token.generation == s->generation);
    if (done->ended)
        s->ops--;
    if (done->token.op == SINK_OP_RECEIVE)
        on_received(s, w, done);
    else
        on_sent(s, w, done->result);
    sink_session_reap(s, w);
}

void sink_session_on_timer(struct sink_session *s, struct sink_worker *w)
{
    bool silent = w->now_us - s->heard_us >= w->plan->silence_us_max;
    if (silent && s->state == SINK_TALKING && delay_line_empty(&s->line)) {
        sink_dialogue_part(s, w, "421 4.4.2 Nothing heard for too long");
        s->heard_us = w->now_us;
    } else if (silent && s->state == SINK_ENDING && s->sending) {
        sink_session_close(s, w); // it does not even take our last words
    }
    sink_worker_dirty(w, s);
}

// One timer for both: the next reply that is due, and the end of our patience. It is set when it
// must fire earlier than it would; firing too early costs a look.
static void arm_timer(struct sink_session *s, struct sink_worker *w)
{
    uint64_t due_us = s->heard_us + w->plan->silence_us_max;
    uint64_t line_us = delay_line_due_us(&s->line);
    if (line_us > w->now_us && line_us < due_us)
        due_us = line_us;
    if (due_us <= w->now_us)
        due_us = w->now_us + w->plan->silence_us_max;
    if (!wheel_armed(&s->timer) || s->timer.due_us > due_us)
        wheel_arm(&w->wheel, &s->timer, due_us);
}

// A client that sends and never reads: stop reading too until it does.
static void see_to_receiving(struct sink_session *s, struct sink_worker *w)
{
    size_t pending = delay_line_bytes(&s->line);
    if (s->state != SINK_TALKING)
        return;
    if (s->receiving && pending > SINK_PENDING_BYTES_MAX)
        io_cancel(w->io, token_of(s, SINK_OP_RECEIVE));
    else if (!s->receiving && pending <= SINK_PENDING_BYTES_MAX / 2)
        receive(s, w);
}

static void send_leaving(struct sink_session *s, struct sink_worker *w)
{
    s->piece = (struct iovec){.iov_base = s->leaving.data + s->leaving_at,
                              .iov_len = s->leaving.len - s->leaving_at};
    s->sending = true;
    s->ops++;
    io_send(w->io, s->fd, &s->piece, 1, token_of(s, SINK_OP_SEND));
}

// Nothing to say: a quiet session gives its memory back.
static void on_quiet(struct sink_session *s, struct sink_worker *w)
{
    if (!delay_line_empty(&s->line))
        return;
    if (s->state == SINK_ENDING) {
        sink_session_close(s, w);
        return;
    }
    if (s->leaving.room > SINK_IDLE_ROOM_BYTES)
        buffer_release(&s->leaving);
    if (s->line.bytes.room > SINK_IDLE_ROOM_BYTES)
        delay_line_release(&s->line);
}

void sink_session_flush(struct sink_session *s, struct sink_worker *w)
{
    if (s->state == SINK_CLOSING)
        return;
    see_to_receiving(s, w);
    if (!ledger_written(&w->ledger, s->ledger_position)) {
        sink_worker_hold(w, s);
    } else if (!s->sending) {
        if (s->leaving.len == 0 && !delay_line_take(&s->line, w->now_us, &s->leaving))
            sink_session_close(s, w);
        else if (s->leaving.len > 0)
            send_leaving(s, w);
        else
            on_quiet(s, w);
    }
    if (s->state != SINK_CLOSING)
        arm_timer(s, w);
}
