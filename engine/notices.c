#include "engine/notices.h"

#include "engine/base/check.h"
#include "engine/base/log.h"
#include "engine/message/dsn.h"
#include "engine/notices_parts.h"
#include "queue/message_record.h"

#include <errno.h>
#include <stdlib.h>

#define RESULTS_BYTES_MAX (16u * 1024 * 1024) // of one message
#define READ_FAILURES_MAX 10u                 // of a read; then it is put off

// --- lists

static void list_add(struct notice_list *l, struct notice *t)
{
    t->next = NULL;
    if (l->last)
        l->last->next = t;
    else
        l->first = t;
    l->last = t;
}

static void list_add_front(struct notice_list *l, struct notice *t)
{
    t->next = l->first;
    l->first = t;
    if (!l->last)
        l->last = t;
}

static struct notice *list_take(struct notice_list *l)
{
    struct notice *t = l->first;
    if (!t)
        return NULL;
    l->first = t->next;
    if (!l->first)
        l->last = NULL;
    t->next = NULL;
    return t;
}

static struct notice **bucket_of(const struct notices *n, const struct entry *e)
{
    return &n->buckets[(e->id * UINT64_C(0x9e3779b97f4a7c15) >> 32) % NOTICES_BUCKETS];
}

static struct notice *find(const struct notices *n, const struct entry *e)
{
    struct notice *t = *bucket_of(n, e);
    while (t && t->entry != e)
        t = t->bucket_next;
    return t;
}

// --- birth and death

bool notices_init(struct notices *n)
{
    slab_init(&n->slab, sizeof(struct notice), NOTICES_MAX);
    buffer_init(&n->report, DSN_BYTES_MAX);
    n->buckets = calloc(NOTICES_BUCKETS, sizeof(*n->buckets));
    return n->buckets;
}

void notices_release(struct notices *n)
{
    for (uint32_t i = slab_next(&n->slab, 0); n->buckets && i != SLAB_NONE;
         i = slab_next(&n->slab, i + 1)) {
        struct notice *t = slab_at(&n->slab, i);
        CHECK(!t->reading);
        message_free(n->blocks, t->original);
        buffer_release(&t->results);
        buffer_release(&t->records);
    }
    slab_release(&n->slab);
    buffer_release(&n->report);
    free(n->buckets);
    n->buckets = NULL;
}

static struct notice *notice_new(struct notices *n, struct entry *e)
{
    struct notice *t = n->free_first;
    uint32_t index;
    if (t) {
        n->free_first = t->next;
        n->free_count--;
        t->next = NULL;
    } else {
        t = slab_take(&n->slab, &index);
        if (!t)
            return NULL;
        t->index = index;
        buffer_init(&t->results, RESULTS_BYTES_MAX);
        buffer_init(&t->records, RESULTS_BYTES_MAX);
    }
    t->entry = e;
    t->bucket_next = *bucket_of(n, e);
    *bucket_of(n, e) = t;
    list_add(&n->waiting, t);
    return t;
}

static void notice_free(struct notices *n, struct notice *t)
{
    struct notice **at = bucket_of(n, t->entry);
    while (*at != t)
        at = &(*at)->bucket_next;
    *at = t->bucket_next;
    CHECK(t->results.len == 0 && !t->original && !t->writing);
    if (n->free_count == NOTICES_FREE_MAX) {
        buffer_release(&t->results);
        buffer_release(&t->records);
        slab_give(&n->slab, t->index);
        return;
    }
    t->entry = NULL;
    t->jobs = NULL;
    t->next = n->free_first;
    n->free_first = t;
    n->free_count++;
}

// --- what comes in

bool notices_take(struct notices *n, const struct result *r)
{
    struct entry *e = r->job->entry;
    struct notice *t = find(n, e);
    const struct message *m = entry_message(e);
    struct result kept = *r;
    if (n->bytes > NOTICES_BYTES_MAX)
        return false;
    if (m) { // it may have gone by the time that its event is written
        kept.sender = message_sender(m);
        kept.recipient = message_rcpt_address(m, r->rcpt);
    }
    if (!t)
        t = notice_new(n, e);
    size_t before = t ? t->results.len : 0;
    if (!t || !result_keep(&t->results, &kept))
        return false;
    n->bytes += t->results.len - before;
    return true;
}

