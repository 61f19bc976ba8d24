// tests/resolver_test.c: the resolver against a real name server (NSD, on a loopback port of its
// own). Without nsd the suite is skipped, and says so.
#include "dns/resolver.h"
#include "engine/base/check.h"
#include "tests/nsd.h"
#include "tests/suite.h"

#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#define OWNER 9
#define SECOND 1000000u

static const char zone_text[] = "$ORIGIN example.test.\n"
                                "$TTL 300\n"
                                "@ SOA ns admin 1 3600 600 86400 2\n"
                                "@ NS ns\n"
                                "ns A 127.0.0.1\n"
                                "@ MX 20 mx2\n"
                                "@ MX 10 mx1\n"
                                "@ MX 10 Mx1b\n"
                                "mx1 A 127.0.0.11\n"
                                "mx1 A 127.0.0.12\n"
                                "mx1 AAAA ::11\n"
                                "mx2 A 127.0.0.20\n"
                                "six AAAA ::6\n"
                                "null MX 0 .\n"
                                "implicit A 127.0.0.5\n"
                                "nothing TXT \"x\"\n"
                                "alias CNAME example.test.\n"
                                "tocname MX 10 cn\n"
                                "cn CNAME cn2\n"
                                "cn2 CNAME mx1\n"
                                "noaddress MX 10 ghost\n"
                                "short 1 MX 10 mx1\n"
                                "loop CNAME loop2\n"
                                "loop2 CNAME loop\n"
                                "illegal MX 10 a\\032b\n"
                                "illegal MX 20 mx2\n"
                                "unusable MX 10 a\\032b\n";

static struct nsd nsd;
static struct io *io;

// --- asking and waiting

static struct resolver *new_resolver(const struct resolver_options *given)
{
    struct resolver_options o = *given;
    struct resolver *r = NULL;
    o.io_owner = OWNER;
    if (!o.servers) {
        o.servers = &nsd.address;
        o.server_count = 1;
    }
    CU_ASSERT_EQUAL_FATAL(resolver_new(&r, io, &o), 0);
    return r;
}

static const char *print_answer(const struct dns_answer *a)
{
    static const char *const words[] = {"found", "no domain", "no records", "null mx", "later"};
    static char text[MX_HOSTS_MAX * 64];
    char *at = text;
    if (a->kind == DNS_ANSWER_MX) {
        at += sprintf(at, "%s", words[a->mx.status]);
        for (uint32_t i = 0; i < a->mx.hosts->count; i++)
            at += sprintf(at, " %u %s", a->mx.hosts->hosts[i].preference,
                          a->mx.hosts->hosts[i].name);
    } else if (a->kind == DNS_ANSWER_ADDRESS) {
        at += sprintf(at, "%s", words[a->address.status]);
        for (uint32_t i = 0; i < a->address.address_count; i++) {
            char address[IO_ADDRESS_TEXT_BYTES];
            at += sprintf(at, " %s", io_address_print_host(&a->address.addresses[i], address));
        }
    } else {
        strcpy(text, "nothing came");
    }
    return text;
}

// One turn of the loop.
static void turn(struct resolver *r, uint64_t until_us)
{
    struct io_done done;
    uint64_t due_us = resolver_due_us(r);
    io_wait(io, due_us < until_us ? due_us : until_us);
    while (io_next(io, &done)) {
        CU_ASSERT_EQUAL(done.token.owner, OWNER);
        resolver_on_done(r, &done);
    }
    if (io_now_us(io) >= resolver_due_us(r))
        resolver_on_time(r, io_now_us(io));
}

static struct dns_answer wait_answer(struct resolver *r)
{
    uint64_t until_us = io_now_us(io) + 10 * SECOND;
    for (;;) {
        struct dns_answer a = resolver_next(r);
        if (a.kind != DNS_ANSWER_NONE || io_now_us(io) >= until_us)
            return a;
        turn(r, until_us);
    }
}

static void end(struct resolver *r)
{
    struct io_done done;
    resolver_free(r);
    do { // what it cancelled ends now, for nobody
        io_wait(io, 0);
    } while (io_next(io, &done));
}

static const char *mx(struct resolver *r, const char *domain)
{
    CU_ASSERT_TRUE(resolver_ask_mx(r, slice_of_text(domain), 1));
    struct dns_answer a = wait_answer(r);
    return print_answer(&a);
}

