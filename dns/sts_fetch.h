// dns/sts_fetch.h: a policy's text, by HTTPS. Blocks: for a thread off the loop.
//
// The one door to libcurl (sts_fetch.c); the simulator has its own behind this header.
// HTTPS alone, certificates held against trust anchors and the name mta-sts.DOMAIN, no redirects,
// no proxy, 64 KiB, STS_FETCH_US_MAX; the answer must be a 200 of type text/plain (RFC 8461 3.3).
#ifndef POSTHASTE_DNS_STS_FETCH_H
#define POSTHASTE_DNS_STS_FETCH_H

#include "dns/name.h"
#include "dns/sts_policy.h"

#define STS_FETCH_US_MAX (UINT64_C(10) * 1000 * 1000)
#define STS_FETCH_ADDRESSES_MAX 8
#define STS_WHY_BYTES 160

// What went wrong, as reports tell it apart (RFC 8460 4.3.2.2).
enum sts_trouble {
    STS_NO_TROUBLE,
    STS_TROUBLE_FETCH,       // no such host, no connection, no good answer in time
    STS_TROUBLE_CERTIFICATE, // of the server
    STS_TROUBLE_INVALID,     // what came is no policy
};

struct sts_fetch {
    char domain[DNS_NAME_BYTES_MAX + 1];
    struct io_address addresses[STS_FETCH_ADDRESSES_MAX]; // of mta-sts.DOMAIN: no other is asked
    uint32_t address_count;
    uint16_t port;
    const char *trusted_file; // certificates in PEM; NULL: the system's
    _Atomic bool *cancelled;  // looked at now and then
    // What came of it:
    enum sts_trouble trouble;
    char why[STS_WHY_BYTES];
    struct buffer text; // whoever asked releases it
};

// Once, before any thread calls sts_fetch_get(). False: the library cannot be used.
bool sts_fetch_prepare(void);
void sts_fetch_get(struct sts_fetch *f);

#endif
