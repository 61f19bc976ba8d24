// engine/policy/limits.h: how much a site may be asked to take, and for which domain. Pure.
#ifndef POSTHASTE_POLICY_LIMITS_H
#define POSTHASTE_POLICY_LIMITS_H

#include "dns/mx.h"
#include "engine/base/slice.h"
#include "engine/policy/rate.h"
#include "engine/policy/reason.h"
#include "engine/policy/retry.h"
#include "engine/policy/source.h"

#define ROUTE_NAME_BYTES 32
struct route; // policy/route.h

// How much a connection must be worth before mail goes on it: each level asks for more than the one
// before it.
enum tls_level {
    TLS_LEVEL_NONE,    // plain text
    TLS_LEVEL_MAY,     // TLS where it is offered and works
    TLS_LEVEL_ENCRYPT, // TLS, with whomever
    TLS_LEVEL_VERIFY,  // TLS, with a certificate of the host's name that a trust anchor vouches for
    TLS_LEVEL_DANE,    // what the host's TLSA records say (RFC 7672); without any as `may`
    TLS_LEVEL_DANE_ONLY, // the same; without any nothing
    TLS_LEVEL_COUNT,     // of a route: what its domains ask for
};

// What does not limit: more than that is never asked for.
#define LIMITS_CONNECTIONS_MAX 10000

struct limits {
    uint32_t connections;             // open at once to one site
    uint32_t messages_per_connection; // then QUIT
    uint32_t rcpts_per_transaction;
    uint32_t window; // unanswered messages on one connection, where the server lets us
    struct retry_policy retry;
    struct rate_limits rates; // of messages: each time that one is sent to some recipients
    struct rate_limits connection_rates; // of connections that are opened
    struct source_list sources;          // the addresses that it may leave from
    // Of the domain alone:
    enum tls_level tls;
    char via[ROUTE_NAME_BYTES]; // "mx", "null", or a route's name
    const struct route *route;  // which that is; NULL: its mail exchangers
};

struct limits_rule {
    char domain[256]; // lower-case A-labels
    struct limits limits;
};

#define SITE_PATTERNS_MAX 16
#define SITE_NAME_BYTES 64

// Names of hosts: "mx.example.net", or "*.example.net" for all below it.
struct mx_patterns {
    uint32_t count;
    char items[SITE_PATTERNS_MAX][256]; // lower-case A-labels
};

// Domains all of whose exchangers match are limited together, beside their own limits.
struct limits_site {
    char name[SITE_NAME_BYTES];
    struct mx_patterns mx;
    struct limits limits;
};

// What is configured: rules for single domains, and the default for all others.
struct limits_table {
    struct limits fallback;
    const struct limits_rule *rules; // sorted by domain
    uint32_t rule_count;
    const struct limits_site *sites; // the first that matches counts
    uint32_t site_count;
};

const struct limits *limits_of_domain(const struct limits_table *t, struct slice domain);
// The domain's, and its route's: of each limit the tighter one. The route's sources, if it has any.
struct limits limits_in_force(const struct limits *domain);
// A site that several domains share: of each limit the tightest holds.
struct limits limits_tighter(const struct limits *a, const struct limits *b);

// NULL: none matches all of its hosts.
const struct limits_site *limits_site_of(const struct limits_table *t, const struct mx_set *set);
// Something of them is counted over all connections, and not on each by itself.
bool limits_are_shared(const struct limits *l);
// A domain's limits below those of its site that are not shared: what is said on one connection.
struct limits limits_within_site(const struct limits *domain, const struct limits *site);

// A site that has not answered lately is tried with so many connections at once, not with all that
// its limits allow: a host that does not answer would hold them until they time out.
#define LIMITS_PROBES_MAX 2
// One whose addresses have all failed is tried with one: what has become due meanwhile waits for
// what comes of that.
#define LIMITS_PROBES_FAILING 1

// A hot site's connections are dealt to all workers. What the others get, each the same.
uint32_t limits_part(const struct limits *l, uint32_t worker_count);

// May another connection be opened?
struct site_load {
    uint32_t ready_count;     // jobs that wait
    uint32_t open_count;      // connections in use, idle or being opened
    uint32_t spare_count;     // of these, idle or being opened
    uint32_t spare_jobs;      // what each of these can take at once
    uint32_t connections_now; // cap learned from refusals; UINT32_MAX: none
    uint32_t opening_count;   // of the open ones, not ready yet
    bool proven;              // the site has answered lately
    bool failing;             // when it was last tried, none of its addresses served
};
// REASON_NONE: it may. Else why none is: also that there are enough for what waits.
enum reason_kind limits_connection_reason(const struct limits *l, const struct site_load *load);
bool limits_may_connect(const struct limits *l, const struct site_load *load);

#endif
