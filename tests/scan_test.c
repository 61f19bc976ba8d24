// What a segment on disk is believed to say, when it is whole, torn, damaged, or full of its past.
#include "engine/base/check.h"
#include "engine/base/crc32c.h"
#include "tests/journal_stage.h"
#include "tests/suite.h"

#include <errno.h>
#include <stdlib.h>
#include <urcu/urcu-qsbr.h>

#define RECORDS_MAX 512u

#ifdef POSTHASTE_DCHECK
#define BIT_STEP 7u // sanitizers take their time
#else
#define BIT_STEP 1u
#endif

// A segment in memory, and what stands in it.
struct image {
    char *bytes;
    uint64_t len;
    uint64_t epoch;
    struct scan_record records[RECORDS_MAX]; // payloads in a copy of their own
    char *copy;
    uint32_t count;
    uint64_t batches[RECORDS_MAX]; // where each begins
    uint32_t batch_count;
    uint64_t end;     // behind the last
    uint64_t durable; // what the last batch claims
};

static void read_batches(struct image *i)
{
    uint64_t at = FORMAT_BLOCK_BYTES;
    while (at < i->end) {
        struct batch_header b;
        memcpy(&b, i->bytes + at, sizeof(b));
        CHECK(b.magic == FORMAT_BATCH_MAGIC && b.offset == at);
        i->batches[i->batch_count++] = at;
        i->durable = b.durable;
        at += format_block_padded(b.bytes);
    }
}

// Of the stage's open segment, as a reader would see it now.
static struct image *image_of(struct stage *s)
{
    const struct stage_file *f = stage_file(s, s->write.fd);
    struct image *i = calloc(1, sizeof(*i));
    struct scan scan;
    CHECK(i);
    i->len = f->bytes;
    i->epoch = f->epoch;
    i->bytes = malloc(i->len);
    i->copy = malloc(i->len);
    CHECK(i->bytes && i->copy);
    memcpy(i->bytes, f->now, i->len);
    memcpy(i->copy, f->now, i->len);
    scan_open(&scan, slice_make(i->copy, i->len), i->epoch, UINT64_MAX);
    while (scan_next(&scan, &i->records[i->count]))
        CHECK(++i->count < RECORDS_MAX);
    i->end = scan.at;
    read_batches(i);
    return i;
}

static void image_free(struct image *i)
{
    free(i->bytes);
    free(i->copy);
    free(i);
}

// Every kind of record, in batches of one block and of several.
static struct stage *filled(void)
{
    struct stage *s = stage_ready(STAGE_SEGMENT_BYTES);
    struct record_key key = {.id = 77, .content = 5, .until_wall_us = STAGE_WALL_US + 1};
    stage_append(s, 3, 300);
    stage_append(s, 1, 5000);
    stage_settle(s);
    stage_attempt(s, 0, 0);
    stage_result(s, 0, 0, RESULT_DELIVERED, 0);
    stage_result(s, 0, 1, RESULT_DEFERRED, 300);
    journal_key(&s->journal, &key);
    stage_settle(s);
    stage_append(s, 2, 0);
    stage_move(s, 1);
    stage_settle(s);
    stage_result(s, 1, 0, RESULT_FAILED, 0);
    stage_settle(s);
    return s;
}

// Each record that is read is one that was written, where it was written, in order. Returns how
// many there were.
static uint32_t read_all(const struct image *i, uint64_t limit, enum scan_ending *ret_ending)
{
    struct scan scan;
    struct scan_record r;
    uint32_t count = 0;
    scan_open(&scan, slice_make(i->bytes, i->len), i->epoch, limit);
    for (; scan_next(&scan, &r); count++) {
        CU_ASSERT_FATAL(count < i->count);
        const struct scan_record *want = &i->records[count];
        CU_ASSERT_FATAL(r.type == want->type && r.offset == want->offset &&
                        slice_equal(r.payload, want->payload));
    }
    *ret_ending = scan_end(&scan);
    return count;
}

static uint32_t records_before(const struct image *i, uint64_t offset)
{
    uint32_t count = 0;
    while (count < i->count && i->records[count].offset < offset)
        count++;
    return count;
}

