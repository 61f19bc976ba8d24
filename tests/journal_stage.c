#include "tests/journal_stage.h"

#include "engine/base/check.h"
#include "queue/message_record.h"
#include "tests/suite.h"

#include <errno.h>
#include <stdlib.h>

#define STAGE_JOBS_MAX 100000u

struct stage *stage_new(uint64_t segment_bytes, uint64_t bytes_max)
{
    struct stage *s = calloc(1, sizeof(*s));
    CHECK(s && segment_table_init(&s->table, bytes_max));
    slab_init(&s->jobs, sizeof(struct job), STAGE_JOBS_MAX);
    block_pool_init(&s->blocks, UINT64_C(1) << 30);
    segments_init(&s->segments, &s->table, 0, segment_bytes, 1);
    CHECK(journal_init(&s->journal, &s->segments));
    random_init(&s->dice, 1);
    s->now_us = 1000000;
    return s;
}

struct stage *stage_ready(uint64_t segment_bytes)
{
    struct stage *s = stage_new(segment_bytes, STAGE_PLENTY);
    while (stage_prepare(s, 0))
        ;
    CU_ASSERT_EQUAL(s->segments.spare_count, SEGMENTS_SPARE);
    return s;
}

void stage_free(struct stage *s)
{
    if (s->writing)
        stage_wrote(s, -ECANCELED);
    if (s->syncing)
        stage_synced(s, -ECANCELED);
    stage_take_settled(s);
    struct message *m;
    while ((m = journal_take_any(&s->journal)))
        message_free(&s->blocks, m);
    for (uint32_t i = 0; i < s->letter_count; i++)
        if (s->letters[i].entry)
            entry_free(&s->jobs, s->letters[i].entry);
    CU_ASSERT_EQUAL(s->jobs.item_count, 0);
    journal_release(&s->journal);
    slab_release(&s->jobs);
    block_pool_release(&s->blocks);
    segment_table_release(&s->table);
    stage_disk_free(s);
    free(s->flight);
    free(s);
}

// --- what comes in

uint64_t stage_id(uint32_t letter)
{
    return STAGE_ID_FIRST + letter;
}

static uint64_t wall_us(const struct stage *s)
{
    return STAGE_WALL_US + s->now_us;
}

// All in it follows from its number, so that any part of it can be known again.
static struct message *build(struct stage *s, uint32_t letter, uint32_t rcpt_count,
                             uint32_t content_bytes)
{
    char text[64], domain[32], piece[1000];
    int len = snprintf(text, sizeof(text), "sender%u@posthaste.example", letter);
    struct message *m = message_new(&s->blocks, slice_make(text, (size_t)len), SLICE("RET=HDRS"),
                                    content_bytes);
    CHECK(m);
    for (uint32_t i = 0; i < rcpt_count; i++) {
        int domain_len = snprintf(domain, sizeof(domain), "d%u.example", (letter + i / 2) % 50);
        len = snprintf(text, sizeof(text), "u%u.%u@%s", letter, i, domain);
        CHECK(message_add_rcpt(&s->blocks, &m, slice_make(text, (size_t)len), SLICE("NOTIFY=NEVER"),
                               slice_make(domain, (size_t)domain_len)));
    }
    CHECK(message_seal_envelope(&s->blocks, &m));
    memset(piece, 'a' + (int)(letter % 26), sizeof(piece));
    for (uint32_t left = content_bytes; left > 0;) {
        size_t part = left < sizeof(piece) ? left : sizeof(piece);
        CHECK(message_add_content(&s->blocks, &m, slice_make(piece, part)));
        left -= (uint32_t)part;
    }
    m->id = stage_id(letter);
    m->received_wall_us = wall_us(s);
    return m;
}

