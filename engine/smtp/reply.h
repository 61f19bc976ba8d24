// engine/smtp/reply.h: SMTP replies. A byte stream goes in, whole replies come out.
//
// Owns:         the reply grammar (RFC 5321 4.2) and enhanced codes (RFC 2034, RFC 3463).
// Knows not of: sockets, TLS, clocks, or which command is being answered.
// Read first:   reply_feed().
#ifndef POSTHASTE_SMTP_REPLY_H
#define POSTHASTE_SMTP_REPLY_H

#include "engine/smtp/octets.h"

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
    char kept_line[REPLY_TEXT_BYTES_MAX + 16]; // what came of a line in earlier calls, or all of it
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
static inline enum reply_status reply_feed(struct reply_parser *p, struct slice bytes,
                                           size_t *ret_used);

static inline bool reply_is_success(const struct reply *r)
{
    return r->code / 100 == 2;
}

#define ENHANCED_TEXT_BYTES 16
// "5.7.1", or "" for none. Writes into `text` and returns it.
const char *enhanced_print(struct enhanced_code e, char text[ENHANCED_TEXT_BYTES]);

// ------------------------------------------------------------------------- the parser's own

#define REPLY_CODE_DIGITS 3
#define REPLY_ENHANCED_SHORT_BYTES 6 // "2.1.5 "

enum reply_status reply_feed_the_long_way(struct reply_parser *p, struct slice bytes,
                                          size_t *ret_used);

static inline bool reply_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

// Three digits, 200 to 599. The RFC's grammar ends the second digit at 5, but 571 and 590 are out
// there, and there is no doubt what they mean. 0 when it is no code.
static inline unsigned reply_code_of(struct slice line)
{
    if (line.len < REPLY_CODE_DIGITS)
        return 0;
    unsigned class = (unsigned)line.data[0] - '0';
    unsigned tens = (unsigned)line.data[1] - '0';
    unsigned ones = (unsigned)line.data[2] - '0';
    return class >= 2 && class <= 5 && tens <= 9 && ones <= 9 ? class * 100 + tens * 10 + ones : 0;
}

// "5.7.1 " with single digits, as nearly all are.
static inline bool reply_has_short_enhanced(struct slice s)
{
    return s.len >= REPLY_ENHANCED_SHORT_BYTES && s.data[1] == '.' && s.data[3] == '.' &&
           s.data[5] == ' ' && reply_is_digit(s.data[2]) && reply_is_digit(s.data[4]);
}

// Nearly every reply there is: one line, all of it there, nothing in it to look at closely. Copied
// whole, in one pass, and read where it then is. Returns its length, up to and with its CRLF; 0
// when it must be read the long way: nothing has happened yet.
static inline size_t reply_feed_plain(struct reply_parser *p, struct slice bytes)
{
    if (!p->ended || bytes.len < OCTETS_COPY_BYTES_MIN)
        return 0;
    const char *line = p->kept_line;
    const size_t len = octets_copy_plain(p->kept_line, slice_take(bytes, sizeof(p->kept_line)));
    if (len <= REPLY_CODE_DIGITS || len + 2 > bytes.len || memcmp(bytes.data + len, "\r\n", 2) != 0)
        return 0;
    const bool is_250 = memcmp(line, "250 ", 4) == 0; // most are
    const unsigned code = is_250 ? 250 : reply_code_of(slice_make(line, len));
    if (code == 0 || line[REPLY_CODE_DIGITS] != ' ')
        return 0;
    const char *text = line + REPLY_CODE_DIGITS + 1;
    p->line = slice_make(text, len - REPLY_CODE_DIGITS - 1);
    p->reply.enhanced = (struct enhanced_code){0};
    if (p->line.len > 1 && text[1] == '.') {
        if (!reply_has_short_enhanced(p->line) || text[0] != line[0] || text[0] == '3')
            return 0;
        p->reply.enhanced.class = (uint8_t)(text[0] - '0');
        p->reply.enhanced.subject = (uint16_t)(text[2] - '0');
        p->reply.enhanced.detail = (uint16_t)(text[4] - '0');
        text += REPLY_ENHANCED_SHORT_BYTES;
    }
    p->reply.text = slice_make(text, (size_t)(line + len - text));
    p->reply.code = (uint16_t)code;
    p->line_count = 1;
    return p->reply.text.len <= REPLY_TEXT_BYTES_MAX ? len + 2 : 0;
}

// The length of a line "250 ..." that is all there, and a whole reply, and of the usual kind, for
// who does not care what it says. 0: it is to be read; nothing has happened yet.
static inline size_t reply_plain_250(const struct reply_parser *p, struct slice bytes)
{
    if (!p->ended || bytes.len < OCTETS_COPY_BYTES_MIN || memcmp(bytes.data, "250 ", 4) != 0)
        return 0;
    const size_t len = octets_plain_bytes(slice_take(bytes, REPLY_TEXT_BYTES_MAX));
    return len + 2 <= bytes.len && memcmp(bytes.data + len, "\r\n", 2) == 0 ? len + 2 : 0;
}

static inline enum reply_status reply_feed(struct reply_parser *p, struct slice bytes,
                                           size_t *ret_used)
{
    *ret_used = reply_feed_plain(p, bytes);
    return *ret_used > 0 ? REPLY_DONE : reply_feed_the_long_way(p, bytes, ret_used);
}

#endif
