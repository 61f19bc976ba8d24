// What a client's commands mean for the message that it is building.

#include "engine/base/check.h"
#include "engine/message/fields.h"
#include "engine/submit/session.h"
#include "engine/submit/submission_key.h"
#include "engine/submit/wishes.h"

#include <stdio.h>

#define KEY_BYTES_MAX 255

static void answer(struct session *s, const char *reply)
{
    smtp_server_answer(&s->machine, reply, &s->out);
}

static void drop_message(struct session *s, struct session_room *room)
{
    message_free(room->o.blocks, s->message);
    s->message = NULL;
    s->header = (struct header_scan){0};
    body_hash_restart(&s->body_hash);
    s->no_memory = false;
}

static const char *on_mail(struct session *s, struct session_room *room,
                           const struct smtp_server_event *e)
{
    CHECK(!s->message);
    enum journal_fate fate;
    if (room->stopping)
        return SESSION_STOPPING;
    if (atomic_load_explicit(room->o.draining, memory_order_relaxed))
        return "451 4.3.2 No mail is taken now";
    if (atomic_load_explicit(room->o.troubled, memory_order_relaxed) > 0)
        return session_refusal(FATE_FAILED);
    if (!journal_accepts(room->o.journal, &fate))
        return session_refusal(fate == JOURNAL_NO_ROOM ? FATE_NO_ROOM : FATE_FAILED);
    const char *refusal = session_may_send(s, room, &e->address);
    if (refusal)
        return refusal;
    // Nothing is set aside for what a client declares: memory is taken for what has arrived.
    s->message = message_new(room->o.blocks, e->address.text, e->mail.dsn, 0);
    if (!s->message)
        return session_refusal(FATE_NO_MEMORY);
    s->message->smtputf8 = e->mail.smtputf8;
    s->message->is_8bit = e->mail.is_8bit;
    s->message->events_only = room->o.listeners[s->listener].events_only;
    s->message->verp = e->mail.verp || room->o.listeners[s->listener].verp;
    s->message->priority = e->mail.has_priority ? e->mail.priority
                                                : room->o.listeners[s->listener].priority;
    return NULL;
}

static bool is_suppressed(const struct session_room *room, struct slice address,
                          struct slice domain)
{
    char text[SUPPRESSION_ADDRESS_BYTES_MAX];
    return room->o.suppression &&
           suppression_holds(room->o.suppression, suppression_text(address, domain, text),
                             suppression_day(io_wall_us(room->o.io)));
}

static const char *on_rcpt(struct session *s, struct session_room *room,
                           const struct smtp_server_event *e)
{
    const struct slice hostname = room->o.listeners[s->listener].server.hostname;
    char domain[ADDRESS_DOMAIN_BYTES_MAX + 1];
    char with_host[ADDRESS_BYTES_MAX + 1];
    struct slice address = e->address.text;
    if (!s->may_relay && !s->identified)
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
    if (is_suppressed(room, address, slice_make(domain, domain_len)))
        return "550 5.1.1 This recipient is on the suppression list";
    if (!message_add_rcpt(room->o.blocks, &s->message, address, e->text,
                          slice_make(domain, domain_len)))
        return session_refusal(FATE_NO_MEMORY);
    return NULL;
}

static const char *on_data(struct session *s, struct session_room *room)
{
    if (!message_seal_envelope(room->o.blocks, &s->message))
        return session_refusal(FATE_NO_MEMORY);
    return NULL;
}

static void on_content(struct session *s, struct session_room *room, struct slice bytes)
{
    struct slice rest = header_scan(&s->header, bytes);
    if (!s->no_memory && !message_add_content(room->o.blocks, &s->message, bytes))
        s->no_memory = true; // read to its end, and refused then
    if (!s->no_memory)
        body_hash_add(&s->body_hash, room->o.dkim, s->message, &s->header, rest);
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
        .tls = s->tls != NULL,
        .auth = s->identified,
    };
    message_put_in_front(m, slice_make(out, trace_write(&t, &s->header, out)));
}

// --- submission keys

// Takes the field that carries the key out of the content, and copies the key. False: it is not as
// it may be, or there is another one.
static bool cut_key(struct message *m, char key[KEY_BYTES_MAX], size_t *ret_len)
{
    struct slice content = message_content(m), rest = content;
    struct header_field f, found = {0};
    while (fields_next(&rest, &f)) {
        if (!header_field_is(&f, SLICE(TRACE_KEY_FIELD)))
            continue;
        if (found.whole.len > 0)
            return false;
        found = f;
    }
    struct slice text = slice_trim_folds(found.body);
    if (text.len == 0 || text.len > KEY_BYTES_MAX)
        return false;
    memcpy(key, text.data, text.len);
    *ret_len = text.len;
    message_cut(m, (size_t)(found.whole.data - content.data), found.whole.len);
    return true;
}

