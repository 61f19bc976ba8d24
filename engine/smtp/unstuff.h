// engine/smtp/unstuff.h: content as DATA frames it, back to its stored form (RFC 5321 4.5.2).
//
// Owns:         the stuffed dots and the end of content: CRLF "." CRLF and nothing else. A bare
//               LF or CR ends no line here, so no other sequence can end a message; that content
//               is at fault is for content_scan() to say.
// Read first:   unstuff_feed().
#ifndef POSTHASTE_SMTP_UNSTUFF_H
#define POSTHASTE_SMTP_UNSTUFF_H

#include "engine/base/slice.h"

// What stands before the next byte.
enum unstuff {
    UNSTUFF_LINE_START, // nothing, or CRLF. Zero: the start of a content
    UNSTUFF_IN_LINE,
    UNSTUFF_CR,
    UNSTUFF_DOT,    // a dot at the start of a line, taken and not given
    UNSTUFF_DOT_CR, // and a CR behind it
    UNSTUFF_END,    // and its LF: all that follows belongs to commands
};

// Takes bytes from the front of *bytes and returns the next run of the stored form, as long as
// there are no stuffed dots in it: a slice of them, or of constant text. An empty run means that
// all bytes are used, or that the content has ended (*u is UNSTUFF_END).
struct slice unstuff_feed(enum unstuff *u, struct slice *bytes);

#endif
