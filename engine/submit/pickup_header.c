// The header section of a message: it is kept until it has ended, for who it is to, and given
// without what nobody else shall see.
#include "engine/submit/pickup_format_parts.h"

#include "engine/base/check.h"
#include "engine/message/address_list.h"
#include "engine/message/fields.h"

static bool is_one_of(const struct header_field *field, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (header_field_is(field, slice_of_text(names[i])))
            return true;
    return false;
}

// --- gathering

enum pickup_step pickup_gather_line(struct pickup_format *f, struct slice line,
                                    struct pickup_event *e)
{
    bool continues = f->any_field && line.len > 0 && (line.data[0] == ' ' || line.data[0] == '\t');
    if (fields_is_first_line(line)) {
        f->any_field = true;
    } else if (!continues) { // an empty line, or one that is no field and begins the body
        f->header_fields_len = f->header.len;
        f->state = PICKUP_ENVELOPE;
    }
    if (f->header.len + line.len + 2 > PICKUP_HEADER_BYTES_MAX)
        return pickup_fault(f, "the header section is too large", e);
    if (!buffer_append(&f->header, line) || !buffer_append(&f->header, SLICE("\r\n")))
        return pickup_unfinished(f, "no memory", e);
    return PICKUP_STEP_AGAIN;
}

// The fields from `at` on.
static struct slice fields_from(const struct pickup_format *f, size_t at)
{
    return slice_make(f->header.data + at, f->header_fields_len - at);
}

// --- giving

static bool is_hidden(const struct header_field *field)
{
    static const char *const names[] = {"Bcc", "Resent-Bcc"};
    return is_one_of(field, names, COUNT_OF(names));
}

static uint64_t lines_in(const char *from, const char *to)
{
    uint64_t count = 0;
    for (; from < to; from++)
        count += *from == '\n';
    return count;
}

static void pass(struct pickup_format *f, struct slice part)
{
    f->header_used += part.len;
    f->header_line += lines_in(part.data, part.data + part.len);
}

// Hidden fields are passed over, and all others up to the next hidden one given as they are.
enum pickup_step pickup_step_header(struct pickup_format *f, struct pickup_event *e)
{
    struct header_field field;
    if (f->header_used == f->header.len) {
        f->state = PICKUP_BODY;
        return PICKUP_STEP_AGAIN;
    }
    struct slice rest = fields_from(f, f->header_used);
    struct slice run = slice_take(rest, 0);
    while (fields_next(&rest, &field) && (run.len == 0 || !is_hidden(&field))) {
        if (is_hidden(&field))
            pass(f, field.whole);
        else
            run = slice_make(f->header.data + f->header_used, run.len + field.whole.len);
    }
    if (f->header_used + run.len == f->header_fields_len) // with what has ended the section
        run = slice_make(f->header.data + f->header_used, f->header.len - f->header_used);
    if (run.len == 0)
        return PICKUP_STEP_AGAIN;
    uint64_t line = f->header_line;
    pass(f, run);
    return pickup_give(f, run, line, e);
}

// --- the envelope, where no lines on top tell it

// Who has sent a message on decides (RFC 5322 3.6.6): then the fields are Resent- ones.
static bool is_resent(const struct pickup_format *f)
{
    static const char *const names[] = {"Resent-To", "Resent-Cc", "Resent-Bcc"};
    struct header_field field;
    struct slice rest = fields_from(f, 0);
    while (fields_next(&rest, &field))
        if (is_one_of(&field, names, COUNT_OF(names)))
            return true;
    return false;
}

static bool lists_recipients(const struct pickup_format *f, const struct header_field *field)
{
    static const char *const names[] = {"To", "Cc", "Bcc"};
    static const char *const resent[] = {"Resent-To", "Resent-Cc", "Resent-Bcc"};
    return is_one_of(field, f->walk.resent ? resent : names, COUNT_OF(names));
}

