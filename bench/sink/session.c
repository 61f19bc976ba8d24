#include "bench/sink/session.h"

#include "bench/sink/mailbox.h"
#include "bench/sink/maildir.h"
#include "bench/sink/pop3.h"
#include "bench/sink/worker.h"
#include "bench/text.h"
#include "engine/base/check.h"

#include <errno.h>
#include <stdio.h>

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

static void drop_arrival(struct sink_session *s, struct sink_worker *w)
{
    if (s->arrival)
        sink_worker_give_arrival(w, s->arrival);
    s->arrival = NULL;
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
    drop_arrival(s, w);
    wheel_disarm(&w->wheel, &s->timer);
    delay_line_release(&s->line);
    smtp_server_release(&s->server);
    pop3_free(s->pop3);
    s->pop3 = NULL;
    io_close(w->io, s->fd);
    s->fd = -1;
    if (s->entered) {
        sink_limits_leave(w->plan->limits, s->listener, &s->client);
        w->stats.sessions_open--;
    }
    sink_worker_dirty(w, s); // to be reaped
}

// ---------------------------------------------------------------------------------- replies

// Moves the replies so far into the delay line.
static void say(struct sink_session *s, struct sink_worker *w, uint64_t delay_us)
{
    delay_us += w->plan->latency_us;
    struct slice text = buffer_slice(&w->replies);
    if (text.len == 0)
        return;
    if (!s->pop3)
        sink_stats_count_replies(&w->stats, text);
    if (s->state != SINK_CLOSING &&
        !delay_line_put(&s->line, text, delay_us ? w->now_us + delay_us : 0))
        sink_session_close(s, w);
    buffer_clear(&w->replies);
    sink_worker_dirty(w, s);
}

// Nothing more is read; what was said still leaves. `delay_us`: of the end itself.
static void end(struct sink_session *s, struct sink_worker *w, uint64_t delay_us)
{
    say(s, w, 0);
    if (s->state != SINK_TALKING)
        return;
    s->state = SINK_ENDING;
    delay_us += w->plan->latency_us;
    if (delay_us > 0 && !delay_line_put(&s->line, SLICE_EMPTY, w->now_us + delay_us))
        sink_session_close(s, w);
    sink_worker_dirty(w, s);
}

// Ends it with a last word, in SMTP.
static void part(struct sink_session *s, struct sink_worker *w, const char *reply)
{
    if (s->state == SINK_TALKING && !s->pop3)
        smtp_server_hang_up(&s->server, reply, &w->replies);
    end(s, w, 0);
}

void sink_session_hang_up(struct sink_session *s, struct sink_worker *w)
{
    part(s, w, "421 4.3.2 The sink is ending");
    delay_line_hurry(&s->line);
}

static struct sink_outcome throw_dice(struct sink_worker *w, enum sink_step step)
{
    return sink_script_throw(&w->plan->script, step, &w->dice);
}

static bool accepts(const struct sink_outcome *o)
{
    return o->deed == SINK_USUAL || o->deed == SINK_ACCEPT_DISCONNECT ||
           (o->deed == SINK_REPLY && o->reply[0] == '2');
}

static void disconnect(struct sink_session *s, struct sink_worker *w, uint64_t delay_us)
{
    w->stats.disconnects++;
    end(s, w, delay_us);
}

// Answers the event just told as the outcome wants it.
static void answer(struct sink_session *s, struct sink_worker *w, const struct sink_outcome *o)
{
    if (o->deed == SINK_DISCONNECT) {
        disconnect(s, w, o->delay_us);
        return;
    }
    if (o->delay_us > 0)
        say(s, w, 0); // what was said before is not late
    smtp_server_answer(&s->server, o->reply, &w->replies);
    if (o->delay_us > 0)
        say(s, w, o->delay_us);
}

// ---------------------------------------------------------------------------------- the dialogue

static void on_mail(struct sink_session *s, struct sink_worker *w,
                    const struct smtp_server_event *e)
{
    struct sink_outcome o = throw_dice(w, SINK_MAIL);
    if (accepts(&o)) {
        s->rcpt_count = 0;
        s->spoiled = false;
        if (w->keeps_arrivals) {
            s->arrival = sink_worker_take_arrival(w);
            s->spoiled = !s->arrival || !arrival_start(s->arrival, e->address.text);
        }
        w->transactions += s->in_transaction ? 0 : 1;
        s->in_transaction = true;
        s->transaction_over = false;
    }
    answer(s, w, &o);
}

