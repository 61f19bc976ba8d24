#include "engine/submit/session.h"

#include "engine/base/check.h"
#include "engine/submit/wishes.h"

#include <errno.h>
#include <stdlib.h>

// So much content counts as a command's worth of progress: a client that sends a byte a second does
// not keep its session for ever.
#define PROGRESS_BYTES 1024u

static struct io_token session_token(const struct session *s, const struct session_room *room,
                                     enum session_op op)
{
    return (struct io_token){s->index, s->generation, room->o.io_owner, (uint8_t)op};
}

static void session_receive(struct session *s, struct session_room *room)
{
    CHECK(!s->receiving && !s->closing);
    s->receiving = true;
    s->ops_in_flight++;
    io_receive(room->o.io, s->fd, session_token(s, room, SESSION_OP_RECEIVE));
}

static bool peer_may_relay(const struct session *s, const struct submit_listener *l)
{
    if (io_address_is_unix(&s->peer.address) || io_address_is_loopback(&s->peer.address))
        return true;
    for (uint32_t i = 0; i < l->relay_from_count; i++)
        if (io_network_holds(&l->relay_from[i], &s->peer.address))
            return true;
    return false;
}

// TLS from the first byte, or a socket that nobody else can listen to.
static bool session_secure(struct session *s, struct session_room *room)
{
    if (!io_address_is_unix(&s->peer.address) &&
        (!room->o.listeners[s->listener].tls_implicit || !session_tls_begin(s, room)))
        return false;
    smtp_server_secured(&s->machine);
    return true;
}

void session_open(struct session *s, struct session_room *room, int fd, const char *refusal)
{
    const struct submit_listener *l = &room->o.listeners[s->listener];
    s->fd = fd;
    buffer_init(&s->out, SERVER_OUT_BYTES_MAX);
    buffer_init(&s->sent, SERVER_OUT_BYTES_MAX);
    buffer_init(&s->held, SESSION_HELD_BYTES_MAX);
    smtp_server_init(&s->machine, &l->server);
    room->counters.sessions_opened++;
    s->progress_us = io_now_us(room->o.io);
    struct io_token token = session_token(s, room, SESSION_OP_RECEIVE);
    memcpy(&s->timer.owner, &token, sizeof(token));
    wheel_arm(room->o.wheel, &s->timer, s->progress_us + l->idle_us);
    if (io_peer_of(room->o.io, fd, &s->peer) < 0) {
        session_close(s, room); // it has gone already
        return;
    }
    s->may_relay = peer_may_relay(s, l);
    if (!session_secure(s, room) && l->tls_implicit) {
        session_close(s, room);
        return;
    }
    if (refusal && s->tls) { // nobody hears it before a handshake, which it is not worth
        room->counters.refused++;
        session_close(s, room);
        return;
    }
    smtp_server_greet(&s->machine, refusal, &s->out);
    if (refusal) {
        room->counters.refused++;
        s->close_when_sent = true;
        return;
    }
    session_receive(s, room);
}

// Uses bytes as far as the machine goes. What is left of them waits for a verdict.
static void session_feed(struct session *s, struct session_room *room, struct slice *bytes)
{
    while (!s->closing && !s->close_when_sent) {
        struct smtp_server_event e = smtp_server_feed(&s->machine, bytes, &s->out);
        switch (e.kind) {
        case SERVER_MORE: return;
        case SERVER_WAIT: s->waiting = true; return;
        case SERVER_CONTENT:
            s->content_bytes += (uint32_t)e.text.len;
            if (s->content_bytes < PROGRESS_BYTES)
                break;
            s->content_bytes = 0;
            s->progress_us = io_now_us(room->o.io);
            break;
        case SERVER_CLOSE: s->close_when_sent = true; break;
        case SERVER_QUIT:
        case SERVER_EHLO:
        case SERVER_MAIL:
        case SERVER_RCPT:
        case SERVER_DATA:
        case SERVER_MESSAGE:
        case SERVER_DROPPED:
        case SERVER_STARTTLS:
        case SERVER_AUTH:
        case SERVER_OTHER: s->progress_us = io_now_us(room->o.io); break;
        }
        intake_event(s, room, &e);
    }
    *bytes = SLICE_EMPTY; // nobody will read them
}

