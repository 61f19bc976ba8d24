#include "queue/journal.h"

#include "engine/base/check.h"
#include "queue/job.h"
#include "queue/journal_batch.h"
#include "queue/message_record.h"

#include <errno.h>
#include <stdlib.h>

// Batches grow with what waits; this is beyond what the parts may come to.
#define BUFFER_BYTES_MAX (512u * 1024 * 1024)
#define RESULT_TEXTS 3

bool journal_init(struct journal *j, struct segments *segments)
{
    *j = (struct journal){.segments = segments, .batch = 1, .state = JOURNAL_SEALING};
    buffer_init(&j->results, BUFFER_BYTES_MAX);
    buffer_init(&j->results_written, BUFFER_BYTES_MAX);
    buffer_init(&j->notes, BUFFER_BYTES_MAX);
    buffer_init(&j->unsynced, BUFFER_BYTES_MAX);
    if (!segments)
        return true;
    j->pieces = calloc(JOURNAL_PIECES_MAX, sizeof(*j->pieces));
    return j->pieces;
}

void journal_release(struct journal *j)
{
    CHECK(!j->writing && !j->syncing);
    buffer_release(&j->results);
    buffer_release(&j->results_written);
    buffer_release(&j->notes);
    buffer_release(&j->unsynced);
    free(j->pieces);
    j->pieces = NULL;
}

// --- what comes in

void journal_append(struct journal *j, struct message *m)
{
    CHECK(m->envelope_sealed && m->entry);
    m->place = PLACE_NONE;
    j->starved = false;
    message_list_add(&j->waiting, m);
    j->counters.messages += !m->moving;
}

void journal_move(struct journal *j, struct message *m)
{
    CHECK(j->segments);
    m->moving = true;
    journal_append(j, m);
}

static void put_attempt(struct journal *j, const struct result *r)
{
    struct record_attempt a = {
        .id = r->job->entry->id,
        .wall_us = r->wall_us,
        .rcpt_first = r->job->rcpt_first,
        .rcpt_count = r->job->rcpt_count,
        .attempt = r->attempt,
    };
    CHECK(batch_put_record(&j->results, RECORD_ATTEMPT, &a, sizeof(a), NULL, 0));
}

static enum rcpt_state outcome_of(const struct result *r)
{
    switch ((enum result_kind)r->kind) {
    case RESULT_DELIVERED: return RCPT_DELIVERED;
    case RESULT_FAILED: return RCPT_FAILED;
    case RESULT_DEFERRED: return RCPT_DEFERRED;
    case RESULT_ATTEMPT:
    case RESULT_JOB_HOME:
    case RESULT_DAMAGED:
    case RESULT_JOB_HELD: break;
    }
    CHECK(false);
}

bool journal_put_result(struct buffer *b, const struct result *r)
{
    bool deferred = r->kind == RESULT_DEFERRED;
    struct slice texts[RESULT_TEXTS] = {r->host, r->address, r->text};
    struct record_result record = {
        .id = r->job->entry->id,
        .wall_us = r->wall_us,
        .rcpt = r->rcpt,
        .due_wall_s = deferred ? (uint32_t)((r->wall_us + 999999) / 1000000 + r->delay_s) : 0,
        .attempt = r->attempt,
        .code = r->code,
        .enhanced = {r->enhanced[0], r->enhanced[1], r->enhanced[2]},
        .outcome = (uint8_t)outcome_of(r),
        .in_doubt = r->in_doubt,
        .category = r->category,
        .tls_version = r->tls_version,
        .tls_cipher = r->tls_cipher,
        .reason = r->reason,
        .host_bytes = (uint8_t)r->host.len,
        .address_bytes = (uint8_t)r->address.len,
        .text_bytes = (uint16_t)r->text.len,
    };
    return batch_put_record(b, RECORD_RESULT, &record, sizeof(record), texts, RESULT_TEXTS);
}

void journal_result(struct journal *j, const struct result *r)
{
    if (r->kind == RESULT_JOB_HOME || r->kind == RESULT_DAMAGED || r->kind == RESULT_JOB_HELD)
        return;
    j->counters.results += r->kind != RESULT_ATTEMPT;
    if (!j->segments)
        return;
    if (r->kind == RESULT_ATTEMPT)
        put_attempt(j, r);
    else
        CHECK(journal_put_result(&j->results, r));
    j->result_count++;
    j->starved = false;
}

