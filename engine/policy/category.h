// engine/policy/category.h: what kind of trouble a reply is, in words that senders act on. Pure.
//
// A rule (rules.h) says it best. Where none fits, the enhanced code does (RFC 3463 and the registry
// it founded), and where there is none, the code and what it answers.
#ifndef POSTHASTE_POLICY_CATEGORY_H
#define POSTHASTE_POLICY_CATEGORY_H

#include "engine/base/slice.h"
#include "engine/smtp/phase.h"
#include "engine/smtp/reply.h"

// Their numbers stand in journals: new ones go to the end.
enum category {
    CATEGORY_NONE,        // no trouble
    CATEGORY_OTHER,       // nothing tells what kind
    CATEGORY_BAD_MAILBOX, // there is no such mailbox, and there will be none
    CATEGORY_BAD_DOMAIN,  // the domain does not exist, or takes no mail
    CATEGORY_INACTIVE,    // the mailbox was closed, or is not used
    CATEGORY_QUOTA,       // the mailbox is full
    CATEGORY_TOO_LARGE,   // the message is
    CATEGORY_SPAM,        // what it says, or links to, is taken for spam
    CATEGORY_CONTENT,     // its form or its attachments are not wanted
    CATEGORY_POLICY,      // the receiver's rules forbid it
    CATEGORY_BLOCKED,     // who sends is on a list, or has no good name
    CATEGORY_AUTH,        // SPF, DKIM, DMARC, reverse DNS or TLS is missing or wrong
    CATEGORY_RATE,        // too much, too fast
    CATEGORY_GREYLIST,    // strangers are to come again
    CATEGORY_ROUTING,     // it cannot be taken from here to there: DNS, relaying, loops
    CATEGORY_PROTOCOL,    // the two do not understand each other
    CATEGORY_CONNECTION,  // nobody answered, or the connection broke
    CATEGORY_SYSTEM,      // the receiver is in trouble itself
    CATEGORY_EXPIRED,     // it was tried for as long as it may be
    CATEGORY_SUPPRESSED,  // the address is on our list of those that get nothing
    CATEGORY_COUNT,
};

extern const char *const category_words[CATEGORY_COUNT + 1]; // NULL behind the last
const char *category_word(enum category c);                  // "bad-mailbox"
// False when it is no category's word.
bool category_of_word(struct slice word, enum category *ret);

// By the codes alone. `code` 0: there was no reply, and the enhanced code is ours. CATEGORY_NONE
// for a success.
enum category category_of_codes(enum smtp_phase phase, uint16_t code, struct enhanced_code e);

#endif
