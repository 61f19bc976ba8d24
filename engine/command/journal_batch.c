#include "engine/command/journal_batch.h"

#include "engine/base/crc32c.h"

#include <string.h>

#define STEP_BYTES (64u * 1024)
#define HOLE_STEP_BYTES (1024u * 1024) // how often we ask for a hole

// What alone can be said before the checksum: it is ours, it is here, and it fits.
static const char *header_fault(const struct batch_header *b, uint64_t offset, uint64_t epoch,
                                uint64_t file_bytes)
{
    if (b->magic != FORMAT_BATCH_MAGIC)
        return "no batch begins here";
    if (epoch != 0 && b->epoch != epoch)
        return "a batch of another epoch";
    if (b->offset != offset)
        return "a batch that belongs elsewhere";
    if (b->bytes < sizeof(*b) || b->bytes > file_bytes - offset)
        return "the batch is longer than the file, or shorter than its header";
    if (b->record_count > FORMAT_RECORDS_MAX ||
        b->record_count > (b->bytes - sizeof(*b)) / sizeof(struct record_header))
        return "more records than fit into the batch";
    return NULL;
}

// Reads the header of the record at `at` when all of it, with its padding, ends before `end`.
static bool read_record_header(struct journal_window *w, uint64_t at, uint64_t end,
                               struct record_header *ret, uint64_t *ret_next)
{
    if (end - at < sizeof(*ret))
        return false;
    const char *bytes = journal_window_at(w, at, sizeof(*ret));
    if (!bytes)
        return false;
    memcpy(ret, bytes, sizeof(*ret));
    uint64_t padded = format_record_padded(ret->bytes);
    if (padded > end - at - sizeof(*ret))
        return false;
    *ret_next = at + sizeof(*ret) + padded;
    return true;
}

const char *journal_batch_headers_fault(struct journal_window *w, uint64_t offset, uint64_t epoch,
                                        uint64_t *budget, struct batch_header *ret)
{
    struct batch_header b;
    const char *bytes = journal_window_at(w, offset, sizeof(b));
    if (!bytes)
        return w->error ? "it cannot be read" : "the file ends";
    memcpy(&b, bytes, sizeof(b));
    const char *fault = header_fault(&b, offset, epoch, w->file_bytes);
    if (fault)
        return fault;
    struct batch_header bare = b;
    bare.checksum = 0;
    uint32_t checksum = crc32c(0, &bare, sizeof(bare));
    uint64_t at = offset + sizeof(b);
    for (uint32_t i = 0; i < b.record_count; i++) {
        struct record_header record;
        uint64_t from = at;
        if (!read_record_header(w, at, offset + b.bytes, &record, &at))
            return w->error ? "a record cannot be read" : "a record does not fit into its batch";
        if (*budget < at - from) {
            *budget = 0;
            return "too many false batches";
        }
        *budget -= at - from;
        checksum = crc32c(checksum, &record, sizeof(record));
    }
    if (checksum != b.checksum)
        return "the batch's checksum is wrong";
    *ret = b;
    return NULL;
}

const char *journal_batch_nonsense(struct journal_window *w, uint64_t offset,
                                   const struct batch_header *batch)
{
    uint64_t at = offset + sizeof(*batch);
    uint64_t end = offset + batch->bytes;
    struct record_header record;
    for (uint32_t i = 0; i < batch->record_count; i++)
        if (!read_record_header(w, at, end, &record, &at))
            return "it changes while it is read";
    if (at != end)
        return "the batch's length is not that of its records";
    if (batch->durable > offset)
        return "the batch claims that it was durable before it was written";
    return NULL;
}

const char *journal_record_fault(struct journal_window *w, uint64_t epoch, uint64_t offset,
                                 const struct record_header *record)
{
    uint64_t place[2] = {epoch, offset};
    uint32_t checksum = crc32c(0, place, sizeof(place));
    uint64_t at = offset + sizeof(*record);
    for (uint64_t rest = record->bytes; rest > 0;) {
        size_t len = rest < STEP_BYTES ? (size_t)rest : STEP_BYTES;
        const char *bytes = journal_window_at(w, at, len);
        if (!bytes)
            return w->error ? "a record cannot be read" : "the file ends";
        checksum = crc32c(checksum, bytes, len);
        at += len;
        rest -= len;
    }
    return checksum == record->checksum ? NULL : "a record's checksum is wrong";
}

bool journal_block_is_empty(struct journal_window *w, uint64_t offset)
{
    if (offset >= w->file_bytes)
        return true;
    uint64_t rest = w->file_bytes - offset;
    size_t len = rest < FORMAT_BLOCK_BYTES ? (size_t)rest : FORMAT_BLOCK_BYTES;
    const char *bytes = journal_window_at(w, offset, len);
    for (size_t i = 0; bytes && i < len; i++)
        if (bytes[i] != 0)
            return false;
    return bytes != NULL;
}

uint64_t journal_find_batch(struct journal_window *w, uint64_t from, uint64_t epoch,
                            uint64_t *budget, struct batch_header *ret)
{
    uint64_t asked = 0;
    for (uint64_t at = from; at < w->file_bytes; at += FORMAT_BLOCK_BYTES) {
        if (at >= asked) {
            uint64_t data = journal_window_skip_hole(w, at);
            if (data > at)
                at = data & ~(uint64_t)(FORMAT_BLOCK_BYTES - 1);
            asked = at + HOLE_STEP_BYTES;
        }
        if (!journal_batch_headers_fault(w, at, epoch, budget, ret))
            return at;
    }
    return 0;
}

uint64_t journal_claimed_durable(struct journal_window *w, uint64_t from, uint64_t offset,
                                 uint64_t epoch, uint64_t *budget, bool *ret_any)
{
    struct batch_header batch;
    *ret_any = false;
    for (uint64_t at = from; (at = journal_find_batch(w, at, epoch, budget, &batch)) != 0;
         at += format_block_padded(batch.bytes)) {
        *ret_any = true;
        if (batch.durable > offset)
            return batch.durable;
    }
    return 0;
}