static const char *address(struct resolver *r, const char *host)
{
    CU_ASSERT_TRUE(resolver_ask_address(r, slice_of_text(host), 1));
    struct dns_answer a = wait_answer(r);
    return print_answer(&a);
}

// --- tests

static const struct {
    enum dns_answer_kind kind;
    const char *name, *want;
} cases[] = {
    {DNS_ANSWER_MX, "example.test",
     "found 10 mx1.example.test 10 mx1b.example.test 20 mx2.example.test"},
    {DNS_ANSWER_MX, "alias.example.test",
     "found 10 mx1.example.test 10 mx1b.example.test 20 mx2.example.test"},
    {DNS_ANSWER_MX, "nobody.example.test", "no domain"},
    {DNS_ANSWER_MX, "null.example.test", "null mx"},
    {DNS_ANSWER_MX, "implicit.example.test", "found 0 implicit.example.test"},
    {DNS_ANSWER_MX, "nothing.example.test", "found 0 nothing.example.test"},
    {DNS_ANSWER_MX, "tocname.example.test", "found 10 cn.example.test"},
    {DNS_ANSWER_MX, "noaddress.example.test", "found 10 ghost.example.test"},
    {DNS_ANSWER_MX, "illegal.example.test", "found 20 mx2.example.test"},
    {DNS_ANSWER_MX, "unusable.example.test", "no records"},
    {DNS_ANSWER_MX, "loop.example.test", "later"},
    {DNS_ANSWER_MX, "elsewhere.invalid", "later"}, // not this server's: REFUSED
    {DNS_ANSWER_MX, "not a name", "no domain"},
    {DNS_ANSWER_MX, "[127.0.0.9]", "found 0 [127.0.0.9]"},
    {DNS_ANSWER_ADDRESS, "mx1.example.test", "found 127.0.0.11 127.0.0.12 ::11"},
    {DNS_ANSWER_ADDRESS, "mx2.example.test", "found 127.0.0.20"},
    {DNS_ANSWER_ADDRESS, "six.example.test", "found ::6"},
    {DNS_ANSWER_ADDRESS, "cn.example.test", "found 127.0.0.11 127.0.0.12 ::11"},
    {DNS_ANSWER_ADDRESS, "ghost.example.test", "no domain"},
    {DNS_ANSWER_ADDRESS, "nothing.example.test", "no records"},
    {DNS_ANSWER_ADDRESS, "loop.example.test", "later"},
    {DNS_ANSWER_ADDRESS, "[127.0.0.9]", "found 127.0.0.9"},
};

static void test_cases(void)
{
    struct resolver *r = new_resolver(&(struct resolver_options){0});
    // The second time around all comes from the cache.
    for (unsigned round = 0; round < 2; round++)
        for (size_t i = 0; i < COUNT_OF(cases); i++) {
            const char *got = cases[i].kind == DNS_ANSWER_MX ? mx(r, cases[i].name)
                                                             : address(r, cases[i].name);
            if (strcmp(got, cases[i].want) != 0)
                printf("\n  %s: got \"%s\", want \"%s\"\n", cases[i].name, got, cases[i].want);
            CU_ASSERT_STRING_EQUAL(got, cases[i].want);
        }
    struct resolver_counters c = resolver_counters(r);
    CU_ASSERT_EQUAL(c.asked, 2 * COUNT_OF(cases));
    CU_ASSERT_EQUAL(c.queries, 12 + 2 * 7);
    CU_ASSERT_EQUAL(c.cache_hits, COUNT_OF(cases) - 3);
    CU_ASSERT_EQUAL(c.timeouts, 0);
    end(r);
}

