// tests/sim/resolver_sim.c: dns/resolver.h over a table in the simulated world. Sharing, caching
// and what a response means are the real ones (dns/lookups.c); only the way of a query is not.
#include "dns/lookups.h"
#include "tests/sim/sim.h"

#include <errno.h>
#include <stdlib.h>

#define DNS_BUCKETS 1024
#define TTL_S_DEFAULT 300
#define QUERY_COUNT_MAX_DEFAULT 1000
#define TIMEOUT_US_DEFAULT (3u * 1000000u)
#define TRY_COUNT_DEFAULT 3
#define TTL_US_MIN_DEFAULT (1u * 1000000u)
#define TTL_US_MAX_DEFAULT (24ull * 60 * 60 * 1000000u)
#define CACHE_COUNT_MAX_DEFAULT 20000

// One name and all its records.
struct sim_name {
    struct sim_name *next;
    uint32_t mx_count, ip_count;
    bool null_mx;
    struct mx_host mx[MX_HOSTS_MAX];
    struct dns_ip ips[DNS_ADDRESSES_MAX];
    char name[DNS_NAME_BYTES_MAX + 1];
};

struct sim_dns {
    uint32_t ttl_s;
    struct sim_name *buckets[DNS_BUCKETS];
};

struct sim_query {
    uint64_t due_us;
    bool fails;
    struct dns_query asked;
};

struct resolver {
    struct io *io;
    uint64_t timeout_us;
    uint64_t timeout_count;
    uint32_t query_count;
    uint32_t query_count_max;
    struct dns_response response;
    struct dns_lookups lookups;
    struct sim_query *queries; // query_count of them under way, in no order
};

// --- the table

static struct sim_dns *dns_of(struct world *w)
{
    if (!w->dns) {
        w->dns = calloc(1, sizeof(*w->dns));
        CHECK(w->dns);
        w->dns->ttl_s = TTL_S_DEFAULT;
    }
    return w->dns;
}

static struct sim_name **find_name(struct sim_dns *d, struct slice name)
{
    struct sim_name **link = &d->buckets[slice_hash(name, 0) % DNS_BUCKETS];
    while (*link && !slice_equal(slice_of_text((*link)->name), name))
        link = &(*link)->next;
    return link;
}

static struct sim_name *take_name(struct world *w, const char *name)
{
    struct sim_name **link = find_name(dns_of(w), slice_of_text(name));
    if (!*link) {
        *link = calloc(1, sizeof(**link));
        CHECK(*link && strlen(name) < sizeof((*link)->name));
        strcpy((*link)->name, name);
    }
    return *link;
}

void world_dns_add_mx(struct world *w, const char *domain, uint16_t preference, const char *host)
{
    struct sim_name *n = take_name(w, domain);
    struct mx_host h = {.preference = preference, .len = (uint8_t)strlen(host)};
    n->null_mx = strcmp(host, ".") == 0;
    if (n->null_mx)
        return;
    memcpy(h.name, host, h.len);
    mx_add(n->mx, &n->mx_count, &h);
}

void world_dns_add_address(struct world *w, const char *host, const char *address)
{
    struct sim_name *n = take_name(w, host);
    struct io_address a;
    CHECK(n->ip_count < DNS_ADDRESSES_MAX && io_address_parse(slice_of_text(address), 0, &a));
    struct dns_ip *ip = &n->ips[n->ip_count++];
    bool is_v4 = a.as.any.sa_family == AF_INET;
    ip->len = is_v4 ? 4 : 16;
    memcpy(ip->bytes, is_v4 ? (void *)&a.as.in.sin_addr : &a.as.in6.sin6_addr, ip->len);
}

void world_dns_remove(struct world *w, const char *name)
{
    struct sim_name **link = find_name(dns_of(w), slice_of_text(name)), *n = *link;
    if (!n)
        return;
    *link = n->next;
    free(n);
}

void world_dns_set_ttl(struct world *w, uint32_t ttl_s)
{
    dns_of(w)->ttl_s = ttl_s;
}

void sim_dns_free(struct sim_dns *d)
{
    for (unsigned i = 0; d && i < DNS_BUCKETS; i++)
        while (d->buckets[i]) {
            struct sim_name *n = d->buckets[i];
            d->buckets[i] = n->next;
            free(n);
        }
    free(d);
}

static void look_up(struct world *w, const struct dns_query *q, struct dns_response *ret)
{
    struct sim_dns *d = dns_of(w);
    const struct sim_name *n = *find_name(d, q->name);
    dns_response_clear(ret, n ? DNS_NO_RECORDS : DNS_NO_DOMAIN);
    ret->ttl_s = d->ttl_s;
    if (!n)
        return;
    if (q->type == DNS_TYPE_MX) {
        ret->mx_count = n->mx_count;
        memcpy(ret->mx, n->mx, sizeof(n->mx));
        if (n->null_mx)
            ret->status = DNS_NULL_MX;
    } else if (q->type == DNS_TYPE_A || q->type == DNS_TYPE_AAAA) {
        for (uint32_t i = 0; i < n->ip_count; i++)
            if (n->ips[i].len == (q->type == DNS_TYPE_A ? 4 : 16))
                ret->ips[ret->ip_count++] = n->ips[i];
    }
    if (ret->mx_count + ret->ip_count > 0)
        ret->status = DNS_FOUND;
}

