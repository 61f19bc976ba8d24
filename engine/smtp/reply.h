// engine/smtp/reply.h: SMTP replies. A byte stream goes in, whole replies come out.
//
// Owns:         the reply grammar (RFC 5321 4.2) and enhanced codes (RFC 2034, RFC 3463).
// Knows not of: sockets, TLS, clocks, or which command is being answered.
// Read first:   reply_feed().
#ifndef POSTHASTE_SMTP_REPLY_H
#define POSTHASTE_SMTP_REPLY_H

#include "engine/base/slice.h"

#define REPLY_LINE_BYTES_MAX 4096   // with CRLF; the RFC says 512, real servers go beyond it
#define REPLY_BYTES_MAX (64 * 1024) // a peer that never ends its reply is cut off here
#define REPLY_TEXT_BYTES_MAX 480    // kept of the text; what is beyond is read and dropped

// "5.7.1": class.subject.detail; class 0 where the reply carried none.
struct enhanced_code {
    uint8_t class;
    uint16_t subject;
    uint16_t detail;
};

struct reply {
    uint16_t code; // 200..599
    struct enhanced_code enhanced;
    struct slice text; // lines joined by " / ", without codes; control characters are '?'
};

enum reply_status {
    REPLY_MORE,   // all bytes used; the reply has not ended
    REPLY_LINE,   // one line of a multi-line reply (p->line), more follow: call again
    REPLY_DONE,   // p->reply and p->line are those of the whole reply and its last line
    REPLY_BROKEN, // not SMTP, or beyond a limit; the parser stays here
};

struct reply_parser {
    struct reply reply; // what is known of it so far; whole at REPLY_DONE, until the next call
    struct slice line;  // the text of the line just ended, behind "250-" or "250 ", as it came, cut
                        // at REPLY_TEXT_BYTES_MAX or so; in the caller's bytes or in kept_line
    uint16_t line_count; // of this reply, that line included
    /* the rest is reply.c's */
    uint16_t line_bytes; // of the line that is being read in parts
    uint16_t text_len;
    bool ended; // the next byte starts another reply
    bool broken;
    bool saw_cr; // the last byte was CR
    uint32_t reply_bytes;
    char kept_line[REPLY_TEXT_BYTES_MAX + 16]; // what came of a line in earlier calls
    char text[REPLY_TEXT_BYTES_MAX];
};

void reply_parser_init(struct reply_parser *p);

// Reads `bytes` up to the end of one reply line and sets *ret_used, in every case, to how far it
// came. Bytes after REPLY_DONE stay with the caller, who alone can tell a pipelined answer
// from an injected one.
//
// Broken is: a line that ends in anything but CRLF, or holds a CR, LF or NUL elsewhere; one that
// does not begin with three digits from 200 to 599 and a space, a hyphen or its end; a line of
// another code inside one reply; and what exceeds the limits above.
//
// Borrows `bytes` until the next call (p->line).
enum reply_status reply_feed(struct reply_parser *p, struct slice bytes, size_t *ret_used);

static inline bool reply_is_success(const struct reply *r)
{
    return r->code / 100 == 2;
}

#define ENHANCED_TEXT_BYTES 16
// "5.7.1", or "" for none. Writes into `text` and returns it.
const char *enhanced_print(struct enhanced_code e, char text[ENHANCED_TEXT_BYTES]);

#endif
