#include "engine/control/events.h"

#include "engine/base/check.h"
#include "engine/policy/category.h"
#include "engine/smtp/reply.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>

enum events_op { EVENTS_OP_APPEND, EVENTS_OP_SYNC, EVENTS_OP_MARK };

static void look_at_file(struct events *e)
{
    struct stat status;
    bool known = e->fd >= 0 && fstat(e->fd, &status) == 0;
    e->whole_lines = known && !S_ISREG(status.st_mode);
    e->syncs = known && S_ISREG(status.st_mode) && e->exact;
}

void events_init(struct events *e, struct io *io, int fd, uint8_t io_owner, bool exact)
{
    *e = (struct events){.io = io, .fd = fd, .cursor_fd = -1, .io_owner = io_owner, .exact = exact};
    look_at_file(e);
    buffer_init(&e->lines.text, EVENTS_BYTES_MAX);
    buffer_init(&e->held.text, EVENTS_BYTES_MAX);
    buffer_init(&e->written.text, EVENTS_BYTES_MAX);
}

void events_follow(struct events *e, const struct journal *journal, int cursor_fd, uint32_t worker,
                   uint64_t base_turn)
{
    CHECK(worker < CURSOR_WORKERS_MAX);
    e->journal = journal;
    e->cursor_fd = cursor_fd;
    e->worker = worker;
    e->base_turn = base_turn;
}

void events_release(struct events *e)
{
    CHECK(!e->writing && !e->syncing && !e->marking);
    buffer_release(&e->lines.text);
    buffer_release(&e->held.text);
    buffer_release(&e->written.text);
}

// --- lines

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
    json_end(j);
    if (json_ok(j) && buffer_append_byte(&e->lines.text, '\n')) {
        e->line_count++;
        e->behind = true;
        return;
    }
    e->lines.text.len = before;
    e->dropped_count++;
}

// Of a message, one recipient and one attempt. Attempts differ in their numbers, but that these
// stop at JOB_ATTEMPTS_MAX, and in their times, but that an operator may end what was deferred in
// the same turn. The journal keeps both.
static void put_id(struct json *j, const char *id, const struct event *event)
{
    char text[64];
    uint64_t age_us = event->wall_us - message_id_wall_us(event->id);
    snprintf(text, sizeof(text), "%s-%" PRIu32 "-%" PRIu64, id, event->rcpt,
             age_us << 8 | (event->attempt & 0xff));
    json_text(j, "event-id", slice_of_text(text));
}

// The result is in this one or an earlier one: what came with a report was written with it.
static uint64_t last_batch(const struct events *e)
{
    if (!e->journal)
        return 0;
    return e->journal->result_count > 0 ? e->journal->batch : e->journal->batch - 1;
}

static void part_begin(struct events_part *p)
{
    p->first_batch = UINT64_MAX;
    p->last_batch = 0;
}

// Of a connection that mail went on, also that it was in the clear.
static void put_tls(struct json *j, const struct event *event)
{
    char text[TLS_NAME_TEXT_BYTES];
    if (event->host.len > 0 && (event->tls.version || event->kind == RESULT_DELIVERED))
        json_text(j, "tls", slice_of_text(tls_version_print(event->tls.version, text)));
    if (event->tls.version)
        json_text(j, "cipher", slice_of_text(tls_cipher_print(event->tls.cipher, text)));
}