// --- queries

static void send_queries(struct resolver *r)
{
    struct world *w = r->io->world;
    struct dns_query asked;
    while (dns_lookups_next_query(&r->lookups, &asked)) {
        CHECK(r->query_count < r->query_count_max);
        struct sim_query *q = &r->queries[r->query_count++];
        bool is_silent = false;
        *q = (struct sim_query){.asked = asked};
        q->fails = sim_chance(w, w->options.faults.dns_failure);
        if (q->fails)
            is_silent = random_below(&w->dice, 2);
        r->timeout_count += is_silent;
        q->due_us = io_now_us(r->io) +
                    (is_silent ? r->timeout_us
                               : random_below(&w->dice, w->options.dns_latency_us_max));
    }
}

static void respond(struct resolver *r, uint32_t at)
{
    struct sim_query q = r->queries[at];
    r->queries[at] = r->queries[--r->query_count];
    if (q.fails)
        dns_response_clear(&r->response, DNS_TRY_LATER);
    else
        look_up(r->io->world, &q.asked, &r->response);
    dns_lookups_on_response(&r->lookups, &q.asked, &r->response, io_now_us(r->io));
}

// --- the door

static uint64_t or_default(uint64_t value, uint64_t when_zero)
{
    return value ? value : when_zero;
}

int resolver_new(struct resolver **ret, struct io *io, const struct resolver_options *options)
{
    struct resolver *r = calloc(1, sizeof(*r));
    CHECK(r);
    r->io = io;
    r->query_count_max = (uint32_t)or_default(options->query_count_max, QUERY_COUNT_MAX_DEFAULT);
    r->queries = calloc(r->query_count_max, sizeof(r->queries[0]));
    CHECK(r->queries);
    // Each try waits twice as long as the one before.
    uint64_t first_us = or_default(options->timeout_us, TIMEOUT_US_DEFAULT);
    for (uint64_t i = or_default(options->try_count, TRY_COUNT_DEFAULT); i > 0; i--)
        r->timeout_us = r->timeout_us * 2 + first_us;
    const struct dns_lookups_options lookups_options = {
        .query_count_max = r->query_count_max,
        .ttl_us_min = or_default(options->ttl_us_min, TTL_US_MIN_DEFAULT),
        .ttl_us_max = or_default(options->ttl_us_max, TTL_US_MAX_DEFAULT),
        .cache_count_max = (uint32_t)or_default(options->cache_count_max, CACHE_COUNT_MAX_DEFAULT),
        .seed = io_seed(io),
    };
    CHECK(dns_lookups_init(&r->lookups, &lookups_options) == 0);
    *ret = r;
    return 0;
}

void resolver_free(struct resolver *r)
{
    if (!r)
        return;
    dns_lookups_release(&r->lookups);
    free(r->queries);
    free(r);
}

bool resolver_ask_mx(struct resolver *r, struct slice domain, uint64_t tag)
{
    bool asked = dns_lookups_ask(&r->lookups, DNS_ANSWER_MX, domain, tag, io_now_us(r->io));
    send_queries(r);
    return asked;
}

bool resolver_ask_address(struct resolver *r, struct slice host, uint64_t tag)
{
    bool asked = dns_lookups_ask(&r->lookups, DNS_ANSWER_ADDRESS, host, tag, io_now_us(r->io));
    send_queries(r);
    return asked;
}

bool resolver_ask_records(struct resolver *r, enum dns_answer_kind kind, struct slice name,
                          uint64_t tag)
{
    bool asked = dns_lookups_ask(&r->lookups, kind, name, tag, io_now_us(r->io));
    send_queries(r);
    return asked;
}

void resolver_on_done(struct resolver *r, const struct io_done *done)
{
    (void)r, (void)done;
    CHECK(false); // it asks io for nothing
}

void resolver_on_time(struct resolver *r, uint64_t now_us)
{
    for (uint32_t at = r->query_count; at-- > 0;)
        if (r->queries[at].due_us <= now_us)
            respond(r, at); // the last takes its place, which has been looked at
    send_queries(r);
}

uint64_t resolver_due_us(const struct resolver *r)
{
    uint64_t due_us = UINT64_MAX;
    for (uint32_t i = 0; i < r->query_count; i++)
        if (r->queries[i].due_us < due_us)
            due_us = r->queries[i].due_us;
    return due_us;
}

struct dns_answer resolver_next(struct resolver *r)
{
    return dns_lookups_next_answer(&r->lookups);
}

struct resolver_counters resolver_counters(const struct resolver *r)
{
    const struct dns_lookups_counters *c = &r->lookups.counters;
    return (struct resolver_counters){
        .asked = c->asked,
        .cache_hits = c->cache_hits,
        .shared = c->shared,
        .queries = c->queries,
        .timeouts = r->timeout_count,
        .failures = c->failures,
    };
}