static void on_rcpt(struct sink_session *s, struct sink_worker *w,
                    const struct smtp_server_event *e)
{
    struct sink_outcome o = throw_dice(w, SINK_RCPT);
    if (accepts(&o)) {
        s->rcpt_count++;
        if (s->arrival && !arrival_add_rcpt(s->arrival, e->address.text))
            s->spoiled = true;
    }
    answer(s, w, &o);
}

static void write_ledger(struct sink_session *s, struct sink_worker *w)
{
    char more[sizeof(w->time_text) + IO_ADDRESS_TEXT_BYTES + TEXT_NUMBER_BYTES_MAX + 2], *to = more;
    to = text_put(to, slice_of_text(sink_worker_time_text(w)));
    *to++ = '\t';
    to = text_put(to, slice_of_text(w->listener_texts[s->listener]));
    *to++ = '\t';
    to = text_put_number(to, s->number);
    struct slice rest = buffer_slice(&s->arrival->rcpts), address;
    while (arrival_next_rcpt(&rest, &address))
        ledger_add(&w->ledger, address, arrival_id(s->arrival), s->arrival->hex,
                   slice_make(more, (size_t)(to - more)));
    s->ledger_position = ledger_position(&w->ledger);
}

// Keeps the message wherever it is to be kept. False when it cannot be.
static bool keep(struct sink_session *s, struct sink_worker *w)
{
    if (!w->keeps_arrivals)
        return true;
    if (s->spoiled)
        return false;
    arrival_end(s->arrival);
    uint64_t number = w->stats.messages * w->plan->worker_count + w->number + 1;
    if (w->plan->maildir &&
        sink_maildir_store(w->plan->maildir, s->arrival, number, io_wall_us(w->io)) < 0)
        return false;
    if (w->plan->mailbox && !sink_mailbox_add(w->plan->mailbox, s->arrival))
        return false;
    if (ledger_is_kept(&w->ledger))
        write_ledger(s, w);
    return true;
}

static void count_message(struct sink_session *s, struct sink_worker *w, uint64_t content_bytes)
{
    w->stats.messages++;
    w->stats.recipients += s->rcpt_count;
    w->stats.bytes += content_bytes;
    w->last_us = w->now_us;
    if (!w->first_us)
        w->first_us = w->now_us;
}

static void on_message(struct sink_session *s, struct sink_worker *w,
                       const struct smtp_server_event *e)
{
    struct sink_outcome o = throw_dice(w, SINK_END);
    const char *verdict = o.reply ? o.reply : "250 2.0.0 Kept";
    bool accepted = accepts(&o);
    if (accepted && !keep(s, w)) {
        accepted = false;
        verdict = "452 4.3.1 Could not be kept";
    }
    if (accepted)
        count_message(s, w, e->content_bytes);
    else if (o.deed != SINK_DISCONNECT)
        w->stats.messages_refused++;
    s->transaction_over = true;
    drop_arrival(s, w);
    if (o.deed == SINK_DISCONNECT || o.deed == SINK_ACCEPT_DISCONNECT) {
        disconnect(s, w, o.delay_us);
        return;
    }
    if (o.delay_us > 0)
        say(s, w, 0);
    smtp_server_verdict(&s->server, verdict, &w->replies);
    if (o.delay_us > 0)
        say(s, w, o.delay_us);
}

static void on_step(struct sink_session *s, struct sink_worker *w, enum sink_step step)
{
    struct sink_outcome o = throw_dice(w, step);
    answer(s, w, &o);
}

static void on_other(struct sink_session *s, struct sink_worker *w, enum smtp_verb verb)
{
    const struct sink_outcome usual = {.deed = SINK_USUAL};
    if (verb == VERB_RSET)
        on_step(s, w, SINK_RSET);
    else if (verb == VERB_NOOP)
        on_step(s, w, SINK_NOOP);
    else
        answer(s, w, &usual);
}

