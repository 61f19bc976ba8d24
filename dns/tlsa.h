// dns/tlsa.h: TLSA records (RFC 6698), from raw bytes, and which of them SMTP can use. Pure.
//
// Owns:         the record's form; what RFC 7672 3.1 leaves of its values.
// Knows not of: certificates: whether a record matches one is engine/tls/'s to say.
#ifndef POSTHASTE_DNS_TLSA_H
#define POSTHASTE_DNS_TLSA_H

#include "dns/answer.h"
#include "dns/name.h"

enum tlsa_usage { TLSA_PKIX_TA, TLSA_PKIX_EE, TLSA_DANE_TA, TLSA_DANE_EE };
enum tlsa_selector { TLSA_CERTIFICATE, TLSA_KEY };
enum tlsa_matching { TLSA_WHOLE, TLSA_SHA256, TLSA_SHA512 };

#define TLSA_SHA256_BYTES 32
#define TLSA_SHA512_BYTES 64

struct tlsa {
    uint8_t usage, selector, matching; // any number that stands there
    struct slice data;                 // what the record's bytes are, without the three
};

// False: too short to be one.
bool tlsa_parse(struct slice record, struct tlsa *ret);
// RFC 7672 3.1: usage 2 or 3, a selector and a matching type that are known, a digest of the right
// length.
bool tlsa_is_usable(const struct tlsa *t);

// All of one name. What cannot be parsed counts, and is not usable.
struct tlsa_set {
    uint32_t record_count;
    uint32_t usable_count;
    struct tlsa usable[DNS_RECORDS_KEPT_MAX];
};
// Borrows the records for as long as *ret is used.
void tlsa_set_read(const struct slice *records, uint32_t count, struct tlsa_set *ret);

#define TLSA_NAME_BYTES_MAX (sizeof("_65535._tcp.") + DNS_NAME_BYTES_MAX)
// "_25._tcp.mx.example.org": where a host's records stand. It may be too long to be a name: then
// there are none.
struct slice tlsa_name(struct slice host, uint16_t port, char out[TLSA_NAME_BYTES_MAX]);

// "3 1 1 0123..ab", as in a zone file; cut off where `out` ends. For people and reports.
#define TLSA_TEXT_BYTES_MAX 160
const char *tlsa_print(const struct tlsa *t, char out[TLSA_TEXT_BYTES_MAX]);

#endif
