// dns/resolver.c: queries by c-ares, whose sockets our io watches.
//
// c-ares opens, reads and closes its sockets itself and tells by on_socket_state() what to watch.
// Rules that it needs: a watch is cancelled before its socket closes (the call with neither
// readable nor writable comes first); nothing is cancelled or destroyed from inside a callback;
// what a callback brings is only filed (dns/lookups.h), and new queries are sent when c-ares has
// returned.
//
// Each watch is one poll, asked again after each completion; its token's generation changes with
// each new poll, so that a completion of an earlier one finds nothing. ares_library_init() does
// nothing on Linux and counts its calls without a lock, so it is left alone.
#include "dns/resolver.h"

#include "dns/lookups.h"
#include "engine/base/check.h"

#include <ares.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/random.h>

#define QUERY_COUNT_MAX_DEFAULT 1000
#define TIMEOUT_US_DEFAULT (3 * 1000 * 1000)
#define TRY_COUNT_DEFAULT 3
#define TTL_US_MIN_DEFAULT (1 * 1000 * 1000)
#define TTL_US_MAX_DEFAULT (24ull * 60 * 60 * 1000 * 1000)
#define CACHE_COUNT_MAX_DEFAULT 200000
#define EDNS_BYTES 1232 // fits any path unfragmented (DNS flag day 2020)
#define CLASS_IN 1
#define FLAGS_LOW_AT 3                         // of a message: the second byte of its flags
#define FLAG_AUTHENTIC 0x20                    // in it: AD, in a query "tell me" (RFC 6840 5.7)
#define WATCHES_MAX (4 * RESOLVER_SERVERS_MAX) // c-ares has a UDP and a TCP socket a server

struct watch {
    int fd; // -1: free
    uint32_t events;
    uint16_t generation;
    bool polled;
};

struct query {
    struct resolver *resolver;
    struct dns_query asked;
    struct query *next_free;
};

struct resolver {
    struct io *io;
    uint8_t io_owner;
    bool closing; // c-ares answers all queries while it is destroyed
    bool trusted;
    ares_channel channel;
    uint64_t due_us;
    uint64_t timeout_count;
    struct query *free_queries;
    struct watch watches[WATCHES_MAX];
    struct dns_response response; // room for the one being parsed
    struct dns_lookups lookups;
    struct query queries[]; // as many as may be outstanding
};

// --- watches

static struct io_token watch_token(const struct resolver *r, const struct watch *w)
{
    return (struct io_token){
        .owner = r->io_owner,
        .index = (uint32_t)(w - r->watches),
        .generation = w->generation,
    };
}

static void watch_stop(struct resolver *r, struct watch *w)
{
    if (w->polled)
        io_cancel(r->io, watch_token(r, w));
    w->polled = false;
    w->generation++;
}

static void watch_start(struct resolver *r, struct watch *w)
{
    w->generation++;
    w->polled = true;
    io_poll(r->io, w->fd, w->events, watch_token(r, w));
}

static struct watch *find_watch(struct resolver *r, int fd)
{
    for (unsigned i = 0; i < WATCHES_MAX; i++)
        if (r->watches[i].fd == fd)
            return &r->watches[i];
    return NULL;
}

static void on_socket_state(void *arg, ares_socket_t fd, int readable, int writable)
{
    struct resolver *r = arg;
    uint32_t events = (readable ? POLLIN : 0u) | (writable ? POLLOUT : 0u);
    struct watch *w = find_watch(r, fd);
    if (!w) {
        // Without a free watch the queries on this socket time out, and the next server is tried.
        if (events == 0 || !(w = find_watch(r, -1)))
            return;
        w->fd = fd;
        w->events = 0;
    }
    if (w->events == events)
        return;
    watch_stop(r, w);
    w->events = events;
    if (events == 0)
        w->fd = -1;
    else
        watch_start(r, w);
}

// --- queries

static void update_due(struct resolver *r)
{
    struct timeval wait;
    if (!ares_timeout(r->channel, NULL, &wait)) {
        r->due_us = UINT64_MAX;
        return;
    }
    // c-ares reads a finer clock than ours, which is as old as this turn: a millisecond more, else
    // we could be back too early, again and again.
    r->due_us = io_now_us(r->io) + (uint64_t)wait.tv_sec * 1000000u + (uint64_t)wait.tv_usec + 1000;
}