// 60 hosts come whole; of 200, whose answer only fits TCP, the most preferred.
static void test_many_hosts(void)
{
    struct resolver *r = new_resolver(&(struct resolver_options){0});
    CU_ASSERT_TRUE(resolver_ask_mx(r, SLICE("sixty.example.test"), 1));
    struct dns_answer a = wait_answer(r);
    CU_ASSERT_EQUAL_FATAL(a.kind, DNS_ANSWER_MX);
    CU_ASSERT_EQUAL_FATAL(a.mx.hosts->count, 60);
    CU_ASSERT_STRING_EQUAL(a.mx.hosts->hosts[59].name, "host59.sixty.example.test");
    end(r);

    for (unsigned i = 0; i < 3; i++) { // anew each time, over streams of their own
        r = new_resolver(&(struct resolver_options){0});
        CU_ASSERT_TRUE(resolver_ask_mx(r, SLICE("many.example.test"), 1));
        a = wait_answer(r);
        CU_ASSERT_EQUAL_FATAL(a.kind, DNS_ANSWER_MX);
        CU_ASSERT_EQUAL_FATAL(a.mx.hosts->count, MX_HOSTS_MAX);
        CU_ASSERT_EQUAL(a.mx.hosts->hosts[MX_HOSTS_MAX - 1].preference, MX_HOSTS_MAX - 1);
        end(r);
    }
}

static void test_ttl(void)
{
    struct resolver *r = new_resolver(&(struct resolver_options){0});
    CU_ASSERT_STRING_EQUAL(mx(r, "short.example.test"), "found 10 mx1.example.test");
    CU_ASSERT_TRUE(resolver_ask_mx(r, SLICE("short.example.test"), 1));
    struct dns_answer a = wait_answer(r);
    uint64_t expires_us = a.mx.expires_us, now_us = io_now_us(io);
    CU_ASSERT(expires_us > now_us && expires_us <= now_us + SECOND);
    CU_ASSERT_EQUAL(resolver_counters(r).queries, 1);
    while (io_now_us(io) < expires_us)
        turn(r, expires_us);
    CU_ASSERT_STRING_EQUAL(mx(r, "short.example.test"), "found 10 mx1.example.test");
    CU_ASSERT_EQUAL(resolver_counters(r).queries, 2);

    // What there is not: as long as the SOA says, which is two seconds.
    CU_ASSERT_TRUE(resolver_ask_mx(r, SLICE("nobody.example.test"), 1));
    a = wait_answer(r);
    now_us = io_now_us(io);
    CU_ASSERT(a.mx.expires_us > now_us + SECOND && a.mx.expires_us <= now_us + 2 * SECOND);
    end(r);
}

// Few at a time, many askers: each is told, and equal questions are one query.
static void test_shared(void)
{
    enum { DOMAINS = 100, ASKERS = 5 };
    unsigned told[DOMAINS] = {0};
    struct resolver *r = new_resolver(&(struct resolver_options){.query_count_max = 3});
    for (unsigned i = 0; i < DOMAINS * ASKERS; i++) {
        char name[64];
        sprintf(name, "d%u.wild.example.test", i % DOMAINS);
        CU_ASSERT_TRUE(resolver_ask_mx(r, slice_of_text(name), i));
    }
    CU_ASSERT_EQUAL(resolver_next(r).kind, DNS_ANSWER_NONE);
    CU_ASSERT_EQUAL(resolver_counters(r).queries, 3);
    for (unsigned i = 0; i < DOMAINS * ASKERS; i++) {
        struct dns_answer a = wait_answer(r);
        CU_ASSERT_STRING_EQUAL_FATAL(print_answer(&a), "found 7 mx1.example.test");
        told[a.mx.tag % DOMAINS]++;
    }
    for (unsigned i = 0; i < DOMAINS; i++)
        CU_ASSERT_EQUAL(told[i], ASKERS);
    CU_ASSERT_EQUAL(resolver_counters(r).queries, DOMAINS);
    CU_ASSERT_EQUAL(resolver_counters(r).shared, DOMAINS * (ASKERS - 1));
    CU_ASSERT_EQUAL(resolver_next(r).kind, DNS_ANSWER_NONE);
    end(r);
}

// A bound UDP socket that never answers.
static int silent_server(struct io_address *ret)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    *ret = io_address_from_bytes("\x7f\0\0\x01", 4, 0);
    CHECK(fd >= 0 && bind(fd, &ret->as.any, ret->len) == 0);
    CHECK(getsockname(fd, &ret->as.any, &ret->len) == 0);
    return fd;
}

