// engine/message/notify.h: what the sender of a message wants to hear of its recipients, as MAIL
// and RCPT have said it (RFC 3461 4).
//
// Owns:         the meaning of DSN parameters, whose form engine/smtp/command.h has checked.
// Knows not of: reports, or when one is due.
#ifndef POSTHASTE_MESSAGE_NOTIFY_H
#define POSTHASTE_MESSAGE_NOTIFY_H

#include "engine/base/slice.h"

enum notify {
    NOTIFY_SUCCESS = 1,
    NOTIFY_FAILURE = 2,
    NOTIFY_DELAY = 4,
    NOTIFY_ASKED = 8, // the parameter was there; without it, NOTIFY_FAILURE alone (4.1)
};

// `dsn`: all that RCPT said. Bits of enum notify; NEVER is NOTIFY_ASKED alone.
uint32_t notify_of_rcpt(struct slice dsn);
// The value of ORCPT, still in xtext: "rfc822;joe+2Bx@example.org". Empty: none.
struct slice notify_orcpt(struct slice dsn);

// `dsn`: all that MAIL said.
struct slice notify_envid(struct slice dsn); // in xtext; empty: none
bool notify_wants_full(struct slice dsn);    // RET=FULL

// Decodes xtext into `out`, which has room for xtext.len bytes. Returns the length.
size_t notify_decode(struct slice xtext, char *out);

#endif
