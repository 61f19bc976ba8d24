// queue/suppression_line.h: the list of suppressed addresses on disk: one line for each that was
// added or removed, each with a checksum of its own.
//
//   CRC + UNTIL CATEGORY ADDRESS        held until that day (9999-12-31: for ever)
//   CRC - UNTIL CATEGORY ADDRESS        no longer held
//
// The checksum is CRC-32C of all that stands behind it, in eight hex digits. Of an address the last
// line counts. A line that is torn or damaged says nothing, and harms no other: whoever appends
// begins with an empty line. People can read it.
//
// Knows not of: files, or what the categories are.
#ifndef POSTHASTE_QUEUE_SUPPRESSION_LINE_H
#define POSTHASTE_QUEUE_SUPPRESSION_LINE_H

#include "engine/base/buffer.h"
#include "queue/suppression.h"

#define SUPPRESSION_LINE_BYTES_MAX 768u // with its end
#define SUPPRESSION_WORD_BYTES_MAX 32u

struct suppression_line {
    bool removes;
    uint16_t until;
    struct slice category; // without blanks
    struct slice address;  // as suppression_text() gives it
};

// False when `out` is full, or the address has a line end or is too long.
bool suppression_line_put(struct buffer *out, const struct suppression_line *l);

enum suppression_read { SUPPRESSION_READ, SUPPRESSION_BAD, SUPPRESSION_MORE };
// Takes the first line of *rest. BAD: it is no line of ours, and was skipped. MORE: it has no end;
// *rest stays.
enum suppression_read suppression_line_next(struct slice *rest, struct suppression_line *ret);

#define SUPPRESSION_DATE_BYTES 11
// "2026-11-28". Writes into `text` and returns it.
const char *suppression_date(uint16_t day, char text[SUPPRESSION_DATE_BYTES]);
// False when it is no date from 1970 on; those beyond 2149 are for ever.
bool suppression_date_read(struct slice text, uint16_t *ret);

#endif
