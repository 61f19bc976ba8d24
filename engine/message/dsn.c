#include "engine/message/dsn.h"

#include "engine/base/check.h"
#include "engine/base/utf8.h"
#include "engine/message/fields.h"
#include "engine/message/notify.h"
#include "engine/message/trace.h"
#include "engine/smtp/octets.h"

#include <stdio.h>

#define LINE_BYTES 76         // where lines are folded, as far as words allow
#define ORCPT_BYTES_MAX 512   // RFC 3461 4.2: 500
#define BOUNDARY_BYTES_MAX 48 // RFC 2046 5.1.1: 70

struct writer {
    struct buffer *out;
    bool full;       // something did not fit
    bool utf8;       // addresses may be written as they are
    size_t line_len; // of the line that is being written
    char boundary[BOUNDARY_BYTES_MAX];
};

static bool is_ascii(struct slice s)
{
    return (octets_kinds(s) & OCTETS_8BIT) == 0;
}

static void put(struct writer *w, struct slice s)
{
    w->full |= !buffer_append(w->out, s);
    w->line_len += s.len;
}

static void put_text(struct writer *w, const char *text)
{
    put(w, slice_of_text(text));
}

static void end_line(struct writer *w)
{
    put(w, SLICE("\r\n"));
    w->line_len = 0;
}

static void put_line(struct writer *w, const char *text)
{
    put_text(w, text);
    end_line(w);
}

// Others' words: what could end a line, or is no ASCII, becomes "?".
static void put_clean(struct writer *w, struct slice s, bool utf8)
{
    char *to = buffer_reserve(w->out, s.len);
    if (!to) {
        w->full = true;
        return;
    }
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.data[i];
        to[i] = (char)(c < ' ' || c == 0x7f || (c >= 0x80 && !utf8) ? '?' : c);
    }
    buffer_advance(w->out, s.len);
    w->line_len += s.len;
}

// The same, in lines; each but the first begins with `fold`.
static void put_words(struct writer *w, struct slice text, struct slice fold)
{
    text = slice_take(text, DSN_TEXT_BYTES_MAX);
    for (bool first = true; text.len > 0; first = false) {
        struct slice word = slice_cut(&text, ' ');
        if (!first && w->line_len + 1 + word.len > LINE_BYTES) {
            end_line(w);
            put(w, fold);
        } else if (!first) {
            put(w, SLICE(" "));
        }
        put_clean(w, word, false);
    }
}

static void put_date(struct writer *w, const char *name, uint64_t wall_us)
{
    char date[TRACE_DATE_BYTES];
    put_text(w, name);
    put_line(w, trace_date(wall_us, date));
}

// --- addresses

