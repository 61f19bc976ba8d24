#include "engine/smtp/server.h"

#include "engine/base/check.h"
#include "engine/smtp/server_parts.h"

// A command is read only while its replies still fit: the EHLO list is the longest.
#define REPLY_ROOM_BYTES 4096

static void server_check(const struct smtp_server *s)
{
    const struct server_transaction *t = &s->transaction;
    CHECK(s->error_count <= SERVER_ERRORS_MAX + 1);
    CHECK(t->open || !(t->rcpt_count || t->rcpt_refused || t->in_content || t->content_bytes));
    CHECK(!t->in_content || t->rcpt_count > 0);
    CHECK(t->in_content || !t->chunked);
    CHECK(s->state != SERVER_IN_DATA || (t->in_content && !t->chunked));
    CHECK(s->state != SERVER_IN_CHUNK || s->chunk_refused || t->chunked ||
          s->unanswered == VERB_BDAT);
    CHECK(s->state != SERVER_ENDED || (!t->open && s->unanswered == VERB_NONE));
    CHECK(!s->drop_due || !t->open);
    CHECK((s->state != SERVER_IN_AUTH && s->state != SERVER_BEFORE_TLS &&
           s->state != SERVER_IN_HANDSHAKE) ||
          !t->open);
}

void smtp_server_init(struct smtp_server *s, const struct smtp_server_options *options)
{
    *s = (struct smtp_server){.options = options};
    buffer_init(&s->line, SERVER_COMMAND_BYTES_MAX);
    buffer_init(&s->credentials, SERVER_CREDENTIALS_BYTES_MAX);
    reply_queue_init(&s->replies, SERVER_REPLY_BYTES_MAX);
}

void smtp_server_release(struct smtp_server *s)
{
    server_forget_credentials(s);
    buffer_release(&s->line);
    reply_queue_release(&s->replies);
}

void server_say(struct smtp_server *s, struct slice text, struct buffer *out)
{
    s->broken |= !reply_queue_say(&s->replies, text, out);
}

static void say_text(struct smtp_server *s, const char *reply, struct buffer *out)
{
    server_say(s, slice_of_text(reply), out);
    server_say(s, SLICE("\r\n"), out);
}

void server_end_transaction(struct smtp_server *s)
{
    s->transaction = (struct server_transaction){.open = false};
}

void server_drop(struct smtp_server *s, enum smtp_verb verb, enum content_fault fault)
{
    if (s->transaction.open) {
        s->drop_due = true;
        s->drop_verb = verb;
        s->drop_fault = fault;
    }
    server_end_transaction(s);
}

void server_end_session(struct smtp_server *s)
{
    server_forget_credentials(s);
    server_drop(s, VERB_NONE, CONTENT_FINE);
    s->state = SERVER_ENDED;
}

static bool is_421(const char *reply)
{
    return reply && strncmp(reply, "421", 3) == 0;
}

static bool is_refusal(const char *reply)
{
    return reply && (reply[0] == '4' || reply[0] == '5');
}

void smtp_server_greet(struct smtp_server *s, const char *refusal, struct buffer *out)
{
    CHECK(s->state == SERVER_SILENT);
    s->state = SERVER_COMMANDS;
    s->turned_away = refusal != NULL;
    if (refusal)
        say_text(s, refusal, out);
    else
        server_say_greeting(s, out);
    if (is_421(refusal))
        server_end_session(s);
}

void smtp_server_secured(struct smtp_server *s)
{
    CHECK(s->state == SERVER_SILENT || s->state == SERVER_IN_HANDSHAKE);
    CHECK(!s->secured && reply_queue_due(&s->replies) == 0);
    s->secured = true;
    if (s->state == SERVER_SILENT)
        return;
    // RFC 3207 4.2: what was said in the clear may have been anybody's.
    s->state = SERVER_COMMANDS;
    s->helo_len = 0;
    s->esmtp = s->verbose = s->after_refusal = false;
}

