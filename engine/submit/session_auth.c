// Who a client is: the user that it has proved to be, or on a unix socket the user of this host;
// and what that user may do, by the users' file of now.
#include "engine/submit/session.h"

#include "engine/message/author.h"

static const char refused[] = "535 5.7.8 Wrong name or password";

// How the machine's question ends; it may have hung up meanwhile.
static void answer(struct session *s, struct session_room *room, enum gate_answer a)
{
    const char *reply = NULL;
    if (s->closing || s->close_when_sent)
        return;
    if (a == GATE_NO) {
        s->refuse_us = s->asked_us + GATE_REFUSAL_US;
        session_await(s, room);
        return;
    }
    s->identified = a == GATE_YES;
    room->counters.auth_accepted += s->identified;
    if (!s->identified)
        reply = "454 4.7.0 Too many authentications, try again later";
    smtp_server_answer(&s->machine, reply, &s->out);
    session_go_on(s, room);
}

void session_auth_ask(struct session *s, struct session_room *room,
                      const struct smtp_server_event *e)
{
    const struct slice name = slice_take(e->text, USERS_NAME_BYTES_MAX); // no user's is longer
    const struct io_token token = {s->index, s->generation, room->o.io_owner, SESSION_OP_VERIFY};
    memcpy(s->user, name.data, name.len);
    s->user_len = (uint8_t)name.len;
    s->asked_us = io_now_us(room->o.io);
    const enum gate_answer a = gate_ask(room->gate, room->users, &s->peer, e->text, e->secret,
                                        token, &s->asked);
    if (a == GATE_ASKED)
        s->ops_in_flight++;
    else
        answer(s, room, a);
}

void session_auth_on_done(struct session *s, struct session_room *room, int32_t result)
{
    const enum gate_answer a = gate_on_done(room->gate, room->users, s->asked, result);
    s->asked = NULL;
    answer(s, room, a);
}

void session_auth_on_time(struct session *s, struct session_room *room)
{
    s->refuse_us = 0;
    if (s->closing || s->close_when_sent)
        return;
    room->counters.auth_refused++;
    smtp_server_answer(&s->machine, refused, &s->out);
    session_go_on(s, room);
}

// --- rights

// NULL: nobody in particular.
static const struct user *user_of(const struct session *s, const struct session_room *room)
{
    if (!room->users)
        return NULL;
    if (s->identified)
        return users_find(room->users, slice_make(s->user, s->user_len));
    return s->peer.uid_known ? users_find_uid(room->users, s->peer.uid) : NULL;
}

const char *session_may_send(const struct session *s, struct session_room *room,
                             const struct address *sender)
{
    const struct submit_listener *l = &room->o.listeners[s->listener];
    const struct user *user = user_of(s, room);
    if (l->tls_required && !s->tls)
        return "530 5.7.0 Say STARTTLS first";
    if (l->auth_required && !s->identified)
        return "530 5.7.0 Authentication required";
    if (!s->may_relay && !s->identified && l->server.auth)
        return "530 5.7.0 Authentication required";
    if (s->identified && !user)
        return "530 5.7.0 This user is no more";
    if (!user)
        return NULL;
    if (!user_may_send_as(user, sender))
        return "553 5.7.1 This user may not send from that address";
    const uint64_t now_us = io_now_us(room->o.io);
    return users_due_us(room->users, user, now_us) > now_us ? SESSION_TOO_MANY : NULL;
}

// What is in From: decides about signatures, and is what people see: all of it.
static bool may_be_author(const struct user *user, const struct message *m)
{
    char text[ADDRESS_LIST_ADDRESS_BYTES_MAX];
    struct author_walk walk = author_walk(message_content(m));
    struct slice author;
    struct address a;
    bool any = false;
    for (;;)
        switch (author_next(&walk, text, &author)) {
        case AUTHOR_ADDRESS:
            if (address_parse(author, true, &a) != ADDRESS_OK || !user_may_send_as(user, &a))
                return false;
            any = true;
            break;
        case AUTHOR_UNKNOWN: return false;
        case AUTHOR_END: return any;
        }
}

enum fate session_may_finish(const struct session *s, struct session_room *room,
                             const struct message *m, struct slice campaign)
{
    const struct user *user = user_of(s, room);
    if (!user)
        return FATE_TAKEN;
    if (campaign.len > 0 && !user_may_use_campaign(user, campaign))
        return FATE_CAMPAIGN_DENIED;
    if (user->has_senders && !may_be_author(user, m))
        return FATE_AUTHOR_DENIED;
    return users_count(room->users, user, io_now_us(room->o.io)) ? FATE_TAKEN : FATE_RATE;
}