static void what_was_written_is_read(void)
{
    static const uint8_t want[] = {RECORD_OPENS,   RECORD_MESSAGE, RECORD_MESSAGE, RECORD_ATTEMPT,
                                   RECORD_RESULT,  RECORD_RESULT,  RECORD_KEY,     RECORD_MESSAGE,
                                   RECORD_MESSAGE, RECORD_STATE,   RECORD_RESULT};
    struct stage *s = filled();
    struct image *i = image_of(s);
    enum scan_ending ending;
    CU_ASSERT_EQUAL_FATAL(i->count, COUNT_OF(want));
    for (uint32_t k = 0; k < i->count; k++)
        CU_ASSERT_EQUAL(i->records[k].type, want[k]);
    CU_ASSERT_EQUAL(read_all(i, UINT64_MAX, &ending), i->count);
    CU_ASSERT_EQUAL(ending, SCAN_CLEAN);
    CU_ASSERT(i->durable > FORMAT_BLOCK_BYTES && i->durable < i->end);
    image_free(i);
    stage_free(s);
}

// --- torn tails

// The last batch, which nobody was told of, loses any of its sectors: to zeros, or to what a
// former life has left. All before it is read, nothing of it, and nothing else.
static void a_torn_tail_is_cut(void)
{
    struct stage *s = filled();
    stage_append(s, 1, 6000);
    stage_ask(s);
    stage_wrote(s, (int32_t)s->flight_bytes);
    struct image *i = image_of(s);
    enum scan_ending ending;
    uint64_t at = i->batches[i->batch_count - 1];
    uint32_t sectors = (uint32_t)((i->end - at) / STAGE_SECTOR_BYTES);
    uint32_t before = records_before(i, at);
    uint32_t meant = 0; // sectors with something in them
    for (uint32_t k = 0; k < sectors; k++)
        for (uint32_t n = 0; n < STAGE_SECTOR_BYTES; n++)
            if (i->copy[at + k * STAGE_SECTOR_BYTES + n])
                meant |= 1u << k;
    CU_ASSERT_EQUAL_FATAL(sectors, 16);
    for (int old = 0; old < 2; old++)
        for (uint32_t lost = 1; lost < 1u << sectors; lost += 1 + lost % 3) {
            for (uint32_t k = 0; k < sectors; k++) {
                uint64_t sector = at + k * STAGE_SECTOR_BYTES;
                if (!(lost >> k & 1))
                    memcpy(i->bytes + sector, i->copy + sector, STAGE_SECTOR_BYTES);
                else if (old)
                    memcpy(i->bytes + sector, i->copy + FORMAT_BLOCK_BYTES, STAGE_SECTOR_BYTES);
                else
                    memset(i->bytes + sector, 0, STAGE_SECTOR_BYTES);
            }
            uint32_t want = before + (lost & meant || old ? 0 : i->count - before);
            // Of the padding at the end nobody knows what it was.
            uint32_t got = read_all(i, UINT64_MAX, &ending);
            CU_ASSERT_FATAL(got == want || (old && got == i->count && !(lost & meant)));
            CU_ASSERT_FATAL(ending == SCAN_TORN || ending == SCAN_CLEAN);
            if (got == before && !(lost & 1))
                CU_ASSERT_EQUAL_FATAL(ending, SCAN_TORN); // its header says so
        }
    image_free(i);
    stage_synced(s, -EIO);
    stage_free(s);
}

// At each sector the writing may have stopped.
static void each_prefix_of_the_last_batch(void)
{
    struct stage *s = filled();
    stage_append(s, 2, 6000);
    stage_ask(s);
    stage_wrote(s, (int32_t)s->flight_bytes);
    struct image *i = image_of(s);
    enum scan_ending ending;
    uint64_t at = i->batches[i->batch_count - 1];
    struct batch_header b;
    memcpy(&b, i->copy + at, sizeof(b));
    for (uint64_t cut = at; cut <= i->end; cut += STAGE_SECTOR_BYTES) {
        memcpy(i->bytes, i->copy, i->len);
        memset(i->bytes + cut, 0, i->len - cut);
        bool whole = cut >= at + b.bytes;
        CU_ASSERT_EQUAL(read_all(i, UINT64_MAX, &ending), whole ? i->count : records_before(i, at));
        CU_ASSERT_EQUAL(ending, whole || cut == at ? SCAN_CLEAN : SCAN_TORN);
    }
    image_free(i);
    stage_synced(s, -EIO);
    stage_free(s);
}

