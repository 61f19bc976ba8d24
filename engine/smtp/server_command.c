#include "engine/smtp/server_parts.h"

#include "engine/base/check.h"

// --- lines ------------------------------------------------------------------------------------

// How many bytes up to and with the first CRLF, or 0 when it isn't there. A bare LF ends nothing.
static size_t bytes_to_crlf(struct slice bytes, bool after_cr)
{
    for (size_t at = 0; at < bytes.len;) {
        size_t lf = at + slice_find(slice_skip(bytes, at), '\n');
        if (lf == bytes.len)
            return 0;
        if (lf > 0 ? bytes.data[lf - 1] == '\r' : after_cr)
            return lf + 1;
        at = lf + 1;
    }
    return 0;
}

// Where it came in one piece, it is a slice of *bytes. Of one that is too long, the beginning is
// told.
enum server_line server_read_line(struct smtp_server *s, struct slice *bytes, struct slice *ret)
{
    const size_t line_bytes = bytes_to_crlf(*bytes, s->line_cr);
    const struct slice part = slice_take(*bytes, line_bytes ? line_bytes : bytes->len);
    const bool in_one_piece = line_bytes > 0 && s->line_bytes == 0;
    const size_t total_bytes = s->line_bytes + part.len;
    *bytes = slice_skip(*bytes, part.len);
    if (total_bytes > SERVER_LINE_BYTES_MAX)
        return LINE_ENDLESS;
    if (s->line_bytes == 0)
        buffer_clear(&s->line);
    if (!in_one_piece && s->line.len < SERVER_COMMAND_BYTES_MAX) // of a longer one, its beginning
        s->broken |= !buffer_append(&s->line,
                                    slice_take(part, SERVER_COMMAND_BYTES_MAX - s->line.len));
    if (line_bytes == 0) {
        s->line_bytes = (uint32_t)total_bytes;
        s->line_cr = part.data[part.len - 1] == '\r';
        return LINE_MORE;
    }
    s->line_bytes = 0;
    s->line_cr = false;
    *ret = in_one_piece ? part : buffer_slice(&s->line);
    if (total_bytes > SERVER_COMMAND_BYTES_MAX)
        return LINE_TOO_LONG;
    *ret = slice_take(*ret, total_bytes - 2);
    return LINE_WHOLE;
}

// --- the order of commands --------------------------------------------------------------------

static bool is_hello_said(const struct smtp_server *s)
{
    return s->helo_len > 0;
}

static struct slice out_of_order_for_trust(const struct smtp_server *s, enum smtp_verb verb)
{
    if (!is_hello_said(s))
        return SLICE("503 5.5.1 Say EHLO first\r\n");
    if (s->transaction.open)
        return SLICE("503 5.5.1 Not within a transaction\r\n");
    if (verb == VERB_STARTTLS)
        return s->secured ? SLICE("503 5.5.1 TLS is on already\r\n") : SLICE_EMPTY;
    if (!s->secured) // RFC 4954 4
        return SLICE("538 5.7.11 Encryption required: say STARTTLS first\r\n");
    return s->authenticated ? SLICE("503 5.5.1 Already authenticated\r\n") : SLICE_EMPTY;
}

// What is wrong with this command at this moment, as a reply; empty when nothing is.
static struct slice out_of_order(const struct smtp_server *s, enum smtp_verb verb)
{
    const struct server_transaction *t = &s->transaction;
    const bool begins_content = verb == VERB_DATA || verb == VERB_BDAT;
    if (s->turned_away && verb != VERB_QUIT)
        return SLICE("503 5.5.1 No service here; say QUIT\r\n");
    if (verb == VERB_BDAT && !s->options->chunking)
        return SLICE("502 5.5.1 CHUNKING is not offered\r\n");
    if (verb == VERB_STARTTLS || verb == VERB_AUTH)
        return out_of_order_for_trust(s, verb);
    if (verb != VERB_MAIL && verb != VERB_RCPT && !begins_content)
        return SLICE_EMPTY;
    if (!is_hello_said(s))
        return SLICE("503 5.5.1 Say EHLO or HELO first\r\n");
    if (verb == VERB_MAIL)
        return t->open ? SLICE("503 5.5.1 Sender already given\r\n") : SLICE_EMPTY;
    if (!t->open)
        return SLICE("503 5.5.1 Say MAIL first\r\n");
    if (t->chunked && verb != VERB_BDAT)
        return SLICE("503 5.5.1 Content has begun with BDAT\r\n");
    if (begins_content && t->rcpt_count == 0) // RFC 5321 3.3, RFC 2920 3.1
        return t->rcpt_refused ? SLICE("554 5.5.1 No valid recipients\r\n")
                               : SLICE("503 5.5.1 Say RCPT first\r\n");
    return SLICE_EMPTY;
}