// Keeps bytes until the machine takes some again. Receiving pauses meanwhile.
static void session_hold(struct session *s, struct session_room *room, struct slice bytes)
{
    if (!buffer_append(&s->held, bytes)) {
        session_hang_up(s, room, "421 4.3.1 Insufficient memory");
        return;
    }
    if (s->receiving)
        io_cancel(room->o.io, session_token(s, room, SESSION_OP_RECEIVE));
}

// Also no bytes: then the machine tells what was to follow the verdicts.
static void session_feed_held(struct session *s, struct session_room *room)
{
    struct slice bytes = slice_skip(buffer_slice(&s->held), s->held_used);
    size_t before = bytes.len;
    s->waiting = false;
    session_feed(s, room, &bytes);
    s->held_used += before - bytes.len;
    if (bytes.len > 0)
        return;
    buffer_release(&s->held);
    s->held_used = 0;
}

void session_take(struct session *s, struct session_room *room, struct slice bytes)
{
    if (!s->waiting && !s->closing)
        session_feed(s, room, &bytes);
    if (s->waiting && !s->closing && !s->close_when_sent && bytes.len > 0)
        session_hold(s, room, bytes);
}

void session_go_on(struct session *s, struct session_room *room)
{
    if (s->waiting)
        session_feed_held(s, room);
}

static void on_receive(struct session *s, struct session_room *room, const struct io_done *done)
{
    if (done->ended)
        s->receiving = false;
    if (done->result == 0 ||
        (done->result < 0 && done->result != -ENOBUFS && done->result != -ECANCELED))
        s->peer_ended = true;
    if (!done->lends)
        return;
    if (s->tls)
        session_tls_take(s, room, done->bytes);
    else
        session_take(s, room, done->bytes);
    io_return(room->o.io, done->lent);
}

static void on_send(struct session *s, struct session_room *room, const struct io_done *done)
{
    s->sending = false;
    if (done->result <= 0) {
        session_close(s, room);
        return;
    }
    s->sent_bytes += (size_t)done->result;
    if (s->sent_bytes == s->sent.len) {
        buffer_clear(&s->sent);
        s->sent_bytes = 0;
    }
}

void session_on_done(struct session *s, struct session_room *room, const struct io_done *done)
{
    CHECK(s->ops_in_flight > 0);
    if (done->ended)
        s->ops_in_flight--;
    switch ((enum session_op)done->token.op) {
    case SESSION_OP_RECEIVE: on_receive(s, room, done); break;
    case SESSION_OP_SEND: on_send(s, room, done); break;
    case SESSION_OP_VERIFY: session_auth_on_done(s, room, done->result); break;
    }
}

// When the client has taken too long: for its next move, its handshake, for its transaction while
// the engine stops, or for reading our last words; or when it hears that it was refused.
static uint64_t session_due_us(const struct session *s, const struct session_room *room)
{
    uint64_t due_us = s->progress_us + room->o.listeners[s->listener].idle_us;
    uint64_t stop_us = s->close_when_sent ? s->progress_us + SUBMIT_GRACE_US : room->stop_us;
    if (s->tls && !s->tls_ready && s->progress_us + SESSION_HANDSHAKE_US < due_us)
        due_us = s->progress_us + SESSION_HANDSHAKE_US;
    if (s->refuse_us > 0 && s->refuse_us < due_us)
        due_us = s->refuse_us;
    return room->stopping && stop_us < due_us ? stop_us : due_us;
}

void session_await(struct session *s, struct session_room *room)
{
    if (!s->closing)
        wheel_arm(room->o.wheel, &s->timer, session_due_us(s, room));
}

