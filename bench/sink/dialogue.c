#include "bench/sink/dialogue.h"

#include "bench/sink/mailbox.h"
#include "bench/sink/maildir.h"
#include "bench/sink/pop3.h"
#include "bench/sink/secure.h"
#include "bench/sink/worker.h"
#include "bench/text.h"

#include <stdio.h>

static void drop_arrival(struct sink_session *s, struct sink_worker *w)
{
    if (s->arrival)
        sink_worker_give_arrival(w, s->arrival);
    s->arrival = NULL;
}

static struct sink_outcome throw_dice(struct sink_worker *w, enum sink_step step)
{
    return sink_script_throw(&w->plan->script, step, &w->dice);
}

static bool accepts(const struct sink_outcome *o)
{
    return o->deed != SINK_DISCONNECT && (!o->reply || o->reply[0] == '2');
}

static void disconnect(struct sink_session *s, struct sink_worker *w, uint64_t delay_us)
{
    w->stats.disconnects++;
    sink_session_end(s, w, delay_us);
}

// What has just been said leaves as the outcome wants it.
static void say_last(struct sink_session *s, struct sink_worker *w, const struct sink_outcome *o)
{
    if (o->deed == SINK_TEAR) {
        w->stats.disconnects++;
        sink_session_tear(s, w, o->delay_us);
    } else if (o->delay_us > 0) {
        sink_session_say(s, w, o->delay_us);
    }
}

// Answers the event just told as the outcome wants it.
static void answer(struct sink_session *s, struct sink_worker *w, const struct sink_outcome *o)
{
    if (o->deed == SINK_DISCONNECT) {
        disconnect(s, w, o->delay_us);
        return;
    }
    if (o->delay_us > 0 || o->deed == SINK_TEAR)
        sink_session_say(s, w, 0); // what was said before is not late, and whole
    smtp_server_answer(&s->server, o->reply, &w->replies);
    say_last(s, w, o);
}

// ---------------------------------------------------------------------------------- commands

// Of what this sink wants to know before it takes mail, as a reply; NULL when it knows all.
static const char *what_is_missing(const struct sink_session *s, const struct sink_worker *w)
{
    if (w->plan->tls == SINK_TLS_REQUIRED && !s->tls_ready)
        return "530 5.7.0 Must issue a STARTTLS command first";
    if (w->plan->auth && !smtp_server_authenticated(&s->server))
        return "530 5.7.0 Authentication required";
    return NULL;
}