// A wrong moment is nobody's error where a pipelining client could not know better.
static bool could_not_know(const struct smtp_server *s)
{
    return s->after_refusal || s->transaction.rcpt_refused;
}

// Neither is an address that cannot be: that is one recipient's trouble, not the session's.
static bool is_error(enum command_status status)
{
    return status != COMMAND_BAD_ADDRESS && status != COMMAND_ADDRESS_TOO_LONG &&
           status != COMMAND_NEEDS_SMTPUTF8;
}

void server_too_much(struct smtp_server *s, struct slice reply, struct buffer *out)
{
    server_say(s, reply, out);
    server_end_session(s);
}

bool server_count_error(struct smtp_server *s, struct buffer *out)
{
    if (++s->error_count <= SERVER_ERRORS_MAX)
        return false;
    server_too_much(s, SLICE("421 4.7.0 Too many errors\r\n"), out);
    return true;
}

// Refuses a command for its form or its moment; a BDAT's chunk must still be read.
static void refuse(struct smtp_server *s, enum smtp_verb verb, struct slice reply,
                   struct buffer *out)
{
    if (verb == VERB_MAIL && !s->transaction.open)
        s->after_refusal = true;
    if (verb == VERB_RCPT && s->transaction.open)
        s->transaction.rcpt_refused = true;
    if (verb == VERB_BDAT) {
        s->state = SERVER_IN_CHUNK;
        server_refuse_chunk(s, reply);
    } else {
        server_say(s, reply, out);
    }
}

// Limits that are not a matter of grammar.
static struct slice over_limit(const struct smtp_server *s, const struct command *c)
{
    const struct smtp_server_options *o = s->options;
    if (c->verb == VERB_MAIL && o->message_bytes_max > 0 &&
        c->mail.size_bytes > o->message_bytes_max)
        return SLICE("552 5.3.4 Message too big\r\n");
    if (c->verb == VERB_RCPT && o->rcpt_count_max > 0 &&
        s->transaction.rcpt_count >= o->rcpt_count_max)
        return SLICE("452 4.5.3 Too many recipients\r\n");
    return SLICE_EMPTY;
}

// --- commands that are in order ---------------------------------------------------------------

// RET and ENVID may stand apart; then they are brought together in a place of ours.
static struct slice join_dsn(struct smtp_server *s, struct slice ret, struct slice envid)
{
    if (ret.len == 0 || envid.len == 0)
        return ret.len ? ret : envid;
    CHECK(ret.len + 1 + envid.len <= sizeof(s->dsn));
    memcpy(s->dsn, ret.data, ret.len);
    s->dsn[ret.len] = ' ';
    memcpy(s->dsn + ret.len + 1, envid.data, envid.len);
    return slice_make(s->dsn, ret.len + 1 + envid.len);
}

static enum smtp_server_event_kind hello(struct smtp_server *s, const struct command *c)
{
    CHECK(c->text.len <= sizeof(s->helo));
    memcpy(s->helo, c->text.data, c->text.len);
    s->helo_len = (uint8_t)c->text.len;
    s->esmtp = c->verb == VERB_EHLO;
    return SERVER_EHLO;
}

// Announces a chunk. The first of a message is told as SERVER_DATA; others are taken as they come.
static bool announce_chunk(struct smtp_server *s, const struct command *c)
{
    s->state = SERVER_IN_CHUNK;
    s->chunk_bytes_left = c->chunk_bytes;
    s->chunk_last = c->chunk_last;
    s->chunk_refused = false;
    return !s->transaction.in_content;
}

