// posthaste journal dump: every record, or those of one message.
#include "engine/base/log.h"
#include "engine/command/journal.h"
#include "engine/command/journal_findings.h"
#include "engine/command/journal_line.h"
#include "engine/command/journal_record.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct dump {
    struct journal_reader *reader;
    struct journal_line line;
    uint64_t printed_count;
    uint64_t fault_count;
    const struct journal_options *options;
};

// A text of the record, when there is one.
static void put_text(struct dump *d, const char *key, uint64_t at, size_t len)
{
    struct slice text;
    if (len > 0 && journal_text(d->reader, at, len, &text))
        journal_line_text(&d->line, key, text);
}

static void put_flags(struct journal_line *l, uint32_t flags)
{
    if (flags & MESSAGE_FLAG_8BIT)
        journal_line_u64(l, "is_8bit", 1);
    if (flags & MESSAGE_FLAG_SMTPUTF8)
        journal_line_u64(l, "smtputf8", 1);
    if (flags & MESSAGE_FLAG_DOT_LINES)
        journal_line_u64(l, "dot_lines", 1);
    if (flags & MESSAGE_FLAG_EVENTS_ONLY)
        journal_line_u64(l, "events_only", 1);
    if (flags & MESSAGE_FLAG_VERP)
        journal_line_u64(l, "verp", 1);
}

static void put_order(struct dump *d, const struct record_message *m)
{
    char text[16];
    snprintf(text, sizeof(text), "%d", m->priority);
    if (m->priority != 0)
        journal_line_word(&d->line, "priority", text);
    put_text(d, "campaign", sizeof(*m) + (uint64_t)m->envelope_bytes, m->campaign_bytes);
}

static void put_message(struct dump *d, const struct record_message *m)
{
    struct journal_line *l = &d->line;
    uint64_t envelope = sizeof(*m);
    struct slice sender = SLICE_EMPTY;
    (void)journal_text(d->reader, envelope, m->sender_bytes, &sender);
    journal_line_time(l, "received", m->received_wall_us);
    journal_line_text(l, "sender", sender);
    put_text(d, "dsn", envelope + m->sender_bytes, m->dsn_bytes);
    journal_line_u64(l, "content_bytes", m->content_bytes);
    journal_line_u64(l, "envelope_bytes", m->envelope_bytes);
    journal_line_u64(l, "jobs", m->job_count);
    put_order(d, m);
    put_flags(l, m->flags);
    if (m->flags & MESSAGE_FLAG_KEY) {
        journal_line_bytes(l, "key", m->key, sizeof(m->key));
        journal_line_bytes(l, "key_content", &m->key_content, sizeof(m->key_content));
    }
    journal_line_u64(l, "rcpt_count", m->rcpt_count);
    journal_line_list(l, "rcpts");
    for (uint32_t i = 0; i < m->rcpt_count && !l->failed; i++) {
        struct message_rcpt rcpt;
        if (!journal_message_rcpt(d->reader, m, i, &rcpt))
            break;
        uint64_t at = envelope + rcpt.text_offset;
        journal_line_item(l);
        put_text(d, "rcpt", at, rcpt.address_bytes);
        put_text(d, "rcpt_dsn", at + rcpt.address_bytes, rcpt.dsn_bytes);
        put_text(d, "domain", at + rcpt.address_bytes + rcpt.dsn_bytes, rcpt.domain_bytes);
        journal_line_close(l);
    }
    journal_line_close(l);
}

static const char *state_print(uint32_t state)
{
    static const char *const names[] = {
        [RCPT_OPEN] = "open",
        [RCPT_DELIVERED] = "delivered",
        [RCPT_FAILED] = "failed",
        [RCPT_DEFERRED] = "deferred",
    };
    return state <= RCPT_DEFERRED ? names[state] : "unknown";
}

static void put_state(struct dump *d, const struct record_state *s)
{
    struct journal_line *l = &d->line;
    struct state_job job;
    enum rcpt_state state;
    journal_line_list(l, "jobs");
    for (uint32_t i = 0; i < s->job_count && !l->failed; i++) {
        if (!journal_state_job(d->reader, i, &job))
            break;
        journal_line_item(l);
        journal_line_time(l, "due", (uint64_t)job.due_wall_s * 1000000);
        journal_line_u64(l, "attempts", job.attempt_count);
        journal_line_close(l);
    }
    journal_line_close(l);
    journal_line_list(l, "rcpts");
    for (uint32_t i = 0; i < s->rcpt_count && !l->failed; i++) {
        if (!journal_state_rcpt(d->reader, s, i, &state))
            break;
        journal_line_item(l);
        journal_line_word(l, "state", state_print(state));
        journal_line_close(l);
    }
    journal_line_close(l);
}

