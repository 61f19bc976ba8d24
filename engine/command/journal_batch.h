// engine/command/journal_batch.h: is this a good batch, and if not, what is wrong with it?
#ifndef POSTHASTE_COMMAND_JOURNAL_BATCH_H
#define POSTHASTE_COMMAND_JOURNAL_BATCH_H

#include "engine/command/journal_folder.h"
#include "queue/format.h"

// Why the batch header at `offset`, or the record headers behind it, are not good; NULL: they are,
// and *ret is set. `epoch` 0: of any segment. Walks at most *budget bytes of records, and counts.
const char *journal_batch_headers_fault(struct journal_window *w, uint64_t offset, uint64_t epoch,
                                        uint64_t *budget, struct batch_header *ret);
// With good headers the lengths stand as they were written: when they do not come out even, or the
// numbers contradict each other, it was written wrong.
const char *journal_batch_nonsense(struct journal_window *w, uint64_t offset,
                                   const struct batch_header *batch);

// The same for the payload of a record whose header fits.
const char *journal_record_fault(struct journal_window *w, uint64_t epoch, uint64_t offset,
                                 const struct record_header *record);

// The first batch from `from` on whose headers are good, whatever its records are. 0: none.
uint64_t journal_find_batch(struct journal_window *w, uint64_t from, uint64_t epoch,
                            uint64_t *budget, struct batch_header *ret);
// What the first batch from `from` on that says so claims to be durable beyond `offset`; 0: none
// does. *ret_any: there is a batch at all.
uint64_t journal_claimed_durable(struct journal_window *w, uint64_t from, uint64_t offset,
                                 uint64_t epoch, uint64_t *budget, bool *ret_any);

// Is there nothing but zeros in this block, or is the file at its end?
bool journal_block_is_empty(struct journal_window *w, uint64_t offset);

#endif
