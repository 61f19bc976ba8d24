// dns/answer.h: what a resolver tells, pure.
#ifndef POSTHASTE_DNS_ANSWER_H
#define POSTHASTE_DNS_ANSWER_H

#include "dns/mx.h"
#include "engine/io/address.h"

#define DNS_ADDRESSES_MAX 64              // of one host, A and AAAA together; more are cut off
#define DNS_RECORDS_KEPT_MAX 32           // of TLSA or TXT, of one name; more are cut off
#define DNS_RECORD_BYTES_MAX 4096         // of one of them; a longer one counts, and is empty
#define DNS_RECORDS_BYTES_MAX (16 * 1024) // of all of them

enum dns_status {
    DNS_FOUND,
    DNS_NO_DOMAIN,  // NXDOMAIN, or no domain name at all: 5.1.2
    DNS_NO_RECORDS, // the name exists, without such records, or with none that could ever be used
                    // (MX records, but not one names a host, RFC 5321 5.1): 5.4.4
    DNS_NULL_MX,    // RFC 7505: takes no mail, 5.1.10
    DNS_TRY_LATER,  // SERVFAIL, time-out, refused, nonsense: 4.4.3
};

enum dns_answer_kind {
    DNS_ANSWER_NONE,
    DNS_ANSWER_MX,
    DNS_ANSWER_ADDRESS,
    DNS_ANSWER_TLSA,
    DNS_ANSWER_TXT,
    DNS_ANSWER_CNAME, // of the name itself: whether there is one, and whether that is secure
};

// `secure`, in each answer: a validating resolver that we may believe says that all of it was
// signed, and that the signatures are good (its AD bit; RFC 4035 3.2.3). Also that there is nothing
// can be secure. What is bogus comes as DNS_TRY_LATER.

struct dns_mx_answer {
    uint64_t tag;
    enum dns_status status;
    uint64_t expires_us; // monotonic
    // Hosts by preference, unshuffled. Implicit MX (no MX records, but the domain may have
    // addresses): the domain itself. Valid until the next call into the resolver.
    const struct mx_set *hosts;
    bool secure;
    // Where the domain's CNAMEs lead, when MX records stand there; empty: it has none. As long.
    struct slice canonical;
};

struct dns_address_answer {
    uint64_t tag;
    enum dns_status status;
    uint64_t expires_us;
    const struct io_address *addresses; // A and AAAA, port 0; valid until the next call
    uint32_t address_count;
    bool secure;
    struct slice canonical; // where the host's CNAMEs lead; empty: it has none
};

// TLSA, TXT: records as they stand in the DNS, in its order.
struct dns_record_answer {
    uint64_t tag;
    enum dns_status status;
    uint64_t expires_us;
    bool secure;
    uint32_t count;
    const struct slice *records; // valid until the next call
};

struct dns_answer {
    enum dns_answer_kind kind;
    union {
        struct dns_mx_answer mx;
        struct dns_address_answer address;
        struct dns_record_answer record; // the other three
    };
};

#endif