static uint64_t line_of_field(const struct pickup_format *f, const struct header_field *field)
{
    return f->header_line + lines_in(f->header.data, field->whole.data);
}

// The first field of that name.
static bool find_field(const struct pickup_format *f, const char *name, struct header_field *ret)
{
    struct slice rest = fields_from(f, 0);
    while (fields_next(&rest, ret))
        if (header_field_is(ret, slice_of_text(name)))
            return true;
    return false;
}

// One address out of a field, as the one of a sender or recipient.
static enum pickup_step tell_address(struct pickup_format *f, bool is_sender, struct slice *list,
                                     struct pickup_event *e)
{
    char text[ADDRESS_LIST_ADDRESS_BYTES_MAX];
    struct slice address;
    switch (address_list_next(list, text, &address)) {
    case ADDRESS_LIST_END: return PICKUP_STEP_AGAIN;
    case ADDRESS_LIST_NULL:
        if (!is_sender)
            return PICKUP_STEP_AGAIN;
        address = SLICE_EMPTY;
        break;
    case ADDRESS_LIST_BAD:
        return pickup_fault(f, "the field holds something that is no address", e);
    case ADDRESS_LIST_ADDRESS: break;
    }
    return pickup_envelope_address(f, is_sender, address, e);
}

static enum pickup_step sender_from_header(struct pickup_format *f, struct pickup_event *e)
{
    static const char *const names[] = {"Sender", "From"};
    static const char *const resent[] = {"Resent-Sender", "Resent-From"};
    struct header_field field;
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (!find_field(f, f->walk.resent ? resent[i] : names[i], &field))
            continue;
        f->fault_line = line_of_field(f, &field);
        enum pickup_step step = tell_address(f, true, &field.body, e);
        if (step == PICKUP_STEP_TOLD && e->kind == PICKUP_EVENT_FAULT)
            return step;
        f->fault_line = 0;
        if (step == PICKUP_STEP_TOLD)
            return step;
    }
    f->fault_line = f->header_line;
    return pickup_fault(f, "neither Sender: nor From: says who sends it", e);
}

static enum pickup_step next_rcpt_from_header(struct pickup_format *f, struct pickup_event *e)
{
    struct pickup_walk *w = &f->walk;
    struct header_field field;
    for (;;) {
        f->fault_line = w->addresses_line;
        enum pickup_step step = tell_address(f, false, &w->addresses, e);
        if (step == PICKUP_STEP_TOLD && e->kind == PICKUP_EVENT_FAULT)
            return step;
        f->fault_line = 0;
        if (step == PICKUP_STEP_TOLD)
            return step;
        const struct slice before = fields_from(f, w->field_at);
        struct slice rest = before;
        do
            if (!fields_next(&rest, &field))
                return PICKUP_STEP_AGAIN;
        while (!lists_recipients(f, &field));
        w->field_at = f->header_fields_len - rest.len;
        w->addresses = field.body;
        // From where the walk stands: from the header's start each time would be quadratic.
        w->addresses_line = w->field_line + lines_in(before.data, field.whole.data);
        w->field_line = w->addresses_line + lines_in(field.whole.data, rest.data);
    }
}

static enum pickup_step envelope_from_header(struct pickup_format *f, struct pickup_event *e)
{
    if (!f->walk.begun) {
        f->walk.begun = true;
        f->walk.addresses = SLICE_EMPTY;
        f->walk.resent = is_resent(f);
        f->walk.field_line = f->header_line;
    }
    if (!f->open)
        return sender_from_header(f, e);
    return next_rcpt_from_header(f, e);
}

enum pickup_step pickup_step_envelope(struct pickup_format *f, struct pickup_event *e)
{
    if (f->rcpt_count == 0 || f->walk.begun) {
        enum pickup_step step = envelope_from_header(f, e);
        if (step == PICKUP_STEP_TOLD)
            return step;
    }
    if (f->rcpt_count == 0)
        f->fault_line = f->header_line;
    return pickup_begin_content(f, PICKUP_HEADER, e);
}
