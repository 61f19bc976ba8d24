// engine/smtp/content.h: a message's content: how it is checked on the way in, and how it is
// framed on the way out.
//
// Stored form: CRLF lines and nothing else, unstuffed, ending in CRLF (RFC 5321 2.3.8, 4.5.2). One
// bit says whether any line begins with a dot: only then does sending with DATA look at the bytes.
#ifndef POSTHASTE_SMTP_CONTENT_H
#define POSTHASTE_SMTP_CONTENT_H

#include "engine/base/slice.h"
#include "engine/smtp/wire.h"

#define CONTENT_LINE_BYTES_MAX 998 // without CRLF (RFC 5322 2.1.1)

// What can be wrong with content, the first fault found.
enum content_fault {
    CONTENT_FINE,
    CONTENT_BARE_CR,
    CONTENT_BARE_LF,
    CONTENT_NUL,
    CONTENT_LINE_TOO_LONG,
};

// The checks' state across chunks. Zeroed is the start of a content.
struct content_scan {
    enum content_fault fault;
    bool has_dot_lines;  // a line that begins with "." in the stored form
    bool has_8bit;       // a byte >= 0x80
    bool saw_cr;         // the last byte was CR
    bool in_line;        // the last byte was not the end of a CRLF
    uint32_t line_bytes; // of the line being read
};

// Checks the next bytes of the stored form, cut anywhere.
void content_scan(struct content_scan *s, struct slice bytes);

// One message's content, in pieces that lie one behind the other. Each piece but the last ends
// with CRLF; so does the last (the caller adds the missing one before it stores).
#define CONTENT_PIECES_MAX 4
struct content {
    struct slice pieces[CONTENT_PIECES_MAX];
    uint8_t piece_count;
    bool has_dot_lines;
};

static inline uint64_t content_bytes(const struct content *c) // of the stored form
{
    uint64_t bytes = 0;
    for (unsigned i = 0; i < c->piece_count; i++)
        bytes += c->pieces[i].len;
    return bytes;
}
// What is relied upon when it is sent: every piece ends with CRLF. A content without that would
// take in the commands behind it.
bool content_is_whole(const struct content *c);

// Where writing a content with DATA has come to: always the start of a line. Zeroed is the start.
struct content_cursor {
    uint8_t piece;
    bool ended; // the final dot is on the wire too
    size_t offset;
};

// Appends dot-stuffed content (RFC 5321 4.5.2) and its end ".\r\n" to the wire, as far as there is
// room. True when all is there; else call again, with the same content, when the wire has been
// sent.
bool content_write_data(const struct content *c, struct content_cursor *cursor, struct wire *w);

#endif
