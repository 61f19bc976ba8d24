// What is read becomes messages, and verdicts on them come back.
#include "engine/submit/pickup_parts.h"
#include "engine/submit/wishes.h"

#include "engine/base/check.h"
#include "engine/message/fields.h"

#include <inttypes.h>
#include <stdio.h>

// --- the window

void pickup_window_init(struct pickup_window *w)
{
    *w = (struct pickup_window){.first = 1};
}

static uint64_t bit_of(uint32_t ordinal)
{
    return UINT64_C(1) << ordinal % PICKUP_IN_FLIGHT_MAX;
}

static bool is_begun(const struct pickup_window *w, uint32_t ordinal)
{
    return ordinal < w->first || (w->settled | w->pending) & bit_of(ordinal);
}

static bool has_room(const struct pickup_window *w, uint32_t next)
{
    return next < w->first + PICKUP_IN_FLIGHT_MAX &&
           (w->bytes_pending < PICKUP_IN_FLIGHT_BYTES_MAX || w->pending == 0);
}

static void settle(struct pickup_window *w, uint32_t ordinal)
{
    w->settled |= bit_of(ordinal);
    for (; w->settled & bit_of(w->first); w->first++)
        w->settled &= ~bit_of(w->first);
}

static void set_pending(struct pickup_window *w, uint32_t ordinal, size_t bytes)
{
    w->pending |= bit_of(ordinal);
    w->bytes[ordinal % PICKUP_IN_FLIGHT_MAX] = bytes;
    w->bytes_pending += bytes;
}

static void clear_pending(struct pickup_window *w, uint32_t ordinal)
{
    CHECK(w->pending & bit_of(ordinal));
    w->pending &= ~bit_of(ordinal);
    w->bytes_pending -= w->bytes[ordinal % PICKUP_IN_FLIGHT_MAX];
}

static uint64_t line_of(const struct pickup_window *w, uint32_t ordinal)
{
    return w->marks[ordinal % PICKUP_IN_FLIGHT_MAX].line;
}

// --- verdicts

void pickup_verdict(struct pickup *p, uint32_t session, uint16_t generation,
                    enum pickup_verdict verdict)
{
    session &= ~PICKUP_SESSION;
    CHECK(session / PICKUP_IN_FLIGHT_MAX < p->file_count_max);
    struct pickup_file *f = &p->files[session / PICKUP_IN_FLIGHT_MAX];
    struct pickup_window *w = &f->window;
    if (f->state == PICKUP_FILE_FREE || f->generation != generation)
        return;
    uint32_t ordinal = w->first + (session - w->first) % PICKUP_IN_FLIGHT_MAX;
    clear_pending(w, ordinal);
    f->news = true;
    switch (verdict) {
    case PICKUP_TAKEN:
        f->message_count++;
        p->counters.messages++;
        f->again_us = 0;
        settle(w, ordinal);
        break;
    case PICKUP_DUPLICATE: settle(w, ordinal); break;
    case PICKUP_LATER: pickup_file_put_off(p, f); break;
    case PICKUP_NEVER:
        if (!f->refused)
            pickup_file_is_bad(f, line_of(w, ordinal), "its message %u is refused for good",
                               (unsigned)ordinal);
        f->refused = true;
        break;
    }
}

// --- from the start, or again

void pickup_file_put_off(struct pickup *p, struct pickup_file *f)
{
    if (f->put_off)
        return;
    f->put_off = true;
    f->again_us = f->again_us * 2;
    if (f->again_us < PICKUP_AGAIN_US_MIN)
        f->again_us = PICKUP_AGAIN_US_MIN;
    if (f->again_us > PICKUP_AGAIN_US_MAX)
        f->again_us = PICKUP_AGAIN_US_MAX;
    wheel_arm(p->o.wheel, &f->timer, io_now_us(p->o.io) + f->again_us);
}

// The first message that is neither settled nor in flight; else the last one that was begun: what
// was wrong stood behind it.
uint32_t pickup_file_resume_at(const struct pickup_file *f)
{
    uint32_t ordinal = f->window.first < f->ordinal ? f->window.first : f->ordinal;
    while (ordinal < f->ordinal && is_begun(&f->window, ordinal))
        ordinal++;
    return ordinal;
}

void pickup_file_rewind(struct pickup *p, struct pickup_file *f)
{
    uint32_t ordinal = pickup_file_resume_at(f);
    struct pickup_mark mark = {.line = 1};
    if (ordinal > 0)
        mark = f->window.marks[ordinal % PICKUP_IN_FLIGHT_MAX];
    pickup_file_drop_message(p, f);
    pickup_format_start(&f->format, &pickup_folder_of(p, f)->place->rules, &mark);
    f->ordinal = ordinal > 0 ? ordinal - 1 : 0;
    f->read_offset = mark.offset;
    f->rest = SLICE_EMPTY;
    f->at_end = f->ended = f->put_off = f->unfinished = false;
    f->bad = f->refused;
}

