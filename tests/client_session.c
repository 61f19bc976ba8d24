#include "tests/client_session.h"

#include "engine/base/check.h"

#include <stdlib.h>

void session_answer(struct session *s, struct slice bytes)
{
    CHECK(s->answered_len + bytes.len <= SESSION_BYTES_MAX);
    if (bytes.len > 0)
        memcpy(s->answered + s->answered_len, bytes.data, bytes.len);
    s->answered_len += bytes.len;
}

static void tell(struct session *s, const struct smtp_event *e)
{
    s->closed = s->closed || e->kind == SMTP_CLOSED;
    s->test->on_event(s, e);
}

static void start_what_may_start(struct session *s)
{
    while (s->mails_started < s->mail_count && smtp_client_can_start(&s->client)) {
        if (smtp_client_start(&s->client, &s->mails[s->mails_started++]))
            continue;
        struct slice nothing = SLICE_EMPTY;
        struct smtp_event e = smtp_client_feed(&s->client, &nothing);
        CHECK(e.kind == SMTP_DONE);
        tell(s, &e);
    }
    if (s->quits && s->mails_started == s->mail_count)
        smtp_client_quit(&s->client);
}

static void server_hears(struct session *s, struct slice said)
{
    enum peer_command command;
    CHECK(s->said_len + said.len <= SESSION_BYTES_MAX);
    memcpy(s->said + s->said_len, said.data, said.len);
    s->said_len += said.len;
    while ((command = smtp_peer_read(&s->peer, &said)) != PEER_NEEDS_MORE)
        s->test->on_command(s, command);
}

// Some of the wire goes out. False: there was nothing.
static bool send_some(struct session *s)
{
    unsigned count;
    if (wire_empty(&s->wire))
        return false;
    size_t left = s->wire.bytes;
    if (s->cut == CUT_BY_SEED && random_below(&s->dice, 2) == 0)
        left = random_below(&s->dice, (uint32_t)left + 1);
    size_t going = left;
    const struct iovec *pieces = wire_pieces(&s->wire, &count);
    for (unsigned i = 0; i < count && left > 0; i++) {
        size_t part = pieces[i].iov_len < left ? pieces[i].iov_len : left;
        server_hears(s, slice_make(pieces[i].iov_base, part));
        left -= part;
    }
    wire_sent(&s->wire, going);
    return true;
}

static size_t next_chunk(struct session *s)
{
    size_t left = s->answered_len - s->heard_len;
    switch (s->cut) {
    case CUT_NOWHERE: break;
    case CUT_AT:
        if (s->heard_len < s->cut_at && s->cut_at < s->answered_len)
            return s->cut_at - s->heard_len;
        break;
    case CUT_BY_BYTE: return left > 0;
    case CUT_BY_SEED: return left > 0 ? random_below(&s->dice, (uint32_t)left + 1) : 0;
    }
    return left;
}

// The client reads some of what the server has said. False: there was nothing.
static bool hear_some(struct session *s)
{
    if (s->heard_len == s->answered_len)
        return false;
    size_t chunk = next_chunk(s);
    // A block of exactly this size, so that a sanitizer sees any overrun.
    char *exact = malloc(chunk + 1);
    CHECK(exact != NULL);
    memcpy(exact, s->answered + s->heard_len, chunk);
    s->heard_len += chunk;
    struct slice bytes = slice_make(exact, chunk);
    for (;;) {
        struct smtp_event e = smtp_client_feed(&s->client, &bytes);
        if (e.kind == SMTP_MORE)
            break;
        tell(s, &e);
        if (s->closed)
            break;
        start_what_may_start(s);
    }
    free(exact);
    return true;
}

void session_run(struct session *s, const struct smtp_client_options *options)
{
    s->mails_started = 0;
    s->said_len = s->answered_len = s->heard_len = 0;
    s->closed = false;
    smtp_client_init(&s->client, options);
    smtp_peer_init(&s->peer);
    wire_init(&s->wire);
    if (s->cut == CUT_BY_SEED)
        s->wire.text.bytes_max = WIRE_TEXT_ROOM_MIN + random_below(&s->dice, 400);
    s->test->on_command(s, PEER_NEEDS_MORE);
    for (bool moved = true; moved && !s->closed;) {
        start_what_may_start(s);
        smtp_client_fill(&s->client, &s->wire);
        moved = send_some(s);
        moved = hear_some(s) || moved;
    }
    while (send_some(s))
        continue; // what was on its way when the session closed
    smtp_client_release(&s->client);
    wire_release(&s->wire);
}