uint32_t stage_append(struct stage *s, uint32_t rcpt_count, uint32_t content_bytes)
{
    uint32_t letter = s->letter_count++;
    CHECK(letter < STAGE_LETTERS_MAX && rcpt_count <= STAGE_RCPTS_MAX);
    struct stage_letter *l = &s->letters[letter];
    struct message *m = build(s, letter, rcpt_count, content_bytes);
    *l = (struct stage_letter){
        .message = m, .rcpt_count = rcpt_count, .content_bytes = content_bytes};
    l->entry = m->entry = entry_new(&s->jobs, 0, message_rcpts(m), m->rcpt_count, m->job_count);
    CHECK(l->entry);
    l->entry->id = m->id;
    l->entry->payload_bytes = (uint32_t)message_record_payload_bytes(m) & INT32_MAX;
    journal_append(&s->journal, m);
    return letter;
}

static struct job *job_of(struct entry *e, uint32_t rcpt)
{
    for (uint32_t i = 0; i < entry_job_count(e); i++) {
        struct job *j = entry_job(e, i);
        if (rcpt - j->rcpt_first < j->rcpt_count)
            return j;
    }
    CHECK(false);
}

bool stage_open_rcpt(struct stage *s, uint32_t letter, uint32_t rcpt)
{
    const struct stage_letter *l = &s->letters[letter];
    return l->committed && !l->forgotten && rcpt < l->rcpt_count && l->states[rcpt] == RCPT_OPEN;
}

static void maybe_forget(struct stage *s, struct stage_letter *l)
{
    for (uint32_t i = 0; i < l->rcpt_count; i++)
        if (l->states[i] == RCPT_OPEN)
            return;
    if (l->moving)
        return; // when that is settled
    journal_forget(&s->journal, l->entry);
    entry_free(&s->jobs, l->entry);
    l->entry = NULL;
    l->forgotten = true;
}

void stage_result(struct stage *s, uint32_t letter, uint32_t rcpt, enum result_kind kind,
                  uint32_t delay_s)
{
    struct stage_letter *l = &s->letters[letter];
    CHECK(stage_open_rcpt(s, letter, rcpt) && s->result_count < STAGE_RESULTS_MAX);
    struct job *j = job_of(l->entry, rcpt);
    struct result r = {
        .job = j,
        .rcpt = rcpt,
        .kind = (uint8_t)kind,
        .delay_s = delay_s,
        .wall_us = wall_us(s),
        .attempt = (uint16_t)(j->attempt_count + 1),
        .code = kind == RESULT_DELIVERED ? 250 : 451,
        .host = SLICE("mx.example"),
        .address = SLICE("192.0.2.1:25"),
        .text = SLICE("said so"),
    };
    s->results[s->result_count++] = (struct stage_result){.letter = letter,
                                                          .rcpt = rcpt,
                                                          .attempt = r.attempt,
                                                          .kind = (uint8_t)kind,
                                                          .delay_s = delay_s,
                                                          .at_us = s->now_us};
    journal_result(&s->journal, &r);
    if (kind == RESULT_DEFERRED) {
        j->attempt_count++;
        j->due_s = (uint32_t)(s->now_us / 1000000) + delay_s;
        return;
    }
    l->states[rcpt] = kind == RESULT_DELIVERED ? RCPT_DELIVERED : RCPT_FAILED;
    job_set_rcpt_state(j, rcpt, (enum rcpt_state)l->states[rcpt]);
    maybe_forget(s, l);
}

void stage_attempt(struct stage *s, uint32_t letter, uint32_t job)
{
    struct job *j = entry_job(s->letters[letter].entry, job);
    struct result r = {.job = j,
                       .kind = RESULT_ATTEMPT,
                       .wall_us = wall_us(s),
                       .attempt = (uint16_t)(j->attempt_count + 1)};
    journal_result(&s->journal, &r);
}

void stage_move(struct stage *s, uint32_t letter)
{
    struct stage_letter *l = &s->letters[letter];
    CHECK(l->entry && l->committed && !l->moving);
    uint64_t place = segment_read_begins(&s->table, l->entry);
    const struct segment *segment = segment_at(&s->table, place_segment(place));
    const struct stage_file *f = stage_file(s, segment->fd);
    void *to;
    size_t bytes;
    struct message *m = message_read_new(&s->blocks, l->entry->payload_bytes, &to, &bytes);
    CHECK(m && place_offset(place) + bytes <= f->bytes);
    memcpy(to, f->now + place_offset(place), bytes);
    bool whole = message_read_done(m, l->entry->payload_bytes, segment->epoch, place_offset(place),
                                   l->entry->id);
    segment_read_ends(&s->table, place);
    CU_ASSERT_FATAL(whole);
    CU_ASSERT_EQUAL(message_content(m).len, l->content_bytes);
    m->entry = l->entry;
    l->moving = true;
    journal_move(&s->journal, m);
}