// --- damage

static bool is_padding(const struct image *i, uint64_t at)
{
    struct batch_header b;
    if (at < FORMAT_BLOCK_BYTES || at >= i->end)
        return true;
    for (uint32_t k = i->batch_count; k-- > 0;)
        if (at >= i->batches[k]) {
            memcpy(&b, i->copy + i->batches[k], sizeof(b));
            if (at >= i->batches[k] + b.bytes)
                return true;
            break;
        }
    for (uint32_t k = 0; k < i->count; k++) {
        uint64_t end = i->records[k].offset + sizeof(struct record_header) +
                       i->records[k].payload.len;
        if (at >= end && at < format_record_padded(end))
            return true;
    }
    return false;
}

// Below a mark a flipped bit is damage; in the last batch, that nobody vouches for, a torn tail; in
// padding it is nothing. It never makes another record.
static void every_flipped_bit(void)
{
    struct stage *s = filled();
    struct image *i = image_of(s);
    enum scan_ending ending;
    uint64_t last = i->batches[i->batch_count - 1];
    uint64_t damaged = 0, torn = 0;
    CU_ASSERT_EQUAL(i->durable, last);
    for (uint64_t bit = FORMAT_BLOCK_BYTES * 8; bit < (i->end + FORMAT_BLOCK_BYTES) * 8;
         bit += BIT_STEP) {
        uint64_t at = bit / 8;
        i->bytes[at] = (char)(i->bytes[at] ^ 1 << bit % 8);
        uint32_t got = read_all(i, UINT64_MAX, &ending);
        if (is_padding(i, at)) {
            CU_ASSERT_FATAL(got == i->count && ending == SCAN_CLEAN);
        } else if (at < i->durable) {
            CU_ASSERT_FATAL(got <= records_before(i, at + 1) && ending == SCAN_DAMAGED);
            damaged++;
        } else {
            CU_ASSERT_FATAL(got == records_before(i, last) && ending != SCAN_DAMAGED);
            torn++;
        }
        i->bytes[at] = (char)(i->bytes[at] ^ 1 << bit % 8);
    }
    CU_ASSERT(damaged > 1000 && torn > 100);
    image_free(i);
    stage_free(s);
}

// With a mark behind it the last batch is as safe as the others.
static void a_mark_guards_the_last_batch(void)
{
    struct stage *s = filled();
    journal_close(&s->journal);
    stage_settle(s);
    struct image *i = image_of(s);
    enum scan_ending ending;
    CU_ASSERT_EQUAL(read_all(i, UINT64_MAX, &ending), i->count);
    CU_ASSERT_EQUAL(ending, SCAN_CLEAN);
    for (uint32_t k = 0; k + 1 < i->batch_count; k++)
        for (uint64_t at = i->batches[k]; at < i->batches[k + 1]; at += STAGE_SECTOR_BYTES) {
            memcpy(i->bytes, i->copy, i->len);
            memset(i->bytes + at, 0, STAGE_SECTOR_BYTES);
            if (memcmp(i->bytes, i->copy, i->len) == 0)
                continue; // it was padding
            CU_ASSERT(read_all(i, UINT64_MAX, &ending) <= records_before(i, at + 1));
            CU_ASSERT_EQUAL(ending, SCAN_DAMAGED);
        }
    image_free(i);
    stage_free(s);
}

// Blocks that were swapped, or written to a wrong place, of this file or of another.
static void misplaced_blocks_are_not_read(void)
{
    struct stage *s = filled();
    struct image *i = image_of(s);
    enum scan_ending ending;
    for (uint64_t to = FORMAT_BLOCK_BYTES; to < i->end; to += FORMAT_BLOCK_BYTES)
        for (uint64_t from = FORMAT_BLOCK_BYTES; from < i->end; from += FORMAT_BLOCK_BYTES) {
            memcpy(i->bytes, i->copy, i->len);
            memcpy(i->bytes + to, i->copy + from, FORMAT_BLOCK_BYTES);
            uint32_t got = read_all(i, UINT64_MAX, &ending); // which CHECKs what is read
            CU_ASSERT_EQUAL(got == i->count && ending == SCAN_CLEAN, from == to);
            CU_ASSERT_EQUAL(ending == SCAN_DAMAGED, from != to && to < i->durable);
        }
    image_free(i);
    stage_free(s);
}

