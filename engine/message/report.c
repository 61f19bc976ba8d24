#include "engine/message/report.h"

#include "engine/message/fields.h"

#define BOUNDARY_BYTES_MAX 70 // RFC 2046 5.1.1
#define CONTENT_TYPE_BYTES_MAX 4096

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

// --- Content-Type

// The next parameter of a field's body: "; name=value", quotes taken off. False: no more.
static bool next_parameter(struct slice *rest, struct slice *ret_name, struct slice *ret_value)
{
    *rest = slice_skip(*rest, slice_find(*rest, ';') + 1);
    struct slice value = *rest;
    if (value.len == 0)
        return false;
    *ret_name = slice_trim_folds(slice_cut(&value, '='));
    while (value.len > 0 && is_blank(value.data[0]))
        value = slice_skip(value, 1);
    if (value.len > 0 && value.data[0] == '"') {
        value = slice_skip(value, 1);
        *rest = value;
        *ret_value = slice_cut(rest, '"');
    } else {
        *ret_value = slice_trim_folds(slice_take(value, slice_find(value, ';')));
    }
    return true;
}

struct content_type {
    struct slice name;     // "multipart/report"
    struct slice boundary; // empty: none
};

static struct content_type content_type_of(struct slice body)
{
    struct content_type type = {.name = slice_trim_folds(slice_take(body, slice_find(body, ';')))};
    struct slice name, value;
    while (next_parameter(&body, &name, &value))
        if (type.boundary.len == 0 && slice_equal_nocase(name, SLICE("boundary")) &&
            value.len <= BOUNDARY_BYTES_MAX)
            type.boundary = value;
    return type;
}

// --- what the parts say

// "rfc822; joe@example.org": behind the type.
static struct slice typed_address(struct slice body)
{
    struct slice rest = body;
    slice_cut(&rest, ';');
    return slice_trim_folds(rest.len > 0 ? rest : body);
}

static struct slice bare_address(struct slice body)
{
    body = slice_trim_folds(body);
    if (body.len > 1 && body.data[0] == '<' && body.data[body.len - 1] == '>')
        body = slice_make(body.data + 1, body.len - 2);
    return body;
}

static struct enhanced_code status_of(struct slice body)
{
    struct slice rest = slice_trim_folds(body);
    uint64_t class, subject, detail;
    rest = slice_take(rest, slice_find(rest, ' '));
    if (slice_to_u64(slice_cut(&rest, '.'), 5, &class) &&
        slice_to_u64(slice_cut(&rest, '.'), 999, &subject) && slice_to_u64(rest, 999, &detail))
        return (struct enhanced_code){(uint8_t) class, (uint16_t)subject, (uint16_t)detail};
    return (struct enhanced_code){.class = 0};
}

static void read_rcpt_field(struct report_rcpt *rcpt, const struct header_field *f)
{
    struct slice word = slice_trim_folds(f->body);
    if (header_field_is(f, SLICE("Original-Recipient")))
        rcpt->original = typed_address(f->body);
    else if (header_field_is(f, SLICE("Final-Recipient")))
        rcpt->final = typed_address(f->body);
    else if (header_field_is(f, SLICE("Status")))
        rcpt->status = status_of(f->body);
    else if (header_field_is(f, SLICE("Diagnostic-Code")))
        rcpt->diagnostic = typed_address(f->body);
    else if (header_field_is(f, SLICE("Action")))
        rcpt->action = slice_starts_nocase(word, SLICE("failed"))    ? REPORT_FAILED
                       : slice_starts_nocase(word, SLICE("delayed")) ? REPORT_DELAYED
                                                                     : REPORT_OTHER_ACTION;
}

// An empty line, which ends a group of fields; a line that is none is passed over, too.
static void skip_line(struct slice *rest)
{
    *rest = slice_skip(*rest, slice_find(*rest, '\n') + 1);
}

// Groups of fields: the first is about the message, each other one about a recipient
// (RFC 3464 2.1.2). Some leave the first one out, so that what a group says decides.
static void read_delivery_status(struct report *r, struct slice body)
{
    struct header_field f;
    r->kind = REPORT_BOUNCE;
    while (body.len > 0 && r->rcpt_count < REPORT_RCPTS_MAX) {
        struct report_rcpt rcpt = {.action = REPORT_OTHER_ACTION};
        while (fields_next(&body, &f))
            read_rcpt_field(&rcpt, &f);
        skip_line(&body);
        if (rcpt.original.len > 0 || rcpt.final.len > 0)
            r->rcpts[r->rcpt_count++] = rcpt;
    }
}