// --- how it went

static void moved(struct stage *s, struct stage_letter *l, const struct message *m, bool committed)
{
    uint64_t bytes = sizeof(struct record_header) + l->entry->payload_bytes;
    l->moving = false;
    if (committed) {
        uint64_t from = l->entry->place;
        atomic_store(&l->entry->place, m->place);
        segments_add_live(&s->segments, m->place, bytes);
        segments_drop_live(&s->segments, from, bytes, m->batch);
        l->place_durable = m->place;
    }
    maybe_forget(s, l);
}

static void settled(struct stage *s, struct message *m, enum journal_fate fate)
{
    uint32_t letter = (uint32_t)(m->id - STAGE_ID_FIRST);
    struct stage_letter *l = &s->letters[letter];
    bool committed = fate == JOURNAL_COMMITTED;
    s->fate_last = fate;
    if (committed) { // only what is on stable storage with all of its batch
        const struct segment *segment = segment_at(&s->table, place_segment(m->place));
        const struct stage_file *f = stage_file(s, segment->fd);
        CU_ASSERT_FATAL(
            stage_finds(f->durable, f->bytes, segment->epoch, place_offset(m->place), m->id));
    }
    if (m->moving) {
        moved(s, l, m, committed);
        message_free(&s->blocks, m);
        return;
    }
    CU_ASSERT_EQUAL_FATAL(letter, s->settled_count); // in order, and once
    s->settled_count++;
    l->settled = true;
    l->committed = committed;
    l->message = NULL;
    if (committed) {
        l->entry->place = l->place_durable = m->place;
        segments_add_live(&s->segments, m->place,
                          sizeof(struct record_header) + l->entry->payload_bytes);
        s->committed_count++;
    } else {
        entry_free(&s->jobs, l->entry);
        l->entry = NULL;
        s->refused_count++;
    }
    message_free(&s->blocks, m);
}

void stage_take_settled(struct stage *s)
{
    struct message *m;
    enum journal_fate fate;
    while ((m = journal_settled(&s->journal, &fate)))
        settled(s, m, fate);
}

// --- what is done

static void begin_write(struct stage *s, const struct journal_task *t)
{
    struct stage_file *f = stage_file(s, t->fd);
    CU_ASSERT_FALSE_FATAL(s->writing);
    CU_ASSERT_FALSE_FATAL(f->gone);
    CU_ASSERT_FALSE_FATAL(f->sync_failed); // its end
    CU_ASSERT_TRUE(t->piece_count > 0 && t->piece_count <= JOURNAL_PIECES_MAX);
    s->writing = true;
    s->write = *t;
    s->write_count++;
    s->flight_bytes = 0;
    for (uint32_t i = 0; i < t->piece_count; i++)
        s->flight_bytes += t->pieces[i].iov_len;
    s->flight = realloc(s->flight, s->flight_bytes);
    CHECK(s->flight);
    char *at = s->flight;
    for (uint32_t i = 0; i < t->piece_count; i++)
        at = (char *)mempcpy(at, t->pieces[i].iov_base, t->pieces[i].iov_len);
    CU_ASSERT_TRUE_FATAL(t->offset + s->flight_bytes <= f->bytes);
    CU_ASSERT_EQUAL((t->offset + s->flight_bytes) % FORMAT_BLOCK_BYTES, 0);
    CU_ASSERT_TRUE(t->offset >= f->durable_end); // what is safe is not touched again
}

static void begin_sync(struct stage *s, int fd, bool linked)
{
    CU_ASSERT_FALSE_FATAL(s->syncing);
    CU_ASSERT_FALSE_FATAL(stage_file(s, fd)->sync_failed); // asked again it might lie
    s->syncing = true;
    s->sync_linked = linked;
    s->sync_parted = false;
    s->sync_fd = fd;
    s->sync_count++;
    if (!linked)
        stage_disk_sync_begins(stage_file(s, fd));
}

