// dns/resolver.h: from a recipient's domain to the hosts that take its mail (RFC 5321 5.1, 7505).
//
// Owns:         questions under way, and the cache (good and bad answers, by their TTLs; RFC 2308).
// Knows not of: connections, messages. Sees c-ares only in resolver.c; the simulator replaces
//               that file whole (tests/sim/), as the linker chooses.
// Threads:      one owner, whose io carries the packets: completions with the owner byte given in
//               the options go to resolver_on_done().
//
// Begins at:    dns/lookups.h, where all is decided but how a query travels.
//
// Ask, and an answer comes out of resolver_next() with the asker's tag: at once when the cache
// knows, later when not; never from inside resolver_ask_*(). Equal questions under way share one
// query; at most `query_count_max` are outstanding, the rest wait their turn.
#ifndef POSTHASTE_DNS_RESOLVER_H
#define POSTHASTE_DNS_RESOLVER_H

#include "dns/answer.h"
#include "engine/io/io.h"

struct resolver;

#define RESOLVER_SERVERS_MAX 16
#define RESOLVER_QUERIES_MAX 10000 // c-ares tells them apart by 16 random bits

struct resolver_options {
    const struct io_address *servers; // server_count of them; none: the system's resolv.conf
    uint32_t server_count;
    uint8_t io_owner;                // token.owner of all its requests
    uint32_t query_count_max;        // outstanding; 0: 1,000, at most RESOLVER_QUERIES_MAX
    uint64_t timeout_us;             // of one try; 0: 3 s
    uint32_t try_count;              // 0: 3
    uint64_t ttl_us_min, ttl_us_max; // clamp; 0: 1 s, 1 day
    uint32_t cache_count_max;        // 0: 200,000 names
    bool trusted; // the servers validate (DNSSEC), and nobody stands between them and us: what they
                  // call authentic is secure. Else nothing is
};

// 0, -ENOMEM, or -EINVAL (a server that is no IP address, or too many of them).
int resolver_new(struct resolver **ret, struct io *io, const struct resolver_options *options);
// Cancels what is under way. Completions with its owner byte that still come are for nobody; until
// they have, no other resolver may use that byte on this io. NULL is fine.
void resolver_free(struct resolver *r);

// `domain`, `host`: lower-case A-labels. A literal ("[127.0.0.1]", "[IPv6:::1]") is its own host.
// False: DNS_ASKERS_MAX questions are under way, or there is no memory; no answer will come.
bool resolver_ask_mx(struct resolver *r, struct slice domain, uint64_t tag);
bool resolver_ask_address(struct resolver *r, struct slice host, uint64_t tag);
// DNS_ANSWER_TLSA, _TXT, _CNAME: of that very name.
bool resolver_ask_records(struct resolver *r, enum dns_answer_kind kind, struct slice name,
                          uint64_t tag);

void resolver_on_done(struct resolver *r, const struct io_done *done);
void resolver_on_time(struct resolver *r, uint64_t now_us); // call when resolver_due_us() has come
uint64_t resolver_due_us(const struct resolver *r);         // UINT64_MAX: nothing waits
struct dns_answer resolver_next(struct resolver *r);        // DNS_ANSWER_NONE: no more for now

struct resolver_counters {
    uint64_t asked, cache_hits, shared, queries, timeouts, failures;
};
struct resolver_counters resolver_counters(const struct resolver *r);

#endif