bool notices_hold(struct notices *n, struct job *j)
{
    struct notice *t = n->slab.item_count > n->free_count ? find(n, j->entry) : NULL;
    if (!t)
        return false;
    j->next = t->jobs;
    t->jobs = j;
    return true;
}

bool notices_concern(const struct notices *n, const struct entry *e)
{
    const struct notice *t = n->slab.item_count > n->free_count ? find(n, e) : NULL;
    return t && (t->reading || t->writing);
}

// --- reading back

static void read_on(struct notices *n, struct notice *t)
{
    uint64_t place = t->entry->place;
    const struct segment *s = segment_at(n->journal->segments->table, place_segment(place));
    struct io_token token = {t->index, slab_generation(&n->slab, t->index), n->io_owner, 0};
    io_read(n->io, s->fd, t->to + t->bytes_read, t->bytes - t->bytes_read,
            place_offset(place) + t->bytes_read, token);
}

static bool read_begin(struct notices *n, struct notice *t)
{
    void *to;
    if (n->original_count == NOTICES_READS_MAX)
        return false;
    t->original = message_read_new(n->blocks, t->entry->payload_bytes, &to, &t->bytes);
    if (!t->original)
        return false;
    t->to = to;
    t->bytes_read = 0;
    t->failures = 0;
    t->reading = true;
    n->original_count++;
    n->reading_count++;
    read_on(n, t);
    return true;
}

static void drop_original(struct notices *n, struct notice *t)
{
    if (!t->original)
        return;
    message_free(n->blocks, t->original);
    t->original = NULL;
    n->original_count--;
}

static void is_over(struct notices *n, struct notice *t, enum notice_end end)
{
    t->end = (uint8_t)end;
    list_add(&n->over, t);
}

static void original_missing(struct notices *n, struct notice *t, enum notice_end end)
{
    drop_original(n, t);
    t->told_bytes = t->results.len;
    is_over(n, t, end);
}

// All that was to be told of it is recorded alone.
static void original_damaged(struct notices *n, struct notice *t)
{
    char id[MESSAGE_ID_TEXT_BYTES];
    log_line(LOG_LEVEL_ERROR,
             "message %s is damaged in the journal: its sender is not told that recipients have "
             "failed",
             message_id_print(t->entry->id, id));
    original_missing(n, t, NOTICE_ALONE);
}

// The disk may read it later.
static void original_unread(struct notices *n, struct notice *t, int error)
{
    char id[MESSAGE_ID_TEXT_BYTES];
    log_line(LOG_LEVEL_ERROR,
             "message %s cannot be read back from the journal now (%s): its sender is not told yet "
             "that recipients have failed",
             message_id_print(t->entry->id, id), strerrordesc_np(-error));
    original_missing(n, t, NOTICE_UNREAD);
}

void notices_on_done(struct notices *n, const struct io_done *done)
{
    struct notice *t = slab_find(&n->slab, done->token.index, done->token.generation);
    CHECK(t && t->reading);
    n->rest_until_us = 0;
    if (done->result > 0)
        t->bytes_read += (size_t)done->result;
    bool again = done->result == -EINTR || done->result == -EAGAIN;
    if (done->result <= 0 && !again)
        again = ++t->failures < READ_FAILURES_MAX;
    if (again || (done->result > 0 && t->bytes_read < t->bytes)) {
        read_on(n, t);
        return;
    }
    t->reading = false;
    n->reading_count--;
    const struct entry *e = t->entry;
    const struct segment *s = segment_at(n->journal->segments->table, place_segment(e->place));
    if (done->result <= 0)
        original_unread(n, t, done->result < 0 ? done->result : -EIO);
    else if (!message_read_done(t->original, e->payload_bytes, s->epoch, place_offset(e->place),
                                e->id))
        original_damaged(n, t);
    else
        list_add_front(&n->waiting, t);
}

// --- their turn

enum went { WENT_ON, WENT_NOT, WENT_NOWHERE };

// WENT_NOT: this one must wait. WENT_NOWHERE: so must all others.
static enum went go_on(struct notices *n, struct notice *t)
{
    const struct message *m = t->original ? t->original : entry_message(t->entry);
    if (mover_holds(n->mover, t->entry))
        return WENT_NOT;
    if (!m)
        return read_begin(n, t) ? WENT_ON : WENT_NOWHERE;
    switch (notice_build(n, t, m)) {
    case NOTICE_BUILT:
        t->writing = true;
        n->writing_count++;
        break;
    case NOTICE_NOT_DUE: is_over(n, t, NOTICE_ALONE); break;
    case NOTICE_NO_MEMORY: return WENT_NOWHERE;
    }
    drop_original(n, t);
    return WENT_ON;
}