void journal_key(struct journal *j, const struct record_key *k)
{
    CHECK(batch_put_record(&j->results, RECORD_KEY, k, sizeof(*k), NULL, 0));
    j->result_count++;
    j->starved = false;
    j->keys_gather = true;
    j->keys_batch = UINT64_MAX;
}

void journal_forget(struct journal *j, const struct entry *e)
{
    j->counters.forgotten++;
    CHECK(j->counters.forgotten <= j->counters.messages);
    if (j->segments)
        segments_drop_live(j->segments, e->place, sizeof(struct record_header) + e->payload_bytes,
                           j->batch);
}

// --- fates

static bool anything_waits(const struct journal *j)
{
    return j->waiting.first || j->result_count > 0;
}

static void settle(struct journal *j, struct message *m, enum journal_fate fate)
{
    m->fate = (uint8_t)fate;
    message_list_add(&j->settled, m);
    if (m->moving)
        return;
    j->counters.messages_refused += fate != JOURNAL_COMMITTED;
    j->counters.messages -= fate != JOURNAL_COMMITTED;
}

static void settle_all(struct journal *j, struct message_list *l, enum journal_fate fate)
{
    struct message *m;
    while ((m = message_list_take(l)))
        settle(j, m, fate);
}

struct message *journal_settled(struct journal *j, enum journal_fate *ret_fate)
{
    struct message *m = message_list_take(&j->settled);
    if (m)
        *ret_fate = (enum journal_fate)m->fate;
    return m;
}

struct message *journal_take_any(struct journal *j)
{
    CHECK(!j->writing && !j->syncing);
    struct message *m = message_list_take(&j->waiting);
    if (!m)
        m = message_list_take(&j->written);
    return m ? m : message_list_take(&j->settled);
}

bool journal_accepts(const struct journal *j, enum journal_fate *ret_fate)
{
    if (!j->segments)
        return true;
    *ret_fate = journal_troubled(j) && !j->blocked ? JOURNAL_FAILED : JOURNAL_NO_ROOM;
    return !journal_troubled(j) && segments_accept(j->segments);
}

// They may all have to go into one batch, and what is under way then comes on top.
_Static_assert(JOURNAL_UNSYNCED_BYTES_MAX /
                       (sizeof(struct record_header) + sizeof(struct record_attempt)) <
                   FORMAT_RECORDS_MAX - FORMAT_RECORDS_MAX / 8,
               "a batch can be read");

bool journal_troubled(const struct journal *j)
{
    return j->troubled || j->blocked ||
           j->unsynced.len + j->results.len > JOURNAL_UNSYNCED_BYTES_MAX;
}

bool journal_opened(const struct journal *j)
{
    return !j->segments || j->synced_end > 0;
}

bool journal_broken(const struct journal *j)
{
    return j->segments && j->state == JOURNAL_BROKEN;
}

bool journal_busy(const struct journal *j)
{
    if (j->settled.first)
        return true;
    if (!j->segments)
        return j->waiting.first;
    return j->state == JOURNAL_OPEN && !j->writing && !j->starved && !j->no_memory_until_us &&
           anything_waits(j);
}

static struct segment *open_segment(const struct journal *j)
{
    return segment_at(j->segments->table, j->segments->open);
}

uint64_t journal_safe_batch(const struct journal *j)
{
    return !j->segments || j->state == JOURNAL_BROKEN ? UINT64_MAX : j->synced_batch;
}

struct journal_place journal_frontier(const struct journal *j)
{
    if (!j->segments || !journal_opened(j))
        return (struct journal_place){0};
    return (struct journal_place){open_segment(j)->turn, j->synced_end};
}

static bool mark_wanted(const struct journal *j)
{
    return j->state == JOURNAL_OPEN && !j->writing && !j->syncing &&
           j->written_end == j->synced_end && j->marked_end < j->records_end &&
           j->write_at + FORMAT_BLOCK_BYTES <= open_segment(j)->bytes;
}

bool journal_idle(const struct journal *j)
{
    bool empty = !j->waiting.first && !j->settled.first;
    if (!j->segments || j->state == JOURNAL_BROKEN)
        return empty && !j->writing && !j->syncing;
    return empty && !j->written.first && j->result_count == 0 && j->unsynced.len == 0 &&
           !j->writing && !j->syncing && j->written_end == j->synced_end &&
           !(j->closing && mark_wanted(j));
}

// --- a segment fails

