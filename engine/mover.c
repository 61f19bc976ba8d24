#include "engine/mover.h"

#include "engine/base/check.h"
#include "engine/base/log.h"
#include "engine/notices.h"
#include "queue/job.h"
#include "queue/message_record.h"

#include <errno.h>
#include <string.h>

void mover_init(struct mover *m, struct io *io, struct journal *journal, const struct slab *jobs,
                struct block_pool *blocks, uint8_t io_owner)
{
    *m = (struct mover){.io = io,
                        .journal = journal,
                        .jobs = jobs,
                        .blocks = blocks,
                        .io_owner = io_owner,
                        .segment = SEGMENT_NONE};
}

void mover_release(struct mover *m)
{
    CHECK(m->reading_count == 0);
}

static void slot_free(struct mover *m, struct move *slot)
{
    slot->entry = NULL;
    slot->message = NULL;
    m->taken_count--;
}

static struct move *slot_of(struct mover *m, const struct entry *e)
{
    for (uint32_t i = 0; i < MOVER_SLOTS; i++)
        if (m->slots[i].entry == e)
            return &m->slots[i];
    return NULL;
}

bool mover_holds(const struct mover *m, const struct entry *e)
{
    for (uint32_t i = 0; m->taken_count > 0 && i < MOVER_SLOTS; i++)
        if (m->slots[i].entry == e)
            return true;
    return false;
}

bool mover_idle(const struct mover *m)
{
    return m->reading_count == 0;
}

static bool may_begin(const struct mover *m)
{
    return m->journal->segments && !journal_troubled(m->journal) && !m->journal->closing &&
           io_now_us(m->io) >= m->rest_until_us;
}

bool mover_busy(const struct mover *m)
{
    return m->segment != SEGMENT_NONE && m->taken_count < MOVER_SLOTS && may_begin(m) &&
           m->job_next != SLAB_NONE;
}

// --- reading

static void slot_read(struct mover *m, struct move *slot)
{
    uint64_t place = slot->entry->place;
    const struct segment *s = segment_at(m->journal->segments->table, place_segment(place));
    struct io_token token = {(uint32_t)(slot - m->slots), slot->generation, m->io_owner, 0};
    io_read(m->io, s->fd, slot->to + slot->bytes_read, slot->bytes - slot->bytes_read,
            place_offset(place) + slot->bytes_read, token);
}

static bool slot_begin(struct mover *m, struct entry *e)
{
    struct move *slot = slot_of(m, NULL);
    void *to;
    size_t bytes;
    struct message *message = message_read_new(m->blocks, e->payload_bytes, &to, &bytes);
    if (!message)
        return false;
    *slot = (struct move){.entry = e,
                          .message = message,
                          .to = to,
                          .bytes = bytes,
                          .generation = (uint16_t)(slot->generation + 1),
                          .reading = true};
    m->taken_count++;
    m->reading_count++;
    slot_read(m, slot);
    return true;
}

static struct entry *slot_failed(struct mover *m, struct move *slot, int error)
{
    struct entry *e = slot->entry;
    char id[MESSAGE_ID_TEXT_BYTES];
    struct segment *s = segment_at(m->journal->segments->table, place_segment(e->place));
    bool later = error < 0 && s->unread_count < MOVER_UNREAD_MAX;
    if (later) { // the disk may read it then
        s->unread_count++;
        m->left_some = true;
        m->rest_until_us = io_now_us(m->io) + MOVER_AGAIN_US;
    } else {
        s->damaged = true;
        m->lost_count++;
    }
    if (later ? s->unread_count == 1 : s->lost_count == 0) // told once
        log_line(LOG_LEVEL_ERROR, "message %s cannot be moved to another segment: %s",
                 message_id_print(slot->entry->id, id),
                 error < 0 ? strerrordesc_np(-error) : "its bytes are damaged");
    message_free(m->blocks, slot->message);
    slot_free(m, slot);
    return e;
}

static struct entry *slot_arrived(struct mover *m, struct move *slot)
{
    const struct entry *e = slot->entry;
    const struct segment *s = segment_at(m->journal->segments->table, place_segment(e->place));
    if (!message_read_done(slot->message, e->payload_bytes, s->epoch, place_offset(e->place),
                           e->id))
        return slot_failed(m, slot, 0);
    slot->message->entry = slot->entry;
    journal_move(m->journal, slot->message);
    return NULL;
}

