// dns/response.h: a DNS message that answers our question, from raw bytes (RFC 1035 4).
//
// Owns:         the wire format, CNAME chains, what a response means, and for how long.
// Knows not of: sockets, queries, caches. Every byte is hostile: each length is checked against
//               what is there, a compression pointer only leads backwards, every walk has an end.
// Read first:   dns_response_parse().
#ifndef POSTHASTE_DNS_RESPONSE_H
#define POSTHASTE_DNS_RESPONSE_H

#include "dns/answer.h"
#include "dns/name.h"

#define DNS_CHAIN_MAX 16     // CNAMEs from the question to the records
#define DNS_RECORDS_MAX 2048 // in one response; more is nonsense
// How long "there is none" is believed at most (RFC 2308 5).
#define DNS_NEGATIVE_TTL_S_MAX (3 * 60 * 60)

enum dns_type {
    DNS_TYPE_A = 1,
    DNS_TYPE_CNAME = 5,
    DNS_TYPE_MX = 15,
    DNS_TYPE_TXT = 16,
    DNS_TYPE_AAAA = 28,
    DNS_TYPE_TLSA = 52,
};

struct dns_ip {
    uint8_t len; // 4 or 16
    uint8_t bytes[16];
};

struct dns_response {
    enum dns_status status;
    bool secure;    // as the server says it (AD): whether to believe that is the asker's to know
    uint32_t ttl_s; // the least of the records that led here; 0 also when nobody said
    // DNS_FOUND fills what was asked for: hosts as mx_add() makes them, or addresses in the
    // response's order.
    uint32_t mx_count;
    uint32_t ip_count;
    struct mx_host mx[MX_HOSTS_MAX];
    struct dns_ip ips[DNS_ADDRESSES_MAX];
    // Where CNAMEs led, when they did and it can be a host.
    uint8_t canonical_len;
    char canonical[DNS_NAME_BYTES_MAX];
    // TLSA and TXT: each record as a length (2 bytes, high first) and its bytes (dns/packed.h).
    uint16_t record_count;
    uint16_t record_bytes;
    char records[DNS_RECORDS_BYTES_MAX];
};

// Nothing was found, for a reason that is no answer's.
void dns_response_clear(struct dns_response *ret, enum dns_status status);

// `name`: lower case, as it was asked. DNS_FOUND with nothing in it: there are MX records, but none
// of them names a host that could be looked up. (Not the same as DNS_NO_RECORDS, after which the
// domain itself may be the exchanger.) DNS_TYPE_CNAME: DNS_FOUND says that there is one.
void dns_response_parse(struct slice message, struct slice name, enum dns_type type,
                        struct dns_response *ret);

#endif
