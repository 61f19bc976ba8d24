#include "engine/command/journal_reader.h"

#include "engine/base/check.h"
#include "engine/base/crc32c.h"
#include "engine/command/journal_batch.h"

#include <stdlib.h>
#include <string.h>

struct journal_reader *journal_reader_new(void)
{
    return calloc(1, sizeof(struct journal_reader));
}

void journal_reader_free(struct journal_reader *r)
{
    free(r);
}

static void forget_bytes(struct journal_reader *r)
{
    int fd = r->headers.fd;
    uint64_t file_bytes = r->headers.file_bytes;
    journal_window_init(&r->headers, fd, file_bytes);
    journal_window_init(&r->payload, fd, file_bytes);
    journal_window_init(&r->texts, fd, file_bytes);
}

static const char *segment_fault(const struct segment_header *h)
{
    struct segment_header bare = *h;
    bare.checksum = 0;
    if (h->magic != FORMAT_SEGMENT_MAGIC)
        return "no segment begins here";
    if (crc32c(0, &bare, sizeof(bare)) != h->checksum)
        return "the segment header's checksum is wrong";
    if (h->version != FORMAT_VERSION)
        return "a version of the format that is not known";
    if (h->block_bytes != FORMAT_BLOCK_BYTES)
        return "a size of blocks that is not known";
    return h->epoch == 0 ? "an epoch of 0" : NULL;
}

// Enough for every batch that can stand there, and for some that only look like one; too little for
// a file full of forged headers that each make us walk through all of it.
static uint64_t budget_of(uint64_t file_bytes)
{
    return file_bytes < UINT64_MAX / 8 ? 4 * file_bytes + FORMAT_BLOCK_BYTES : UINT64_MAX;
}

void journal_reader_open(struct journal_reader *r, int fd, uint64_t file_bytes)
{
    r->behind = 0;
    r->has_header = false;
    memset(&r->header, 0, sizeof(r->header));
    r->end = JOURNAL_END_NOT_YET;
    r->end_offset = r->durable = 0;
    r->why = NULL;
    r->record_count_left = 0;
    r->next_offset = FORMAT_BLOCK_BYTES;
    r->budget = budget_of(file_bytes);
    r->headers.fd = fd;
    r->headers.file_bytes = file_bytes;
    forget_bytes(r);
    const char *bytes = journal_window_at(&r->headers, 0, sizeof(r->header));
    r->header_fault = r->headers.error ? "its header cannot be read" : "the file is too short";
    if (!bytes)
        return;
    memcpy(&r->header, bytes, sizeof(r->header));
    r->header_fault = segment_fault(&r->header);
    r->has_header = r->header_fault == NULL;
}

static uint64_t find_batch(struct journal_reader *r, uint64_t from, uint64_t epoch,
                           struct batch_header *ret)
{
    return journal_find_batch(&r->headers, from, epoch, &r->budget, ret);
}

static enum journal_step ends(struct journal_reader *r, enum journal_end end, uint64_t offset,
                              uint64_t durable, const char *why)
{
    bool was_behind = r->end != JOURNAL_END_NOT_YET;
    r->record_count_left = 0;
    r->behind = 0;
    if (was_behind)
        return JOURNAL_STEP_END;
    r->end = end;
    r->end_offset = offset;
    r->durable = durable;
    r->why = why;
    r->budget = budget_of(r->headers.file_bytes);
    if (r->goes_on_behind && (end == JOURNAL_END_DAMAGED || end == JOURNAL_END_TORN))
        r->behind = offset < FORMAT_BLOCK_BYTES ? FORMAT_BLOCK_BYTES : offset;
    return JOURNAL_STEP_END;
}

