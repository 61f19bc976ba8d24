// tests/server_owner.h: an owner of the server machine for tests. It answers by script, and writes
// two transcripts: what the machine said, and what it told. Where TCP cuts the client's bytes must
// change neither. It keeps the envelope as well, and CHECKs that no content comes without one, and
// that none comes that may not be stored.
//
// said: each reply by its codes: "220, 250, 250 2.1.0, 354". Of a reply of several lines, the last.
// seen: events by name: "ehlo(c) mail(a@b) rcpt(c@d) data message(hello\r\n) drop(rset) close".
//       Content is written where it became a message: how far a refused one came does not count.
#ifndef POSTHASTE_TESTS_SERVER_OWNER_H
#define POSTHASTE_TESTS_SERVER_OWNER_H

#include "engine/base/buffer.h"
#include "engine/base/check.h"
#include "engine/smtp/server.h"

#include <stdio.h>
#include <stdlib.h>

#define OWNER_TEXT_BYTES_MAX (1 << 20)
// Among the client's bytes: all of a handshake. What stands behind it is said under TLS.
#define OWNER_HANDSHAKE '\x16'

struct owner {
    struct smtp_server server;
    struct buffer out, seen, content;
    // Asked for each event with [answer] and for each verdict, by name ("mail", "message") and
    // how often that name came before; NULL is the usual answer.
    const char *(*answer)(void *context, const char *name, unsigned count);
    void *context;
    bool late;              // verdicts are given only when the machine waits, or at the end
    unsigned message_count; // told
    unsigned verdict_count; // given
    unsigned counts[VERB_COUNT];
    bool closed;
    bool auth_due;    // AUTH is not answered yet
    bool handshaking; // STARTTLS was accepted: the next byte of TLS is OWNER_HANDSHAKE
    // The envelope, as the owner has accepted it.
    bool has_sender, has_content;
    unsigned rcpt_count;
};

static const char *const owner_verb_names[VERB_COUNT] = {
    "-",    "helo", "ehlo", "mail", "rcpt", "data", "bdat",     "rset",
    "noop", "help", "vrfy", "expn", "verb", "quit", "starttls", "auth",
};

static inline void owner_init(struct owner *o, const struct smtp_server_options *options)
{
    *o = (struct owner){.closed = false};
    smtp_server_init(&o->server, options);
    buffer_init(&o->out, OWNER_TEXT_BYTES_MAX);
    buffer_init(&o->seen, OWNER_TEXT_BYTES_MAX);
    buffer_init(&o->content, OWNER_TEXT_BYTES_MAX);
}

static inline void owner_release(struct owner *o)
{
    smtp_server_release(&o->server);
    buffer_release(&o->out);
    buffer_release(&o->seen);
    buffer_release(&o->content);
}

static inline const char *owner_ask(struct owner *o, const char *name, unsigned count)
{
    return o->answer ? o->answer(o->context, name, count) : NULL;
}

static inline void owner_give_verdict(struct owner *o)
{
    const char *verdict = owner_ask(o, "message", o->verdict_count++);
    smtp_server_verdict(&o->server, verdict ? verdict : "250 2.0.0 queued", &o->out);
}

