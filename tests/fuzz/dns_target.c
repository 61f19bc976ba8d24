// DNS messages, of every type that we ask for, and the TLSA and TXT records in them: what comes out
// stays within its bounds, and nothing that is cut off is believed.
#include "dns/packed.h"
#include "dns/response.h"
#include "dns/sts_policy.h"
#include "dns/tlsa.h"
#include "engine/base/check.h"
#include "tests/fuzz/fuzz.h"

#define WORD(text)                                                                                 \
    {                                                                                              \
        text, sizeof(text) - 1                                                                     \
    }
#define HEAD "\x12\x67\x81\xa0\0\1\0\1\0\0\0\0"
#define NAME "\1a\2bc\0"
#define SEED(type, rdata_len, rdata)                                                               \
    WORD(HEAD NAME "\0" type "\0\1\xc0\x0c\0" type "\0\1\0\0\1\x2c\0" rdata_len rdata)

// The last byte of the question's type says which type was asked for.
const struct slice fuzz_seeds[] = {
    SEED("\x0f", "\x04", "\0\x0a\xc0\x0c"),
    SEED("\x01", "\x04", "\x7f\0\0\1"),
    SEED("\x34", "\x23",
         "\3\1\1"
         "0123456789abcdef0123456789abcdef"),
    SEED("\x34", "\x02", "\3\1"),
    SEED("\x10", "\x12",
         "\x11"
         "v=STSv1; id=2016;"),
    SEED("\x05", "\x04", "\1x\xc0\x0c"),
};
const size_t fuzz_seed_count = COUNT_OF(fuzz_seeds);
const struct slice fuzz_words[] = {WORD("\xc0\x0c"), WORD("\0\x34"), WORD("\0\x10"),
                                   WORD("\0\x05"),   WORD("\0\1"),   WORD("v=STSv1"),
                                   WORD("; id=1;"),  WORD("\3\1\1"), WORD("\2\0\2")};
const size_t fuzz_word_count = COUNT_OF(fuzz_words);

static void check_records(const struct dns_response *r)
{
    struct slice records[DNS_RECORDS_KEPT_MAX];
    struct tlsa_set set;
    char id[STS_ID_BYTES_MAX + 1], text[TLSA_TEXT_BYTES_MAX];
    uint32_t count = packed_read_records(slice_make(r->records, r->record_bytes), records);
    CHECK(count == r->record_count);
    tlsa_set_read(records, count, &set);
    CHECK(set.usable_count <= set.record_count && set.record_count == count);
    for (uint32_t i = 0; i < set.usable_count; i++) {
        CHECK(tlsa_is_usable(&set.usable[i]));
        CHECK(strlen(tlsa_print(&set.usable[i], text)) < sizeof(text));
    }
    if (sts_record_find(records, count, id))
        CHECK(strlen(id) > 0 && strlen(id) <= STS_ID_BYTES_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum dns_type types[] = {DNS_TYPE_A,   DNS_TYPE_CNAME, DNS_TYPE_MX,
                                          DNS_TYPE_TXT, DNS_TYPE_AAAA,  DNS_TYPE_TLSA};
    static struct dns_response r;
    for (size_t i = 0; i < COUNT_OF(types); i++) {
        dns_response_parse(slice_make(data, size), SLICE("a.bc"), types[i], &r);
        CHECK(r.mx_count <= MX_HOSTS_MAX && r.ip_count <= DNS_ADDRESSES_MAX);
        CHECK(r.status != DNS_TRY_LATER || (!r.secure && r.record_count == 0));
        CHECK(r.canonical_len == 0 || dns_name_is_host(slice_make(r.canonical, r.canonical_len)));
        check_records(&r);
    }
    return 0;
}