void session_on_timer(struct session *s, struct session_room *room)
{
    uint64_t now_us = io_now_us(room->o.io);
    if (s->refuse_us > 0 && now_us >= s->refuse_us)
        session_auth_on_time(s, room);
    uint64_t due_us = session_due_us(s, room);
    if (s->closing)
        return;
    if (now_us < due_us)
        wheel_arm(room->o.wheel, &s->timer, due_us);
    else if (s->close_when_sent) // it does not even read our last words
        session_close(s, room);
    else if (smtp_server_uncommitted(&s->machine) > 0 || s->asked)
        wheel_arm(room->o.wheel, &s->timer, now_us + SUBMIT_GRACE_US); // it is we who are slow
    else
        session_hang_up(s, room, room->stopping ? SESSION_STOPPING : "421 4.4.2 Timeout");
}

const char *session_refusal(enum fate fate)
{
    switch (fate) {
    case FATE_NO_MEMORY: return "452 4.3.1 Insufficient system storage, try again later";
    case FATE_LOOP: return "554 5.4.6 Too many hops: this message goes round in circles";
    case FATE_NO_ROOM: return "452 4.3.1 No room in the journal, try again later";
    case FATE_FAILED: return "451 4.3.0 The journal cannot be written, try again later";
    case FATE_KEY_OTHER: return "550 5.6.0 This submission key came with another message";
    case FATE_KEY_BAD: return "550 5.6.0 " TRACE_KEY_FIELD ": give one, of 1 to 255 characters";
    case FATE_PRIORITY_BAD: return "550 5.6.0 " WISHES_PRIORITY_HELP;
    case FATE_CAMPAIGN_BAD: return "550 5.6.0 " WISHES_CAMPAIGN_HELP;
    case FATE_CAMPAIGN_DENIED: return "550 5.7.1 This user may not send for that campaign";
    case FATE_AUTHOR_DENIED: return "550 5.7.1 This user may not send as who stands in From:";
    case FATE_RATE: return SESSION_TOO_MANY;
    case FATE_UNKNOWN:
    case FATE_TAKEN: break;
    }
    CHECK(false);
}

// Verdicts leave in the order of the messages.
static void settle_known(struct session *s)
{
    while (s->fate_count > 0 && s->fates[s->fate_first] != FATE_UNKNOWN) {
        char reply[64] = "250 2.0.0 Ok: queued as ";
        enum fate fate = (enum fate)s->fates[s->fate_first];
        if (fate == FATE_TAKEN)
            message_id_print(s->ids[s->fate_first], reply + strlen(reply));
        smtp_server_verdict(&s->machine, fate == FATE_TAKEN ? reply : session_refusal(fate),
                            &s->out);
        s->fate_first = (uint8_t)((s->fate_first + 1) % SERVER_UNCOMMITTED_MAX);
        s->fate_count--;
    }
}

uint8_t session_next_slot(const struct session *s)
{
    CHECK(s->fate_count < SERVER_UNCOMMITTED_MAX);
    return (uint8_t)((s->fate_first + s->fate_count) % SERVER_UNCOMMITTED_MAX);
}

void session_message_ended(struct session *s, enum fate fate)
{
    s->fates[session_next_slot(s)] = (uint8_t)fate;
    s->fate_count++;
    settle_known(s);
}

static enum fate fate_of(enum journal_fate fate)
{
    switch (fate) {
    case JOURNAL_COMMITTED:
    case JOURNAL_KEY_SAME: return FATE_TAKEN;
    case JOURNAL_NO_ROOM: return FATE_NO_ROOM;
    case JOURNAL_FAILED: return FATE_FAILED;
    case JOURNAL_NO_MEMORY: return FATE_NO_MEMORY;
    case JOURNAL_KEY_OTHER: return FATE_KEY_OTHER;
    }
    CHECK(false);
}