static void no_response(struct dns_response *response, int ares_status)
{
    bool is_no_name = ares_status == ARES_ENOTFOUND || ares_status == ARES_EBADNAME;
    dns_response_clear(response, is_no_name ? DNS_NO_DOMAIN : DNS_TRY_LATER);
}

static void on_query_done(void *arg, int ares_status, int timeout_count, unsigned char *bytes,
                          int byte_count)
{
    struct query *q = arg;
    struct resolver *r = q->resolver;
    if (r->closing)
        return;
    r->timeout_count += (uint64_t)timeout_count;
    // The bytes say more than the status: which kind of nothing, and for how long.
    if (bytes && byte_count > 0)
        dns_response_parse(slice_make(bytes, (size_t)byte_count), q->asked.name, q->asked.type,
                           &r->response);
    else
        no_response(&r->response, ares_status);
    r->response.secure &= r->trusted;
    dns_lookups_on_response(&r->lookups, &q->asked, &r->response, io_now_us(r->io));
    q->next_free = r->free_queries;
    r->free_queries = q;
}

// c-ares makes no query that asks for AD: this one is made by it, and changed. Its id is no secret
// of c-ares then, but as good.
static void send_trusting(struct resolver *r, struct query *q)
{
    unsigned char *bytes = NULL;
    int byte_count = 0;
    uint16_t id;
    CHECK(getrandom(&id, sizeof(id), 0) == sizeof(id));
    int status = ares_create_query(q->asked.name.data, CLASS_IN, q->asked.type, id, 1, &bytes,
                                   &byte_count, EDNS_BYTES);
    if (status != ARES_SUCCESS) {
        on_query_done(q, status, 0, NULL, 0);
        return;
    }
    bytes[FLAGS_LOW_AT] |= FLAG_AUTHENTIC;
    ares_send(r->channel, bytes, byte_count, on_query_done, q);
    ares_free_string(bytes);
}

// Sends what may be sent. c-ares may call on_query_done() before it returns.
static void send_queries(struct resolver *r)
{
    struct dns_query asked;
    while (dns_lookups_next_query(&r->lookups, &asked)) {
        struct query *q = r->free_queries;
        CHECK(q);
        r->free_queries = q->next_free;
        q->asked = asked;
        if (r->trusted)
            send_trusting(r, q);
        else
            ares_query(r->channel, asked.name.data, CLASS_IN, asked.type, on_query_done, q);
    }
    update_due(r);
}

// --- life

static int set_servers(struct resolver *r, const struct resolver_options *options)
{
    struct ares_addr_port_node nodes[RESOLVER_SERVERS_MAX];
    if (options->server_count == 0)
        return 0;
    if (options->server_count > RESOLVER_SERVERS_MAX)
        return -EINVAL;
    for (uint32_t i = 0; i < options->server_count; i++) {
        const struct io_address *a = &options->servers[i];
        struct ares_addr_port_node *n = &nodes[i];
        *n = (struct ares_addr_port_node){
            .next = i + 1 < options->server_count ? n + 1 : NULL,
            .family = a->as.any.sa_family,
            .udp_port = io_address_port(a),
            .tcp_port = io_address_port(a),
        };
        if (n->family == AF_INET)
            n->addr.addr4 = a->as.in.sin_addr;
        else if (n->family == AF_INET6)
            memcpy(&n->addr.addr6, &a->as.in6.sin6_addr, sizeof(n->addr.addr6));
        else
            return -EINVAL;
    }
    return ares_set_servers_ports(r->channel, nodes) == ARES_SUCCESS ? 0 : -ENOMEM;
}