static void gather_again(struct journal *j)
{
    struct buffer all;
    buffer_init(&all, BUFFER_BYTES_MAX);
    CHECK(buffer_append(&all, buffer_slice(&j->unsynced)) &&
          buffer_append(&all, buffer_slice(&j->results_written)) &&
          buffer_append(&all, buffer_slice(&j->results)));
    buffer_clear(&j->unsynced);
    buffer_clear(&j->results_written);
    buffer_release(&j->results);
    j->results = all;
    j->result_count = batch_count_records(buffer_slice(&all));
    j->keys_gather |= j->keys_batch > j->synced_batch; // those are among them
}

// Nobody who waits can be told that his message is safe. What is under way must end by itself: its
// memory is lent. A message that is being written stays in j->written until then.
static void fail(struct journal *j, int error)
{
    j->error = error;
    if (j->state == JOURNAL_FAILING || j->state == JOURNAL_BROKEN)
        return;
    j->counters.segments_failed++;
    j->state = j->troubled ? JOURNAL_BROKEN : JOURNAL_FAILING;
    j->troubled = true;
}

// What was under way on a failed segment has ended.
static void give_up_unsynced(struct journal *j)
{
    settle_all(j, &j->written, JOURNAL_FAILED);
    settle_all(j, &j->waiting, JOURNAL_FAILED);
    if (j->unsynced.len > 0 || j->results_written.len > 0)
        gather_again(j);
}

bool journal_unrecorded(const struct journal *j, size_t *offset, struct record_result *ret)
{
    while (*offset < j->results.len) {
        struct record_header h;
        memcpy(&h, j->results.data + *offset, sizeof(h));
        const char *payload = j->results.data + *offset + sizeof(h);
        *offset += sizeof(h) + (size_t)format_record_padded(h.bytes);
        if (h.type != RECORD_RESULT)
            continue;
        memcpy(ret, payload, sizeof(*ret));
        return true;
    }
    return false;
}

// --- from segment to segment

// Nothing was promised to them yet.
static void refuse_waiting(struct journal *j)
{
    settle_all(j, &j->waiting, JOURNAL_NO_ROOM);
    segments_give_up(j->segments);
}

// What becomes of deliveries cannot be written until somebody makes room: nothing new may start.
static void block(struct journal *j)
{
    j->blocked = j->segments->no_room && j->result_count > 0;
    if (j->blocked)
        j->error = j->segments->error;
}

// The next spare becomes the open segment. The one before ends where it was last synced, and stays
// until that is written down and synced: messages in it that were settled in this turn are not
// counted as alive yet, and by then they are.
static bool roll(struct journal *j)
{
    struct segments *s = j->segments;
    uint32_t sealed = s->open;
    bool urgent = j->troubled || !journal_opened(j) ||
                  (j->waiting.first && j->waiting.first->moving);
    struct record_opens opening = {0};
    if (j->synced_end > 0) {
        opening.previous_epoch = segment_at(s->table, s->open)->epoch;
        opening.previous_end = j->synced_end;
    }
    if (!segments_open(s, batch_bytes_first(j), urgent)) {
        if (s->no_room)
            refuse_waiting(j);
        // What is left is for results, with nothing beside them.
        if (j->result_count == 0 || !segments_open(s, batch_bytes_results(j), true)) {
            block(j);
            return false;
        }
    }
    j->blocked = false;
    j->written_batch = j->synced_batch; // what a failed segment held is written again
    segments_keep(s, sealed, j->batch);
    j->opening = opening;
    j->opens = true;
    j->state = JOURNAL_OPEN;
    j->write_at = j->written_end = j->synced_end = FORMAT_BLOCK_BYTES;
    j->marked_end = j->records_end = FORMAT_BLOCK_BYTES;
    return true;
}

// --- what is to be done

static const struct journal_task nothing = {.kind = JOURNAL_NOTHING};

static struct journal_task task_write(struct journal *j, enum journal_task_kind kind)
{
    return (struct journal_task){
        .kind = kind,
        .fd = open_segment(j)->fd,
        .pieces = j->pieces + j->piece_first,
        .piece_count = j->piece_count - j->piece_first,
        .offset = j->write_end - j->bytes_left,
    };
}

