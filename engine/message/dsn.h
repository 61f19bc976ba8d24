// engine/message/dsn.h: the report to a sender about recipients of his message: failed, delayed, or
// passed on to a server that will not report (RFC 3464, 6522; RFC 6533 where an address is not
// ASCII).
//
// Owns:         the report's form: its header section, words for people, fields for programs, and
//               what is returned of the message. Pure.
// Knows not of: whether a report is due, envelopes, journals.
// Hostile:      replies, addresses and content are others' words. Control characters and 8-bit
//               bytes of replies become "?"; the boundary stands nowhere in what is returned.
#ifndef POSTHASTE_MESSAGE_DSN_H
#define POSTHASTE_MESSAGE_DSN_H

#include "engine/base/buffer.h"
#include "engine/smtp/reply.h"

#define DSN_RCPTS_MAX 50u                 // in one report
#define DSN_RETURN_BYTES_MAX (64u * 1024) // of the message; a larger one is returned as its header
#define DSN_HEADER_BYTES_MAX (16u * 1024) // of that; what is beyond is left out
#define DSN_TEXT_BYTES_MAX 600u           // of a reply
#define DSN_BYTES_MAX (1024u * 1024)      // of a report, whatever its recipients are called

enum dsn_action { DSN_FAILED, DSN_DELAYED, DSN_RELAYED };

struct dsn_rcpt {
    enum dsn_action action;
    struct slice address;
    struct slice orcpt; // as RCPT said it, in xtext; empty: nothing
    uint16_t code;      // of the reply; 0: there was none
    struct enhanced_code enhanced;
    struct slice host; // the exchanger; empty: none was reached
    struct slice text; // its reply, or what went wrong
    uint64_t attempt_wall_us;
    uint64_t retry_until_wall_us; // DSN_DELAYED
};

struct dsn_report {
    struct slice hostname; // ours
    struct slice id;       // of the report: letters and digits
    uint64_t wall_us;
    struct slice to; // who sent the message
    // Of the message:
    struct slice message_id; // ours
    struct slice envid;      // as MAIL said it, in xtext; empty: nothing
    uint64_t arrival_wall_us;
    bool wants_full; // RET=FULL; else its header section alone
    struct slice content;
};

// What the report's envelope must say.
struct dsn_form {
    bool is_8bit;
    bool smtputf8; // its recipient is not ASCII; else others that are not are written in ASCII
    bool has_dot_lines;
};

// Appends the whole report. False when `out` is full.
bool dsn_write(const struct dsn_report *r, const struct dsn_rcpt *rcpts, uint32_t rcpt_count,
               struct buffer *out, struct dsn_form *ret);

#endif