void session_verdict(struct session *s, struct session_room *room, const struct message *m,
                     enum journal_fate fate)
{
    if (s->closing || s->hung_up)
        return;
    CHECK(m->waiter_slot < SERVER_UNCOMMITTED_MAX && s->fates[m->waiter_slot] == FATE_UNKNOWN);
    s->fates[m->waiter_slot] = (uint8_t)fate_of(fate);
    s->ids[m->waiter_slot] = m->id;
    s->progress_us = io_now_us(room->o.io); // from here on it is the client's time
    settle_known(s);
    session_go_on(s, room);
}

void session_hang_up(struct session *s, struct session_room *room, const char *reply)
{
    if (s->closing || s->close_when_sent)
        return;
    if (s->tls && !s->tls_ready) { // nothing can be said
        session_close(s, room);
        return;
    }
    s->refuse_us = 0;
    smtp_server_hang_up(&s->machine, reply, &s->out);
    s->hung_up = true;
    s->close_when_sent = true;
    s->progress_us = io_now_us(room->o.io);
    wheel_arm(room->o.wheel, &s->timer, session_due_us(s, room));
}

void session_close(struct session *s, struct session_room *room)
{
    if (s->closing)
        return;
    s->closing = true;
    wheel_disarm(room->o.wheel, &s->timer);
    buffer_release(&s->held);
    message_free(room->o.blocks, s->message);
    s->message = NULL;
    io_close(room->o.io, s->fd);
}

// The client is told all that it will be told.
static bool session_finished(const struct session *s)
{
    bool silent = s->out.len == 0 && s->sent.len == 0 && s->sealed.len == 0;
    if (s->close_when_sent)
        return silent;
    return s->peer_ended && silent && !s->waiting && smtp_server_uncommitted(&s->machine) == 0;
}

static void session_send(struct session *s, struct session_room *room)
{
    struct buffer *next = s->tls ? &s->sealed : &s->out;
    if (s->sent.len == 0) { // the replies that gathered meanwhile
        if (s->tls)
            session_tls_seal(s, room);
        struct buffer gathered = *next;
        *next = s->sent;
        s->sent = gathered;
    }
    if (s->sent.len == 0 || s->closing)
        return;
    s->sent_piece.iov_base = s->sent.data + s->sent_bytes;
    s->sent_piece.iov_len = s->sent.len - s->sent_bytes;
    s->sending = true;
    s->ops_in_flight++;
    io_send(room->o.io, s->fd, &s->sent_piece, 1, session_token(s, room, SESSION_OP_SEND));
}

// While the engine stops, a session stays for its transaction, as long as there is time for it, and
// for the verdicts that it awaits.
static bool session_must_go(const struct session *s, const struct session_room *room)
{
    if (!room->stopping || smtp_server_uncommitted(&s->machine) > 0)
        return false;
    return !smtp_server_in_transaction(&s->machine) || io_now_us(room->o.io) >= room->stop_us;
}

bool session_flush(struct session *s, struct session_room *room)
{
    if (session_must_go(s, room))
        session_hang_up(s, room, SESSION_STOPPING);
    if (!s->closing && s->waiting && s->out.len == 0)
        session_feed_held(s, room); // it was the replies that were too many
    if (!s->closing && s->tls && session_finished(s))
        session_tls_end(s);
    if (!s->closing && !s->sending)
        session_send(s, room);
    if (!s->closing && session_finished(s))
        session_close(s, room);
    if (!s->closing && !s->receiving && !s->waiting && !s->peer_ended && !s->close_when_sent)
        session_receive(s, room);
    return s->closing && s->ops_in_flight == 0;
}

void session_release(struct session *s, struct session_room *room)
{
    CHECK(s->ops_in_flight == 0);
    wheel_disarm(room->o.wheel, &s->timer);
    buffer_release(&s->held);
    message_free(room->o.blocks, s->message);
    buffer_release(&s->out);
    buffer_release(&s->sent);
    buffer_release(&s->sealed);
    tls_free(s->tls);
    body_hash_release(&s->body_hash);
    smtp_server_release(&s->machine);
}