// --- epoch

// A segment that is used again holds whole batches of its former life, right behind the new ones
// where these happen to end. They count for nothing: not as records, not as a torn tail, not as
// somebody who says that this place was durable.
static void epoch(void)
{
    struct stage *s = stage_ready(STAGE_SEGMENT_BYTES);
    uint64_t epoch_before = 0, id_first = 0;
    uint32_t looks = 0;
    for (uint32_t n = 0; looks < 40; n++) {
        struct batch_header behind = {0};
        enum scan_ending ending;
        CU_ASSERT_FATAL(n < 400);
        stage_append(s, 1, 1000); // a block each
        stage_settle(s);
        struct image *i = image_of(s);
        if (i->epoch != epoch_before)
            id_first = stage_id(n);
        epoch_before = i->epoch;
        if (i->end < i->len)
            memcpy(&behind, i->bytes + i->end, sizeof(behind));
        looks += behind.magic == FORMAT_BATCH_MAGIC;
        uint32_t got = read_all(i, UINT64_MAX, &ending);
        CU_ASSERT_EQUAL_FATAL(ending, SCAN_CLEAN);
        for (uint32_t k = 0; k < got; k++) {
            uint64_t id;
            memcpy(&id, i->records[k].payload.data, sizeof(id));
            CU_ASSERT_FATAL(i->records[k].type != RECORD_MESSAGE || id >= id_first);
        }
        image_free(i);
        stage_result(s, n, 0, RESULT_DELIVERED, 0);
        stage_settle(s);
    }
    CU_ASSERT(s->segments.emptied_count > 0);
    stage_free(s);
}

// The same with bytes made by hand: two lives of one file, cut together at every block.
static void epoch_at_every_block(void)
{
    struct stage *s = stage_ready(STAGE_SEGMENT_BYTES);
    for (int n = 0; n < 10; n++) {
        stage_append(s, 1, 1000);
        stage_settle(s);
    }
    struct image *old = image_of(s);
    struct stage_file *f = stage_file(s, s->write.fd);
    for (uint32_t blocks = 1; blocks < 9; blocks++) {
        // The new life has the same batches, under an epoch of its own.
        struct image new = *old;
        uint32_t records = 0;
        enum scan_ending ending;
        new.epoch = old->epoch + 1;
        memcpy(f->now, old->bytes, old->len);
        for (uint32_t k = 0; k < blocks; k++) {
            struct batch_header b;
            char *batch = old->bytes + old->batches[k];
            memcpy(&b, batch, sizeof(b));
            b.epoch = new.epoch;
            b.checksum = 0;
            uint32_t checksum = crc32c(0, &b, sizeof(b));
            uint64_t at = sizeof(b);
            for (uint32_t n = 0; n < b.record_count; n++, records++) {
                struct record_header r;
                uint64_t place[2] = {new.epoch, old->batches[k] + at};
                memcpy(&r, batch + at, sizeof(r));
                r.checksum = crc32c(crc32c(0, place, sizeof(place)), batch + at + sizeof(r),
                                    r.bytes);
                checksum = crc32c(checksum, &r, sizeof(r));
                memcpy(batch + at, &r, sizeof(r));
                at += sizeof(r) + format_record_padded(r.bytes);
            }
            b.checksum = checksum;
            memcpy(batch, &b, sizeof(b));
        }
        CU_ASSERT_EQUAL(read_all(&new, UINT64_MAX, &ending), records);
        CU_ASSERT_EQUAL(ending, SCAN_CLEAN);
        // And the old one's eyes see no more than what is left of it: the beginning is not.
        CU_ASSERT_EQUAL(read_all(old, UINT64_MAX, &ending), 0);
        CU_ASSERT_EQUAL(ending, SCAN_DAMAGED);
        memcpy(old->bytes, f->now, old->len);
    }
    image_free(old);
    stage_free(s);
}

// --- where another segment says that it ends

