// engine/message/mime.h: the MIME structure of what lies in memory (RFC 2045, 2046): what the
// header of a message or a part says of its body, and where the parts of a multipart body begin and
// end.
//
// Owns:         the grammar of Content-Type and Content-Transfer-Encoding, as far as it is met.
// Knows not of: what is done with a part.
// Read first:   mime_read(), then mime_part_next().
//
// Lines are those of the stored form. What is not sound is read as most mail programs read it: the
// first of two fields counts, a type that is none is text/plain, a body without its closing
// delimiter ends with its last part.
#ifndef POSTHASTE_MESSAGE_MIME_H
#define POSTHASTE_MESSAGE_MIME_H

#include "engine/base/slice.h"

#define MIME_BOUNDARY_BYTES_MAX 250 // RFC 2046 5.1.1 allows 70
#define MIME_DEPTH_MAX 16           // of parts in parts
#define MIME_PARTS_MAX 256          // of a message, at all depths

enum mime_kind {
    MIME_TEXT,
    MIME_OTHER,       // a leaf, too
    MIME_MULTIPART,   // any but the next two
    MIME_DIGEST,      // its parts are messages where they do not say otherwise
    MIME_SIGNED,      // not a byte of it may change
    MIME_MESSAGE,     // message/rfc822
    MIME_UNTOUCHABLE, // other messages that allow of no encoding (RFC 2046 5.2)
};

enum mime_encoding {
    MIME_NONE, // not said
    MIME_7BIT,
    MIME_8BIT,    // or binary
    MIME_ENCODED, // anything else
};

// All slices are of the entity.
struct mime_entity {
    struct slice fields; // of its header, without the empty line
    struct slice body;
    bool has_empty_line; // between the two
    bool has_version;    // MIME-Version:
    bool has_type;
    enum mime_kind kind;
    enum mime_encoding encoding;
    size_t boundary_len; // 0: none, or none that can be read
    char boundary[MIME_BOUNDARY_BYTES_MAX];
};

// `kind_usual`: of one that does not say: MIME_TEXT, in a digest MIME_MESSAGE.
void mime_read(struct slice entity, enum mime_kind kind_usual, struct mime_entity *ret);

// The body of a multipart, in pieces that lie one behind the other.
struct mime_piece {
    struct slice outside; // the delimiter in front of the part; for the first one what stands
                          // before that, too
    struct slice part;    // without the line end that belongs to the next delimiter
};
// Takes the next part from *rest. False: there is none, and what is left of *rest stands behind
// the parts.
bool mime_part_next(const struct mime_entity *e, struct slice *rest, struct mime_piece *ret);

#endif
