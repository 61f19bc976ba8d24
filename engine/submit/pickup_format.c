// What both formats share: faults, the envelope, sound content.
#include "engine/submit/pickup_format_parts.h"

#include "engine/base/check.h"
#include "engine/smtp/octets.h"

#define REPLY_CODES_LEN 10 // "501 5.1.3 "

void pickup_format_init(struct pickup_format *f)
{
    *f = (struct pickup_format){.state = PICKUP_OVER};
    pickup_lines_init(&f->lines);
    buffer_init(&f->header, PICKUP_HEADER_BYTES_MAX);
    buffer_init(&f->composed, PICKUP_LINE_BYTES_MAX + 64);
}

void pickup_format_release(struct pickup_format *f)
{
    pickup_lines_release(&f->lines);
    buffer_release(&f->header);
    buffer_release(&f->composed);
}

static void forget_message(struct pickup_format *f)
{
    f->open = f->smtputf8 = false;
    f->rcpt_count = 0;
    f->content_bytes = 0;
    f->scan = (struct content_scan){.fault = CONTENT_FINE};
    f->any_field = false;
    f->header_used = f->header_fields_len = 0;
    buffer_clear(&f->header);
    f->walk = (struct pickup_walk){.begun = false};
    f->lines.run = PICKUP_RUN_LINE_START;
}

void pickup_format_start(struct pickup_format *f, const struct pickup_rules *rules,
                         const struct pickup_mark *mark)
{
    f->rules = rules;
    f->mark = mark ? *mark : (struct pickup_mark){.line = 1};
    f->state = f->mark.bsmtp ? PICKUP_COMMANDS : PICKUP_FIRST_LINE;
    f->any_message = f->mark.bsmtp;
    f->fault_line = 0;
    pickup_lines_reset(&f->lines, f->mark.offset, f->mark.line);
    f->lines.strict = f->mark.strict;
    forget_message(f);
}

// --- what can be wrong

enum pickup_step pickup_fault(struct pickup_format *f, const char *reason, struct pickup_event *e)
{
    f->state = PICKUP_OVER;
    if (f->fault_line == 0)
        f->fault_line = f->lines.line > 0 ? f->lines.line : 1;
    *e = (struct pickup_event){.kind = PICKUP_EVENT_FAULT, .text = slice_of_text(reason)};
    return PICKUP_STEP_TOLD;
}

enum pickup_step pickup_unfinished(struct pickup_format *f, const char *reason,
                                   struct pickup_event *e)
{
    pickup_fault(f, reason, e);
    e->unfinished = true;
    return PICKUP_STEP_TOLD;
}

enum pickup_step pickup_no_line(struct pickup_format *f, enum pickup_line status,
                                struct pickup_event *e)
{
    switch (status) {
    case PICKUP_LINE_MORE:
    case PICKUP_LINE_WHOLE: break;
    case PICKUP_LINE_TOO_LONG: return pickup_fault(f, "the line is too long", e);
    case PICKUP_LINE_BARE_LF:
        return pickup_fault(f, "a bare LF ends the line, in a file with CRLF", e);
    case PICKUP_LINE_NO_MEMORY: return pickup_unfinished(f, "no memory", e);
    }
    return PICKUP_STEP_MORE;
}

static const char *fault_text(enum content_fault fault)
{
    switch (fault) {
    case CONTENT_FINE: break;
    case CONTENT_BARE_CR: return "a CR without LF stands in the line";
    case CONTENT_BARE_LF: return "a LF without CR stands in the line";
    case CONTENT_NUL: return "a NUL stands in the line";
    case CONTENT_LINE_TOO_LONG: return "the line has more than 998 bytes";
    }
    return NULL;
}

// The scan has said that something is amiss in `run`, whose first line is number `line`: where?
static uint64_t fault_line_of(struct content_scan before, struct slice run, uint64_t line)
{
    while (run.len > 0) {
        struct slice part = slice_take(run, slice_find(run, '\n') + 1);
        content_scan(&before, part);
        if (before.fault != CONTENT_FINE)
            break;
        run = slice_skip(run, part.len);
        line++;
    }
    return line;
}

enum pickup_step pickup_give(struct pickup_format *f, struct slice run, uint64_t line,
                             struct pickup_event *e)
{
    const struct content_scan before = f->scan;
    f->content_bytes += run.len;
    content_scan(&f->scan, run);
    if (f->scan.fault != CONTENT_FINE) {
        f->fault_line = fault_line_of(before, run, line);
        return pickup_fault(f, fault_text(f->scan.fault), e);
    }
    if (f->content_bytes > f->rules->message_bytes_max)
        return pickup_fault(f, "the message is larger than max-message", e);
    *e = (struct pickup_event){.kind = PICKUP_EVENT_CONTENT, .text = run};
    return PICKUP_STEP_TOLD;
}

// --- the envelope

// RET and ENVID may stand apart; they are brought together.
static struct slice join_dsn(struct pickup_format *f, struct slice ret, struct slice envid)
{
    if (ret.len == 0 || envid.len == 0)
        return ret.len ? ret : envid;
    CHECK(ret.len + 1 + envid.len <= sizeof(f->dsn));
    char *end = mempcpy(f->dsn, ret.data, ret.len);
    *end++ = ' ';
    end = mempcpy(end, envid.data, envid.len);
    return slice_make(f->dsn, (size_t)(end - f->dsn));
}