void pickup_file_drop_message(struct pickup *p, struct pickup_file *f)
{
    message_free(p->o.blocks, f->message);
    f->message = NULL;
    f->skipping = false;
}

// --- one message

static bool begin_message(struct pickup *p, struct pickup_file *f, const struct pickup_event *e)
{
    CHECK(!f->message);
    f->ordinal++;
    f->window.marks[f->ordinal % PICKUP_IN_FLIGHT_MAX] = f->format.mark;
    f->skipping = is_begun(&f->window, f->ordinal);
    if (f->skipping)
        return true;
    f->header = (struct header_scan){.ended = false};
    body_hash_restart(&f->body_hash);
    f->message = message_new(p->o.blocks, e->address.text, e->mail.dsn, 0);
    if (!f->message) {
        pickup_file_put_off(p, f);
        return false;
    }
    f->message->smtputf8 = e->mail.smtputf8;
    f->message->is_8bit = e->mail.is_8bit;
    f->message->events_only = f->format.rules->events_only;
    f->message->verp = e->mail.verp || f->format.rules->verp;
    f->message->priority = e->mail.has_priority ? e->mail.priority
                                                : pickup_folder_of(p, f)->place->rules.priority;
    return true;
}

static bool add_rcpt(struct pickup *p, struct pickup_file *f, const struct pickup_event *e)
{
    char domain[ADDRESS_DOMAIN_BYTES_MAX + 1];
    char with_host[ADDRESS_BYTES_MAX + ADDRESS_DOMAIN_BYTES_MAX + 2];
    struct slice address = e->address.text;
    bool has_domain = e->address.domain.len > 0;
    size_t domain_len = address_domain_ascii(has_domain ? e->address.domain : p->o.hostname,
                                             domain);
    if (domain_len == 0) {
        pickup_file_is_bad(f, f->format.lines.line, "a recipient's domain is none");
        return false;
    }
    if (!has_domain) { // <postmaster>: ours (RFC 5321 4.5.1)
        int len = snprintf(with_host, sizeof(with_host), "%.*s@%.*s", SLICE_ARG(address),
                           SLICE_ARG(p->o.hostname));
        CHECK(len > 0 && (size_t)len < sizeof(with_host));
        address = slice_make(with_host, (size_t)len);
    }
    f->message->smtputf8 |= e->address.needs_smtputf8;
    if (message_add_rcpt(p->o.blocks, &f->message, address, e->text,
                         slice_make(domain, domain_len)))
        return true;
    pickup_file_put_off(p, f);
    return false;
}

static bool add_content(struct pickup *p, struct pickup_file *f, struct slice bytes)
{
    struct slice rest = header_scan(&f->header, bytes);
    if (message_add_content(p->o.blocks, &f->message, bytes)) {
        body_hash_add(&f->body_hash, p->o.dkim, f->message, &f->header, rest);
        return true;
    }
    pickup_file_put_off(p, f);
    return false;
}

// The same after every crash, and never that of another message.
static void set_key(struct pickup *p, const struct pickup_file *f, struct message *m)
{
    uint8_t digest[SHA256_BYTES];
    char ordinal[16];
    snprintf(ordinal, sizeof(ordinal), ":%" PRIu32, f->ordinal);
    sha256_start(p->sha256);
    sha256_add(p->sha256, SLICE("pickup:"));
    sha256_add(p->sha256, slice_make(f->name, PICKUP_UNIQUE_LEN - 1)); // without what was noted
    sha256_add(p->sha256, SLICE("-"));
    sha256_add(p->sha256, slice_of_text(pickup_name_own(f->name)));
    sha256_add(p->sha256, slice_of_text(ordinal));
    sha256_end(p->sha256, digest);
    m->has_key = true;
    m->key_content = 0; // the name is that of one content
    memcpy(m->key, digest, sizeof(m->key));
}

// A feeder's own key is not for the recipients to see; what counts here is the file's name. There
// may be any number of them: all others close up, and then what is left behind these is cut once.
static void cut_keys(struct message *m)
{
    const struct slice content = message_content(m);
    struct slice rest = content;
    struct header_field field;
    size_t kept = 0;
    while (fields_next(&rest, &field)) {
        if (header_field_is(&field, SLICE(TRACE_KEY_FIELD)))
            continue;
        message_close_up(m, kept, (size_t)(field.whole.data - content.data), field.whole.len);
        kept += field.whole.len;
    }
    message_cut(m, kept, content.len - rest.len - kept);
}