static void limits(void)
{
    struct stage *s = filled();
    struct image *i = image_of(s);
    enum scan_ending ending;
    for (uint32_t k = 0; k <= i->batch_count; k++) {
        uint64_t limit = k < i->batch_count ? i->batches[k] : i->end;
        CU_ASSERT_EQUAL(read_all(i, limit, &ending), records_before(i, limit));
        CU_ASSERT_EQUAL(ending, SCAN_CLEAN);
        if (k == 0)
            continue;
        // The last batch before the limit, that no other vouches for.
        i->bytes[i->batches[k - 1] + 80] ^= 1;
        CU_ASSERT_EQUAL(read_all(i, limit, &ending), records_before(i, i->batches[k - 1]));
        CU_ASSERT_EQUAL(ending, SCAN_DAMAGED);
        i->bytes[i->batches[k - 1] + 80] ^= 1;
    }
    // There was more than is there.
    CU_ASSERT_EQUAL(read_all(i, i->end + FORMAT_BLOCK_BYTES, &ending), i->count);
    CU_ASSERT_EQUAL(ending, SCAN_DAMAGED);
    image_free(i);
    stage_free(s);
}

// A limit that is the file's very end guards the last batch as any other does.
static void a_limit_at_the_end_of_the_file(void)
{
    struct stage *s = filled();
    struct image *i = image_of(s);
    enum scan_ending ending;
    i->len = i->end;
    struct segment_header h;
    memcpy(&h, i->bytes, sizeof(h));
    h.bytes = i->len;
    h.checksum = 0;
    h.checksum = crc32c(0, &h, sizeof(h));
    memcpy(i->bytes, &h, sizeof(h));
    CU_ASSERT_EQUAL(read_all(i, i->end, &ending), i->count);
    CU_ASSERT_EQUAL(ending, SCAN_CLEAN);
    i->bytes[i->batches[i->batch_count - 1] + 70] ^= 1;
    CU_ASSERT_EQUAL(read_all(i, i->end, &ending), i->count - 1);
    CU_ASSERT_EQUAL(ending, SCAN_DAMAGED);
    CU_ASSERT_EQUAL(read_all(i, UINT64_MAX, &ending), i->count - 1);
    CU_ASSERT_EQUAL(ending, SCAN_TORN);
    image_free(i);
    stage_free(s);
}

// A file that is shorter than it was made: who knows what stood in it.
static void a_file_that_was_cut(void)
{
    struct stage *s = filled();
    struct image *i = image_of(s);
    enum scan_ending ending;
    uint64_t len = i->len;
    struct batch_header last;
    memcpy(&last, i->copy + i->batches[i->batch_count - 1], sizeof(last));
    for (i->len = FORMAT_BLOCK_BYTES; i->len < len; i->len += STAGE_SECTOR_BYTES) {
        uint32_t got = read_all(i, UINT64_MAX, &ending);
        CU_ASSERT(got <= records_before(i, i->len));
        CU_ASSERT_EQUAL(ending, SCAN_DAMAGED);
        read_all(i, i->end, &ending);
        // Of the last batch only padding may be missing.
        CU_ASSERT_EQUAL(ending, i->len < last.offset + last.bytes ? SCAN_DAMAGED : SCAN_CLEAN);
    }
    image_free(i);
    stage_free(s);
}

// --- the front