static void read_feedback(struct report *r, struct slice body)
{
    struct header_field f;
    r->kind = REPORT_COMPLAINT;
    while (fields_next(&body, &f)) {
        if (header_field_is(&f, SLICE("Feedback-Type")))
            r->feedback_type = slice_trim_folds(f.body);
        else if (header_field_is(&f, SLICE("Original-Mail-From")))
            r->mail_from = bare_address(f.body);
        else if (header_field_is(&f, SLICE("Original-Rcpt-To")) && r->rcpt_count < REPORT_RCPTS_MAX)
            r->rcpts[r->rcpt_count++] = (struct report_rcpt){.original = bare_address(f.body)};
    }
}

static void read_returned(struct report *r, struct slice body)
{
    struct header_field f;
    while (fields_next(&body, &f))
        if (header_field_is(&f, SLICE("To")))
            r->shown_to = f.body;
}

// --- the parts

// Takes the text up to the next line that is a boundary, and that line. *ret_last: it was the one
// that ends them all, or there was none.
static struct slice next_part(struct slice *rest, struct slice boundary, bool *ret_last)
{
    const char *begin = rest->data;
    while (rest->len > 0) {
        size_t len = slice_find(*rest, '\n') + 1;
        struct slice line = slice_take(*rest, len);
        bool is_boundary = slice_starts(line, SLICE("--")) &&
                           slice_starts(slice_skip(line, 2), boundary);
        struct slice behind = slice_skip(line, 2 + boundary.len);
        *rest = slice_skip(*rest, len);
        *ret_last = slice_starts(behind, SLICE("--"));
        if (is_boundary && (*ret_last || slice_trim_folds(behind).len == 0))
            return slice_make(begin, (size_t)(line.data - begin));
    }
    *ret_last = true;
    return slice_make(begin, (size_t)(rest->data - begin));
}

static void read_entity(struct report *r, struct slice entity, uint32_t depth);

static void read_parts(struct report *r, struct slice body, struct slice boundary, uint32_t depth)
{
    bool last;
    (void)next_part(&body, boundary, &last); // the preamble
    for (uint32_t i = 0; !last && i < REPORT_PARTS_MAX; i++)
        read_entity(r, next_part(&body, boundary, &last), depth + 1);
}

// A message, or a part of one: its header section, and a body of the type that it names.
static void read_entity(struct report *r, struct slice entity, uint32_t depth)
{
    struct content_type type = {.name = SLICE_EMPTY, .boundary = SLICE_EMPTY};
    struct header_field f;
    while (fields_next(&entity, &f)) {
        if (header_field_is(&f, SLICE("Content-Type")) && type.name.len == 0)
            type = content_type_of(slice_take(f.body, CONTENT_TYPE_BYTES_MAX));
        else if (depth == 0 && header_field_is(&f, SLICE("To")))
            r->to = f.body;
    }
    skip_line(&entity);
    if (slice_starts_nocase(type.name, SLICE("multipart/"))) {
        if (type.boundary.len > 0 && depth < REPORT_DEPTH_MAX)
            read_parts(r, entity, type.boundary, depth);
    } else if (slice_starts_nocase(type.name, SLICE("message/delivery-status")) ||
               slice_starts_nocase(type.name, SLICE("message/global-delivery-status"))) {
        read_delivery_status(r, entity);
    } else if (slice_equal_nocase(type.name, SLICE("message/feedback-report"))) {
        read_feedback(r, entity);
    } else if (depth > 0 && (slice_starts_nocase(type.name, SLICE("message/")) ||
                             slice_equal_nocase(type.name, SLICE("text/rfc822-headers")))) {
        read_returned(r, entity);
    }
}

void report_read(struct report *r, struct slice message)
{
    *r = (struct report){.kind = REPORT_NONE};
    if (fields_is_postmark(slice_take(message, slice_find(message, '\n'))))
        skip_line(&message);
    read_entity(r, message, 0);
}

bool report_verp(struct slice address, char *to, size_t room, struct slice *ret)
{
    const char *at = address.len > 0 ? memrchr(address.data, '@', address.len) : NULL;
    struct slice local = slice_take(address, at ? (size_t)(at - address.data) : 0);
    struct slice tag = slice_skip(local, slice_find(local, '+') + 1);
    const char *equal = tag.len > 0 ? memrchr(tag.data, '=', tag.len) : NULL;
    size_t user_len = equal ? (size_t)(equal - tag.data) : 0;
    if (user_len == 0 || user_len + 1 == tag.len || tag.len > room)
        return false;
    memcpy(to, tag.data, tag.len);
    to[user_len] = '@';
    *ret = slice_make(to, tag.len);
    return true;
}
