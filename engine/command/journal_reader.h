// engine/command/journal_reader.h: one segment, read as queue/format.h says, and how it ends.
//
// Owns:         the reader's windows on the file.
// Knows not of: what records mean; they are checksummed and fit, no more. Nothing in the file is
//               believed before it was bounded.
// Read first:   journal_reader_next().
//
//   opened -> no header, or a header that is not ours -> END
//   opened -> batch -> record ... -> batch -> record ... -> END: reader.end says how
#ifndef POSTHASTE_COMMAND_JOURNAL_READER_H
#define POSTHASTE_COMMAND_JOURNAL_READER_H

#include "engine/command/journal_folder.h"
#include "queue/format.h"

enum journal_end {
    JOURNAL_END_NOT_YET,
    JOURNAL_END_CLEAN,     // zeros, the end of the file, or a batch of an earlier life
    JOURNAL_END_TORN,      // something that is not good, and nobody says that it was durable
    JOURNAL_END_SEALED,    // another segment's OPENS says so
    JOURNAL_END_DAMAGED,   // something that is not good, and was durable; or cannot be read
    JOURNAL_END_NO_HEADER, // it has not begun to be a segment
};

enum journal_step { JOURNAL_STEP_BATCH, JOURNAL_STEP_RECORD, JOURNAL_STEP_END };

struct journal_reader {
    // Given by the caller, before the first step.
    uint64_t seal;       // read no further; 0: until the bytes say so
    bool trusts_content; // does not read the bytes of messages again
    bool is_running;     // what is not good may be half written: look twice
    bool goes_on_behind; // also reads good batches behind the end, to save what can be saved
    uint64_t behind;     // where goes_on_behind began; 0: not yet
    // For the caller to look at.
    bool has_header;
    struct segment_header header;
    const char *header_fault; // NULL: it is good
    struct batch_header batch;
    uint64_t batch_offset;
    struct record_header record;
    uint64_t record_offset;
    bool record_is_whole; // goes_on_behind: its checksum is right
    enum journal_end end;
    uint64_t end_offset;
    uint64_t durable; // JOURNAL_END_DAMAGED: what was claimed to be durable; 0: nobody claimed
    const char *why;  // DAMAGED, TORN: what is not good at end_offset
    // Its own.
    uint32_t record_count_left;
    uint64_t next_offset; // of a record or a batch
    uint64_t budget;      // bytes of records that may still be walked behind the end
    struct journal_window headers;
    struct journal_window payload;
    struct journal_window texts;
};

// The descriptor stays the caller's. NULL: no memory.
struct journal_reader *journal_reader_new(void);
void journal_reader_free(struct journal_reader *r);

// Begins with a segment and reads its header.
void journal_reader_open(struct journal_reader *r, int fd, uint64_t file_bytes);
// Goes to the next batch or record, or ends. All records of a batch are checked before its step.
enum journal_step journal_reader_next(struct journal_reader *r);

// Bytes of the record's payload, bounded by it; NULL when they are outside or cannot be read.
const void *journal_reader_payload(struct journal_reader *r, uint64_t at, size_t len);
// The same by a window of its own, for texts that a table in the payload points to.
const void *journal_reader_text(struct journal_reader *r, uint64_t at, size_t len);

#endif