struct entry *mover_on_done(struct mover *m, const struct io_done *done)
{
    CHECK(done->token.index < MOVER_SLOTS);
    struct move *slot = &m->slots[done->token.index];
    CHECK(slot->reading && slot->generation == done->token.generation);
    if (done->result > 0)
        slot->bytes_read += (size_t)done->result;
    if ((done->result > 0 && slot->bytes_read < slot->bytes) || done->result == -EINTR ||
        done->result == -EAGAIN) {
        slot_read(m, slot);
        return NULL;
    }
    if (done->result <= 0 && ++slot->failures < MOVER_FAILURES_MAX) {
        slot_read(m, slot);
        return NULL;
    }
    slot->reading = false;
    m->reading_count--;
    if (done->result <= 0)
        return slot_failed(m, slot, done->result < 0 ? done->result : -EIO);
    return slot_arrived(m, slot);
}

// --- which

// The next entry whose message stands in that segment. NULL: none in this turn.
static struct entry *next_entry(struct mover *m)
{
    for (uint32_t looks = 0; looks < MOVER_LOOKS_MAX; looks++) {
        uint32_t index = slab_next(m->jobs, m->job_next);
        m->job_next = index;
        if (index == SLAB_NONE)
            return NULL;
        m->job_next++;
        struct job *j = slab_at(m->jobs, index);
        // One that is not committed yet has no place; one that is over goes by itself.
        if (j->entry == &j->own_entry && j->own_entry.place != PLACE_NONE &&
            entry_open_count(j->entry) > 0 && place_segment(j->own_entry.place) == m->segment &&
            !mover_holds(m, j->entry)) {
            if (!notices_concern(m->notices, j->entry))
                return j->entry;
            m->left_some = true; // until its sender is told
        }
    }
    return NULL;
}

// All were looked at, and what was found is settled.
static void looked_through(struct mover *m, struct segments *s)
{
    if (m->lost_count > 0 && !m->left_some)
        segments_lost(s, m->segment, m->lost_count);
    // If it does not go for that, something else lives there.
    if (m->lost_count > 0 || (m->left_some && m->rest_until_us <= io_now_us(m->io)))
        m->rest_until_us = io_now_us(m->io) + MOVER_REST_US;
    m->segment = SEGMENT_NONE; // what next is asked anew
}

void mover_turn(struct mover *m, struct segments *s)
{
    if (m->journal->closing)
        m->segment = SEGMENT_NONE; // what is under way is ended
    if (!may_begin(m))
        return;
    if (m->segment == SEGMENT_NONE) {
        m->segment = segments_to_move(s);
        m->job_next = 0;
        m->lost_count = 0;
        m->left_some = false;
    }
    while (m->segment != SEGMENT_NONE && m->taken_count < MOVER_SLOTS) {
        struct entry *e = m->job_next == SLAB_NONE ? NULL : next_entry(m);
        if (e && !slot_begin(m, e)) {
            m->left_some = true;
            m->rest_until_us = io_now_us(m->io) + MOVER_REST_US;
        }
        if (e && m->rest_until_us <= io_now_us(m->io))
            continue;
        if (m->job_next == SLAB_NONE && m->taken_count == 0)
            looked_through(m, s);
        return;
    }
}

// --- how it went

struct entry *mover_settled(struct mover *m, struct message *message, enum journal_fate fate)
{
    struct entry *e = message->entry;
    struct move *slot = slot_of(m, e);
    struct segments *s = m->journal->segments;
    uint64_t bytes = sizeof(struct record_header) + e->payload_bytes;
    CHECK(slot && slot->message == message);
    if (fate == JOURNAL_COMMITTED) {
        uint64_t from = e->place;
        atomic_store(&e->place, message->place);
        segments_add_live(s, message->place, bytes);
        segments_drop_live(s, from, bytes, message->batch);
        m->moved_count++;
    } else {
        m->left_some = true;
        m->rest_until_us = io_now_us(m->io) + MOVER_REST_US;
    }
    slot_free(m, slot);
    message_free(m->blocks, message);
    return e;
}