static enum journal_step end_without_header(struct journal_reader *r)
{
    struct batch_header batch;
    // A header that was meant so, by somebody else.
    bool is_foreign = r->header_fault != NULL && r->headers.len >= sizeof(r->header) &&
                      r->header.magic == FORMAT_SEGMENT_MAGIC &&
                      (r->header.version != FORMAT_VERSION || r->header.epoch == 0 ||
                       r->header.block_bytes != FORMAT_BLOCK_BYTES);
    struct segment_header bare = r->header;
    bare.checksum = 0;
    is_foreign = is_foreign && crc32c(0, &bare, sizeof(bare)) == r->header.checksum;
    if (is_foreign || r->headers.error != 0 || find_batch(r, FORMAT_BLOCK_BYTES, 0, &batch) != 0 ||
        r->budget == 0)
        return ends(r, JOURNAL_END_DAMAGED, 0, 0, r->header_fault);
    return ends(r, JOURNAL_END_NO_HEADER, 0, 0, r->header_fault);
}

// Payloads are checked before a record is shown; those of messages only when they are not trusted.
static const char *records_fault(struct journal_reader *r, uint64_t offset,
                                 const struct batch_header *batch)
{
    uint64_t at = offset + sizeof(*batch);
    for (uint32_t i = 0; i < batch->record_count; i++) {
        struct record_header record;
        const char *bytes = journal_window_at(&r->headers, at, sizeof(record));
        if (!bytes)
            return "a record cannot be read";
        memcpy(&record, bytes, sizeof(record));
        if (record.bytes > offset + batch->bytes - at - sizeof(record))
            return "it changes while it is read";
        const char *fault = NULL;
        if (record.type != RECORD_MESSAGE || !r->trusts_content)
            fault = journal_record_fault(&r->payload, batch->epoch, at, &record);
        if (fault)
            return fault;
        at += sizeof(record) + format_record_padded(record.bytes);
    }
    return NULL;
}

static enum journal_step begin_batch(struct journal_reader *r, uint64_t offset,
                                     const struct batch_header *batch)
{
    r->batch = *batch;
    r->batch_offset = offset;
    r->record_count_left = batch->record_count;
    r->next_offset = offset + sizeof(*batch);
    if (batch->record_count == 0)
        r->next_offset = offset + format_block_padded(batch->bytes);
    return JOURNAL_STEP_BATCH;
}

// What is at `offset`: NULL is a good batch. *ret_written_wrong: no torn write explains it.
// *ret_behind: where a later batch may begin.
static const char *batch_fault(struct journal_reader *r, uint64_t offset, struct batch_header *ret,
                               bool *ret_written_wrong, uint64_t *ret_behind)
{
    uint64_t no_limit = UINT64_MAX;
    *ret_written_wrong = false;
    *ret_behind = offset + FORMAT_BLOCK_BYTES;
    const char *fault = journal_batch_headers_fault(&r->headers, offset, r->header.epoch, &no_limit,
                                                    ret);
    if (fault)
        return fault;
    fault = journal_batch_nonsense(&r->headers, offset, ret);
    if (!fault && r->seal != 0 && offset + ret->bytes > r->seal)
        fault = "the segment is said to end within this batch";
    *ret_written_wrong = fault != NULL;
    if (fault)
        return fault;
    *ret_behind = offset + format_block_padded(ret->bytes);
    return records_fault(r, offset, ret);
}

// Nothing is lost at `offset` for all that can be seen: is there something at all?
static enum journal_step end_of_good(struct journal_reader *r, uint64_t offset, bool any_behind,
                                     const char *fault)
{
    struct batch_header batch;
    if (r->budget == 0)
        return ends(r, JOURNAL_END_DAMAGED, offset, 0, "too many false batches behind it to tell");
    if (any_behind)
        return ends(r, JOURNAL_END_TORN, offset, 0, fault);
    if (journal_block_is_empty(&r->headers, offset))
        return ends(r, JOURNAL_END_CLEAN, offset, 0, NULL);
    if (journal_batch_headers_fault(&r->headers, offset, 0, &r->budget, &batch) != NULL ||
        batch.epoch == r->header.epoch || batch.epoch == 0)
        return ends(r, JOURNAL_END_TORN, offset, 0, fault);
    if (batch.epoch > r->header.epoch)
        return ends(r, JOURNAL_END_DAMAGED, offset, 0,
                    "a batch of a later epoch than the segment's");
    return ends(r, JOURNAL_END_CLEAN, offset, 0, NULL);
}