void events_add(struct events *e, const struct event *event)
{
    uint64_t batch = last_batch(e);
    struct json j;
    char id[MESSAGE_ID_TEXT_BYTES], enhanced[ENHANCED_TEXT_BYTES];
    struct enhanced_code code = {(uint8_t)event->enhanced[0], event->enhanced[1],
                                 event->enhanced[2]};
    size_t before = e->lines.text.len;
    if (e->fd < 0) {
        e->line_count++;
        return;
    }
    if (before == 0)
        part_begin(&e->lines);
    message_id_print(event->id, id);
    json_init(&j, &e->lines.text);
    json_object(&j, NULL);
    json_time(&j, "time", event->wall_us);
    json_text(&j, "event", slice_of_text(outcome_word(event->kind)));
    put_id(&j, id, event);
    json_text(&j, "id", slice_of_text(id));
    json_text(&j, "sender", event->sender);
    json_text(&j, "recipient", event->recipient);
    if (event->campaign.len > 0)
        json_text(&j, "campaign", event->campaign);
    json_text(&j, "domain", event->domain);
    json_text(&j, "host", event->host);
    json_text(&j, "address", event->address);
    put_tls(&j, event);
    json_u64(&j, "code", event->code);
    json_text(&j, "enhanced", slice_of_text(enhanced_print(code, enhanced)));
    json_text(&j, "text", event->text);
    if (event->kind != RESULT_DELIVERED)
        json_text(&j, "category", slice_of_text(category_word((enum category)event->category)));
    json_u64(&j, "attempt", event->attempt);
    if (event->kind == RESULT_DEFERRED)
        json_u64(&j, "delay", event->delay_s);
    if (event->in_doubt)
        json_bool(&j, "in-doubt", true);
    line_end(e, &j, before);
    if (e->heard_batch < e->lines.first_batch)
        e->lines.first_batch = e->heard_batch + 1;
    e->lines.last_batch = batch;
}

void events_result(struct events *e, const struct result *r)
{
    // The home's own copy lasts until the job's last result has been told of. Without one they came
    // with the result, or the message could not be read back.
    const struct message *m = entry_message(r->job->entry);
    events_add(e, &(struct event){
                      .id = r->job->entry->id,
                      .rcpt = r->rcpt,
                      .wall_us = r->wall_us,
                      .kind = r->kind,
                      .category = r->category,
                      .in_doubt = r->in_doubt,
                      .attempt = r->attempt,
                      .code = r->code,
                      .enhanced = {r->enhanced[0], r->enhanced[1], r->enhanced[2]},
                      .tls = {r->tls_version, r->tls_cipher},
                      .delay_s = r->delay_s,
                      .sender = m ? message_sender(m) : r->sender,
                      .recipient = m ? message_rcpt_address(m, r->rcpt) : r->recipient,
                      .campaign = m ? message_campaign(m) : r->campaign,
                      .domain = domain_name(r->job->domain),
                      .host = r->host,
                      .address = r->address,
                      .text = r->text,
                  });
}

void events_open(struct events *e, struct json *j, const char *event)
{
    char id[MESSAGE_ID_TEXT_BYTES];
    uint64_t wall_us = io_wall_us(e->io);
    if (e->lines.text.len == 0)
        part_begin(&e->lines); // of no batch: it waits for none
    json_init(j, &e->lines.text);
    json_object(j, NULL);
    json_time(j, "time", wall_us);
    json_text(j, "event", slice_of_text(event));
    json_text(
        j, "event-id",
        slice_of_text(message_id_print(message_id_make(wall_us, e->worker, &e->last_id), id)));
}

void events_close(struct events *e, struct json *j)
{
    size_t before = e->lines.text.len;
    while (before > 0 && e->lines.text.data[before - 1] != '\n')
        before--;
    line_end(e, j, before);
    if (e->fd < 0)
        buffer_clear(&e->lines.text);
}

bool events_has_room(const struct events *e)
{
    return e->lines.text.len + e->held.text.len < EVENTS_ROOM_BYTES;
}

// --- appending

static struct io_token events_token(const struct events *e, enum events_op op)
{
    return (struct io_token){0, 0, e->io_owner, (uint8_t)op};
}

// As many lines as fit into one write that nothing can come between; a longer line goes alone.
static struct slice lines_for_pipe(struct slice rest)
{
    struct slice first = slice_take(rest, PIPE_BUF);
    const char *end = memrchr(first.data, '\n', first.len);
    return end ? slice_take(rest, (size_t)(end - first.data) + 1) : rest;
}

