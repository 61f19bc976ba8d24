// engine/message/encoded_words.h: what is not ASCII in a header field, as encoded words (RFC 2047).
//
// Owns:         their form, and where in a field they may stand.
// Knows not of: why somebody wants them.
#ifndef POSTHASTE_MESSAGE_ENCODED_WORDS_H
#define POSTHASTE_MESSAGE_ENCODED_WORDS_H

#include "engine/message/fields.h"
#include "engine/message/transfer.h"

// Writes the field with each run of words that have bytes >= 0x80 encoded. In fields that are more
// than text, quotes, brackets and the like part words, too, and stay as they are; but a name in
// quotes, in front of an address, is one word, and loses them.
void encoded_field(struct transfer *t, const struct header_field *f);

// What bytes are that do not say it themselves, as the name of a charset.
struct slice encoded_charset(struct slice bytes);

#endif