static struct journal_task begin_write(struct journal *j, const struct batch_plan *plan,
                                       uint64_t now_us, uint64_t wall_us)
{
    if (!batch_build(j, plan, j->segments->open, j->write_at, now_us, wall_us)) {
        j->no_memory_until_us = now_us + JOURNAL_MEMORY_US; // asking on would only spin
        return nothing;
    }
    j->no_memory_until_us = 0;
    j->writing = true;
    // Who waits for the results of this batch waits for those, too, that had no room in it.
    j->write_batch = j->result_count > 0 ? j->written_batch : j->batch;
    j->write_end = j->write_at + plan->bytes;
    j->bytes_left = plan->bytes;
    j->counters.writes++;
    j->counters.batches++;
    j->counters.bytes += plan->bytes;
    if (j->keys_gather && j->result_count > 0) {
        j->keys_parted = true; // some may be in this batch, others in a later one
    } else if (j->keys_gather && plan->results_count > 0) {
        j->keys_gather = false;
        j->keys_batch = j->batch;
        j->keys_segment = j->segments->open;
    }
    // Whoever waits for a sync need not wait for a turn between the two.
    bool sync = !j->syncing && (j->written.first || j->troubled);
    if (sync) {
        j->syncing = j->sync_linked = true;
        j->sync_end = j->write_end;
        j->sync_batch = j->write_batch;
        j->counters.syncs++;
    }
    j->marked_end = j->synced_end;
    if (plan->record_count > 0)
        j->records_end = j->write_end;
    j->batch++;
    return task_write(j, sync ? JOURNAL_WRITE_AND_SYNC : JOURNAL_WRITE);
}

static bool wants_sync(const struct journal *j, uint64_t now_us)
{
    if (j->syncing || j->written_end == j->synced_end)
        return false;
    return j->written.first || j->state == JOURNAL_SEALING || j->troubled ||
           j->unsynced.len >= JOURNAL_RESULTS_BYTES_MAX ||
           now_us >= j->unsynced_since_us + JOURNAL_RESULTS_US_MAX;
}

static struct journal_task begin_sync(struct journal *j)
{
    j->syncing = true;
    j->sync_linked = false;
    j->sync_end = j->written_end;
    j->sync_batch = j->written_batch;
    j->sync_covers = j->unsynced.len;
    j->counters.syncs++;
    return (struct journal_task){.kind = JOURNAL_SYNC, .fd = open_segment(j)->fd};
}

static uint64_t mark_due_us(const struct journal *j)
{
    return j->closing ? 0 : j->synced_us + JOURNAL_MARK_US;
}

static struct journal_task next_mark(struct journal *j, uint64_t now_us, uint64_t wall_us)
{
    const struct batch_plan mark = {.bytes = FORMAT_BLOCK_BYTES,
                                    .record_bytes = sizeof(struct batch_header),
                                    .notes_bytes = sizeof(struct batch_header)};
    if (!mark_wanted(j) || now_us < mark_due_us(j))
        return nothing;
    return begin_write(j, &mark, now_us, wall_us);
}

static struct journal_task next_write(struct journal *j, uint64_t now_us, uint64_t wall_us)
{
    if (j->state != JOURNAL_OPEN || j->writing || now_us < j->no_memory_until_us)
        return nothing;
    if (!anything_waits(j) && !(j->troubled && j->opens))
        return next_mark(j, now_us, wall_us);
    struct batch_plan plan = batch_plan(j, open_segment(j)->bytes - j->write_at);
    if (plan.bytes > 0)
        return begin_write(j, &plan, now_us, wall_us);
    // While a segment is made for what is large, this one stays open for results.
    j->starved = !segments_has(j->segments, batch_bytes_first(j), JOURNAL_RESULTS_BYTES_MAX);
    if (!j->starved)
        j->state = JOURNAL_SEALING;
    else if (j->segments->no_room && !j->written.first) // in their order
        refuse_waiting(j);
    return nothing;
}

static bool may_roll(const struct journal *j)
{
    bool sealed = j->state == JOURNAL_SEALING && j->written_end == j->synced_end;
    return (sealed || j->state == JOURNAL_FAILING) &&
           (anything_waits(j) || j->troubled || !journal_opened(j));
}