static void fronts(void)
{
    struct stage *s = filled();
    struct image *i = image_of(s);
    struct scan_front front;
    static const char zeros[SCAN_FRONT_BYTES];
    struct segment_header h;

    CU_ASSERT_EQUAL(scan_front(slice_make(i->bytes, SCAN_FRONT_BYTES), &front), SCAN_SEGMENT);
    CU_ASSERT(front.written && front.opens && front.turn == 1);
    CU_ASSERT_EQUAL(front.header.epoch, i->epoch);
    CU_ASSERT_EQUAL(front.opening.previous_epoch, 0);

    // Being made: zeros, and maybe not all of them.
    CU_ASSERT_EQUAL(scan_front(SLICE_EMPTY, &front), SCAN_UNBEGUN);
    CU_ASSERT_EQUAL(scan_front(slice_make(zeros, 100), &front), SCAN_UNBEGUN);
    CU_ASSERT_EQUAL(scan_front(slice_make(zeros, sizeof(zeros)), &front), SCAN_UNBEGUN);
    // Made: a header, and nothing behind it.
    memset(i->bytes + FORMAT_BLOCK_BYTES, 0, FORMAT_BLOCK_BYTES);
    CU_ASSERT_EQUAL(scan_front(slice_make(i->bytes, SCAN_FRONT_BYTES), &front), SCAN_SEGMENT);
    CU_ASSERT(!front.written && !front.opens);
    // A header that is none, with something behind it, is not ours to remove; nor is a short file.
    memcpy(i->bytes, i->copy, i->len);
    for (uint32_t n = 1; n < SCAN_FRONT_BYTES; n += 511)
        CU_ASSERT_EQUAL(scan_front(slice_make(i->bytes, n), &front), SCAN_UNKNOWN);
    memset(i->bytes, 0, FORMAT_BLOCK_BYTES);
    CU_ASSERT_EQUAL(scan_front(slice_make(i->bytes, SCAN_FRONT_BYTES), &front), SCAN_UNKNOWN);
    for (uint32_t bit = 0; bit < sizeof(h) * 8; bit++) {
        memcpy(i->bytes, i->copy, i->len);
        i->bytes[bit / 8] = (char)(i->bytes[bit / 8] ^ 1 << bit % 8);
        CU_ASSERT_EQUAL(scan_front(slice_make(i->bytes, SCAN_FRONT_BYTES), &front), SCAN_UNKNOWN);
    }
    // Of the next version, with all sums right.
    memcpy(&h, i->copy, sizeof(h));
    h.version = FORMAT_VERSION + 1;
    h.checksum = 0;
    h.checksum = crc32c(0, &h, sizeof(h));
    memcpy(i->bytes, &h, sizeof(h));
    CU_ASSERT_EQUAL(scan_front(slice_make(i->bytes, SCAN_FRONT_BYTES), &front), SCAN_UNKNOWN);
    image_free(i);
    stage_free(s);
}

// OPENS counts by itself, even where the batch around it is torn: but not with a bit of its own
// changed.
static void opens_in_a_torn_batch(void)
{
    struct stage *s = filled();
    struct image *i = image_of(s);
    struct scan_front front;
    uint64_t behind = i->records[1].offset;
    memset(i->bytes + behind, 0xee, i->len - behind);
    CU_ASSERT_EQUAL(scan_front(slice_make(i->bytes, SCAN_FRONT_BYTES), &front), SCAN_SEGMENT);
    CU_ASSERT(front.opens);
    for (uint64_t bit = i->records[0].offset * 8; bit < behind * 8; bit++) {
        uint64_t at = bit / 8 - i->records[0].offset;
        i->bytes[bit / 8] = (char)(i->bytes[bit / 8] ^ 1 << bit % 8);
        scan_front(slice_make(i->bytes, SCAN_FRONT_BYTES), &front);
        bool reserved = at >= offsetof(struct record_header, reserved) &&
                        at < sizeof(struct record_header);
        CU_ASSERT_EQUAL(front.opens, reserved);
        i->bytes[bit / 8] = (char)(i->bytes[bit / 8] ^ 1 << bit % 8);
    }
    image_free(i);
    stage_free(s);
}

static const struct suite_test tests[] = {
    {"what was written is read", what_was_written_is_read},
    {"a torn tail is cut", a_torn_tail_is_cut},
    {"each prefix of the last batch", each_prefix_of_the_last_batch},
    {"every flipped bit", every_flipped_bit},
    {"a mark guards the last batch", a_mark_guards_the_last_batch},
    {"misplaced blocks are not read", misplaced_blocks_are_not_read},
    {"epoch", epoch},
    {"epoch at every block", epoch_at_every_block},
    {"limits", limits},
    {"a limit at the end of the file", a_limit_at_the_end_of_the_file},
    {"a file that was cut", a_file_that_was_cut},
    {"fronts", fronts},
    {"opens in a torn batch", opens_in_a_torn_batch},
};

int main(int argc, char **argv)
{
    urcu_qsbr_register_thread();
    int result = suite_main("scan", tests, COUNT_OF(tests), argc, argv);
    urcu_qsbr_unregister_thread();
    return result;
}