static inline void owner_write_seen(struct owner *o, const struct smtp_server_event *e)
{
    struct buffer *b = &o->seen;
    const char *verb = owner_verb_names[e->verb];
    buffer_printf(b, b->len ? " " : "");
    switch (e->kind) {
    case SERVER_EHLO: buffer_printf(b, "%s(%.*s)", verb, SLICE_ARG(e->text)); break;
    case SERVER_MAIL:
        buffer_printf(b, "mail(%.*s", SLICE_ARG(e->address.text));
        if (e->mail.size_bytes)
            buffer_printf(b, " %llu", (unsigned long long)e->mail.size_bytes);
        buffer_printf(b, "%s%s", e->mail.is_8bit ? " 8bit" : "", e->mail.smtputf8 ? " utf8" : "");
        buffer_printf(b, "%s%.*s)", e->mail.dsn.len ? " " : "", SLICE_ARG(e->mail.dsn));
        break;
    case SERVER_RCPT:
        buffer_printf(b, "rcpt(%.*s%s%.*s)", SLICE_ARG(e->address.text), e->text.len ? " " : "",
                      SLICE_ARG(e->text));
        break;
    case SERVER_MESSAGE:
        CHECK(e->content_bytes == o->content.len);
        buffer_printf(b, "message%s%s(", e->has_dot_lines ? "." : "", e->has_8bit ? "8" : "");
        buffer_append(b, buffer_slice(&o->content));
        buffer_printf(b, ")");
        break;
    case SERVER_DROPPED:
        buffer_printf(b, e->fault ? "drop(%s fault %d)" : "drop(%s)", verb, e->fault);
        break;
    case SERVER_CLOSE: buffer_printf(b, "close"); break;
    case SERVER_AUTH:
        buffer_printf(b, "auth(%.*s:%.*s)", SLICE_ARG(e->text), SLICE_ARG(e->secret));
        break;
    case SERVER_STARTTLS:
    case SERVER_DATA:
    case SERVER_OTHER:
    case SERVER_QUIT: buffer_printf(b, "%s", verb); break;
    case SERVER_MORE:
    case SERVER_WAIT:
    case SERVER_CONTENT: break;
    }
}

// What may be stored: CRLF lines and nothing else, none too long, none unfinished.
static inline void owner_check_content(const struct owner *o)
{
    struct slice rest = buffer_slice(&o->content);
    while (rest.len > 0) {
        size_t line_bytes = slice_find(rest, '\n') + 1;
        struct slice line = slice_take(rest, line_bytes);
        CHECK(line.len >= 2 && line.len <= CONTENT_LINE_BYTES_MAX + 2);
        CHECK(slice_find(line, '\r') == line.len - 2 && slice_find(line, '\n') == line.len - 1);
        CHECK(slice_find(line, '\0') == line.len);
        rest = slice_skip(rest, line_bytes);
    }
}

// The envelope's side of an event: in no order but MAIL, RCPT, DATA, message.
static inline void owner_check_order(struct owner *o, const struct smtp_server_event *e)
{
    if (e->kind == SERVER_MAIL)
        CHECK(!o->has_sender);
    if (e->kind == SERVER_RCPT || e->kind == SERVER_DATA || e->kind == SERVER_DROPPED)
        CHECK(o->has_sender);
    if (e->kind == SERVER_RCPT || e->kind == SERVER_DATA)
        CHECK(!o->has_content);
    if (e->kind == SERVER_DATA)
        CHECK(o->rcpt_count > 0);
    if (e->kind == SERVER_CONTENT || e->kind == SERVER_MESSAGE)
        CHECK(o->has_content);
    if (e->kind == SERVER_MESSAGE)
        owner_check_content(o);
    if (e->kind == SERVER_CLOSE)
        CHECK(!o->has_sender);
}

static inline void owner_end_transaction(struct owner *o)
{
    o->has_sender = o->has_content = false;
    o->rcpt_count = 0;
    buffer_clear(&o->content);
}

static inline void owner_take_acceptance(struct owner *o, enum smtp_server_event_kind kind)
{
    o->has_sender |= kind == SERVER_MAIL;
    o->rcpt_count += kind == SERVER_RCPT;
    o->has_content |= kind == SERVER_DATA;
}

static inline void owner_answer(struct owner *o, const struct smtp_server_event *e)
{
    unsigned count = o->counts[e->verb]++;
    const char *reply = owner_ask(o, owner_verb_names[e->verb], count);
    if (!reply || reply[0] < '4')
        owner_take_acceptance(o, e->kind);
    o->handshaking = e->kind == SERVER_STARTTLS && (!reply || reply[0] < '4');
    smtp_server_answer(&o->server, reply, &o->out);
}