static void append(struct events *e)
{
    struct slice rest = slice_skip(buffer_slice(&e->written.text), e->written_bytes);
    e->writing = true;
    e->again_us = 0;
    io_append(e->io, e->fd, e->whole_lines ? lines_for_pipe(rest) : rest,
              events_token(e, EVENTS_OP_APPEND));
}

static bool part_waits(const struct events_part *p)
{
    return p->text.len > 0;
}

static bool anything_waits(const struct events *e)
{
    return part_waits(&e->lines) || part_waits(&e->held) || part_waits(&e->written);
}

static void parts_swap(struct events_part *a, struct events_part *b)
{
    struct events_part was = *a;
    *a = *b;
    *b = was;
}

static void appended(struct events *e)
{
    // Lines that are no results are of no batch: they come with what was told before.
    if (e->written.last_batch > e->appended_batch)
        e->appended_batch = e->written.last_batch;
    e->appended = e->written.place;
    e->unsynced = e->syncs;
    if (!e->unsynced) {
        e->synced_batch = e->appended_batch;
        e->synced = e->appended;
    }
    buffer_clear(&e->written.text);
}

static void on_append(struct events *e, int32_t result)
{
    e->writing = false;
    if (e->abandoned) {
        buffer_clear(&e->written.text);
    } else if (result > 0) {
        e->written_bytes += (size_t)result;
        if (e->written_bytes < e->written.text.len)
            append(e);
        else
            appended(e);
    } else if (e->whole_lines) { // nobody reads it: what waited is lost, and said so
        e->error = result;
        e->dropped_count++;
        buffer_clear(&e->written.text);
    } else {
        e->error = result;
        e->again_us = io_now_us(e->io) + EVENTS_AGAIN_US;
    }
}

// Results of a journal that ends in trouble are told of, safe or not: they have happened.
static uint64_t safe_batch(const struct events *e, bool ending)
{
    if (!e->journal || (ending && journal_troubled(e->journal)))
        return UINT64_MAX;
    return journal_safe_batch(e->journal);
}

static struct journal_place frontier(const struct events *e)
{
    return e->journal ? journal_frontier(e->journal) : (struct journal_place){0};
}

static void append_next(struct events *e, bool ending)
{
    if (part_waits(&e->written) && !e->writing && io_now_us(e->io) >= e->again_us)
        append(e); // what failed
    if (!part_waits(&e->written) && !e->moving && part_waits(&e->held) &&
        e->held.last_batch <= safe_batch(e, ending)) {
        parts_swap(&e->held, &e->written);
        e->written_bytes = 0;
        append(e);
    }
    if (!part_waits(&e->held) && part_waits(&e->lines)) {
        parts_swap(&e->held, &e->lines);
        e->held.place = frontier(e);
    }
}

// --- how far it has come

static bool sync_is_due(const struct events *e, bool ending)
{
    return e->unsynced && !e->syncing &&
           (ending || e->moving || e->appended.turn != e->synced.turn ||
            io_now_us(e->io) >= e->synced_us + EVENTS_SYNC_US);
}

static bool mark_waits(const struct events *e)
{
    return e->cursor_fd >= 0 && !e->marking && place_is_before(e->marked, e->synced);
}

static void come_further(struct events *e, bool ending)
{
    if (e->behind && !e->syncing && !anything_waits(e)) { // all that the journal holds was told of
        e->behind = false;
        e->appended = frontier(e);
        if (!e->unsynced)
            e->synced = e->appended;
    }
    if (sync_is_due(e, ending)) {
        e->syncing = true;
        e->unsynced = false;
        e->sync_place = e->appended;
        e->sync_batch = e->appended_batch;
        e->synced_us = io_now_us(e->io);
        io_sync(e->io, e->fd, events_token(e, EVENTS_OP_SYNC));
    }
    bool mark = mark_waits(e) && (ending || io_now_us(e->io) >= e->marked_us + EVENTS_SYNC_US);
    if (mark) { // it is not synced: an older one does no harm
        e->marking = true;
        e->marked_us = io_now_us(e->io);
        e->mark_place = e->synced;
        e->slot = cursor_slot_of(e->base_turn, e->synced);
        e->slot_piece = (struct iovec){&e->slot, sizeof(e->slot)};
        io_write(e->io, e->cursor_fd, &e->slot_piece, 1, cursor_slot_offset(e->worker),
                 events_token(e, EVENTS_OP_MARK));
    }
}