void stage_ask(struct stage *s)
{
    struct journal_task t;
    stage_take_settled(s);
    while ((t = journal_next(&s->journal, s->now_us, wall_us(s))).kind != JOURNAL_NOTHING) {
        if (t.kind != JOURNAL_SYNC)
            begin_write(s, &t);
        if (t.kind != JOURNAL_WRITE)
            begin_sync(s, t.fd, t.kind == JOURNAL_WRITE_AND_SYNC);
    }
    stage_take_settled(s);
}

void stage_wrote(struct stage *s, int32_t result)
{
    bool whole = result == (int64_t)s->flight_bytes;
    CHECK(s->writing && result <= (int64_t)s->flight_bytes);
    s->writing = false;
    stage_disk_write(s, result > 0 ? (uint64_t)result : 0);
    if (s->syncing && s->sync_linked && s->sync_fd == s->write.fd &&
        s->write.kind == JOURNAL_WRITE_AND_SYNC) {
        s->sync_parted = !whole;
        if (whole)
            stage_disk_sync_begins(stage_file(s, s->sync_fd));
    }
    journal_wrote(&s->journal, result, s->now_us);
}

void stage_synced(struct stage *s, int32_t result)
{
    struct stage_file *f = stage_file(s, s->sync_fd);
    CHECK(s->syncing && (result < 0 || f->covering)); // not before its write
    s->syncing = false;
    if (result == 0) {
        stage_disk_sync_ends(s, f);
    } else {
        free(f->covering);
        f->covering = NULL;
        f->sync_failed |= result != -ECANCELED || !s->sync_linked;
    }
    journal_synced(&s->journal, result, s->now_us);
}

bool stage_prepare_begin(struct stage *s)
{
    CHECK(s->task.kind == SEGMENTS_NOTHING);
    s->task = segments_next(&s->segments, s->journal.synced_batch, s->now_us);
    if (s->task.kind == SEGMENTS_NOTHING)
        return false;
    if (s->task.kind != SEGMENTS_MAKE)
        stage_check_unwanted(s, s->task.number);
    return true;
}

void stage_prepare_end(struct stage *s, int result)
{
    struct segments_task t = s->task;
    s->task.kind = SEGMENTS_NOTHING;
    if (result >= 0)
        stage_disk_make(s, &t);
    else if (t.kind == SEGMENTS_EMPTY)
        stage_disk_half_empty(s, &t);
    segments_done(&s->segments, result, STAGE_FD_FIRST + (int)t.number, s->now_us);
}

bool stage_prepare(struct stage *s, int result)
{
    if (!stage_prepare_begin(s))
        return false;
    stage_prepare_end(s, result);
    return true;
}

void stage_settle(struct stage *s)
{
    for (uint32_t i = 0; i < 10000; i++) {
        stage_ask(s);
        if (s->writing)
            stage_wrote(s, (int32_t)s->flight_bytes);
        else if (s->syncing)
            stage_synced(s, s->sync_linked && s->sync_parted ? -ECANCELED : 0);
        else if (s->task.kind != SEGMENTS_NOTHING)
            stage_prepare_end(s, 0);
        else if (!stage_prepare(s, 0) && s->settled_count == s->letter_count &&
                 (journal_idle(&s->journal) || journal_broken(&s->journal)))
            return;
        else
            s->now_us += 1000;
    }
    CU_FAIL_FATAL("it does not come to an end");
}

void stage_write_ends(struct stage *s)
{
    stage_wrote(s, (int32_t)s->flight_bytes);
    stage_ask(s);
}

void stage_sync_ends(struct stage *s)
{
    stage_synced(s, 0);
    stage_ask(s);
}

uint32_t stage_one_committed(struct stage *s)
{
    uint32_t letter = stage_append(s, 1, 100);
    stage_settle(s);
    CU_ASSERT_TRUE_FATAL(s->letters[letter].committed);
    return letter;
}