static void on_event(struct sink_session *s, struct sink_worker *w,
                     const struct smtp_server_event *e)
{
    switch (e->kind) {
    case SERVER_MORE: return;
    case SERVER_WAIT: say(s, w, 0); return; // it waits for room for replies alone
    case SERVER_EHLO: on_step(s, w, SINK_EHLO); return;
    case SERVER_MAIL: on_mail(s, w, e); return;
    case SERVER_RCPT: on_rcpt(s, w, e); return;
    case SERVER_DATA: on_step(s, w, SINK_DATA); return;
    case SERVER_CONTENT:
        if (s->arrival && !s->spoiled && !arrival_add_content(s->arrival, e->text))
            s->spoiled = true;
        return;
    case SERVER_MESSAGE: on_message(s, w, e); return;
    case SERVER_DROPPED:
        s->transaction_over = true;
        drop_arrival(s, w);
        return;
    case SERVER_OTHER: on_other(s, w, e->verb); return;
    case SERVER_QUIT: on_step(s, w, SINK_QUIT); return;
    case SERVER_CLOSE: end(s, w, 0); return;
    }
}

static void on_bytes(struct sink_session *s, struct sink_worker *w, struct slice bytes)
{
    s->heard_us = w->heard_us = w->now_us;
    if (s->pop3) {
        if (!pop3_feed(s->pop3, bytes, &w->replies))
            end(s, w, 0);
        say(s, w, 0);
        return;
    }
    while (s->state == SINK_TALKING) {
        struct smtp_server_event e = smtp_server_feed(&s->server, &bytes, &w->replies);
        if (e.kind == SERVER_MORE)
            break;
        on_event(s, w, &e);
    }
    say(s, w, 0);
}

// ---------------------------------------------------------------------------------- its beginning

static const char *admit(struct sink_session *s, struct sink_worker *w)
{
    struct io_peer peer = {.address = {.len = 0}};
    if (sink_limits_by_client(&w->plan->limits_options))
        io_peer_of(w->io, s->fd, &peer);
    s->client = peer.address;
    const char *why = sink_limits_enter(w->plan->limits, s->listener, &s->client);
    s->entered = why == NULL;
    return why;
}

static void greet_pop3(struct sink_session *s, struct sink_worker *w)
{
    s->pop3 = pop3_new(w->plan->mailbox);
    if (!s->pop3) {
        sink_session_close(s, w);
        return;
    }
    pop3_greet(s->pop3, &w->replies);
    say(s, w, 0);
}

static void greet(struct sink_session *s, struct sink_worker *w)
{
    char refusal[80];
    struct sink_outcome o = {.deed = SINK_USUAL};
    const char *why = admit(s, w);
    if (why) {
        w->stats.sessions_refused++;
        snprintf(refusal, sizeof(refusal), "421 4.7.0 Too many %s", why);
        o = (struct sink_outcome){.deed = SINK_REPLY, .reply = refusal};
    } else {
        w->stats.sessions++;
        w->stats.sessions_open++;
        o = throw_dice(w, SINK_CONNECT);
    }
    if (o.deed == SINK_DISCONNECT) {
        disconnect(s, w, o.delay_us);
        return;
    }
    smtp_server_greet(&s->server, o.reply, &w->replies);
    say(s, w, o.delay_us);
    if (o.reply && strncmp(o.reply, "421", 3) == 0)
        end(s, w, 0);
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
    smtp_server_init(&s->server, &w->plan->smtp);
    if (w->listeners->items[listener].is_pop3)
        greet_pop3(s, w);
    else
        greet(s, w);
    if (s->state == SINK_TALKING)
        receive(s, w);
    sink_worker_dirty(w, s);
}

// ---------------------------------------------------------------------------------- sockets

static void on_received(struct sink_session *s, struct sink_worker *w, const struct io_done *done)
{
    if (done->result > 0 && s->state == SINK_TALKING)
        on_bytes(s, w, done->bytes);
    if (done->lends)
        io_return(w->io, done->lent);
    if (!done->ended)
        return;
    s->receiving = false;
    if (s->state != SINK_TALKING || done->result == -ECANCELED)
        return; // ending, or it has too much to say: flush sees to that
    if (done->result > 0 || done->result == -ENOBUFS)
        receive(s, w);
    else if (done->result == 0)
        end(s, w, 0); // the client has shut down its side; it may still want our replies
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
        part(s, w, "421 4.4.2 Nothing heard for too long");
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