// One event. False when the machine asks for more bytes, or for a verdict that is not given yet.
static inline bool owner_take_event(struct owner *o, const struct smtp_server_event *e)
{
    owner_check_order(o, e);
    switch (e->kind) {
    case SERVER_MORE: return false;
    case SERVER_WAIT:
        if (o->auth_due) {
            o->auth_due = false;
            owner_answer(o, &(struct smtp_server_event){.kind = SERVER_AUTH, .verb = VERB_AUTH});
            return true;
        }
        CHECK(smtp_server_uncommitted(&o->server) == o->message_count - o->verdict_count);
        if (o->message_count == o->verdict_count)
            return false; // `out` is full
        owner_give_verdict(o);
        return true;
    case SERVER_CONTENT: buffer_append(&o->content, e->text); return true;
    case SERVER_MESSAGE:
        owner_write_seen(o, e);
        owner_end_transaction(o);
        o->message_count++;
        if (!o->late)
            owner_give_verdict(o);
        return true;
    case SERVER_DROPPED:
        owner_write_seen(o, e);
        owner_end_transaction(o);
        return true;
    case SERVER_CLOSE:
        if (!o->closed)
            owner_write_seen(o, e);
        o->closed = true;
        return false;
    case SERVER_AUTH:
        owner_write_seen(o, e);
        o->auth_due = o->late;
        if (!o->late)
            owner_answer(o, e);
        return true;
    case SERVER_EHLO:
    case SERVER_MAIL:
    case SERVER_RCPT:
    case SERVER_DATA:
    case SERVER_OTHER:
    case SERVER_STARTTLS:
    case SERVER_QUIT:
        owner_write_seen(o, e);
        owner_answer(o, e);
        return true;
    }
    return false;
}

// In a heap copy of just its size, so that reading on is caught.
static inline void owner_feed_bytes(struct owner *o, struct slice piece)
{
    char *copy = malloc(piece.len ? piece.len : 1);
    struct slice rest = slice_make(copy, piece.len);
    struct smtp_server_event event;
    memcpy(copy, piece.data, piece.len);
    do
        event = smtp_server_feed(&o->server, &rest, &o->out);
    while (owner_take_event(o, &event));
    CHECK(event.kind == SERVER_WAIT || rest.len == 0);
    free(copy);
}

// Feeds one piece, with the handshakes in it.
static inline void owner_feed(struct owner *o, struct slice piece)
{
    size_t at = slice_find(piece, OWNER_HANDSHAKE);
    owner_feed_bytes(o, slice_take(piece, at));
    while (at < piece.len) {
        piece = slice_skip(piece, at);
        const bool done = o->handshaking && !o->closed;
        if (done)
            smtp_server_secured(&o->server);
        o->handshaking = false;
        at = slice_find(slice_skip(piece, 1), OWNER_HANDSHAKE) + 1;
        owner_feed_bytes(o, slice_skip(slice_take(piece, at), done));
    }
}

// Gives the verdicts that are still due, and tells the end if that was all it waited for.
static inline void owner_finish(struct owner *o)
{
    while (o->verdict_count < o->message_count && smtp_server_uncommitted(&o->server) > 0)
        owner_give_verdict(o);
    owner_feed(o, SLICE_EMPTY);
}

// "250-a\r\n250 b\r\n354 c\r\n" is "250, 354"; also checks that all is whole lines.
static inline void owner_condense(struct slice out, struct buffer *said)
{
    buffer_clear(said);
    while (out.len > 0) {
        size_t line_bytes = slice_find(out, '\n') + 1;
        struct slice line = slice_take(out, line_bytes);
        CHECK(line.len >= 6 && line.data[line.len - 2] == '\r' && line.data[line.len - 1] == '\n');
        out = slice_skip(out, line_bytes);
        if (line.data[3] == '-')
            continue;
        bool enhanced = line.len > 10 && line.data[5] == '.' && line.data[7] == '.';
        buffer_printf(said, "%s%.*s", said->len ? ", " : "", enhanced ? 9 : 3, line.data);
    }
}

#endif
