// engine/message/trace.h: what submission puts in front of a message: the Received: field, and
// Date: and Message-ID: where they are missing (RFC 5321 4.4, RFC 6409 8).
//
// Owns:         the fields' form, and what must be known of a header section to write them. Pure.
// Knows not of: sessions, memory blocks.
// Read first:   header_scan(), then trace_write().
#ifndef POSTHASTE_MESSAGE_TRACE_H
#define POSTHASTE_MESSAGE_TRACE_H

#include "engine/base/slice.h"

#define TRACE_BYTES_MAX 1024     // all that trace_write() may write
#define TRACE_NAME_BYTES_MAX 253 // of a host's name; what is beyond is left out
#define TRACE_ID_BYTES_MAX 24
#define TRACE_LINE_BYTES_MAX 78 // where lines are folded, as far as words allow (RFC 5322 2.1.1)
#define TRACE_RECEIVED_MAX 50   // so many Received: fields are a loop (RFC 5321 6.3)
#define TRACE_DATE_BYTES 40
// Fields that are for us, and that nobody else sees:
#define TRACE_KEY_FIELD "X-Posthaste-Key" // a submission key
#define TRACE_PRIORITY_FIELD "X-Posthaste-Priority"
#define TRACE_CAMPAIGN_FIELD "X-Posthaste-Campaign"

// "Sun, 22 Nov 2026 05:24:15 +0000" (RFC 5322 3.3), always UTC. Writes into `text` and returns it.
const char *trace_date(uint64_t wall_us, char text[TRACE_DATE_BYTES]);

// Watches the header section of content that comes cut anywhere. Zeroed is the start.
//
// The section ends at an empty line, or at the first line that is no field. A content that has no
// field at all begins with its body: then what we put in front of it needs an empty line behind.
// A section without an empty line behind it (a message of fields alone) is left as it is.
struct header_scan {
    bool ended;
    bool has_date, has_message_id;
    bool has_key;          // X-Posthaste-Key, at least one
    bool has_wishes;       // X-Posthaste-Priority or -Campaign, at least one
    bool needs_empty_line; // valid when it has ended
    bool at_empty_line;    // it has ended at one's first byte
    uint16_t received_count;
    /* the rest is header.c's */
    bool any_field, in_line, in_name, name_ended;
    uint8_t name_len;
    char name[sizeof(TRACE_CAMPAIGN_FIELD)]; // the longest name that we look for, and one more
};

// Looks at the next bytes; costs nothing once `ended`. Returns those that it did not look at.
struct slice header_scan(struct header_scan *s, struct slice bytes);
// No more content comes: a section that has not ended by itself ends here.
void header_scan_end(struct header_scan *s);

// What there is to say about a message.
struct trace {
    struct slice hostname; // ours
    struct slice helo;     // what the client calls itself; may be empty
    struct slice peer;     // its address as text; empty for a unix socket
    struct slice id;       // up to TRACE_ID_BYTES_MAX letters and digits
    uint64_t wall_us;
    bool esmtp;
    bool smtputf8;
    bool tls, auth; // how it came, and from whom it is known to come (RFC 3848)
};

// Writes the Received: field, folded, then the missing fields, then an empty line where the content
// brings none. Bytes of `helo` that could end a word, a comment or a line become "?". Returns the
// length.
size_t trace_write(const struct trace *t, const struct header_scan *s, char out[TRACE_BYTES_MAX]);

#endif