static enum pickup_step begin_message(struct pickup_format *f, const struct command *c,
                                      struct pickup_event *e)
{
    if (f->open)
        return pickup_fault(f, "a second sender for one message", e);
    if (c->mail.size_bytes > f->rules->message_bytes_max)
        return pickup_fault(f, "SIZE is more than max-message", e);
    if (f->mark.bsmtp) {
        forget_message(f);
        f->mark.offset = f->lines.begin_offset;
        f->mark.line = f->lines.line;
    }
    f->open = f->any_message = true;
    f->smtputf8 = c->mail.smtputf8;
    *e = (struct pickup_event){.kind = PICKUP_EVENT_SENDER, .address = c->address, .mail = c->mail};
    e->mail.dsn = join_dsn(f, c->ret, c->envid);
    return PICKUP_STEP_TOLD;
}

static enum pickup_step add_rcpt(struct pickup_format *f, const struct command *c,
                                 struct pickup_event *e)
{
    if (!f->open)
        return pickup_fault(f, "a recipient before the sender", e);
    if (f->rcpt_count >= f->rules->rcpt_count_max)
        return pickup_fault(f, "more recipients than max-recipients", e);
    f->rcpt_count++;
    *e = (struct pickup_event){.kind = PICKUP_EVENT_RCPT, .address = c->address, .text = c->dsn};
    return PICKUP_STEP_TOLD;
}

enum pickup_step pickup_envelope_command(struct pickup_format *f, struct slice command,
                                         struct pickup_event *e)
{
    const struct command_rules rules = {.eightbitmime = true,
                                        .mt_priority = true,
                                        .smtputf8 = true,
                                        .dsn = true,
                                        .verp = true,
                                        .in_utf8 = f->smtputf8 || !f->mark.bsmtp};
    struct command c;
    enum command_status status = command_parse(command, &rules, &c);
    if (status != COMMAND_OK) {
        struct slice refusal = command_refusal(status, c.verb);
        pickup_fault(f, "", e);
        e->text = slice_skip(slice_take(refusal, refusal.len - 2), REPLY_CODES_LEN);
        return PICKUP_STEP_TOLD;
    }
    return c.verb == VERB_MAIL ? begin_message(f, &c, e) : add_rcpt(f, &c, e);
}

enum pickup_step pickup_envelope_address(struct pickup_format *f, bool is_sender, struct slice text,
                                         struct pickup_event *e)
{
    bool is_path = text.len > 0 && text.data[0] == '<';
    bool is_utf8 = octets_kinds(text) & OCTETS_8BIT;
    buffer_clear(&f->composed);
    bool fits = buffer_append(&f->composed, is_sender ? SLICE("MAIL FROM:") : SLICE("RCPT TO:")) &&
                buffer_append(&f->composed, is_path ? SLICE_EMPTY : SLICE("<")) &&
                buffer_append(&f->composed, text) &&
                buffer_append(&f->composed, is_path ? SLICE_EMPTY : SLICE(">")) &&
                buffer_append(&f->composed,
                              is_sender && is_utf8 ? SLICE(" SMTPUTF8") : SLICE_EMPTY);
    if (!fits)
        return pickup_fault(f, "the address is too long", e);
    return pickup_envelope_command(f, buffer_slice(&f->composed), e);
}

enum pickup_step pickup_begin_content(struct pickup_format *f, enum pickup_state next,
                                      struct pickup_event *e)
{
    if (f->rcpt_count == 0)
        return pickup_fault(f, "the message has no recipient", e);
    f->state = next;
    *e = (struct pickup_event){.kind = PICKUP_EVENT_DATA};
    return PICKUP_STEP_TOLD;
}

enum pickup_step pickup_end_message(struct pickup_format *f, enum pickup_state next,
                                    struct pickup_event *e)
{
    *e = (struct pickup_event){.kind = PICKUP_EVENT_MESSAGE,
                               .has_8bit = f->scan.has_8bit,
                               .has_dot_lines = f->scan.has_dot_lines};
    f->state = next;
    f->open = false;
    return PICKUP_STEP_TOLD;
}

static enum pickup_step step(struct pickup_format *f, struct slice *bytes, bool at_end,
                             struct pickup_event *e)
{
    switch (f->state) {
    case PICKUP_FIRST_LINE:
    case PICKUP_TOP:
    case PICKUP_GATHER: return pickup_step_lines(f, bytes, at_end, e);
    case PICKUP_ENVELOPE: return pickup_step_envelope(f, e);
    case PICKUP_HEADER: return pickup_step_header(f, e);
    case PICKUP_BODY: return pickup_step_body(f, bytes, at_end, e);
    case PICKUP_COMMANDS: return pickup_step_commands(f, bytes, at_end, e);
    case PICKUP_CONTENT: return pickup_step_content(f, bytes, at_end, e);
    case PICKUP_OVER: break;
    }
    *e = (struct pickup_event){.kind = PICKUP_EVENT_END};
    return PICKUP_STEP_TOLD;
}

struct pickup_event pickup_format_feed(struct pickup_format *f, struct slice *bytes, bool at_end)
{
    struct pickup_event e = {.kind = PICKUP_EVENT_MORE};
    enum pickup_step s;
    do
        s = step(f, bytes, at_end, &e);
    while (s == PICKUP_STEP_AGAIN);
    if (s == PICKUP_STEP_MORE)
        e = (struct pickup_event){.kind = PICKUP_EVENT_MORE};
    return e;
}
