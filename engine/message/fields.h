// engine/message/fields.h: the fields of a header section that lies in memory as a whole.
//
// Owns:         where a field begins and ends (RFC 5322 2.2), whichever line ends it has.
// Knows not of: what fields mean. For a section that passes by in pieces: header_scan().
// Read first:   fields_next().
#ifndef POSTHASTE_MESSAGE_FIELDS_H
#define POSTHASTE_MESSAGE_FIELDS_H

#include "engine/base/slice.h"

// All of them slices of the message.
struct header_field {
    struct slice name;  // without blanks behind it (RFC 5322 4.5)
    struct slice body;  // behind the colon, up to the field's end: folds, line ends and all
    struct slice whole; // from the name's first byte to the last line end: what to leave out of a
                        // message to be rid of the field
};

// Takes the field at the front of *rest: one line, and those behind it that begin with a blank. A
// line ends in LF, with or without CR in front; the last one may lack it.
//
// False where no field stands: at the empty line, at a line that is none, or at the end. That is
// the end of the section, and *rest begins there.
bool fields_next(struct slice *rest, struct header_field *ret);

// The same for a single line, with or without its end: does a field begin with it? For who gathers
// the section line by line.
bool fields_is_first_line(struct slice line);

// "From joe Sun Nov 22 05:24:15 2026", which mailboxes put in front of a message.
bool fields_is_postmark(struct slice line);

static inline bool header_field_is(const struct header_field *f, struct slice name)
{
    return slice_equal_nocase(f->name, name);
}

#endif