static enum smtp_server_event_kind kind_of(struct smtp_server *s, struct command *c)
{
    switch (c->verb) {
    case VERB_HELO:
    case VERB_EHLO: return hello(s, c);
    case VERB_MAIL:
        c->mail.dsn = join_dsn(s, c->ret, c->envid);
        s->transaction.smtputf8 = c->mail.smtputf8;
        return SERVER_MAIL;
    case VERB_RCPT: c->text = c->dsn; return SERVER_RCPT;
    case VERB_DATA: return SERVER_DATA;
    case VERB_BDAT: return announce_chunk(s, c) ? SERVER_DATA : SERVER_MORE;
    case VERB_VERB: s->verbose = !slice_equal_nocase(c->text, SLICE("OFF")); return SERVER_OTHER;
    case VERB_RSET:
    case VERB_NOOP:
    case VERB_HELP:
    case VERB_VRFY:
    case VERB_EXPN: return SERVER_OTHER;
    case VERB_QUIT: return SERVER_QUIT;
    case VERB_STARTTLS: s->state = SERVER_BEFORE_TLS; return SERVER_MORE;
    case VERB_AUTH:
    case VERB_NONE:
    case VERB_COUNT: break;
    }
    CHECK(false);
}

static bool tell_command(struct smtp_server *s, struct command *c, struct smtp_server_event *event)
{
    event->kind = kind_of(s, c);
    if (event->kind == SERVER_MORE)
        return false;
    event->verb = s->unanswered = c->verb;
    event->esmtp = s->esmtp;
    event->address = c->address;
    event->mail = c->mail;
    event->text = c->text;
    return true;
}

static bool on_line(struct smtp_server *s, struct slice line, struct buffer *out,
                    struct smtp_server_event *event)
{
    const struct command_rules rules = {
        .eightbitmime = s->options->eightbitmime,
        .smtputf8 = s->options->smtputf8,
        .dsn = s->options->dsn,
        .verp = s->options->verp,
        .mt_priority = s->options->mt_priority,
        .starttls = s->options->starttls,
        .auth = s->options->auth,
        .in_utf8 = s->transaction.smtputf8,
    };
    struct command c;
    enum command_status status = command_parse(line, &rules, &c);
    s->chunk_bytes_left = c.chunk_bytes;
    if (status == COMMAND_BAD_CHUNK || (status == COMMAND_CONTROL_BYTES && c.verb == VERB_BDAT)) {
        // Where its chunk ends nobody knows, and content must never be read as commands.
        server_too_much(s, command_refusal(status, c.verb), out);
        return false;
    }
    if (status != COMMAND_OK) {
        if (!is_error(status) || !server_count_error(s, out))
            refuse(s, c.verb, command_refusal(status, c.verb), out);
        return false;
    }
    struct slice refusal = out_of_order(s, c.verb);
    if (refusal.len > 0) {
        if (could_not_know(s) || !server_count_error(s, out))
            refuse(s, c.verb, refusal, out);
        return false;
    }
    refusal = over_limit(s, &c);
    if (refusal.len > 0) {
        refuse(s, c.verb, refusal, out);
        return false;
    }
    return c.verb == VERB_AUTH ? server_begin_auth(s, &c, out, event) : tell_command(s, &c, event);
}

bool server_feed_line(struct smtp_server *s, struct slice *bytes, struct buffer *out,
                      struct smtp_server_event *event)
{
    struct slice line;
    switch (server_read_line(s, bytes, &line)) {
    case LINE_MORE: return false;
    case LINE_WHOLE: return !s->broken && on_line(s, line, out, event);
    case LINE_TOO_LONG:
        // Of a chunk whose size is not known, the content would be taken for commands.
        if (slice_starts_nocase(line, SLICE("BDAT")))
            server_too_much(s, SLICE("421 5.5.2 Line too long\r\n"), out);
        else if (!server_count_error(s, out))
            server_say(s, SLICE("500 5.5.2 Line too long\r\n"), out);
        return false;
    case LINE_ENDLESS: server_too_much(s, SLICE("421 4.7.0 Line too long\r\n"), out); return false;
    }
    return false;
}