struct journal_task journal_next(struct journal *j, uint64_t now_us, uint64_t wall_us)
{
    if (!j->segments) {
        settle_all(j, &j->waiting, JOURNAL_COMMITTED);
        return nothing;
    }
    // The rest of a short one, once the sync that was to follow has said that it did not.
    if (j->writing && j->rewrite && !(j->syncing && j->sync_linked)) {
        j->rewrite = false;
        if (j->state != JOURNAL_FAILING && j->state != JOURNAL_BROKEN)
            return task_write(j, JOURNAL_WRITE);
        j->writing = false; // the segment has failed meanwhile
    }
    bool quiet = !j->writing && !j->syncing;
    if (quiet && (j->state == JOURNAL_FAILING || j->state == JOURNAL_BROKEN))
        give_up_unsynced(j);
    if (j->state == JOURNAL_BROKEN)
        return nothing;
    struct journal_task t = next_write(j, now_us, wall_us);
    // Behind the look at what still fits, since that may find out that the segment is full.
    if (t.kind == JOURNAL_NOTHING && quiet && may_roll(j) && roll(j))
        t = next_write(j, now_us, wall_us);
    if (t.kind != JOURNAL_NOTHING)
        return t;
    if (j->state != JOURNAL_FAILING && wants_sync(j, now_us))
        return begin_sync(j);
    return nothing;
}

uint64_t journal_due_us(const struct journal *j)
{
    if (!j->segments || j->state == JOURNAL_FAILING || j->state == JOURNAL_BROKEN)
        return UINT64_MAX;
    uint64_t write_us = j->no_memory_until_us ? j->no_memory_until_us : UINT64_MAX;
    if (!j->syncing && j->written_end != j->synced_end) {
        uint64_t sync_us = j->unsynced_since_us + JOURNAL_RESULTS_US_MAX;
        return sync_us < write_us ? sync_us : write_us;
    }
    return !j->no_memory_until_us && mark_wanted(j) ? mark_due_us(j) : write_us;
}

void journal_close(struct journal *j)
{
    j->closing = true;
}

// --- how it went

static void skip_written(struct journal *j, size_t bytes)
{
    j->bytes_left -= bytes;
    while (bytes > 0) {
        struct iovec *p = &j->pieces[j->piece_first];
        size_t part = bytes < p->iov_len ? bytes : p->iov_len;
        p->iov_base = (char *)p->iov_base + part;
        p->iov_len -= part;
        bytes -= part;
        if (p->iov_len == 0)
            j->piece_first++;
    }
}

// The sync that was linked to this write covers its results; one that was under way before it does
// not: those wait from now on.
static void write_complete(struct journal *j, uint64_t now_us)
{
    bool own_sync = j->syncing && j->sync_linked && j->sync_end == j->write_end;
    size_t covered = j->syncing && !own_sync ? j->sync_covers : 0;
    j->writing = false;
    j->write_at = j->written_end = j->write_end;
    j->written_batch = j->write_batch;
    if (j->unsynced.len == covered)
        j->unsynced_since_us = now_us;
    CHECK(buffer_append(&j->unsynced, buffer_slice(&j->results_written)));
    buffer_clear(&j->results_written);
    if (own_sync)
        j->sync_covers = j->unsynced.len;
}

void journal_wrote(struct journal *j, int32_t result, uint64_t now_us)
{
    CHECK(j->writing);
    if (j->state == JOURNAL_FAILING || j->state == JOURNAL_BROKEN) {
        j->writing = false; // whatever it brought
        return;
    }
    if (result > 0) {
        CHECK((uint64_t)result <= j->bytes_left);
        skip_written(j, (size_t)result);
        if (j->bytes_left == 0) {
            write_complete(j, now_us);
            return;
        }
    } else if (result != -EINTR && result != -EAGAIN) {
        j->writing = false;
        fail(j, result < 0 ? result : -EIO);
        return;
    }
    j->rewrite = true; // a sync that was to follow does not
}

static void on_sync_done(struct journal *j)
{
    j->synced_end = j->sync_end;
    j->synced_batch = j->sync_batch;
    j->troubled = false;
    buffer_drop_front(&j->unsynced, j->sync_covers);
    while (j->written.first && j->written.first->batch <= j->synced_batch) {
        settle(j, message_list_take(&j->written), JOURNAL_COMMITTED);
        j->counters.messages_synced++;
    }
}

void journal_synced(struct journal *j, int32_t result, uint64_t now_us)
{
    CHECK(j->syncing);
    j->syncing = false;
    if (j->state == JOURNAL_FAILING || j->state == JOURNAL_BROKEN)
        return;
    if (result == -ECANCELED && j->sync_linked)
        return; // its write was short, or they were parted: it was not tried
    if (result < 0) {
        fail(j, result);
        return;
    }
    on_sync_done(j);
    j->synced_us = now_us;
}
