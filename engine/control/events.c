#include "engine/control/events.h"

#include "engine/base/check.h"
#include "engine/base/json.h"
#include "engine/policy/category.h"
#include "engine/smtp/reply.h"

#include <limits.h>
#include <sys/stat.h>

void events_init(struct events *e, struct io *io, int fd, uint8_t io_owner)
{
    struct stat status;
    *e = (struct events){.io = io, .fd = fd, .io_owner = io_owner};
    e->whole_lines = fd >= 0 && fstat(fd, &status) == 0 && !S_ISREG(status.st_mode);
    buffer_init(&e->lines, EVENTS_BYTES_MAX);
    buffer_init(&e->written, EVENTS_BYTES_MAX);
}

void events_release(struct events *e)
{
    CHECK(!e->writing);
    buffer_release(&e->lines);
    buffer_release(&e->written);
}

static const char *outcome_word(uint8_t kind)
{
    switch ((enum result_kind)kind) {
    case RESULT_DELIVERED: return "delivered";
    case RESULT_DEFERRED: return "deferred";
    case RESULT_FAILED: return "failed";
    case RESULT_ATTEMPT:
    case RESULT_JOB_HOME:
    case RESULT_DAMAGED:
    case RESULT_JOB_HELD: break;
    }
    CHECK(false);
}

static void line_end(struct events *e, struct json *j, size_t before)
{
    if (json_ok(j) && buffer_append_byte(&e->lines, '\n')) {
        e->line_count++;
        return;
    }
    e->lines.len = before;
    e->dropped_count++;
}

// The home's own copy lasts until the job's last result has been told of. Without one they came
// with the result, or the message could not be read back.
static struct slice sender_of(const struct result *r)
{
    const struct message *m = entry_message(r->job->entry);
    return m ? message_sender(m) : r->sender;
}

static struct slice recipient_of(const struct result *r)
{
    const struct message *m = entry_message(r->job->entry);
    return m ? message_rcpt_address(m, r->rcpt) : r->recipient;
}

static struct slice campaign_of(const struct result *r)
{
    const struct message *m = entry_message(r->job->entry);
    return m ? message_campaign(m) : r->campaign;
}

void events_result(struct events *e, const struct result *r)
{
    struct json j;
    char id[MESSAGE_ID_TEXT_BYTES], enhanced[ENHANCED_TEXT_BYTES];
    struct enhanced_code code = {(uint8_t)r->enhanced[0], r->enhanced[1], r->enhanced[2]};
    size_t before = e->lines.len;
    if (e->fd < 0) {
        e->line_count++;
        return;
    }
    json_init(&j, &e->lines);
    json_object(&j, NULL);
    json_time(&j, "time", r->wall_us);
    json_text(&j, "event", slice_of_text(outcome_word(r->kind)));
    json_text(&j, "id", slice_of_text(message_id_print(r->job->entry->id, id)));
    json_text(&j, "sender", sender_of(r));
    json_text(&j, "recipient", recipient_of(r));
    if (campaign_of(r).len > 0)
        json_text(&j, "campaign", campaign_of(r));
    json_text(&j, "domain", domain_name(r->job->domain));
    json_text(&j, "host", r->host);
    json_text(&j, "address", r->address);
    json_u64(&j, "code", r->code);
    json_text(&j, "enhanced", slice_of_text(enhanced_print(code, enhanced)));
    json_text(&j, "text", r->text);
    if (r->kind != RESULT_DELIVERED)
        json_text(&j, "category", slice_of_text(category_word((enum category)r->category)));
    json_u64(&j, "attempt", r->attempt);
    if (r->kind == RESULT_DEFERRED)
        json_u64(&j, "delay", r->delay_s);
    if (r->in_doubt)
        json_bool(&j, "in-doubt", true);
    json_end(&j);
    line_end(e, &j, before);
}

static struct io_token events_token(const struct events *e)
{
    return (struct io_token){0, 0, e->io_owner, 0};
}

// As many lines as fit into one write that nothing can come between; a longer line goes alone.
static struct slice lines_for_pipe(struct slice rest)
{
    struct slice first = slice_take(rest, PIPE_BUF);
    const char *end = memrchr(first.data, '\n', first.len);
    return end ? slice_take(rest, (size_t)(end - first.data) + 1) : rest;
}

static void events_write(struct events *e)
{
    struct slice rest = slice_skip(buffer_slice(&e->written), e->written_bytes);
    e->writing = true;
    io_append(e->io, e->fd, e->whole_lines ? lines_for_pipe(rest) : rest, events_token(e));
}

void events_abandon(struct events *e)
{
    e->abandoned = true;
    buffer_clear(&e->lines);
    if (e->writing)
        io_cancel(e->io, events_token(e));
}

void events_flush(struct events *e)
{
    if (e->abandoned)
        buffer_clear(&e->lines);
    if (e->writing || e->lines.len == 0)
        return;
    struct buffer gathered = e->lines;
    e->lines = e->written;
    e->written = gathered;
    e->written_bytes = 0;
    events_write(e);
}

void events_on_done(struct events *e, const struct io_done *done)
{
    CHECK(e->writing);
    e->writing = false;
    if (done->result <= 0) { // what waited is lost, and said so; the next batch is tried anew
        e->error = done->result;
        e->dropped_count++;
        buffer_clear(&e->written);
        return;
    }
    e->written_bytes += (size_t)done->result;
    if (e->written_bytes < e->written.len && !e->abandoned)
        events_write(e);
    else
        buffer_clear(&e->written);
}

bool events_idle(const struct events *e)
{
    return !e->writing && e->lines.len == 0;
}
