// What a client's commands mean for the message that it is building.

#include "engine/base/check.h"
#include "engine/submit/session.h"

#define REPLY_NO_MEMORY "452 4.3.1 Insufficient system storage, try again later"

static void answer(struct session *s, const char *reply)
{
    smtp_server_answer(&s->machine, reply, &s->out);
}

static void drop_message(struct session *s, struct session_room *room)
{
    message_free(room->o.blocks, s->message);
    s->message = NULL;
    s->header = (struct header_scan){0};
    s->no_memory = false;
}

static const char *on_mail(struct session *s, struct session_room *room,
                           const struct smtp_server_event *e)
{
    CHECK(!s->message);
    if (room->stopping)
        return SESSION_STOPPING;
    // Nothing is set aside for what a client declares: memory is taken for what has arrived.
    s->message = message_new(room->o.blocks, e->address.text, e->mail.dsn, 0);
    if (!s->message)
        return REPLY_NO_MEMORY;
    s->message->smtputf8 = e->mail.smtputf8;
    s->message->is_8bit = e->mail.is_8bit;
    return NULL;
}

static const char *on_rcpt(struct session *s, struct session_room *room,
                           const struct smtp_server_event *e)
{
    const struct slice hostname = room->o.listeners[s->listener].server.hostname;
    char domain[ADDRESS_DOMAIN_BYTES_MAX + 1];
    char with_host[ADDRESS_BYTES_MAX + 1];
    struct slice address = e->address.text;
    if (!s->may_relay)
        return "550 5.7.1 Relaying denied";
    size_t domain_len = address_domain_ascii(
        e->address.domain.len > 0 ? e->address.domain : hostname, domain);
    if (domain_len == 0)
        return "501 5.1.3 Bad recipient domain";
    if (e->address.domain.len == 0) { // <postmaster>: ours (RFC 5321 4.5.1)
        CHECK(address.len + 1 + hostname.len <= sizeof(with_host));
        char *end = (char *)mempcpy(with_host, address.data, address.len);
        *end++ = '@';
        end = (char *)mempcpy(end, hostname.data, hostname.len);
        address = slice_make(with_host, (size_t)(end - with_host));
    }
    if (!message_add_rcpt(room->o.blocks, &s->message, address, e->text,
                          slice_make(domain, domain_len)))
        return REPLY_NO_MEMORY;
    return NULL;
}

static const char *on_data(struct session *s, struct session_room *room)
{
    if (!message_seal_envelope(room->o.blocks, &s->message))
        return REPLY_NO_MEMORY;
    return NULL;
}

static void on_content(struct session *s, struct session_room *room, struct slice bytes)
{
    header_scan(&s->header, bytes);
    if (!s->no_memory && !message_add_content(room->o.blocks, &s->message, bytes))
        s->no_memory = true; // read to its end, and refused then
}

// Slots for the jobs of the message, in a ring. They learn their domains when it is durable.
static bool make_jobs(struct message *m, struct slab *jobs)
{
    struct job *last = NULL;
    for (uint32_t rcpt = 0; rcpt < m->rcpt_count;) {
        uint32_t index;
        struct job *j = slab_take(jobs, &index);
        if (!j)
            break;
        j->index = index;
        j->message = m;
        j->home = (uint8_t)m->home;
        j->rcpt_first = rcpt;
        j->rcpt_count = message_group_len(m, rcpt);
        rcpt += j->rcpt_count;
        if (last) {
            j->sibling = m->job_first;
            last->sibling = j;
        } else {
            m->job_first = j;
            j->sibling = j;
        }
        last = j;
        m->job_count_open++;
    }
    if (m->job_count_open == m->job_count)
        return true;
    for (; m->job_count_open > 0; m->job_count_open--) {
        struct job *j = m->job_first;
        m->job_first = j->sibling;
        slab_give(jobs, j->index);
    }
    return false;
}

static void write_trace(struct session *s, struct session_room *room)
{
    struct message *m = s->message;
    char out[TRACE_BYTES_MAX];
    char id[MESSAGE_ID_TEXT_BYTES];
    char peer[IO_ADDRESS_TEXT_BYTES] = "";
    if (!io_address_is_unix(&s->peer.address))
        io_address_print_host(&s->peer.address, peer);
    struct trace t = {
        .hostname = room->o.listeners[s->listener].server.hostname,
        .helo = smtp_server_helo(&s->machine),
        .peer = slice_of_text(peer),
        .id = slice_of_text(message_id_print(m->id, id)),
        .wall_us = m->received_wall_us,
        .esmtp = smtp_server_esmtp(&s->machine),
        .smtputf8 = m->smtputf8,
    };
    message_put_in_front(m, slice_make(out, trace_write(&t, &s->header, out)));
}

static enum fate take_message(struct session *s, struct session_room *room,
                              const struct smtp_server_event *e)
{
    struct message *m = s->message;
    header_scan_end(&s->header);
    if (s->header.received_count > TRACE_RECEIVED_MAX)
        return FATE_LOOP;
    if (s->no_memory)
        return FATE_NO_MEMORY;
    m->received_wall_us = io_wall_us(room->o.io);
    m->id = message_id_make(m->received_wall_us, room->o.worker, &room->last_id);
    m->home = (uint16_t)room->o.worker;
    m->session = s->index;
    m->session_generation = s->generation;
    m->is_8bit |= e->has_8bit;
    m->has_dot_lines = e->has_dot_lines;
    write_trace(s, room);
    if (!make_jobs(m, room->o.jobs))
        return FATE_NO_MEMORY;
    journal_append(room->o.journal, m);
    s->message = NULL; // it is the journal's now
    room->counters.messages++;
    return FATE_UNKNOWN;
}

void intake_event(struct session *s, struct session_room *room, const struct smtp_server_event *e)
{
    switch (e->kind) {
    case SERVER_MAIL: {
        const char *refusal = on_mail(s, room, e);
        answer(s, refusal);
        if (refusal)
            drop_message(s, room);
        break;
    }
    case SERVER_RCPT: answer(s, on_rcpt(s, room, e)); break;
    case SERVER_DATA: answer(s, on_data(s, room)); break;
    case SERVER_CONTENT: on_content(s, room, e->text); break;
    case SERVER_MESSAGE:
        session_message_ended(s, take_message(s, room, e));
        drop_message(s, room);
        break;
    case SERVER_DROPPED: drop_message(s, room); break;
    case SERVER_EHLO:
    case SERVER_OTHER:
    case SERVER_QUIT: answer(s, NULL); break;
    case SERVER_MORE:
    case SERVER_WAIT:
    case SERVER_CLOSE: break;
    }
}
