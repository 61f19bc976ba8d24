// engine/message/canonical.h: the relaxed form of bodies and header fields, in which DKIM sees them
// (RFC 6376 3.4.2, 3.4.4).
//
// Owns:         which blanks and line ends count. Pure, and goes once over each byte.
// Knows not of: hashes, or which fields are looked at.
// In and out:   bytes come cut anywhere, and are taken from the front of *bytes as far as `room`
//               goes: call again until *bytes is empty. Lines are those of the stored form: CR
//               stands in CRLF alone.
#ifndef POSTHASTE_MESSAGE_CANONICAL_H
#define POSTHASTE_MESSAGE_CANONICAL_H

#include "engine/base/slice.h"

#define CANONICAL_ROOM_MIN 4 // of each call

// Zeroed is the start of a body.
struct canonical_body {
    uint64_t line_ends; // that count only if something stands behind them
    bool blank;         // so do blanks, as a single one
    bool any;           // something has come out
};

// Returns how many bytes it has written.
size_t canonical_body(struct canonical_body *c, struct slice *bytes, char *out, size_t room);
// The body is at its end. Writes two bytes or none: an empty body stays empty.
size_t canonical_body_end(const struct canonical_body *c, char out[2]);

// Zeroed is the start of a field's body, what stands behind its colon. In front of it belong the
// name in lower case and ":", behind it CRLF.
struct canonical_value {
    bool blank;
    bool any;
};

size_t canonical_value(struct canonical_value *c, struct slice *bytes, char *out, size_t room);

#endif