static uint32_t code_point(struct slice s, size_t bytes)
{
    static const uint8_t masks[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    uint32_t c = (unsigned char)s.data[0] & masks[bytes];
    for (size_t i = 1; i < bytes; i++)
        c = c << 6 | ((unsigned char)s.data[i] & 0x3f);
    return c;
}

// RFC 6533 3, utf-8-addr-xtext: each character that is not a plain one by its number.
static void put_unicode_in_ascii(struct writer *w, struct slice s)
{
    while (s.len > 0) {
        size_t bytes = utf8_char_bytes(s);
        char text[16];
        if (bytes == 0) {
            put(w, SLICE("?"));
            bytes = 1;
        } else if (bytes > 1 || s.data[0] <= ' ' || memchr("+=\\\x7f", s.data[0], 4)) {
            snprintf(text, sizeof(text), "\\x{%X}", code_point(s, bytes));
            put_text(w, text);
        } else {
            put(w, slice_take(s, 1));
        }
        s = slice_skip(s, bytes);
    }
}

static void put_address(struct writer *w, const char *name, struct slice address)
{
    put_text(w, name);
    if (is_ascii(address)) {
        put(w, SLICE("rfc822; "));
        put_clean(w, address, false);
    } else {
        put(w, SLICE("utf-8; "));
        if (w->utf8)
            put_clean(w, address, true);
        else
            put_unicode_in_ascii(w, address);
    }
    end_line(w);
}

// What the sender gave, decoded (RFC 3464 2.3.1). A value that would not be ASCII stays as it is.
static void put_decoded(struct writer *w, struct slice xtext)
{
    char decoded[ORCPT_BYTES_MAX];
    struct slice given = slice_take(xtext, sizeof(decoded));
    struct slice value = slice_make(decoded, notify_decode(given, decoded));
    if (octets_kinds(value))
        put_clean(w, given, false);
    else
        put(w, value);
}

static void put_original(struct writer *w, struct slice orcpt)
{
    struct slice type = slice_cut(&orcpt, ';');
    put(w, SLICE("Original-Recipient: "));
    put_clean(w, type, false);
    put(w, SLICE("; "));
    if (is_ascii(orcpt) && !slice_equal_nocase(type, SLICE("utf-8")))
        put_decoded(w, orcpt);
    else if (is_ascii(orcpt) || w->utf8)
        put_clean(w, orcpt, w->utf8);
    else
        put_unicode_in_ascii(w, orcpt);
    end_line(w);
}

// --- what has become of a recipient

static bool class_fits(const struct dsn_rcpt *d)
{
    switch (d->action) {
    case DSN_FAILED: return d->enhanced.class == 4 || d->enhanced.class == 5;
    case DSN_DELAYED: return d->enhanced.class == 4;
    case DSN_RELAYED: return d->enhanced.class == 2;
    }
    return false;
}

static struct enhanced_code status_of(const struct dsn_rcpt *d)
{
    static const struct enhanced_code relayed = {2, 0, 0}, delayed = {4, 0, 0}, failed = {5, 0, 0};
    static const struct enhanced_code expired = {4, 4, 7}; // it was to be tried again, until now
    if (class_fits(d))
        return d->enhanced;
    if (d->action == DSN_RELAYED)
        return relayed;
    if (d->action == DSN_DELAYED)
        return delayed;
    return d->code / 100 == 5 ? failed : d->code / 100 == 4 ? expired : failed;
}

static void put_reply(struct writer *w, const struct dsn_rcpt *d, struct slice fold)
{
    char code[8], enhanced[ENHANCED_TEXT_BYTES];
    if (d->code > 0) {
        snprintf(code, sizeof(code), "%u ", d->code);
        put_text(w, code);
    }
    if (d->code > 0 && d->enhanced.class > 0) {
        put_text(w, enhanced_print(d->enhanced, enhanced));
        put(w, SLICE(" "));
    }
    put_words(w, d->text, fold);
}

// --- for people

static const char *subject_of(enum dsn_action worst)
{
    switch (worst) {
    case DSN_FAILED: return "Subject: Your message could not be delivered";
    case DSN_DELAYED: return "Subject: Your message is delayed";
    case DSN_RELAYED: return "Subject: Your message was passed on";
    }
    return "Subject: About your message";
}

static const char *sentence_of(const struct dsn_rcpt *d)
{
    switch (d->action) {
    case DSN_FAILED:
        return status_of(d).class == 4 ? "was tried until its time was over. The last answer:"
                                       : "could not be delivered:";
    case DSN_DELAYED: return "is not delivered yet, and is tried again. The last answer:";
    case DSN_RELAYED:
        return "was taken by the next server, which sends no reports; this is the last:";
    }
    return "";
}

static enum dsn_action worst_of(const struct dsn_rcpt *rcpts, uint32_t count)
{
    enum dsn_action worst = DSN_RELAYED;
    for (uint32_t i = 0; i < count; i++) {
        if (rcpts[i].action == DSN_FAILED)
            return DSN_FAILED;
        if (rcpts[i].action == DSN_DELAYED)
            worst = DSN_DELAYED;
    }
    return worst;
}

static void put_for_people(struct writer *w, const struct dsn_report *r,
                           const struct dsn_rcpt *rcpts, uint32_t count)
{
    char date[TRACE_DATE_BYTES];
    put(w, SLICE("This is the mail server "));
    put_clean(w, r->hostname, false);
    put(w, SLICE("."));
    end_line(w);
    put(w, SLICE("Your message of "));
    put_text(w, trace_date(r->arrival_wall_us, date));
    end_line(w);
    for (uint32_t i = 0; i < count; i++) {
        end_line(w);
        put(w, SLICE("to <"));
        put_clean(w, rcpts[i].address, true);
        put(w, SLICE(">"));
        end_line(w);
        put_line(w, sentence_of(&rcpts[i]));
        put(w, SLICE("    "));
        put_reply(w, &rcpts[i], SLICE("    "));
        end_line(w);
    }
}

// --- for programs

static void put_for_programs(struct writer *w, const struct dsn_report *r)
{
    put(w, SLICE("Reporting-MTA: dns; "));
    put_clean(w, r->hostname, false);
    end_line(w);
    if (r->envid.len > 0) {
        put(w, SLICE("Original-Envelope-Id: "));
        put_decoded(w, r->envid);
        end_line(w);
    }
    put_date(w, "Arrival-Date: ", r->arrival_wall_us);
    put(w, SLICE("X-Posthaste-Id: "));
    put(w, r->message_id);
    end_line(w);
}

static void put_rcpt(struct writer *w, const struct dsn_rcpt *d)
{
    static const char *const actions[] = {
        [DSN_FAILED] = "Action: failed",
        [DSN_DELAYED] = "Action: delayed",
        [DSN_RELAYED] = "Action: relayed",
    };
    char status[ENHANCED_TEXT_BYTES];
    end_line(w);
    if (d->orcpt.len > 0)
        put_original(w, d->orcpt);
    put_address(w, "Final-Recipient: ", d->address);
    put_line(w, actions[d->action]);
    put(w, SLICE("Status: "));
    put_line(w, enhanced_print(status_of(d), status));
    if (d->host.len > 0) {
        put(w, SLICE("Remote-MTA: dns; "));
        put_clean(w, d->host, false);
        end_line(w);
    }
    put(w, d->code > 0 ? SLICE("Diagnostic-Code: smtp; ") : SLICE("Diagnostic-Code: x-local; "));
    put_reply(w, d, SLICE(" "));
    end_line(w);
    put_date(w, "Last-Attempt-Date: ", d->attempt_wall_us);
    if (d->action == DSN_DELAYED)
        put_date(w, "Will-Retry-Until: ", d->retry_until_wall_us);
}

// --- what is returned

// Its header section, whole lines of it.
static struct slice header_of(struct slice content)
{
    struct slice rest = content;
    struct header_field field;
    while (fields_next(&rest, &field))
        continue;
    struct slice header = slice_take(content, content.len - rest.len);
    if (header.len <= DSN_HEADER_BYTES_MAX)
        return header;
    const char *end = memrchr(header.data, '\n', DSN_HEADER_BYTES_MAX);
    return slice_take(header, end ? (size_t)(end - header.data) + 1 : 0);
}

static void put_returned(struct writer *w, bool full, struct slice returned)
{
    bool ascii = is_ascii(returned);
    const char *type = full ? "message/rfc822" : "text/rfc822-headers";
    if (!is_ascii(header_of(returned))) // RFC 6532 3.7, RFC 6533 6
        type = full ? "message/global" : "message/global-headers";
    put(w, SLICE("Content-Type: "));
    put_line(w, type);
    if (!ascii)
        put_line(w, "Content-Transfer-Encoding: 8bit");
    end_line(w);
    put(w, returned);
    w->line_len = 0;
}

// --- the whole

// One that stands nowhere in what is returned.
static void choose_boundary(struct writer *w, struct slice id, struct slice returned)
{
    uint32_t n = 0;
    size_t len;
    do
        len = (size_t)snprintf(w->boundary, sizeof(w->boundary), "=_%.*s.%u",
                               SLICE_ARG(slice_take(id, TRACE_ID_BYTES_MAX)), n++);
    while (memmem(returned.data, returned.len, w->boundary, len));
}

static void put_boundary(struct writer *w, bool last)
{
    end_line(w);
    put(w, SLICE("--"));
    put_text(w, w->boundary);
    put_line(w, last ? "--" : "");
}

static void put_header(struct writer *w, const struct dsn_report *r, enum dsn_action worst,
                       bool is_8bit)
{
    put_date(w, "Date: ", r->wall_us);
    put(w, SLICE("From: Mail delivery <MAILER-DAEMON@"));
    put_clean(w, r->hostname, false);
    put_line(w, ">");
    put(w, SLICE("To: <"));
    put_clean(w, r->to, w->utf8);
    put_line(w, ">");
    put_line(w, subject_of(worst));
    put(w, SLICE("Message-ID: <"));
    put_clean(w, r->id, false);
    put(w, SLICE("@"));
    put_clean(w, r->hostname, false);
    put_line(w, ">");
    put_line(w, "Auto-Submitted: auto-replied"); // RFC 3834 5
    put_line(w, "MIME-Version: 1.0");
    put_line(w, "Content-Type: multipart/report; report-type=delivery-status;");
    put(w, SLICE("\tboundary=\""));
    put_text(w, w->boundary);
    put_line(w, "\"");
    if (is_8bit)
        put_line(w, "Content-Transfer-Encoding: 8bit");
    end_line(w);
    put_text(w, "A report about a message, in MIME format.");
    end_line(w);
}

static bool addresses_are_ascii(const struct dsn_rcpt *rcpts, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (!is_ascii(rcpts[i].address))
            return false;
    return true;
}

static void put_people_part(struct writer *w, const struct dsn_report *r,
                            const struct dsn_rcpt *rcpts, uint32_t count, bool plain)
{
    put_boundary(w, false);
    put_line(w, plain ? "Content-Type: text/plain; charset=us-ascii"
                      : "Content-Type: text/plain; charset=utf-8");
    if (!plain)
        put_line(w, "Content-Transfer-Encoding: 8bit");
    end_line(w);
    put_for_people(w, r, rcpts, count);
}

static void put_programs_part(struct writer *w, const struct dsn_report *r,
                              const struct dsn_rcpt *rcpts, uint32_t count)
{
    put_boundary(w, false);
    put_line(w, w->utf8 ? "Content-Type: message/global-delivery-status"
                        : "Content-Type: message/delivery-status");
    if (w->utf8)
        put_line(w, "Content-Transfer-Encoding: 8bit");
    end_line(w);
    put_for_programs(w, r);
    for (uint32_t i = 0; i < count; i++)
        put_rcpt(w, &rcpts[i]);
}

bool dsn_write(const struct dsn_report *r, const struct dsn_rcpt *rcpts, uint32_t rcpt_count,
               struct buffer *out, struct dsn_form *ret)
{
    struct writer w = {.out = out, .utf8 = !is_ascii(r->to)};
    size_t begin = out->len;
    bool full = r->wants_full && r->content.len <= DSN_RETURN_BYTES_MAX;
    bool plain = addresses_are_ascii(rcpts, rcpt_count);
    struct slice returned = full ? r->content : header_of(r->content);
    CHECK(rcpt_count > 0 && rcpt_count <= DSN_RCPTS_MAX);
    choose_boundary(&w, r->id, returned);
    ret->smtputf8 = w.utf8;
    ret->is_8bit = w.utf8 || !plain || !is_ascii(returned);
    put_header(&w, r, worst_of(rcpts, rcpt_count), ret->is_8bit);
    put_people_part(&w, r, rcpts, rcpt_count, plain);
    put_programs_part(&w, r, rcpts, rcpt_count);
    put_boundary(&w, false);
    put_returned(&w, full, returned);
    put_boundary(&w, true);
    ret->has_dot_lines = !w.full && memmem(out->data + begin, out->len - begin, "\r\n.", 3);
    return !w.full;
}