// A key counts for whoever gave it: a user who has proved it, a user of this host, or an address.
static size_t print_submitter(const struct session *s, char text[IO_ADDRESS_TEXT_BYTES + 32])
{
    if (s->identified)
        return (size_t)sprintf(text, "user:%.*s", (int)s->user_len, s->user);
    if (io_address_is_unix(&s->peer.address))
        return (size_t)sprintf(text, "uid:%u", s->peer.uid_known ? s->peer.uid : UINT32_MAX);
    text[0] = '@';
    io_address_print_host(&s->peer.address, text + 1);
    return strlen(text);
}

static bool take_key(struct session *s, struct session_room *room)
{
    struct message *m = s->message;
    char key[KEY_BYTES_MAX], submitter[IO_ADDRESS_TEXT_BYTES + 32];
    uint8_t digest[SHA256_BYTES];
    size_t len;
    if (!cut_key(m, key, &len))
        return false;
    submission_key_digest(room->sha256, slice_make(submitter, print_submitter(s, submitter)),
                          slice_make(key, len), m->key);
    sha256_start(room->sha256);
    sha256_add(room->sha256, slice_make(message_envelope(m), m->envelope_bytes));
    sha256_add(room->sha256, message_content(m));
    sha256_end(room->sha256, digest);
    memcpy(&m->key_content, digest, sizeof(m->key_content));
    m->has_key = true;
    return true;
}

static enum fate take_wishes(struct session *s, struct wishes *ret)
{
    *ret = (struct wishes){.has_priority = false};
    if (!s->header.has_wishes)
        return FATE_TAKEN;
    switch (wishes_take(s->message, ret)) {
    case WISHES_FINE: return FATE_TAKEN;
    case WISHES_BAD_PRIORITY: return FATE_PRIORITY_BAD;
    case WISHES_BAD_CAMPAIGN: return FATE_CAMPAIGN_BAD;
    }
    CHECK(false);
}

static enum fate take_message(struct session *s, struct session_room *room,
                              const struct smtp_server_event *e)
{
    struct message *m = s->message;
    struct wishes wishes;
    header_scan_end(&s->header);
    if (s->header.received_count > TRACE_RECEIVED_MAX)
        return FATE_LOOP;
    if (s->no_memory)
        return FATE_NO_MEMORY;
    if (s->header.has_key && !take_key(s, room))
        return FATE_KEY_BAD;
    enum fate fate = take_wishes(s, &wishes);
    if (fate == FATE_TAKEN)
        fate = session_may_finish(s, room, m, slice_make(wishes.campaign, wishes.campaign_len));
    if (fate != FATE_TAKEN)
        return fate;
    m->received_wall_us = io_wall_us(room->o.io);
    m->arrived_us = io_now_us(room->o.io);
    m->id = message_id_make(m->received_wall_us, room->o.worker, &room->last_id);
    m->session = s->index;
    m->session_generation = s->generation;
    m->waiter_slot = session_next_slot(s);
    m->is_8bit |= e->has_8bit;
    m->has_dot_lines = e->has_dot_lines;
    body_hash_end(&s->body_hash, &room->bodies, m);
    write_trace(s, room);
    wishes_carry_out(&wishes, m);
    message_list_add(&room->complete, m);
    s->message = NULL; // its fate comes by session_verdict()
    room->counters.messages++;
    return FATE_UNKNOWN;
}

// What was said in the clear leaves first, the reply to this as the last.
static void on_starttls(struct session *s, struct session_room *room)
{
    struct tls_context *context = room->tls[s->listener].context;
    answer(s, context ? NULL : "454 4.7.0 TLS not available");
    if (context && !session_tls_begin(s, room))
        session_close(s, room);
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
    case SERVER_STARTTLS: on_starttls(s, room); break;
    case SERVER_AUTH: session_auth_ask(s, room, e); break;
    case SERVER_EHLO:
    case SERVER_OTHER:
    case SERVER_QUIT: answer(s, NULL); break;
    case SERVER_MORE:
    case SERVER_WAIT:
    case SERVER_CLOSE: break;
    }
}