static void on_mail(struct sink_session *s, struct sink_worker *w,
                    const struct smtp_server_event *e)
{
    struct sink_outcome o = throw_dice(w, SINK_MAIL);
    const char *trust = what_is_missing(s, w);
    if (accepts(&o) && trust)
        o = (struct sink_outcome){.deed = SINK_REPLY, .reply = trust};
    if (accepts(&o) && w->plan->limits_options.messages_per_s_max > 0 &&
        !sink_limits_message(w->plan->limits, w->now_us))
        o = (struct sink_outcome){.deed = SINK_REPLY, .reply = "421 4.7.0 Too many messages"};
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
    return w->ledger.error == 0;
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
    if (o.delay_us > 0 || o.deed == SINK_TEAR)
        sink_session_say(s, w, 0);
    smtp_server_verdict(&s->server, verdict, &w->replies);
    say_last(s, w, &o);
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

// The handshake begins when the reply has been put into the delay line.
static void on_starttls(struct sink_session *s, struct sink_worker *w)
{
    struct sink_outcome o = throw_dice(w, SINK_STARTTLS);
    const char *injected = o.deed == SINK_INJECT ? o.reply : NULL;
    if (injected)
        o = (struct sink_outcome){.deed = SINK_USUAL, .delay_us = o.delay_us};
    s->tls_due = accepts(&o);
    answer(s, w, &o);
    if (injected)
        buffer_printf(&w->replies, "%s\r\n", injected);
}

static bool knows(const struct sink_plan *plan, const struct smtp_server_event *e)
{
    return plan->auth_user.len == 0 ||
           (slice_equal(e->text, plan->auth_user) && slice_equal(e->secret, plan->auth_password));
}

static void on_auth(struct sink_session *s, struct sink_worker *w,
                    const struct smtp_server_event *e)
{
    struct sink_outcome o = throw_dice(w, SINK_AUTH);
    if (accepts(&o) && !knows(w->plan, e))
        o = (struct sink_outcome){.deed = SINK_REPLY,
                                  .delay_us = o.delay_us,
                                  .reply = "535 5.7.8 User or password is not right"};
    if (accepts(&o))
        w->stats.logins++;
    else
        w->stats.logins_refused++;
    answer(s, w, &o);
}

static void on_close(struct sink_session *s, struct sink_worker *w)
{
    sink_session_say(s, w, 0);
    if (s->state == SINK_TALKING && s->tls)
        sink_secure_part(s, w);
    sink_session_end(s, w, 0);
}

static void on_event(struct sink_session *s, struct sink_worker *w,
                     const struct smtp_server_event *e)
{
    switch (e->kind) {
    case SERVER_MORE: return;
    case SERVER_WAIT: sink_session_say(s, w, 0); return; // it waits for room for replies alone
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
    case SERVER_STARTTLS: on_starttls(s, w); return;
    case SERVER_AUTH: on_auth(s, w, e); return;
    case SERVER_CLOSE: on_close(s, w); return;
    }
}

void sink_dialogue_feed(struct sink_session *s, struct sink_worker *w, struct slice bytes)
{
    s->heard_us = w->heard_us = w->now_us;
    if (s->pop3) {
        if (!pop3_feed(s->pop3, bytes, &w->replies))
            sink_session_end(s, w, 0);
        sink_session_say(s, w, 0);
        return;
    }
    while (s->state == SINK_TALKING) {
        struct smtp_server_event e = smtp_server_feed(&s->server, &bytes, &w->replies);
        if (e.kind == SERVER_MORE)
            break;
        on_event(s, w, &e);
    }
    sink_session_say(s, w, 0);
    if (s->tls_due && s->state == SINK_TALKING && !sink_secure_start(s, w))
        sink_session_close(s, w);
    s->tls_due = false;
}

// ---------------------------------------------------------------------------------- first, last

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
    sink_session_say(s, w, 0);
}

static void greet_smtp(struct sink_session *s, struct sink_worker *w)
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
    if (o.deed == SINK_TEAR) {
        say_last(s, w, &o);
        return;
    }
    sink_session_say(s, w, o.delay_us);
    if (o.reply && strncmp(o.reply, "421", 3) == 0)
        sink_session_end(s, w, 0);
}

void sink_dialogue_open(struct sink_session *s, struct sink_worker *w)
{
    const struct sink_plan *plan = w->plan;
    smtp_server_init(&s->server, &plan->smtp);
    if (w->listeners->items[s->listener].is_pop3) {
        greet_pop3(s, w);
    } else if (plan->tls == SINK_TLS_IMPLICIT) {
        if (!sink_secure_start(s, w))
            sink_session_close(s, w);
    } else {
        if (plan->tls == SINK_TLS_NONE && plan->auth)
            smtp_server_secured(&s->server); // it was asked for: passwords in the clear
        greet_smtp(s, w);
    }
}

void sink_dialogue_secured(struct sink_session *s, struct sink_worker *w)
{
    smtp_server_secured(&s->server);
    if (w->plan->tls == SINK_TLS_IMPLICIT)
        greet_smtp(s, w);
}

void sink_dialogue_part(struct sink_session *s, struct sink_worker *w, const char *reply)
{
    bool can_speak = !s->pop3 && (!s->tls || s->tls_ready);
    if (s->state == SINK_TALKING && can_speak)
        smtp_server_hang_up(&s->server, reply, &w->replies);
    sink_session_end(s, w, 0);
}

void sink_dialogue_release(struct sink_session *s, struct sink_worker *w)
{
    drop_arrival(s, w);
    smtp_server_release(&s->server);
    pop3_free(s->pop3);
    s->pop3 = NULL;
}
