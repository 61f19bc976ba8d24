#include "engine/submit/submit.h"

#include "engine/base/check.h"
#include "engine/submit/pickup_parts.h"
#include "engine/submit/session.h"

#include <errno.h>
#include <stdlib.h>

// What a client hears that is one too many.
#define REFUSE_FULL "421 4.3.2 Too many connections, try again later"

struct submit {
    struct session_room room;
    struct slab sessions;
    struct session *flush_first; // sessions with something to do at the end of the turn
};

int submit_new(struct submit **ret, const struct submit_options *options)
{
    struct submit *s = calloc(1, sizeof(*s));
    if (!s)
        return -ENOMEM;
    s->room = (struct session_room){.o = *options, .last_id = options->id_last};
    buffer_init(&s->room.plain, TLS_RECORD_BYTES_MAX);
    slab_init(&s->sessions, sizeof(struct session), options->session_count_max);
    s->room.sha256 = sha256_new();
    bool has_bodies = body_cache_init(&s->room.bodies, io_seed(options->io));
    s->room.tls = calloc(options->listener_count + 1u, sizeof(*s->room.tls));
    if (!s->room.sha256 || !has_bodies || !s->room.tls ||
        gate_new(&s->room.gate, options->io, options->watch) < 0) {
        submit_free(s);
        return -ENOMEM;
    }
    *ret = s;
    return 0;
}

void submit_free(struct submit *s)
{
    if (!s)
        return;
    CHECK(s->sessions.item_count == 0);
    slab_release(&s->sessions);
    sha256_free(s->room.sha256);
    body_cache_release(&s->room.bodies);
    gate_free(s->room.gate);
    for (uint32_t i = 0; s->room.tls && i < s->room.o.listener_count; i++)
        tls_context_unref(s->room.tls[i].context);
    free(s->room.tls);
    buffer_release(&s->room.plain);
    free(s);
}

bool submit_set_certificates(struct submit *s, uint32_t listener,
                             const struct tls_server_options *certificates, const char **ret_why)
{
    CHECK(listener < s->room.o.listener_count);
    struct session_certificates *place = &s->room.tls[listener];
    struct tls_context *context = tls_context_new_server(certificates, ret_why);
    if (!context)
        return false;
    tls_context_unref(place->context);
    *place = (struct session_certificates){context, io_now_us(s->room.o.io)};
    return true;
}

void submit_set_users(struct submit *s, struct users *users)
{
    s->room.users = users;
}

static void submit_mark(struct submit *s, struct session *session)
{
    if (session->want_flush)
        return;
    session->want_flush = true;
    session->flush_next = s->flush_first;
    s->flush_first = session;
}

void submit_serve(struct submit *s, int fd, uint32_t listener)
{
    uint32_t index;
    CHECK(listener < s->room.o.listener_count);
    const struct submit_listener *l = &s->room.o.listeners[listener];
    struct session *session = slab_take(&s->sessions, &index);
    if (!session) {
        io_close(s->room.o.io, fd); // not even room to say so
        s->room.counters.refused++;
        return;
    }
    const char *refusal = NULL;
    if (atomic_fetch_add_explicit(l->session_count, 1, memory_order_relaxed) >=
        l->session_count_max)
        refusal = REFUSE_FULL;
    else if (s->room.stopping)
        refusal = SESSION_STOPPING;
    session->index = index;
    session->generation = slab_generation(&s->sessions, index);
    session->listener = (uint16_t)listener;
    session_open(session, &s->room, fd, refusal);
    submit_mark(s, session);
}

static void submit_gone(struct submit *s, struct session *session)
{
    atomic_fetch_sub_explicit(s->room.o.listeners[session->listener].session_count, 1,
                              memory_order_relaxed);
    session_release(session, &s->room);
    slab_give(&s->sessions, session->index);
}

void submit_on_done(struct submit *s, const struct io_done *done)
{
    struct session *session = slab_find(&s->sessions, done->token.index, done->token.generation);
    CHECK(session); // a slot lives until its last completion
    session_on_done(session, &s->room, done);
    submit_mark(s, session);
}

void submit_on_timer(struct submit *s, struct wheel_timer *t)
{
    struct session *session = CONTAINER_OF(t, struct session, timer);
    session_on_timer(session, &s->room);
    submit_mark(s, session);
}

void submit_verdict(struct submit *s, const struct message *m, enum journal_fate fate)
{
    struct session *session = slab_find(&s->sessions, m->session, m->session_generation);
    if (!session)
        return;
    session_verdict(session, &s->room, m, fate);
    submit_mark(s, session);
}

struct message *submit_next_message(struct submit *s)
{
    return message_list_take(&s->room.complete);
}

void submit_flush(struct submit *s)
{
    while (s->flush_first) {
        struct session *session = s->flush_first;
        s->flush_first = session->flush_next;
        session->want_flush = false;
        if (session_flush(session, &s->room))
            submit_gone(s, session);
    }
}

void submit_stop(struct submit *s)
{
    s->room.stopping = true;
    s->room.stop_us = io_now_us(s->room.o.io) + SUBMIT_GRACE_US;
    for (uint32_t i = slab_next(&s->sessions, 0); i != SLAB_NONE;
         i = slab_next(&s->sessions, i + 1)) {
        session_await(slab_at(&s->sessions, i), &s->room);
        submit_mark(s, slab_at(&s->sessions, i));
    }
}

bool submit_stopped(const struct submit *s)
{
    return s->room.stopping && s->sessions.item_count == 0;
}

void submit_abandon(struct submit *s)
{
    for (uint32_t i = slab_next(&s->sessions, 0); i != SLAB_NONE;
         i = slab_next(&s->sessions, i + 1)) {
        struct session *session = slab_at(&s->sessions, i);
        session_close(session, &s->room);
        submit_mark(s, session);
    }
}

struct session_room *submit_room(struct submit *s)
{
    return &s->room;
}

uint64_t *submit_last_id(struct submit *s)
{
    return &s->room.last_id;
}

bool pickup_submit(struct pickup *p, struct message **m)
{
    struct session_room *room = p->o.room;
    enum journal_fate fate;
    if (room->stopping || atomic_load_explicit(room->o.draining, memory_order_relaxed) ||
        atomic_load_explicit(room->o.troubled, memory_order_relaxed) > 0 ||
        !journal_accepts(room->o.journal, &fate))
        return false;
    (*m)->arrived_us = io_now_us(room->o.io);
    message_list_add(&room->complete, *m);
    *m = NULL;
    return true;
}

struct submit_counters submit_counters(const struct submit *s)
{
    struct submit_counters c = s->room.counters;
    c.sessions = s->sessions.item_count;
    c.sessions_peak = s->sessions.item_count_peak;
    return c;
}
