// dns/mx.h: sets of mail exchangers, pure.
#ifndef POSTHASTE_DNS_MX_H
#define POSTHASTE_DNS_MX_H

#include "engine/base/random.h"
#include "engine/base/slice.h"

#define MX_HOSTS_MAX 64 // more are cut off, the least preferred first
#define MX_HOST_BYTES_MAX 255

struct mx_host {
    uint16_t preference;
    uint16_t port;   // 0: the usual one
    bool configured; // named by the operator, not by the DNS
    uint8_t len;
    char name[MX_HOST_BYTES_MAX + 1]; // lower case, no final dot
};

struct mx_set {
    uint32_t count;
    struct mx_host hosts[]; // by preference, then by name: equal sets are equal bytes
};

// Adds a host to `hosts`, which has room for MX_HOSTS_MAX and is sorted by mx_sort() or made by
// mx_add() alone. A name is kept once, with its best preference; the order of adding is all one.
void mx_add(struct mx_host *hosts, uint32_t *count, const struct mx_host *host);
// Sorts and drops doubles (RFC 5321 5.1), and what is beyond MX_HOSTS_MAX; *count shrinks.
void mx_sort(struct mx_host *hosts, uint32_t *count);
// The order in which to try: preference first, equal ones shuffled (RFC 5321 5.1).
void mx_order(const struct mx_set *set, struct random *dice, uint8_t ret_order[MX_HOSTS_MAX]);
// A site is known by this hash of its set (hosts and preferences).
uint64_t mx_set_hash(const struct mx_set *set, uint64_t seed);
bool mx_set_equal(const struct mx_set *a, const struct mx_set *b);

#endif
