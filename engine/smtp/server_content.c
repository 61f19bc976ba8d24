#include "engine/smtp/server_parts.h"

#include "engine/base/check.h"

#include <inttypes.h>
#include <stdio.h>

static bool is_too_big(const struct smtp_server *s)
{
    return s->options->message_bytes_max > 0 &&
           s->transaction.content_bytes > s->options->message_bytes_max;
}

// The next run of the stored form. The owner sees it as long as all is sound.
static bool take_content(struct smtp_server *s, struct slice run, struct smtp_server_event *event)
{
    struct server_transaction *t = &s->transaction;
    t->content_bytes += run.len;
    content_scan(&t->scan, run);
    if (t->scan.fault != CONTENT_FINE || is_too_big(s))
        return false;
    event->kind = SERVER_CONTENT;
    event->verb = t->chunked ? VERB_BDAT : VERB_DATA;
    event->text = run;
    return true;
}

static struct slice refusal_of(const struct smtp_server *s)
{
    if (is_too_big(s))
        return SLICE("552 5.3.4 Message too big\r\n");
    switch (s->transaction.scan.fault) {
    case CONTENT_FINE: break;
    case CONTENT_BARE_CR:
        return SLICE("550 5.6.0 Bare CR in content; lines end in CRLF (RFC 5321 2.3.8)\r\n");
    case CONTENT_BARE_LF:
        return SLICE("550 5.6.0 Bare LF in content; lines end in CRLF (RFC 5321 2.3.8)\r\n");
    case CONTENT_NUL: return SLICE("550 5.6.0 NUL in content\r\n");
    case CONTENT_LINE_TOO_LONG:
        return SLICE("550 5.6.0 Line of more than 998 bytes in content (RFC 5322 2.1.1)\r\n");
    }
    return SLICE_EMPTY;
}

static bool content_is_refused(struct smtp_server *s, enum smtp_verb verb, struct buffer *out)
{
    struct slice refusal = refusal_of(s);
    if (refusal.len == 0)
        return false;
    server_say(s, refusal, out);
    server_drop(s, verb, s->transaction.scan.fault);
    return true;
}

static void complete(struct smtp_server *s, enum smtp_verb verb, struct smtp_server_event *event)
{
    const struct server_transaction *t = &s->transaction;
    event->kind = SERVER_MESSAGE;
    event->verb = verb;
    event->content_bytes = t->content_bytes;
    event->has_dot_lines = t->scan.has_dot_lines;
    event->has_8bit = t->scan.has_8bit;
    server_end_transaction(s);
    reply_queue_await(&s->replies);
}

bool server_feed_data(struct smtp_server *s, struct slice *bytes, struct buffer *out,
                      struct smtp_server_event *event)
{
    struct slice run = unstuff_feed(&s->unstuff, bytes);
    if (run.len > 0)
        return take_content(s, run, event);
    if (s->unstuff != UNSTUFF_END)
        return false;
    s->state = SERVER_COMMANDS;
    if (content_is_refused(s, VERB_DATA, out))
        return false;
    complete(s, VERB_DATA, event);
    return true;
}

void server_refuse_chunk(struct smtp_server *s, struct slice reply)
{
    buffer_clear(&s->line);
    s->chunk_refused = true;
    s->broken |= !buffer_append(&s->line, reply);
}

static void say_chunk_received(struct smtp_server *s, uint64_t content_bytes, struct buffer *out)
{
    char text[64];
    int len = snprintf(text, sizeof(text), "250 2.0.0 %" PRIu64 " bytes so far\r\n", content_bytes);
    server_say(s, slice_make(text, (size_t)len), out);
}

static bool lacks_crlf(const struct content_scan *scan)
{
    return scan->fault == CONTENT_FINE && scan->in_line;
}

static bool end_chunk(struct smtp_server *s, struct buffer *out, struct smtp_server_event *event)
{
    // RFC 3030 2: the reply to a refused chunk comes when all of it has been read. What is left of
    // the transaction is in doubt; we end it.
    if (s->chunk_refused) {
        s->state = SERVER_COMMANDS;
        s->chunk_refused = false;
        server_say(s, buffer_slice(&s->line), out);
        server_drop(s, VERB_BDAT, CONTENT_FINE);
        s->after_refusal = true;
        return false;
    }
    if (s->chunk_last && lacks_crlf(&s->transaction.scan) && take_content(s, SLICE("\r\n"), event))
        return true; // and come back for the message
    s->state = SERVER_COMMANDS;
    if (content_is_refused(s, VERB_BDAT, out)) {
        s->after_refusal = true;
        return false;
    }
    if (!s->chunk_last) {
        say_chunk_received(s, s->transaction.content_bytes, out);
        return false;
    }
    complete(s, VERB_BDAT, event);
    return true;
}

bool server_feed_chunk(struct smtp_server *s, struct slice *bytes, struct buffer *out,
                       struct smtp_server_event *event)
{
    if (s->chunk_bytes_left == 0)
        return end_chunk(s, out, event);
    struct slice run = slice_take(*bytes, s->chunk_bytes_left);
    *bytes = slice_skip(*bytes, run.len);
    s->chunk_bytes_left -= run.len;
    return run.len > 0 && !s->chunk_refused && take_content(s, run, event);
}
