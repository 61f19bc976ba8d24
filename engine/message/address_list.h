// engine/message/address_list.h: the addresses that a field of a header section lists, or an
// argument of a command line: names, comments, groups and folds taken off (RFC 5322 3.4, 4.4).
//
// Owns:         where in a list one address ends and the next one begins.
// Knows not of: what an address may be: address_parse() judges what comes out.
// Read first:   address_list_next().
//
//   "a@b, Name <c@d> (comment), \"x, y\" <@hop:e@f>, group: g@h, i;, <j @ k>, root"
//   comes out as a@b, c@d, e@f, g@h, i, j@k, root
#ifndef POSTHASTE_MESSAGE_ADDRESS_LIST_H
#define POSTHASTE_MESSAGE_ADDRESS_LIST_H

#include "engine/base/slice.h"

#define ADDRESS_LIST_ADDRESS_BYTES_MAX 1024 // of one, source routes included

enum address_list_step {
    ADDRESS_LIST_ADDRESS, // one has come out
    ADDRESS_LIST_NULL,    // "<>": nobody, which is somebody in front of a sender alone
    ADDRESS_LIST_BAD,     // an entry that is none, or cannot be read; ret is its text, to name it
    ADDRESS_LIST_END,     // nothing is left
};

// Takes one entry from the front of *rest: of the body of a field, as it stands in the message,
// folds (CRLF or LF) and all. Entries without an address are passed over: ",,", a group of nobody,
// a comment alone.
//
// ADDRESS_LIST_ADDRESS: *ret is local@domain in `text`, or what stands there instead of it ("root"
// without a domain, for the caller to complete). The local part is as it was written, quotes and
// all. Blanks and comments may stand around "@", "." and the brackets, and nowhere else: "John Doe"
// is ADDRESS_LIST_BAD, not an address of one word or of two.
//
// ADDRESS_LIST_BAD leaves *rest behind the entry, or empty where its end cannot be told: a quote,
// comment or bracket that does not close takes in all that follows. Goes once over each byte,
// whatever it is.
enum address_list_step
address_list_next(struct slice *rest, char text[ADDRESS_LIST_ADDRESS_BYTES_MAX], struct slice *ret);

#endif
