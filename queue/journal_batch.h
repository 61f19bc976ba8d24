// queue/journal_batch.h: one batch put together for one write. Behind journal.c.
#ifndef POSTHASTE_QUEUE_JOURNAL_BATCH_H
#define POSTHASTE_QUEUE_JOURNAL_BATCH_H

#include "queue/journal.h"

// How much of what waits goes into one batch that has `room` bytes: results and then messages, both
// in their order; messages only behind all results.
struct batch_plan {
    uint64_t bytes;        // with the header, padded to blocks; 0: nothing fits, or nothing waits
    uint64_t record_bytes; // of these, up to the end of the last record
    size_t notes_bytes;
    uint32_t message_count;
    uint32_t record_count;
    size_t results_bytes; // the first of those that wait
    uint32_t results_count;
};
struct batch_plan batch_plan(const struct journal *j, uint64_t room);
// How large an empty segment must be for the results that wait and the first message; for the
// results alone.
uint64_t batch_bytes_first(const struct journal *j);
uint64_t batch_bytes_results(const struct journal *j);

// Fills j->pieces for a write at `offset` of the segment, and takes from j->waiting and j->results
// what is in it. False without memory.
bool batch_build(struct journal *j, const struct batch_plan *plan, uint32_t segment,
                 uint64_t offset, uint64_t now_us, uint64_t wall_us);

// Appends a record without a checksum. False at the buffer's limit.
bool batch_put_record(struct buffer *b, enum record_type type, const void *fixed,
                      size_t fixed_bytes, const struct slice *texts, uint32_t text_count);
uint32_t batch_count_records(struct slice records);

#endif