// No search lists, aliases, hosts file or sorting: names are asked as they are, and of the host's
// own settings only its name servers count.
static int open_channel(struct resolver *r, const struct resolver_options *options)
{
    char lookups[] = "b"; // DNS alone
    uint64_t timeout_us = options->timeout_us ? options->timeout_us : TIMEOUT_US_DEFAULT;
    struct ares_options o = {
        .flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES | ARES_FLAG_EDNS,
        .timeout = (int)((timeout_us + 999) / 1000),
        .tries = options->try_count ? (int)options->try_count : TRY_COUNT_DEFAULT,
        .ednspsz = EDNS_BYTES,
        .lookups = lookups,
        .sock_state_cb = on_socket_state,
        .sock_state_cb_data = r,
    };
    int status = ares_init_options(&r->channel, &o,
                                   ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES |
                                       ARES_OPT_EDNSPSZ | ARES_OPT_LOOKUPS | ARES_OPT_DOMAINS |
                                       ARES_OPT_SOCK_STATE_CB);
    if (status != ARES_SUCCESS) {
        r->channel = NULL;
        return status == ARES_ENOMEM ? -ENOMEM : -EINVAL;
    }
    return set_servers(r, options);
}

static uint32_t or_default(uint32_t value, uint32_t when_zero)
{
    return value ? value : when_zero;
}

int resolver_new(struct resolver **ret, struct io *io, const struct resolver_options *options)
{
    uint32_t query_count_max = or_default(options->query_count_max, QUERY_COUNT_MAX_DEFAULT);
    if (query_count_max > RESOLVER_QUERIES_MAX)
        query_count_max = RESOLVER_QUERIES_MAX;
    struct resolver *r = calloc(1, sizeof(*r) + query_count_max * sizeof(r->queries[0]));
    if (!r)
        return -ENOMEM;
    r->io = io;
    r->io_owner = options->io_owner;
    r->trusted = options->trusted;
    r->due_us = UINT64_MAX;
    for (unsigned i = 0; i < WATCHES_MAX; i++)
        r->watches[i].fd = -1;
    for (uint32_t i = 0; i < query_count_max; i++) {
        r->queries[i] = (struct query){.resolver = r, .next_free = r->free_queries};
        r->free_queries = &r->queries[i];
    }
    const struct dns_lookups_options lookups_options = {
        .query_count_max = query_count_max,
        .ttl_us_min = options->ttl_us_min ? options->ttl_us_min : TTL_US_MIN_DEFAULT,
        .ttl_us_max = options->ttl_us_max ? options->ttl_us_max : TTL_US_MAX_DEFAULT,
        .cache_count_max = or_default(options->cache_count_max, CACHE_COUNT_MAX_DEFAULT),
        .seed = io_seed(io),
    };
    int error = dns_lookups_init(&r->lookups, &lookups_options);
    if (error) {
        free(r);
        return error;
    }
    error = open_channel(r, options);
    if (error) {
        resolver_free(r);
        return error;
    }
    *ret = r;
    return 0;
}

void resolver_free(struct resolver *r)
{
    if (!r)
        return;
    r->closing = true;
    if (r->channel)
        ares_destroy(r->channel);
    dns_lookups_release(&r->lookups);
    free(r);
}

// --- the door

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
    CHECK(kind != DNS_ANSWER_MX && kind != DNS_ANSWER_ADDRESS);
    bool asked = dns_lookups_ask(&r->lookups, kind, name, tag, io_now_us(r->io));
    send_queries(r);
    return asked;
}

void resolver_on_done(struct resolver *r, const struct io_done *done)
{
    CHECK(done->token.index < WATCHES_MAX);
    struct watch *w = &r->watches[done->token.index];
    if (!w->polled || w->generation != done->token.generation)
        return;
    w->polled = false;
    // A poll that failed is not asked again: the queries on this socket time out.
    bool has_failed = done->result < 0;
    uint32_t events = has_failed ? POLLERR : (uint32_t)done->result;
    ares_process_fd(r->channel, events & ~(uint32_t)POLLOUT ? w->fd : ARES_SOCKET_BAD,
                    events & POLLOUT ? w->fd : ARES_SOCKET_BAD);
    if (w->generation == done->token.generation && !has_failed)
        watch_start(r, w);
    send_queries(r);
}

void resolver_on_time(struct resolver *r, uint64_t now_us)
{
    if (now_us < r->due_us)
        return;
    ares_process_fd(r->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    send_queries(r);
}

uint64_t resolver_due_us(const struct resolver *r)
{
    return r->due_us;
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