// Memory may be full of messages that are there because their senders are to be told. When nothing
// of ours is under way that would give some back, one goes beyond the limit.
static enum went go_on_anyway(struct notices *n, struct notice *t)
{
    uint64_t bytes_max = n->blocks->bytes_max;
    enum went went = go_on(n, t);
    if (went != WENT_NOWHERE || n->reading_count > 0 || n->writing_count > 0)
        return went;
    n->blocks->bytes_max = UINT64_MAX;
    went = go_on(n, t);
    n->blocks->bytes_max = bytes_max;
    return went;
}

// New mail is refused, perhaps because of what waits here: then there must be room in the open
// segment, and what is left of it for results.
static bool fits_anyway(const struct journal *j)
{
    const struct segments *s = j->segments;
    if (s->open == SEGMENT_NONE || s->spare_count < SEGMENTS_RESERVE)
        return false;
    uint64_t bytes = segment_at(s->table, s->open)->bytes;
    return bytes - j->write_at > bytes / NOTICES_ROOM_PART;
}

static bool may_go_on(const struct notices *n)
{
    const struct journal *j = n->journal;
    if (n->writing_count == NOTICES_WRITING_MAX || journal_troubled(j))
        return false;
    return !j->segments || segments_accept(j->segments) ||
           (n->writing_count == 0 && fits_anyway(j));
}

// The engine ends, and it cannot be written.
static void put_off(struct notices *n, struct notice *t)
{
    drop_original(n, t);
    t->told_bytes = t->results.len;
    is_over(n, t, NOTICE_PUT_OFF);
}

void notices_turn(struct notices *n)
{
    struct notice_list held = {NULL, NULL};
    struct notice *t;
    bool stuck = false;
    if (!n->waiting.first || io_now_us(n->io) < n->rest_until_us)
        return;
    while (!stuck && may_go_on(n) && (t = list_take(&n->waiting))) {
        enum went went = go_on_anyway(n, t);
        stuck = went == WENT_NOWHERE;
        if (stuck)
            list_add_front(&n->waiting, t);
        else if (went == WENT_NOT)
            list_add(&held, t);
    }
    bool ends = n->journal->closing && n->waiting.first && n->reading_count == 0 &&
                n->writing_count == 0;
    while (ends && (t = list_take(&n->waiting)))
        put_off(n, t);
    while ((t = list_take(&held)))
        list_add(&n->waiting, t);
    if (n->waiting.first)
        n->rest_until_us = io_now_us(n->io) + NOTICES_AGAIN_US;
}

void notices_settled(struct notices *n, struct message *m, enum journal_fate fate)
{
    struct notice *t = m->notice;
    CHECK(t->writing);
    m->notice = NULL;
    m->results = NULL;
    t->writing = false;
    n->writing_count--;
    n->rest_until_us = 0;
    if (fate == JOURNAL_COMMITTED) {
        n->report_count++;
        is_over(n, t, NOTICE_REPORTED);
    } else if (n->journal->closing) {
        put_off(n, t);
    } else {
        list_add_front(&n->waiting, t); // with the same id
        n->rest_until_us = io_now_us(n->io) + NOTICES_AGAIN_US;
    }
}

// --- what goes out

struct notice *notices_next_over(struct notices *n)
{
    return list_take(&n->over);
}

bool notice_next_result(const struct notice *t, size_t *offset, struct result *ret)
{
    return result_kept_next(&t->results, t->told_bytes, offset, ret);
}

struct job *notices_forget(struct notices *n, struct notice *t)
{
    struct job *jobs = t->jobs;
    n->bytes -= t->told_bytes;
    buffer_drop_front(&t->results, t->told_bytes);
    t->told_bytes = 0;
    t->report_id = 0;
    if (t->results.len > 0) {
        list_add(&n->waiting, t);
        return NULL;
    }
    notice_free(n, t);
    return jobs;
}

uint64_t notices_due_us(const struct notices *n)
{
    return n->waiting.first ? n->rest_until_us : UINT64_MAX;
}

bool notices_idle(const struct notices *n)
{
    return n->reading_count == 0 && !n->waiting.first && !n->over.first;
}
