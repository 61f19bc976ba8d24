#include "engine/base/check.h"
#include "engine/base/crc32c.h"
#include "tests/journal_stage.h"
#include "tests/suite.h"

#include <stdlib.h>

struct stage_file *stage_file(struct stage *s, int fd)
{
    CHECK(fd >= STAGE_FD_FIRST && fd < STAGE_FD_FIRST + (int)STAGE_FILES_MAX);
    struct stage_file *f = &s->files[fd - STAGE_FD_FIRST];
    CHECK(f->now);
    return f;
}

struct slice stage_bytes(const struct stage_file *f)
{
    return slice_make(f->now, f->bytes);
}

void stage_disk_free(struct stage *s)
{
    for (uint32_t i = 0; i < STAGE_FILES_MAX; i++) {
        free(s->files[i].now);
        free(s->files[i].durable);
        free(s->files[i].covering);
    }
}

void stage_disk_write(struct stage *s, uint64_t done_bytes)
{
    struct stage_file *f = stage_file(s, s->write.fd);
    memcpy(f->now + s->write.offset, s->flight, done_bytes);
    if (done_bytes == s->flight_bytes)
        f->written_end = s->write.offset + done_bytes;
}

void stage_disk_sync_begins(struct stage_file *f)
{
    CHECK(!f->covering);
    f->covering = malloc(f->bytes);
    CHECK(f->covering);
    memcpy(f->covering, f->now, f->bytes);
    f->covering_end = f->written_end;
}

// --- what is in a file

static void on_result(struct stage *s, struct slice payload)
{
    struct record_result d;
    memcpy(&d, payload.data, sizeof(d));
    static const uint8_t kinds[] = {[RCPT_DELIVERED] = RESULT_DELIVERED,
                                    [RCPT_FAILED] = RESULT_FAILED,
                                    [RCPT_DEFERRED] = RESULT_DEFERRED};
    for (uint32_t i = 0; i < s->result_count; i++) {
        struct stage_result *r = &s->results[i];
        if (stage_id(r->letter) != d.id || r->rcpt != d.rcpt || r->attempt != d.attempt ||
            r->kind != kinds[d.outcome])
            continue;
        r->durable = true;
        if (d.outcome != RCPT_DEFERRED)
            s->letters[r->letter].durable[r->rcpt] = d.outcome;
    }
}

static void on_attempt(struct stage *s, struct slice payload)
{
    struct record_attempt a;
    memcpy(&a, payload.data, sizeof(a));
    struct stage_letter *l = &s->letters[a.id - STAGE_ID_FIRST];
    for (uint32_t i = a.rcpt_first; i < a.rcpt_first + a.rcpt_count; i++)
        if (l->attempt_durable[i] < a.attempt)
            l->attempt_durable[i] = a.attempt;
}

void stage_disk_sync_ends(struct stage *s, struct stage_file *f)
{
    struct scan scan;
    struct scan_record r;
    CHECK(f->covering);
    free(f->durable);
    f->durable = f->covering;
    f->covering = NULL;
    f->durable_end = f->covering_end;
    // Of a segment that has failed meanwhile nothing is promised any more.
    if (s->journal.state == JOURNAL_FAILING || s->journal.state == JOURNAL_BROKEN)
        return;
    scan_open(&scan, slice_make(f->durable, f->bytes), f->epoch, UINT64_MAX);
    // What got there ahead of its write's end is there by luck.
    while (scan_next(&scan, &r) && r.offset < f->durable_end) {
        if (r.type == RECORD_RESULT)
            on_result(s, r.payload);
        else if (r.type == RECORD_ATTEMPT)
            on_attempt(s, r.payload);
    }
}

bool stage_finds(const char *bytes, uint64_t len, uint64_t epoch, uint64_t offset, uint64_t id)
{
    struct scan scan;
    struct scan_record r;
    struct record_message m;
    scan_open(&scan, slice_make(bytes, len), epoch, UINT64_MAX);
    while (scan_next(&scan, &r)) {
        if (r.type != RECORD_MESSAGE || r.offset != offset)
            continue;
        memcpy(&m, r.payload.data, sizeof(m));
        return m.id == id;
    }
    return false;
}

// --- segments

static void put_header(struct stage *s, char *to, const struct segments_task *t)
{
    struct segment_header h = {
        .magic = FORMAT_SEGMENT_MAGIC,
        .version = FORMAT_VERSION,
        .epoch = t->epoch,
        .bytes = t->bytes,
        .block_bytes = FORMAT_BLOCK_BYTES,
        .wall_us = STAGE_WALL_US + s->now_us,
    };
    h.checksum = crc32c(0, &h, sizeof(h));
    memset(to, 0, FORMAT_BLOCK_BYTES);
    memcpy(to, &h, sizeof(h));
}

void stage_disk_make(struct stage *s, const struct segments_task *t)
{
    CHECK(t->number < STAGE_FILES_MAX);
    struct stage_file *f = &s->files[t->number];
    if (t->kind == SEGMENTS_REMOVE || t->kind == SEGMENTS_SET_ASIDE) {
        CHECK(f->now && !f->gone);
        f->gone = true;
        return;
    }
    if (t->kind == SEGMENTS_MAKE) {
        CHECK(!f->now || f->gone); // numbers are used again
        free(f->now);
        free(f->durable);
        *f = (struct stage_file){
            .bytes = t->bytes, .now = calloc(1, t->bytes), .durable = calloc(1, t->bytes)};
        CHECK(f->now && f->durable);
    }
    // What an earlier life has left stays where it is, the unsynced too.
    put_header(s, f->now, t);
    memcpy(f->durable, f->now, f->bytes);
    f->epoch = t->epoch;
    f->durable_end = f->written_end = FORMAT_BLOCK_BYTES;
    f->sync_failed = false;
}

void stage_disk_half_empty(struct stage *s, const struct segments_task *t)
{
    put_header(s, s->files[t->number].now, t);
}

static bool wanted_here(const struct stage *s, uint64_t id, uint64_t place)
{
    const struct stage_letter *l = &s->letters[id - STAGE_ID_FIRST];
    if (!l->settled)
        return true; // who knows what its fate is
    return l->committed && !l->forgotten && l->place_durable == place;
}

static bool is_over(const struct stage_letter *l)
{
    for (uint32_t i = 0; i < l->rcpt_count; i++)
        if (l->durable[i] == RCPT_OPEN)
            return false;
    return true;
}

void stage_check_unwanted(struct stage *s, uint32_t number)
{
    const struct stage_file *f = &s->files[number];
    struct scan scan;
    struct scan_record r;
    struct record_message m;
    scan_open(&scan, slice_make(f->durable, f->bytes), f->epoch, UINT64_MAX);
    while (scan_next(&scan, &r)) {
        if (r.type != RECORD_MESSAGE)
            continue;
        memcpy(&m, r.payload.data, sizeof(m));
        const struct stage_letter *l = &s->letters[m.id - STAGE_ID_FIRST];
        uint64_t place = place_make(number, r.offset);
        CU_ASSERT_FALSE_FATAL(wanted_here(s, m.id, place));
        // What ended it is safe before it goes.
        if (l->committed && l->forgotten && l->place_durable == place)
            CU_ASSERT(is_over(l));
    }
}
