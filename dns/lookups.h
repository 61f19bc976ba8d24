// dns/lookups.h: the questions under way: who asked, what waits for its turn, what is known.
//
// Owns:         askers, lookups (a name and a kind), the cache, the answers not yet taken.
// Knows not of: how a query reaches a name server: dns_lookups_next_query() says what to ask,
//               dns_lookups_on_response() takes what came of it.
//
//   ask -> known: an answer waits
//       -> under way: one more asker of that lookup
//       -> new lookup, in line for its queries: addresses two (A and AAAA), all else one
//          what failed the last time stands in a line of its own, which may have a quarter of all
//          queries under way: name servers that do not answer keep others' names waiting once
//   last response of a lookup -> cache -> an answer waits for each asker
#ifndef POSTHASTE_DNS_LOOKUPS_H
#define POSTHASTE_DNS_LOOKUPS_H

#include "dns/cache.h"
#include "dns/packed.h"
#include "dns/response.h"
#include "engine/base/slab.h"

#define DNS_ASKERS_MAX (1u << 20)
#define DNS_LOOKUP_BUCKETS 4096
#define DNS_DOUBTFUL_EVERY 8 // one of so many queries at least, while they have room
#define DNS_FAILURE_TTL_US (5 * 1000 * 1000) // RFC 2308 7 allows five minutes

struct dns_lookups_options {
    uint32_t query_count_max; // outstanding
    uint64_t ttl_us_min, ttl_us_max;
    uint32_t cache_count_max;
    uint64_t seed;
};

struct dns_query {
    uint32_t lookup;
    uint16_t generation;
    enum dns_type type;
    struct slice name; // valid until the response is handed in; a NUL stands behind it
};

struct dns_lookups_counters {
    uint64_t asked, cache_hits, shared, queries, failures;
};

struct dns_line {
    uint32_t first, last;
};

struct dns_lookups {
    struct dns_lookups_options options;
    struct dns_lookups_counters counters;
    struct dns_cache cache;
    struct slab lookups;
    struct slab askers;
    uint32_t buckets[DNS_LOOKUP_BUCKETS]; // lookups under way
    struct dns_line line, doubtful_line;  // lookups whose queries have not all been sent
    uint32_t doubtful_count;              // of the queries outstanding
    uint32_t passed_count;                // queries while a doubtful one waited
    uint32_t ready_first, ready_last;     // askers whose answer is there
    uint32_t query_count;                 // outstanding
    // What the answer taken last points to: a struct mx_set, addresses, or records.
    _Alignas(
        struct mx_set) char lent_mx[sizeof(struct mx_set) + MX_HOSTS_MAX * sizeof(struct mx_host)];
    struct io_address lent_addresses[DNS_ADDRESSES_MAX];
    struct slice lent_records[DNS_RECORDS_KEPT_MAX];
    char lent_bytes[DNS_RECORDS_BYTES_MAX]; // what they, or a canonical name, point to
};

int dns_lookups_init(struct dns_lookups *l, const struct dns_lookups_options *options);
void dns_lookups_release(struct dns_lookups *l);

// False: DNS_ASKERS_MAX questions are under way, or there is no memory.
bool dns_lookups_ask(struct dns_lookups *l, enum dns_answer_kind kind, struct slice name,
                     uint64_t tag, uint64_t now_us);
// The next query to send now. False: none waits, or query_count_max are outstanding.
bool dns_lookups_next_query(struct dns_lookups *l, struct dns_query *ret);
void dns_lookups_on_response(struct dns_lookups *l, const struct dns_query *query,
                             const struct dns_response *response, uint64_t now_us);
// The next answer. What it points to is valid until the next call here.
struct dns_answer dns_lookups_next_answer(struct dns_lookups *l);

#endif
