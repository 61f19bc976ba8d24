// queue/recipient.h: one recipient of a message, and where its text stands in the message.
#ifndef POSTHASTE_QUEUE_RECIPIENT_H
#define POSTHASTE_QUEUE_RECIPIENT_H

#include "engine/base/slice.h"

enum recipient_state { RECIPIENT_OPEN, RECIPIENT_DEFERRED, RECIPIENT_DELIVERED, RECIPIENT_FAILED };

struct recipient {
    uint32_t text_offset; // address, DSN parameters and A-label domain, one behind the other
    uint16_t address_len;
    uint16_t dsn_len;
    uint8_t domain_len;
    uint8_t state;     // enum recipient_state
    bool starts_group; // the first with its domain
};

// `texts`: what text_offset counts from.
static inline struct slice recipient_address(const char *texts, const struct recipient *r)
{
    return slice_make(texts + r->text_offset, r->address_len);
}

static inline struct slice recipient_domain(const char *texts, const struct recipient *r)
{
    return slice_make(texts + r->text_offset + r->address_len + r->dsn_len, r->domain_len);
}

#endif
