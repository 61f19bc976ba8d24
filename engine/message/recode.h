// engine/message/recode.h: a message for servers that do not take 8-bit content (RFC 6152): each
// part that has bytes >= 0x80 becomes quoted-printable or base64.
//
// Owns:         what becomes of which part. Pure: stored form in, stored form out.
// Knows not of: who wants that, and signatures of the whole (whoever signs does so afterwards).
// Read first:   recode().
//
//   text                  quoted-printable; base64 where more than one byte in six is not plain
//   other leaves          base64
//   multipart, rfc822     what is in them, part by part; delimiters stay as they are
//   multipart/signed      not a byte may change: RECODE_SIGNED, unless all of it is ASCII
//   what is ASCII         stays as it is
//   header fields         encoded words (engine/message/encoded_words.h)
// Charsets stay what they are. A body that says nothing of itself is said to be text in UTF-8, if
// it is, else in "unknown-8bit" (RFC 1428). What stands outside of parts is seen by nobody: there
// bytes >= 0x80 become "?".
#ifndef POSTHASTE_MESSAGE_RECODE_H
#define POSTHASTE_MESSAGE_RECODE_H

#include "engine/base/slice.h"

enum recode_status {
    RECODE_DONE,
    RECODE_SIGNED,    // part of it is signed as it is
    RECODE_ENCODED,   // a part says that it is encoded already, or may not be
    RECODE_UNSOUND,   // a multipart whose parts are not to be found
    RECODE_TOO_LARGE, // too many parts, too deep in each other; or it would grow beyond all measure
};

// Has it anything to be encoded?
bool recode_wanted(struct slice content);
// What recode() asks for: some half more than the content.
size_t recode_room(struct slice content);
enum recode_status recode(struct slice content, char *out, size_t room, size_t *ret_len);
// Why that cannot be, in words for its sender.
const char *recode_text(enum recode_status status);

#endif