static void test_silence(void)
{
    struct io_address silent;
    int fd = silent_server(&silent);
    struct resolver *r = new_resolver(&(struct resolver_options){
        .servers = &silent, .server_count = 1, .timeout_us = 100000, .try_count = 2});
    uint64_t start_us = io_now_us(io);
    CU_ASSERT_STRING_EQUAL(mx(r, "example.test"), "later");
    uint64_t waited_us = io_now_us(io) - start_us;
    CU_ASSERT(waited_us >= 250000 && waited_us < 5 * SECOND); // 100 ms, then 200 ms
    CU_ASSERT_EQUAL(resolver_counters(r).timeouts, 2);
    // It is not asked again at once.
    CU_ASSERT_STRING_EQUAL(mx(r, "example.test"), "later");
    CU_ASSERT_EQUAL(resolver_counters(r).queries, 1);
    end(r);
    close(fd);
}

static void test_next_server(void)
{
    struct io_address servers[2] = {{0}, nsd.address};
    int fd = silent_server(&servers[0]);
    struct resolver *r = new_resolver(
        &(struct resolver_options){.servers = servers, .server_count = 2, .timeout_us = 100000});
    CU_ASSERT_STRING_EQUAL(address(r, "mx2.example.test"), "found 127.0.0.20");
    close(fd); // now nobody is there, which the kernel tells at once
    uint64_t start_us = io_now_us(io);
    CU_ASSERT_STRING_EQUAL(address(r, "six.example.test"), "found ::6");
    CU_ASSERT(io_now_us(io) - start_us < 5 * SECOND);
    end(r);
}

// It is freed with queries and askers of every kind; what comes later finds nobody.
static void test_free_under_way(void)
{
    struct io_address silent;
    int fd = silent_server(&silent);
    for (unsigned turns = 0; turns < 3; turns++) {
        struct resolver *r = new_resolver(&(struct resolver_options){
            .servers = &silent, .server_count = 1, .query_count_max = 2});
        CU_ASSERT_TRUE(resolver_ask_mx(r, SLICE("a.test"), 1));
        CU_ASSERT_TRUE(resolver_ask_address(r, SLICE("b.test"), 2));
        CU_ASSERT_TRUE(resolver_ask_address(r, SLICE("c.test"), 3));
        for (unsigned i = 0; i < turns; i++)
            turn(r, 0);
        end(r);
    }
    close(fd);
    resolver_free(NULL);
}

static void test_bad_options(void)
{
    struct resolver *r = NULL;
    struct io_address unix_address;
    CHECK(io_address_parse(SLICE("unix:/tmp/x"), 0, &unix_address));
    CU_ASSERT_EQUAL(
        resolver_new(&r, io,
                     &(struct resolver_options){.servers = &unix_address, .server_count = 1}),
        -EINVAL);
    CU_ASSERT_PTR_NULL(r);
}

static const struct suite_test tests[] = {
    {"cases", test_cases},
    {"many hosts", test_many_hosts},
    {"ttl", test_ttl},
    {"shared", test_shared},
    {"silence", test_silence},
    {"next server", test_next_server},
    {"free under way", test_free_under_way},
    {"bad options", test_bad_options},
};

// The zone above, and sets that are too long to write out.
static char *whole_zone(void)
{
    char *zone = malloc(64 * 1024), *at = zone + sprintf(zone, "%s", zone_text);
    for (unsigned i = 0; i < 60; i++)
        at += sprintf(at, "sixty MX %u host%02u.sixty\n", 100 + i, i);
    for (unsigned i = 0; i < 200; i++)
        at += sprintf(at, "many MX %u a-host-with-a-rather-long-name-%u.many\n", i, i);
    sprintf(at, "*.wild MX 7 mx1\n");
    return zone;
}

int main(int argc, char **argv)
{
    char *zone = whole_zone();
    const struct nsd_zone zones[] = {{"example.test", zone}};
    if (!nsd_installed()) {
        printf("SKIPPED: nsd is not installed (Debian's package nsd)\n");
        free(zone);
        return 77;
    }
    int status = 1, error = io_new(&io, NULL);
    if (error)
        printf("%s\n", io_new_explain(error));
    else if (!nsd_start(&nsd, zones, COUNT_OF(zones)))
        printf("nsd did not start\n");
    else
        status = suite_main("resolver", tests, COUNT_OF(tests), argc, argv);
    nsd_stop(&nsd);
    io_free(io);
    free(zone);
    return status;
}