// One that fails may have lost what it was to make safe: nobody can tell, and we go on.
static void on_sync(struct events *e, int32_t result)
{
    e->syncing = false;
    e->synced = e->sync_place;
    e->synced_batch = e->sync_batch;
    if (result < 0 && result != -EINVAL && result != -EROFS)
        e->error = result;
}

void events_on_done(struct events *e, const struct io_done *done)
{
    switch ((enum events_op)done->token.op) {
    case EVENTS_OP_APPEND:
        CHECK(e->writing);
        on_append(e, done->result);
        break;
    case EVENTS_OP_SYNC:
        CHECK(e->syncing);
        on_sync(e, done->result);
        break;
    case EVENTS_OP_MARK:
        CHECK(e->marking);
        e->marking = false;
        e->marked = e->mark_place; // a write that failed is made good by the next
        break;
    }
}

void events_flush(struct events *e, bool ending)
{
    if (e->abandoned)
        buffer_clear(&e->lines.text);
    if (e->fd < 0 || e->abandoned)
        return;
    append_next(e, ending);
    come_further(e, ending);
    if (e->journal)
        e->heard_batch = e->journal->synced_batch;
}

uint64_t events_due_us(const struct events *e)
{
    uint64_t due_us = UINT64_MAX;
    if (e->again_us && part_waits(&e->written))
        due_us = e->again_us;
    if (e->unsynced && !e->syncing && e->synced_us + EVENTS_SYNC_US < due_us)
        due_us = e->synced_us + EVENTS_SYNC_US;
    if (mark_waits(e) && e->marked_us + EVENTS_SYNC_US < due_us)
        due_us = e->marked_us + EVENTS_SYNC_US;
    return e->abandoned ? UINT64_MAX : due_us;
}

static uint64_t before_part(const struct events_part *p, uint64_t batch)
{
    return part_waits(p) && p->first_batch <= batch ? p->first_batch - 1 : batch;
}

uint64_t events_told_batch(const struct events *e)
{
    // What cannot be written does not hold up mail: it may be lost, if we crash before it can be.
    if (e->fd < 0 || e->again_us || e->abandoned)
        return UINT64_MAX;
    uint64_t batch = e->unsynced || e->syncing ? e->synced_batch : UINT64_MAX;
    if (batch > e->heard_batch)
        batch = e->heard_batch;
    batch = before_part(&e->written, batch);
    batch = before_part(&e->held, batch);
    return before_part(&e->lines, batch);
}

bool events_move(struct events *e, int fd)
{
    e->moving = true;
    if (e->writing || e->syncing || e->unsynced || (part_waits(&e->written) && !e->again_us))
        return false;
    e->moving = false;
    e->written_bytes = 0; // what the old one did not take is for the new one, whole
    e->fd = fd;
    look_at_file(e);
    return true;
}

void events_abandon(struct events *e)
{
    e->abandoned = true;
    buffer_clear(&e->lines.text);
    buffer_clear(&e->held.text);
    if (e->writing)
        io_cancel(e->io, events_token(e, EVENTS_OP_APPEND));
    else
        buffer_clear(&e->written.text);
}

bool events_idle(const struct events *e)
{
    if (e->writing || e->syncing || e->marking)
        return false;
    return e->abandoned || e->fd < 0 ||
           (!anything_waits(e) && !e->unsynced && !e->behind && !mark_waits(e));
}
