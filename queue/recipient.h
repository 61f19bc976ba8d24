// queue/recipient.h: where one recipient's text stands (struct message_rcpt of queue/format.h: the
// same in memory as on disk).
#ifndef POSTHASTE_QUEUE_RECIPIENT_H
#define POSTHASTE_QUEUE_RECIPIENT_H

#include "engine/base/slice.h"
#include "queue/format.h"

// `envelope`: what text_offset counts from.
static inline struct slice rcpt_address(const char *envelope, const struct message_rcpt *r)
{
    return slice_make(envelope + r->text_offset, r->address_bytes);
}

static inline struct slice rcpt_dsn(const char *envelope, const struct message_rcpt *r)
{
    return slice_make(envelope + r->text_offset + r->address_bytes, r->dsn_bytes);
}

static inline struct slice rcpt_domain(const char *envelope, const struct message_rcpt *r)
{
    return slice_make(envelope + r->text_offset + r->address_bytes + r->dsn_bytes, r->domain_bytes);
}

#endif
