// queue/scan.h: reads a segment that is in memory: which batches are good, what is in them, and how
// it ends.
//
// Owns:         the rules by which bytes on disk are believed (queue/format.h). Pure.
// Knows not of: what records mean.
// Read first:   scan_open(), then scan_next() until false, then scan_end().
#ifndef POSTHASTE_QUEUE_SCAN_H
#define POSTHASTE_QUEUE_SCAN_H

#include "engine/base/slice.h"
#include "queue/format.h"

#include <stdbool.h>

// How much of a file's beginning tells whether it is a segment, and when it was opened.
#define SCAN_FRONT_BYTES (2 * FORMAT_BLOCK_BYTES)

struct scan_front {
    struct segment_header header;
    bool written; // something that looks like a first batch: `turn` is known
    uint64_t turn;
    bool opens; // `opening` is known
    struct record_opens opening;
};

enum scan_kind {
    SCAN_SEGMENT,
    SCAN_UNBEGUN, // zeros, or not even those: left by who was interrupted while he made it
    SCAN_UNKNOWN, // something else, or of another version: not ours to touch
};

// `front`: the first bytes of the file, SCAN_FRONT_BYTES if it has so many.
enum scan_kind scan_front(struct slice front, struct scan_front *ret);

bool scan_all_zeros(struct slice s); // what was never written

struct scan {
    struct slice bytes; // from the file's first on
    uint64_t epoch;
    uint64_t limit;  // where another segment says that it ends; UINT64_MAX: none does
    uint64_t at;     // where the next batch is, or would be
    uint64_t record; // in the batch before that
    uint32_t records_left;
};

struct scan_record {
    enum record_type type;
    uint64_t offset; // of its header in the file
    struct slice payload;
};

// `limit`: where another segment says that this one ends; UINT64_MAX: none does.
void scan_open(struct scan *s, struct slice bytes, uint64_t epoch, uint64_t limit);
// The next record of a batch that is good as a whole. False: there is none.
bool scan_next(struct scan *s, struct scan_record *ret);

enum scan_ending {
    SCAN_CLEAN,   // nothing behind it, or another segment says that it ends here
    SCAN_TORN,    // a batch that was never finished; nobody was told that it was safe
    SCAN_DAMAGED, // what was durable is not there any more, from scan.at on
};
// After scan_next() has said false.
enum scan_ending scan_end(const struct scan *s);

#endif