// An idle session holds its struct alone.
static void release_when_idle(struct smtp_server *s)
{
    if (s->line_bytes > 0 || s->transaction.open || s->chunk_refused)
        return;
    if (s->line.room > 0)
        buffer_release(&s->line);
    if (s->replies.held.room > 0 && reply_queue_due(&s->replies) == 0)
        reply_queue_release(&s->replies);
}

// No command is taken up while its reply might find no place, or its message none in the queue of
// verdicts.
static bool must_wait(const struct smtp_server *s, const struct buffer *out)
{
    return reply_queue_due(&s->replies) == SERVER_UNCOMMITTED_MAX ||
           out->len + reply_queue_held_bytes(&s->replies) >
               SERVER_REPLY_BYTES_MAX - REPLY_ROOM_BYTES;
}

// Not while replies wait for verdicts: ours must be the last in the clear.
static bool tell_starttls(struct smtp_server *s, struct smtp_server_event *event)
{
    const bool waits = reply_queue_due(&s->replies) > 0;
    event->kind = waits ? SERVER_WAIT : SERVER_STARTTLS;
    event->verb = VERB_STARTTLS;
    if (!waits)
        s->unanswered = VERB_STARTTLS;
    return true;
}

// One step: true when *event is to be told.
static bool step(struct smtp_server *s, struct slice *bytes, struct buffer *out,
                 struct smtp_server_event *event)
{
    if (s->drop_due) {
        s->drop_due = false;
        *event = (struct smtp_server_event){
            .kind = SERVER_DROPPED, .verb = s->drop_verb, .fault = s->drop_fault};
        return true;
    }
    const bool goes_on = (s->state == SERVER_IN_CHUNK && s->chunk_bytes_left == 0) ||
                         s->state == SERVER_BEFORE_TLS || s->state == SERVER_ENDED;
    if (bytes->len == 0 && !goes_on) {
        release_when_idle(s);
        event->kind = SERVER_MORE;
        return true;
    }
    switch (s->state) {
    case SERVER_SILENT: CHECK(s->state != SERVER_SILENT); return false;
    case SERVER_COMMANDS:
        if (!must_wait(s, out))
            return server_feed_line(s, bytes, out, event);
        event->kind = SERVER_WAIT;
        return true;
    case SERVER_IN_DATA: return server_feed_data(s, bytes, out, event);
    case SERVER_IN_CHUNK: return server_feed_chunk(s, bytes, out, event);
    case SERVER_IN_AUTH: return server_feed_auth(s, bytes, out, event);
    case SERVER_BEFORE_TLS: return tell_starttls(s, event);
    case SERVER_IN_HANDSHAKE: server_end_session(s); return false; // CVE-2011-0411
    case SERVER_ENDED:
        *bytes = slice_skip(*bytes, bytes->len);
        event->kind = reply_queue_due(&s->replies) > 0 && !s->broken ? SERVER_WAIT : SERVER_CLOSE;
        return true;
    }
    return false;
}

struct smtp_server_event smtp_server_feed(struct smtp_server *s, struct slice *bytes,
                                          struct buffer *out)
{
    struct smtp_server_event event = {.kind = SERVER_MORE};
    if (s->unanswered == VERB_AUTH)
        return (struct smtp_server_event){.kind = SERVER_WAIT};
    CHECK(s->unanswered == VERB_NONE);
    server_check(s);
    do {
        if (s->broken && s->state != SERVER_ENDED)
            server_end_session(s);
    } while (!step(s, bytes, out, &event));
    server_check(s);
    return event;
}

static void answer_mail(struct smtp_server *s, bool accepted)
{
    s->after_refusal = !accepted;
    s->transaction.open = accepted;
    if (!accepted)
        server_end_transaction(s);
}

static void answer_data(struct smtp_server *s, bool accepted)
{
    s->transaction.in_content = accepted;
    if (accepted) {
        s->state = SERVER_IN_DATA;
        s->unstuff = UNSTUFF_LINE_START;
    }
}

