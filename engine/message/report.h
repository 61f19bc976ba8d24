// engine/message/report.h: reports that came back: bounces (RFC 3464) and complaints (RFC 5965),
// read for whom they are about.
//
// Owns:         where the parts of a multipart/report are (RFC 6522), and which of their fields
//               name a recipient; the recipient in an address that was made for him (VERP).
// Knows not of: what is done about it, or whether a status is bad enough.
// Bounds:       the message is gone over once for each level of parts, REPORT_DEPTH_MAX of them; of
//               recipients REPORT_RCPTS_MAX are told. Whatever the bytes are, reading them ends.
// Read first:   report_read().
#ifndef POSTHASTE_MESSAGE_REPORT_H
#define POSTHASTE_MESSAGE_REPORT_H

#include "engine/base/slice.h"
#include "engine/smtp/reply.h"

#define REPORT_DEPTH_MAX 4
#define REPORT_RCPTS_MAX 100
#define REPORT_PARTS_MAX 100 // of one multipart

enum report_kind {
    REPORT_NONE,      // it is none
    REPORT_BOUNCE,    // message/delivery-status
    REPORT_COMPLAINT, // message/feedback-report
};

enum report_action { REPORT_OTHER_ACTION, REPORT_FAILED, REPORT_DELAYED };

// All of them slices of the message; empty where nothing is said.
struct report_rcpt {
    struct slice original; // as we gave it: Original-Recipient, Original-Rcpt-To
    struct slice final;    // as the reporter knows it
    enum report_action action;
    struct enhanced_code status;
    struct slice diagnostic; // the reply: "550 5.1.1 No such user"; with its folds
};

struct report {
    enum report_kind kind;
    struct slice feedback_type; // of a complaint: "abuse"
    struct slice to;            // the body of the report's own To:, which VERP may have made
    struct slice mail_from;     // Original-Mail-From, the same
    struct slice shown_to;      // To: of the message that is complained of
    uint32_t rcpt_count;
    struct report_rcpt rcpts[REPORT_RCPTS_MAX];
};

void report_read(struct report *r, struct slice message);

// "news+joe=example.org@list.example" was made for joe@example.org: writes him into `to`. False:
// the address has not that form, or there is no room.
bool report_verp(struct slice address, char *to, size_t room, struct slice *ret);

#endif
