// From results to a report: one message to who sent the original.

#include "engine/base/check.h"
#include "engine/message/dsn.h"
#include "engine/message/notify.h"
#include "engine/message/verp.h"
#include "engine/notices_parts.h"
#include "engine/smtp/address.h"
#include "queue/message_record.h"

// What goes into one report.
struct draft {
    struct dsn_rcpt rcpts[DSN_RCPTS_MAX];
    uint32_t rcpt_count;
    uint32_t record_count;
    size_t told_bytes;
    char verp[ADDRESS_BYTES_MAX];
    struct slice to; // whom it goes to
};

static bool is_due(const struct message *original, const struct result *r)
{
    uint32_t notify = notify_of_rcpt(message_rcpt_dsn(original, r->rcpt));
    if (original->sender_len == 0 || original->events_only)
        return false;
    switch ((enum result_kind)r->kind) {
    case RESULT_FAILED: return notify & NOTIFY_FAILURE;
    case RESULT_DEFERRED: return !(notify & NOTIFY_ASKED) || notify & NOTIFY_DELAY;
    case RESULT_DELIVERED: return notify & NOTIFY_SUCCESS;
    case RESULT_ATTEMPT:
    case RESULT_JOB_HOME:
    case RESULT_DAMAGED:
    case RESULT_JOB_HELD: break;
    }
    return false;
}

static enum dsn_action action_of(const struct result *r)
{
    if (r->kind == RESULT_FAILED)
        return DSN_FAILED;
    return r->kind == RESULT_DEFERRED ? DSN_DELAYED : DSN_RELAYED;
}

static uint64_t given_up_wall_us(const struct notices *n, const struct message *original,
                                 const struct result *r)
{
    const struct limits *l = limits_of_domain(n->limits, domain_name(r->job->domain));
    return original->received_wall_us + l->retry.lifetime_us;
}

static void add_rcpt(const struct notices *n, struct draft *d, const struct message *original,
                     const struct result *r)
{
    d->rcpts[d->rcpt_count++] = (struct dsn_rcpt){
        .action = action_of(r),
        .address = message_rcpt_address(original, r->rcpt),
        .orcpt = notify_orcpt(message_rcpt_dsn(original, r->rcpt)),
        .code = r->code,
        .enhanced = {(uint8_t)r->enhanced[0], r->enhanced[1], r->enhanced[2]},
        .host = r->host,
        .text = r->text,
        .attempt_wall_us = r->wall_us,
        .retry_until_wall_us = given_up_wall_us(n, original, r),
    };
}

// As the message itself was sent, so that who reads it need not understand it.
static void address_draft(struct draft *d, const struct message *original)
{
    d->to = message_sender(original);
    if (!original->verp || d->rcpt_count == 0)
        return;
    size_t len = verp_write(d->to, d->rcpts[0].address, d->verp);
    if (len > 0)
        d->to = slice_make(d->verp, len);
}

// False without memory.
static bool gather(const struct notices *n, struct notice *t, const struct message *original,
                   struct draft *d)
{
    struct result r;
    size_t offset = 0;
    uint32_t most = original->verp ? 1 : DSN_RCPTS_MAX;
    buffer_clear(&t->records);
    while (d->rcpt_count < most && result_kept_next(&t->results, t->results.len, &offset, &r)) {
        if (is_due(original, &r))
            add_rcpt(n, d, original, &r);
        if (r.kind == RESULT_FAILED) {
            if (!journal_put_result(&t->records, &r))
                return false;
            d->record_count++;
        }
        d->told_bytes = offset;
    }
    return true;
}

static struct message *put_together(struct notices *n, const struct draft *d, struct slice domain,
                                    const struct dsn_form *form)
{
    struct slice report = buffer_slice(&n->report);
    struct message *m = message_new(n->blocks, SLICE_EMPTY, SLICE_EMPTY, report.len);
    if (!m)
        return NULL;
    m->is_8bit = form->is_8bit;
    m->smtputf8 = form->smtputf8;
    m->has_dot_lines = form->has_dot_lines;
    if (message_add_rcpt(n->blocks, &m, d->to, SLICE_EMPTY, domain) &&
        message_seal_envelope(n->blocks, &m) && message_add_content(n->blocks, &m, report))
        return m;
    message_free(n->blocks, m);
    return NULL;
}

static bool write_report(struct notices *n, const struct notice *t, const struct message *original,
                         const struct draft *d, struct dsn_form *ret)
{
    char id[MESSAGE_ID_TEXT_BYTES], original_id[MESSAGE_ID_TEXT_BYTES];
    struct dsn_report report = {
        .hostname = n->hostname,
        .id = slice_of_text(message_id_print(t->report_id, id)),
        .wall_us = io_wall_us(n->io),
        .to = d->to,
        .message_id = slice_of_text(message_id_print(original->id, original_id)),
        .envid = notify_envid(message_dsn(original)),
        .arrival_wall_us = original->received_wall_us,
        .wants_full = notify_wants_full(message_dsn(original)),
        .content = message_content(original),
    };
    buffer_clear(&n->report);
    return dsn_write(&report, d->rcpts, d->rcpt_count, &n->report, ret);
}

// Where it goes; 0: nowhere that there is.
static size_t domain_of(struct slice address, char domain[ADDRESS_DOMAIN_BYTES_MAX + 1])
{
    struct address parsed;
    if (address_parse(address, true, &parsed) != ADDRESS_OK)
        return 0;
    return address_domain_ascii(parsed.domain, domain);
}

static bool append(struct notices *n, struct notice *t, const struct draft *d, struct message *m)
{
    m->id = t->report_id;
    m->received_wall_us = io_wall_us(n->io);
    m->arrived_us = io_now_us(n->io);
    m->entry = entry_new(n->jobs, n->home, message_rcpts(m), m->rcpt_count, m->job_count);
    if (!m->entry)
        return false;
    m->entry->id = m->id;
    m->entry->payload_bytes = (uint32_t)message_record_payload_bytes(m) & INT32_MAX;
    m->notice = t;
    m->results = d->record_count > 0 ? &t->records : NULL;
    m->result_count = d->record_count;
    t->told_bytes = d->told_bytes;
    journal_append(n->journal, m);
    return true;
}

enum notice_built notice_build(struct notices *n, struct notice *t, const struct message *original)
{
    struct draft d = {.rcpt_count = 0};
    struct dsn_form form;
    char domain[ADDRESS_DOMAIN_BYTES_MAX + 1];
    if (!gather(n, t, original, &d))
        return NOTICE_NO_MEMORY;
    address_draft(&d, original);
    size_t domain_len = d.rcpt_count > 0 ? domain_of(d.to, domain) : 0;
    if (domain_len == 0) {
        t->told_bytes = d.told_bytes;
        return NOTICE_NOT_DUE;
    }
    if (t->report_id == 0)
        t->report_id = message_id_make(io_wall_us(n->io), n->home, n->id_last);
    if (!write_report(n, t, original, &d, &form))
        return NOTICE_NO_MEMORY;
    struct message *m = put_together(n, &d, slice_make(domain, domain_len), &form);
    if (!m)
        return NOTICE_NO_MEMORY;
    if (append(n, t, &d, m))
        return NOTICE_BUILT;
    message_free(n->blocks, m);
    return NOTICE_NO_MEMORY;
}