static void answer_chunk(struct smtp_server *s, const char *refusal)
{
    s->transaction.in_content = s->transaction.chunked = refusal == NULL;
    if (refusal) {
        server_refuse_chunk(s, slice_of_text(refusal));
        s->broken |= !buffer_append(&s->line, SLICE("\r\n"));
    }
}

static void answer_reset(struct smtp_server *s, enum smtp_verb verb)
{
    s->after_refusal = false;
    server_drop(s, verb, CONTENT_FINE);
}

// Who guesses is sent away: the answer to the last try is that.
static const char *answer_auth(struct smtp_server *s, const char *reply)
{
    s->authenticated = !is_refusal(reply);
    server_forget_credentials(s);
    if (s->authenticated || reply[0] == '4' || ++s->auth_refused_count < SERVER_AUTH_TRIES_MAX)
        return reply;
    return "421 4.7.0 Too many failed authentications";
}

// What the answer changes.
static void take_answer(struct smtp_server *s, enum smtp_verb verb, const char *reply)
{
    const bool accepted = !is_refusal(reply);
    switch (verb) {
    case VERB_HELO:
    case VERB_EHLO:
        answer_reset(s, verb);
        if (!accepted)
            s->helo_len = 0;
        break;
    case VERB_RSET: answer_reset(s, verb); break;
    case VERB_MAIL: answer_mail(s, accepted); break;
    case VERB_RCPT:
        s->transaction.rcpt_count += accepted;
        s->transaction.rcpt_refused |= !accepted;
        break;
    case VERB_DATA: answer_data(s, accepted); break;
    case VERB_BDAT: answer_chunk(s, accepted ? NULL : reply); break;
    case VERB_QUIT: server_end_session(s); break;
    case VERB_STARTTLS: s->state = accepted ? SERVER_IN_HANDSHAKE : SERVER_COMMANDS; break;
    case VERB_AUTH:
    case VERB_NOOP:
    case VERB_HELP:
    case VERB_VRFY:
    case VERB_EXPN:
    case VERB_VERB:
    case VERB_NONE:
    case VERB_COUNT: break;
    }
}

void smtp_server_answer(struct smtp_server *s, const char *reply, struct buffer *out)
{
    const enum smtp_verb verb = s->unanswered;
    CHECK(verb != VERB_NONE);
    s->unanswered = VERB_NONE;
    if (verb == VERB_AUTH)
        reply = answer_auth(s, reply);
    if (is_421(reply)) {
        say_text(s, reply, out);
        server_end_session(s);
        return;
    }
    take_answer(s, verb, reply);
    if (verb == VERB_BDAT)
        return; // its reply comes behind its chunk
    if (reply)
        say_text(s, reply, out);
    else
        server_say_usual(s, verb, out);
    server_check(s);
}

void smtp_server_verdict(struct smtp_server *s, const char *reply, struct buffer *out)
{
    if (is_421(reply))
        smtp_server_hang_up(s, reply, out);
    else
        s->broken |= !reply_queue_settle(&s->replies, slice_of_text(reply), out);
}

uint32_t smtp_server_uncommitted(const struct smtp_server *s)
{
    return reply_queue_due(&s->replies);
}

void smtp_server_hang_up(struct smtp_server *s, const char *reply, struct buffer *out)
{
    reply_queue_release(&s->replies);
    s->unanswered = VERB_NONE;
    server_forget_credentials(s);
    server_end_transaction(s);
    s->drop_due = false;
    s->state = SERVER_ENDED;
    say_text(s, reply, out);
}

bool smtp_server_in_transaction(const struct smtp_server *s)
{
    return s->transaction.open;
}

bool smtp_server_verbose(const struct smtp_server *s)
{
    return s->verbose;
}

struct slice smtp_server_helo(const struct smtp_server *s)
{
    return slice_make(s->helo, s->helo_len);
}

bool smtp_server_esmtp(const struct smtp_server *s)
{
    return s->esmtp;
}

bool smtp_server_authenticated(const struct smtp_server *s)
{
    return s->authenticated;
}