static void write_trace(struct pickup *p, const struct pickup_file *f, struct message *m)
{
    char out[TRACE_BYTES_MAX];
    char id[MESSAGE_ID_TEXT_BYTES];
    struct trace t = {
        .hostname = p->o.hostname,
        .helo = p->o.hostname,
        .id = slice_of_text(message_id_print(m->id, id)),
        .wall_us = m->received_wall_us,
        .smtputf8 = m->smtputf8,
    };
    message_put_in_front(m, slice_make(out, trace_write(&t, &f->header, out)));
}

static bool take_wishes(struct pickup_file *f, struct wishes *ret)
{
    *ret = (struct wishes){.has_priority = false};
    enum wishes_fault fault = f->header.has_wishes ? wishes_take(f->message, ret) : WISHES_FINE;
    if (fault != WISHES_FINE)
        pickup_file_is_bad(
            f, line_of(&f->window, f->ordinal), "its message %u: %s", (unsigned)f->ordinal,
            fault == WISHES_BAD_PRIORITY ? WISHES_PRIORITY_HELP : WISHES_CAMPAIGN_HELP);
    return fault == WISHES_FINE;
}

static bool end_message(struct pickup *p, struct pickup_file *f, const struct pickup_event *e)
{
    struct message *m = f->message;
    struct wishes wishes;
    header_scan_end(&f->header);
    if (f->header.received_count > TRACE_RECEIVED_MAX) {
        pickup_file_is_bad(f, line_of(&f->window, f->ordinal),
                           "its message %u has too many Received: fields: it goes round in circles",
                           (unsigned)f->ordinal);
        return false;
    }
    if (!take_wishes(f, &wishes))
        return false;
    m->received_wall_us = io_wall_us(p->o.io);
    m->arrived_us = io_now_us(p->o.io);
    m->id = message_id_make(m->received_wall_us, p->o.worker, p->o.last_id);
    m->session = PICKUP_SESSION |
                 (f->index * PICKUP_IN_FLIGHT_MAX + f->ordinal % PICKUP_IN_FLIGHT_MAX);
    m->session_generation = f->generation;
    m->is_8bit |= e->has_8bit;
    m->has_dot_lines = e->has_dot_lines;
    body_hash_end(&f->body_hash, &p->bodies, m);
    set_key(p, f, m);
    if (f->header.has_key)
        cut_keys(m);
    write_trace(p, f, m);
    wishes_carry_out(&wishes, m);
    set_pending(&f->window, f->ordinal, m->block_bytes); // its verdict may come at once
    if (pickup_submit(p, &f->message))
        return true;
    clear_pending(&f->window, f->ordinal);
    pickup_file_put_off(p, f);
    return false;
}

static bool on_event(struct pickup *p, struct pickup_file *f, const struct pickup_event *e)
{
    if (e->kind == PICKUP_EVENT_SENDER)
        return begin_message(p, f, e);
    if (e->kind == PICKUP_EVENT_DROPPED && !f->skipping)
        settle(&f->window, f->ordinal);
    if (e->kind == PICKUP_EVENT_DROPPED)
        pickup_file_drop_message(p, f);
    if (!f->message)
        return true;
    if (e->kind == PICKUP_EVENT_RCPT)
        return add_rcpt(p, f, e);
    if (e->kind == PICKUP_EVENT_CONTENT)
        return add_content(p, f, e->text);
    if (e->kind == PICKUP_EVENT_MESSAGE)
        return end_message(p, f, e);
    if (e->kind == PICKUP_EVENT_DATA && !message_seal_envelope(p->o.blocks, &f->message)) {
        pickup_file_put_off(p, f);
        return false;
    }
    return true;
}

static bool may_go_on(const struct pickup *p, const struct pickup_file *f)
{
    if (f->bad || f->refused)
        return false;
    return f->format.open || // a message is read to its end
           (!f->put_off && !p->stopping && has_room(&f->window, f->ordinal + 1));
}

bool pickup_file_parse(struct pickup *p, struct pickup_file *f)
{
    bool goes_on = true;
    while (goes_on && may_go_on(p, f)) {
        struct pickup_event e = pickup_format_feed(&f->format, &f->rest, f->at_end);
        if (e.kind == PICKUP_EVENT_MORE)
            return false;
        if (e.kind == PICKUP_EVENT_FAULT) {
            pickup_file_is_bad(f, f->format.fault_line, "%.*s", SLICE_ARG(e.text));
            f->unfinished = e.unfinished;
        }
        f->ended = e.kind == PICKUP_EVENT_END;
        goes_on = !f->ended && !f->bad && on_event(p, f, &e);
    }
    if (!goes_on || f->bad)
        pickup_file_drop_message(p, f);
    f->state = PICKUP_FILE_HALTED;
    f->news |= f->window.pending == 0 || f->put_off;
    return true;
}