static void put_result(struct dump *d, const struct record_result *result)
{
    struct journal_line *l = &d->line;
    uint64_t at = sizeof(*result);
    char enhanced[32];
    journal_line_u64(l, "rcpt", result->rcpt);
    journal_line_word(l, "outcome", state_print(result->outcome));
    journal_line_time(l, "time", result->wall_us);
    journal_line_u64(l, "attempt", result->attempt);
    if (result->outcome == RCPT_DEFERRED)
        journal_line_time(l, "due", (uint64_t)result->due_wall_s * 1000000);
    if (result->in_doubt)
        journal_line_u64(l, "in_doubt", 1);
    if (result->code != 0)
        journal_line_u64(l, "code", result->code);
    snprintf(enhanced, sizeof(enhanced), "%u.%u.%u", result->enhanced[0], result->enhanced[1],
             result->enhanced[2]);
    if (result->enhanced[0] != 0)
        journal_line_word(l, "enhanced", enhanced);
    put_text(d, "host", at, result->host_bytes);
    put_text(d, "address", at + result->host_bytes, result->address_bytes);
    put_text(d, "text", at + result->host_bytes + result->address_bytes, result->text_bytes);
}

static void put_record(struct dump *d, const struct journal_record *record)
{
    struct journal_line *l = &d->line;
    switch (d->reader->record.type) {
    case RECORD_OPENS:
        journal_line_u64(l, "previous_epoch", record->as.opens.previous_epoch);
        journal_line_u64(l, "previous_end", record->as.opens.previous_end);
        break;
    case RECORD_MESSAGE: put_message(d, &record->as.message); break;
    case RECORD_STATE: put_state(d, &record->as.state); break;
    case RECORD_RESULT: put_result(d, &record->as.result); break;
    case RECORD_ATTEMPT:
        journal_line_time(l, "time", record->as.attempt.wall_us);
        journal_line_u64(l, "attempt", record->as.attempt.attempt);
        journal_line_u64(l, "rcpt_first", record->as.attempt.rcpt_first);
        journal_line_u64(l, "rcpt_count", record->as.attempt.rcpt_count);
        break;
    case RECORD_KEY:
        journal_line_bytes(l, "key", record->as.key.key, sizeof(record->as.key.key));
        journal_line_bytes(l, "key_content", &record->as.key.content, sizeof(uint64_t));
        journal_line_time(l, "until", record->as.key.until_wall_us);
        break;
    default: break;
    }
}

static void print_record(struct dump *d, const char *file)
{
    const struct journal_reader *r = d->reader;
    struct journal_line *l = &d->line;
    struct journal_record record;
    journal_record_read(d->reader, &record);
    if (d->options->has_id && record.id != d->options->id)
        return;
    journal_line_begin(l, journal_type_print(r->record.type) ? journal_type_print(r->record.type)
                                                             : "unknown");
    journal_line_text(l, "file", slice_of_text(file));
    journal_line_u64(l, "offset", r->record_offset);
    journal_line_u64(l, "bytes", r->record.bytes);
    if (record.id != 0)
        journal_line_id(l, "id", record.id);
    if (record.fault)
        journal_line_word(l, "fault", record.fault);
    else
        put_record(d, &record);
    journal_line_end(l);
    d->printed_count++;
    d->fault_count += record.fault != NULL;
}

static void dump_segment(struct dump *d, struct journal_segments *s, uint32_t segment)
{
    const struct journal_segment *about = &s->list[segment];
    int error = journal_segments_begin(s, segment);
    if (error != 0) {
        bool may_change = s->folder.lock != JOURNAL_STOPPED;
        log_line(LOG_LEVEL_WARNING, "%s: %s", about->name, strerror(-error));
        d->fault_count += !may_change || (error != -ENOENT && error != -ESTALE);
        return;
    }
    for (enum journal_step step; (step = journal_reader_next(d->reader)) != JOURNAL_STEP_END;)
        if (step == JOURNAL_STEP_RECORD)
            print_record(d, about->name);
    bool changed = s->folder.lock != JOURNAL_STOPPED && journal_segments_changed(s);
    const char *fault = changed ? NULL : journal_segment_fault(about, d->reader);
    d->fault_count += !changed && (d->reader->end == JOURNAL_END_DAMAGED || fault);
    if (!d->options->has_id) {
        journal_line_begin(&d->line, "end");
        journal_line_text(&d->line, "file", slice_of_text(about->name));
        journal_end_line(&d->line, d->reader, about, fault);
        journal_line_end(&d->line);
    }
    journal_segments_end(s);
}

enum command_exit journal_dump(struct journal_segments *s, const struct journal_options *o)
{
    struct dump d = {.reader = s->reader, .options = o};
    char id[JOURNAL_ID_TEXT_BYTES];
    journal_line_init(&d.line, o->as_json);
    if (!o->has_id)
        journal_journal_line(&d.line, s, o->path);
    for (uint32_t i = 0; i < s->count; i++)
        dump_segment(&d, s, i);
    bool failed = d.line.failed || d.fault_count > 0;
    if (o->has_id && d.printed_count == 0) {
        log_line(LOG_LEVEL_ERROR, "%s: nothing about message %s", o->path,
                 journal_id_print(o->id, id));
        failed = true;
    }
    journal_line_release(&d.line);
    return failed ? COMMAND_FAILED : COMMAND_DONE;
}
