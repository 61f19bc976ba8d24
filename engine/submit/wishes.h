// engine/submit/wishes.h: when a message asks to be sent, by fields of its header: what
// X-Posthaste-Priority: and X-Posthaste-Campaign: say. They are for us, and do not go further.
//
// Knows not of: where the message comes from, and how its sender hears that it was not understood.
#ifndef POSTHASTE_SUBMIT_WISHES_H
#define POSTHASTE_SUBMIT_WISHES_H

#include "engine/message/trace.h"
#include "queue/message.h"

struct wishes {
    bool has_priority;
    int8_t priority;
    uint8_t campaign_len; // 0: none
    char campaign[CAMPAIGN_NAME_BYTES_MAX];
};

// What is told of one that is not understood.
#define WISHES_PRIORITY_HELP                                                                       \
    TRACE_PRIORITY_FIELD ": give one: transactional, normal, bulk, or a number from -9 to 9"
#define WISHES_CAMPAIGN_HELP                                                                       \
    TRACE_CAMPAIGN_FIELD ": give one, of 1 to 64 printable ASCII characters"

enum wishes_fault { WISHES_FINE, WISHES_BAD_PRIORITY, WISHES_BAD_CAMPAIGN };

// Takes the fields out of the content. Each may stand there once.
enum wishes_fault wishes_take(struct message *m, struct wishes *ret);
// Once the content begins where it shall.
void wishes_carry_out(const struct wishes *o, struct message *m);

#endif