static enum journal_step next_batch(struct journal_reader *r)
{
    struct batch_header batch;
    bool written_wrong, any_behind;
    uint64_t behind, offset = r->next_offset;
    if (r->seal != 0 && offset >= r->seal)
        return ends(r, JOURNAL_END_SEALED, r->seal, 0, NULL);
    const char *fault = batch_fault(r, offset, &batch, &written_wrong, &behind);
    if (!fault)
        return begin_batch(r, offset, &batch);
    if (written_wrong)
        return ends(r, JOURNAL_END_DAMAGED, offset, 0, fault);
    if (r->headers.error != 0 || r->payload.error != 0)
        return ends(r, JOURNAL_END_DAMAGED, offset, r->seal, fault);
    uint64_t durable = journal_claimed_durable(&r->headers, behind, offset, r->header.epoch,
                                               &r->budget, &any_behind);
    if (r->seal != 0)
        durable = r->seal;
    if (durable == 0)
        return end_of_good(r, offset, any_behind, fault);
    // A running engine may have written all this since we first looked.
    if (r->is_running) {
        forget_bytes(r);
        if (!batch_fault(r, offset, &batch, &written_wrong, &behind))
            return begin_batch(r, offset, &batch);
    }
    return ends(r, JOURNAL_END_DAMAGED, offset, durable, fault);
}

static enum journal_step next_batch_behind(struct journal_reader *r)
{
    struct batch_header batch;
    uint64_t at = find_batch(r, r->behind, r->has_header ? r->header.epoch : 0, &batch);
    if (at == 0)
        return JOURNAL_STEP_END;
    r->behind = at + format_block_padded(batch.bytes);
    return begin_batch(r, at, &batch);
}

static enum journal_step next_record(struct journal_reader *r)
{
    uint64_t end = r->batch_offset + r->batch.bytes;
    const char *bytes = NULL;
    if (r->next_offset < end && end - r->next_offset >= sizeof(r->record))
        bytes = journal_window_at(&r->headers, r->next_offset, sizeof(r->record));
    if (bytes)
        memcpy(&r->record, bytes, sizeof(r->record));
    // It was checked a moment ago: only a file that changes comes here with another.
    if (!bytes || r->record.bytes > end - r->next_offset - sizeof(r->record))
        return ends(r, JOURNAL_END_DAMAGED, r->next_offset, 0, "it changes while it is read");
    r->record_count_left--;
    r->record_offset = r->next_offset;
    r->next_offset += sizeof(r->record) + format_record_padded(r->record.bytes);
    if (r->record_count_left == 0)
        r->next_offset = r->batch_offset + format_block_padded(r->batch.bytes);
    if (r->behind != 0)
        r->record_is_whole = !journal_record_fault(&r->payload, r->batch.epoch, r->record_offset,
                                                   &r->record);
    else
        r->record_is_whole = true;
    return JOURNAL_STEP_RECORD;
}

enum journal_step journal_reader_next(struct journal_reader *r)
{
    enum journal_step step;
    if (r->record_count_left > 0)
        return next_record(r);
    if (r->end == JOURNAL_END_NOT_YET) {
        step = r->has_header ? next_batch(r) : end_without_header(r);
        if (step != JOURNAL_STEP_END)
            return step;
    }
    return r->behind != 0 ? next_batch_behind(r) : JOURNAL_STEP_END;
}

static const void *bounded(struct journal_reader *r, struct journal_window *w, uint64_t at,
                           size_t len)
{
    if (at > r->record.bytes || len > r->record.bytes - at)
        return NULL;
    return journal_window_at(w, r->record_offset + sizeof(r->record) + at, len);
}

const void *journal_reader_payload(struct journal_reader *r, uint64_t at, size_t len)
{
    return bounded(r, &r->payload, at, len);
}

const void *journal_reader_text(struct journal_reader *r, uint64_t at, size_t len)
{
    return bounded(r, &r->texts, at, len);
}
