// TLS between a session's socket and its machine.
//
//   received -> tls_feed() -> room->plain -> the machine -> out -> tls_seal() -> sealed -> sent
//
// What was said in the clear, up to the reply to STARTTLS, goes in front of the handshake's bytes
// in `sealed`. What is said before the handshake is done (the greeting, where TLS is from the first
// byte) stays in `out` until then.
#include "engine/submit/session.h"

// A key seals tickets for an hour, and opens them for another.
static void turn_ticket_key(struct session_certificates *c, uint64_t now_us)
{
    const uint64_t hours = (now_us - c->key_us) / SESSION_TICKET_KEY_US;
    for (uint64_t i = 0; i < hours && i < 2; i++)
        tls_context_turn_ticket_key(c->context);
    c->key_us += hours * SESSION_TICKET_KEY_US;
}

bool session_tls_begin(struct session *s, struct session_room *room)
{
    struct session_certificates *c = &room->tls[s->listener];
    if (!c->context)
        return false;
    turn_ticket_key(c, io_now_us(room->o.io));
    s->tls = tls_new_server(c->context);
    buffer_init(&s->sealed, SESSION_SEALED_BYTES_MAX);
    s->sent.bytes_max = SESSION_SEALED_BYTES_MAX; // the two change places
    if (!s->tls || !buffer_append(&s->sealed, buffer_slice(&s->out)))
        return false;
    buffer_clear(&s->out);
    session_await(s, room);
    return true;
}

static void on_ready(struct session *s, struct session_room *room)
{
    s->tls_ready = true;
    s->progress_us = io_now_us(room->o.io);
    room->counters.tls_sessions++;
    if (!room->o.listeners[s->listener].tls_implicit)
        smtp_server_secured(&s->machine);
}

// The alert leaves, if there is one, and nothing else.
static void on_failure(struct session *s, struct session_room *room)
{
    room->counters.tls_failed += !s->tls_ready;
    s->tls_ready = true; // as far as that goes: session_hang_up() is heard
    session_hang_up(s, room, "421 4.7.0 TLS has failed");
    s->tls_ready = false;
    buffer_clear(&s->out);
}

void session_tls_take(struct session *s, struct session_room *room, struct slice sealed)
{
    struct buffer *plain = &room->plain;
    while (!s->closing && !s->close_when_sent) {
        buffer_clear(plain);
        const enum tls_status status = tls_feed(s->tls, &sealed, plain, &s->sealed);
        if (plain->len > 0)
            session_take(s, room, buffer_slice(plain));
        switch (status) {
        case TLS_MORE: return;
        case TLS_READY: on_ready(s, room); break;
        case TLS_FULL: break;
        case TLS_CLOSED: s->peer_ended = true; return;
        case TLS_FAILED: on_failure(s, room); return;
        }
    }
}

void session_tls_seal(struct session *s, struct session_room *room)
{
    while (s->tls_ready && s->out.len > 0) {
        const struct iovec piece = {s->out.data, s->out.len};
        const size_t used = tls_seal(s->tls, &piece, 1, &s->sealed);
        buffer_drop_front(&s->out, used);
        if (used > 0)
            continue;
        if (s->sealed.len == 0) // there was room for it
            session_close(s, room);
        return;
    }
}

void session_tls_end(struct session *s)
{
    if (s->tls_ready && !s->tls_ended)
        tls_close(s->tls, &s->sealed);
    s->tls_ended = true;
}
