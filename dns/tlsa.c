// dns/tlsa.c: TLSA records.
#include "dns/tlsa.h"

#include "engine/base/check.h"

#include <stdio.h>

#define FIXED_BYTES 3 // usage, selector, matching type

bool tlsa_parse(struct slice record, struct tlsa *ret)
{
    if (record.len <= FIXED_BYTES)
        return false;
    const uint8_t *bytes = (const uint8_t *)record.data;
    *ret = (struct tlsa){bytes[0], bytes[1], bytes[2], slice_skip(record, FIXED_BYTES)};
    return true;
}

bool tlsa_is_usable(const struct tlsa *t)
{
    if (t->usage != TLSA_DANE_TA && t->usage != TLSA_DANE_EE)
        return false;
    if (t->selector != TLSA_CERTIFICATE && t->selector != TLSA_KEY)
        return false;
    switch (t->matching) {
    case TLSA_WHOLE: return t->data.len > 0;
    case TLSA_SHA256: return t->data.len == TLSA_SHA256_BYTES;
    case TLSA_SHA512: return t->data.len == TLSA_SHA512_BYTES;
    default: return false;
    }
}

void tlsa_set_read(const struct slice *records, uint32_t count, struct tlsa_set *ret)
{
    CHECK(count <= DNS_RECORDS_KEPT_MAX);
    ret->record_count = count;
    ret->usable_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct tlsa *t = &ret->usable[ret->usable_count];
        ret->usable_count += tlsa_parse(records[i], t) && tlsa_is_usable(t);
    }
}

struct slice tlsa_name(struct slice host, uint16_t port, char out[TLSA_NAME_BYTES_MAX])
{
    CHECK(host.len <= DNS_NAME_BYTES_MAX);
    int len = snprintf(out, TLSA_NAME_BYTES_MAX, "_%u._tcp.%.*s", port, SLICE_ARG(host));
    CHECK(len > 0 && (size_t)len < TLSA_NAME_BYTES_MAX);
    return slice_make(out, (size_t)len);
}

const char *tlsa_print(const struct tlsa *t, char out[TLSA_TEXT_BYTES_MAX])
{
    int at = snprintf(out, TLSA_TEXT_BYTES_MAX, "%u %u %u ", t->usage, t->selector, t->matching);
    for (size_t i = 0; i < t->data.len && at + 3 <= TLSA_TEXT_BYTES_MAX; i++)
        at += snprintf(out + at, 3, "%02x", (unsigned char)t->data.data[i]);
    return out;
}
