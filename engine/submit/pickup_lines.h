// engine/submit/pickup_lines.h: the lines of a file that comes in pieces, cut anywhere: one line
// after the other, or as content in runs whose lines end in CRLF.
//
// Owns:         line ends, stuffed dots, the count of lines and bytes.
// Knows not of: what the lines say, or whether content is sound: content_scan() tells of a bare CR.
// Read first:   pickup_lines_take(), pickup_lines_run().
//
// A line ends in LF, with or without a CR in front. `strict`: with one, else PICKUP_LINE_BARE_LF.
// Who stuffs dots behind CRLF alone would let the text of a message end it at a bare LF.
#ifndef POSTHASTE_SUBMIT_PICKUP_LINES_H
#define POSTHASTE_SUBMIT_PICKUP_LINES_H

#include "engine/base/buffer.h"

#define PICKUP_LINE_BYTES_MAX 2048 // of one that is taken whole

// What stands before the next byte of content.
enum pickup_run {
    PICKUP_RUN_LINE_START, // nothing, or the end of a line. Zero: the start of a content
    PICKUP_RUN_IN_LINE,
    PICKUP_RUN_CR,      // a CR, taken and not given
    PICKUP_RUN_DOT,     // a dot at the start of a line, taken and not given
    PICKUP_RUN_DOT_CR,  // and a CR behind it
    PICKUP_RUN_ENDED,   // a lone dot
    PICKUP_RUN_BARE_LF, // where there must be none: nothing more is taken
};

struct pickup_lines {
    uint64_t offset;       // bytes taken so far
    uint64_t line;         // the line that the last of them belongs to; the first one is 1
    uint64_t begin_offset; // where it begins
    bool strict;
    bool ended;         // the line taken last had an end
    bool ended_in_crlf; // and it was that
    bool in_line;       // a line has begun that pickup_lines_take() has not given yet
    enum pickup_run run;
    uint64_t run_line;  // the first one of the run given last
    struct buffer text; // of a line that came in pieces
};

enum pickup_line {
    PICKUP_LINE_MORE,  // all bytes are used, and the line goes on; or nothing is left at the end
    PICKUP_LINE_WHOLE, // also one without an end, at the end of the file
    PICKUP_LINE_TOO_LONG,
    PICKUP_LINE_BARE_LF,
    PICKUP_LINE_NO_MEMORY,
};

void pickup_lines_init(struct pickup_lines *l);
void pickup_lines_release(struct pickup_lines *l);
// Begins again, at the start of line number `line`. Keeps its memory.
void pickup_lines_reset(struct pickup_lines *l, uint64_t offset, uint64_t line);

// Takes one line from the front of *bytes. *ret: without its end, a slice of *bytes or good until
// the next call. `at_end`: nothing comes behind *bytes.
enum pickup_line pickup_lines_take(struct pickup_lines *l, struct slice *bytes, bool at_end,
                                   struct slice *ret);

// Takes bytes from the front of *bytes and returns the next run of content: a slice of them, or of
// constant text. An empty run means that all bytes are used, or that l->run is PICKUP_RUN_ENDED or
// PICKUP_RUN_BARE_LF. `stuffed`: dots at the start of lines are, and a lone one is the end.
struct slice pickup_lines_run(struct pickup_lines *l, bool stuffed, struct slice *bytes);

#endif
