// engine/deliver/failure.h: why something failed, kept beyond the reply that said so.
#ifndef POSTHASTE_DELIVER_FAILURE_H
#define POSTHASTE_DELIVER_FAILURE_H

#include "engine/policy/category.h"
#include "engine/policy/reason.h"
#include "engine/smtp/reply.h"

#define SITE_TEXT_BYTES_MAX 200

struct failure {
    uint16_t code;          // 0: no reply
    uint64_t not_before_us; // there is no use in another attempt before then; 0: at any time
    struct enhanced_code enhanced;
    uint16_t text_len;
    uint8_t category;        // enum category
    enum reason_kind reason; // failure_set(): REASON_RETRY_LATER
    char text[SITE_TEXT_BYTES_MAX];
};
// The category is what the codes say.
void failure_set(struct failure *f, uint16_t code, struct enhanced_code enhanced,
                 struct slice text);

#endif
