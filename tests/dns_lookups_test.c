// tests/dns_lookups_test.c: askers, queries and answers, with responses made by hand.
#include "dns/lookups.h"
#include "engine/base/check.h"
#include "tests/suite.h"

#include <stdlib.h>

#define SECOND 1000000u

static struct dns_lookups *new_lookups(uint32_t query_count_max)
{
    struct dns_lookups *l = malloc(sizeof(*l));
    struct dns_lookups_options o = {
        .query_count_max = query_count_max,
        .ttl_us_min = SECOND,
        .ttl_us_max = 100 * SECOND,
        .cache_count_max = 100,
        .seed = 1,
    };
    CU_ASSERT_EQUAL_FATAL(dns_lookups_init(l, &o), 0);
    return l;
}

static void free_lookups(struct dns_lookups *l)
{
    dns_lookups_release(l);
    free(l);
}

static void ask(struct dns_lookups *l, enum dns_answer_kind kind, const char *name, uint64_t tag,
                uint64_t now_us)
{
    CU_ASSERT_TRUE_FATAL(dns_lookups_ask(l, kind, slice_of_text(name), tag, now_us));
}

// "MX example.org" of the next query, or "-".
static const char *next_query(struct dns_lookups *l, struct dns_query *q)
{
    static char text[512];
    if (!dns_lookups_next_query(l, q))
        return "-";
    const char *type = q->type == DNS_TYPE_MX ? "MX" : q->type == DNS_TYPE_A ? "A" : "AAAA";
    snprintf(text, sizeof(text), "%s %.*s", type, SLICE_ARG(q->name));
    return text;
}

static const char *next_answer(struct dns_lookups *l)
{
    static const char *const words[] = {"found", "no domain", "no records", "null mx", "later"};
    static char text[4096];
    struct dns_answer a = dns_lookups_next_answer(l);
    char *at = text;
    if (a.kind == DNS_ANSWER_NONE)
        return "-";
    if (a.kind == DNS_ANSWER_MX) {
        at += sprintf(at, "%u %s until %u:", (unsigned)a.mx.tag, words[a.mx.status],
                      (unsigned)(a.mx.expires_us / SECOND));
        for (uint32_t i = 0; i < a.mx.hosts->count; i++)
            at += sprintf(at, " %u %s", a.mx.hosts->hosts[i].preference, a.mx.hosts->hosts[i].name);
        return text;
    }
    at += sprintf(at, "%u %s until %u:", (unsigned)a.address.tag, words[a.address.status],
                  (unsigned)(a.address.expires_us / SECOND));
    for (uint32_t i = 0; i < a.address.address_count; i++) {
        char address[IO_ADDRESS_TEXT_BYTES];
        at += sprintf(at, " %s", io_address_print_host(&a.address.addresses[i], address));
    }
    return text;
}

static void respond(struct dns_lookups *l, const struct dns_query *q, enum dns_status status,
                    uint32_t ttl_s, const char *records, uint64_t now_us)
{
    struct dns_response *r = calloc(1, sizeof(*r));
    char word[256];
    unsigned preference;
    int used;
    r->status = status;
    r->ttl_s = ttl_s;
    if (q->type == DNS_TYPE_MX) {
        for (; sscanf(records, " %u %255s%n", &preference, word, &used) == 2; records += used) {
            struct mx_host h = {.preference = (uint16_t)preference, .len = (uint8_t)strlen(word)};
            memcpy(h.name, word, h.len);
            mx_add(r->mx, &r->mx_count, &h);
        }
    } else {
        for (; sscanf(records, " %255s%n", word, &used) == 1; records += used) {
            struct io_address a;
            CHECK(io_address_parse(slice_of_text(word), 0, &a));
            struct dns_ip *ip = &r->ips[r->ip_count++];
            ip->len = q->type == DNS_TYPE_A ? 4 : 16;
            memcpy(ip->bytes,
                   ip->len == 4 ? (void *)&a.as.in.sin_addr : (void *)&a.as.in6.sin6_addr, ip->len);
        }
    }
    dns_lookups_on_response(l, q, r, now_us);
    free(r);
}

static const struct mx_case {
    const char *name;
    enum dns_status status;
    uint32_t ttl_s;
    const char *records;
    const char *want;
} mx_cases[] = {
    {"a set", DNS_FOUND, 30, "20 b 10 a", "7 found until 40: 10 a 20 b"},
    {"implicit MX (RFC 5321 5.1)", DNS_NO_RECORDS, 30, "", "7 found until 40: 0 example.org"},
    {"none usable: no implicit MX then", DNS_FOUND, 30, "", "7 no records until 40:"},
    {"NXDOMAIN", DNS_NO_DOMAIN, 30, "", "7 no domain until 40:"},
    {"null MX", DNS_NULL_MX, 30, "", "7 null mx until 40:"},
    {"failure: never falls back to A", DNS_TRY_LATER, 0, "", "7 later until 15:"},
    {"TTL below the least", DNS_FOUND, 0, "10 a", "7 found until 11: 10 a"},
    {"TTL above the most", DNS_FOUND, 9999999, "10 a", "7 found until 110: 10 a"},
};

static void test_mx(void)
{
    for (size_t i = 0; i < COUNT_OF(mx_cases); i++) {
        const struct mx_case *c = &mx_cases[i];
        struct dns_lookups *l = new_lookups(10);
        struct dns_query q;
        ask(l, DNS_ANSWER_MX, "example.org", 7, 9 * SECOND);
        CU_ASSERT_STRING_EQUAL(next_answer(l), "-");
        CU_ASSERT_STRING_EQUAL(next_query(l, &q), "MX example.org");
        CU_ASSERT_STRING_EQUAL(next_query(l, &q), "-");
        respond(l, &q, c->status, c->ttl_s, c->records, 10 * SECOND);
        CU_ASSERT_STRING_EQUAL(next_answer(l), c->want);
        CU_ASSERT_STRING_EQUAL(next_answer(l), "-");
        // Known now: the same once more, without a query.
        ask(l, DNS_ANSWER_MX, "example.org", 7, 10 * SECOND);
        CU_ASSERT_STRING_EQUAL(next_query(l, &q), "-");
        CU_ASSERT_STRING_EQUAL(next_answer(l), c->want);
        free_lookups(l);
    }
}

static const struct address_case {
    const char *name;
    struct {
        enum dns_status status;
        uint32_t ttl_s;
        const char *records;
    } a, aaaa;
    const char *want;
} address_cases[] = {
    {"both",
     {DNS_FOUND, 30, "192.0.2.1"},
     {DNS_FOUND, 20, "[2001:db8::1]"},
     "1 found until 20: 192.0.2.1 2001:db8::1"},
    {"A alone",
     {DNS_FOUND, 30, "192.0.2.1 192.0.2.2"},
     {DNS_NO_RECORDS, 60, ""},
     "1 found until 30: 192.0.2.1 192.0.2.2"},
    {"AAAA alone",
     {DNS_NO_RECORDS, 10, ""},
     {DNS_FOUND, 20, "[2001:db8::1]"},
     "1 found until 10: 2001:db8::1"},
    {"AAAA fails",
     {DNS_FOUND, 30, "192.0.2.1"},
     {DNS_TRY_LATER, 0, ""},
     "1 found until 30: 192.0.2.1"},
    {"A fails",
     {DNS_TRY_LATER, 0, ""},
     {DNS_FOUND, 30, "[2001:db8::1]"},
     "1 found until 30: 2001:db8::1"},
    {"one fails, the other finds nothing",
     {DNS_NO_RECORDS, 30, ""},
     {DNS_TRY_LATER, 0, ""},
     "1 later until 5:"},
    {"none", {DNS_NO_RECORDS, 30, ""}, {DNS_NO_RECORDS, 40, ""}, "1 no records until 30:"},
    {"no such name", {DNS_NO_DOMAIN, 30, ""}, {DNS_NO_DOMAIN, 30, ""}, "1 no domain until 30:"},
    {"NXDOMAIN for one type only",
     {DNS_FOUND, 30, "192.0.2.1"},
     {DNS_NO_DOMAIN, 60, ""},
     "1 found until 30: 192.0.2.1"},
};

// Whichever half comes first.
static void test_address(void)
{
    for (size_t i = 0; i < COUNT_OF(address_cases) * 2; i++) {
        const struct address_case *c = &address_cases[i / 2];
        struct dns_lookups *l = new_lookups(10);
        struct dns_query a, aaaa;
        ask(l, DNS_ANSWER_ADDRESS, "mx.org", 1, 0);
        CU_ASSERT_STRING_EQUAL(next_query(l, &a), "A mx.org");
        CU_ASSERT_STRING_EQUAL(next_query(l, &aaaa), "AAAA mx.org");
        if (i % 2)
            respond(l, &aaaa, c->aaaa.status, c->aaaa.ttl_s, c->aaaa.records, 0);
        respond(l, &a, c->a.status, c->a.ttl_s, c->a.records, 0);
        if (i % 2 == 0) {
            CU_ASSERT_STRING_EQUAL(next_answer(l), "-");
            respond(l, &aaaa, c->aaaa.status, c->aaaa.ttl_s, c->aaaa.records, 0);
        }
        CU_ASSERT_STRING_EQUAL(next_answer(l), c->want);
        CU_ASSERT_STRING_EQUAL(next_answer(l), "-");
        free_lookups(l);
    }
}

static void test_many_addresses(void)
{
    struct dns_lookups *l = new_lookups(10);
    struct dns_query a, aaaa;
    char v4[4096] = "", v6[4096] = "";
    for (unsigned i = 0; i < DNS_ADDRESSES_MAX; i++) {
        sprintf(v4 + strlen(v4), "192.0.2.%u ", i);
        sprintf(v6 + strlen(v6), "[2001:db8::%x] ", i + 1);
    }
    ask(l, DNS_ANSWER_ADDRESS, "mx.org", 1, 0);
    next_query(l, &a);
    next_query(l, &aaaa);
    respond(l, &a, DNS_FOUND, 30, v4, 0);
    respond(l, &aaaa, DNS_FOUND, 30, v6, 0);
    struct dns_answer answer = dns_lookups_next_answer(l);
    CU_ASSERT_EQUAL(answer.address.address_count, DNS_ADDRESSES_MAX);
    free_lookups(l);
}

static void test_shared(void)
{
    struct dns_lookups *l = new_lookups(10);
    struct dns_query q;
    ask(l, DNS_ANSWER_MX, "a.org", 1, 0);
    ask(l, DNS_ANSWER_MX, "a.org", 2, 0);
    CU_ASSERT_STRING_EQUAL(next_query(l, &q), "MX a.org");
    ask(l, DNS_ANSWER_MX, "a.org", 3, 0);
    CU_ASSERT_STRING_EQUAL(next_query(l, &(struct dns_query){0}), "-");
    respond(l, &q, DNS_FOUND, 10, "10 mx", 0);
    CU_ASSERT_STRING_EQUAL(next_answer(l), "1 found until 10: 10 mx");
    CU_ASSERT_STRING_EQUAL(next_answer(l), "2 found until 10: 10 mx");
    ask(l, DNS_ANSWER_MX, "a.org", 4, 0); // from the cache, behind those that waited
    CU_ASSERT_STRING_EQUAL(next_answer(l), "3 found until 10: 10 mx");
    CU_ASSERT_STRING_EQUAL(next_answer(l), "4 found until 10: 10 mx");
    CU_ASSERT_EQUAL(l->counters.asked, 4);
    CU_ASSERT_EQUAL(l->counters.shared, 2);
    CU_ASSERT_EQUAL(l->counters.cache_hits, 1);
    CU_ASSERT_EQUAL(l->counters.queries, 1);
    // After it has expired it is asked again; another kind is another question.
    ask(l, DNS_ANSWER_MX, "a.org", 5, 10 * SECOND);
    CU_ASSERT_STRING_EQUAL(next_query(l, &q), "MX a.org");
    ask(l, DNS_ANSWER_ADDRESS, "a.org", 6, 0);
    CU_ASSERT_STRING_EQUAL(next_query(l, &q), "A a.org");
    free_lookups(l);
}

static void test_queries_in_line(void)
{
    struct dns_lookups *l = new_lookups(3);
    struct dns_query q[4];
    ask(l, DNS_ANSWER_ADDRESS, "a", 1, 0);
    ask(l, DNS_ANSWER_ADDRESS, "b", 2, 0);
    ask(l, DNS_ANSWER_MX, "c", 3, 0);
    CU_ASSERT_STRING_EQUAL(next_query(l, &q[0]), "A a");
    CU_ASSERT_STRING_EQUAL(next_query(l, &q[1]), "AAAA a");
    CU_ASSERT_STRING_EQUAL(next_query(l, &q[2]), "A b");
    CU_ASSERT_STRING_EQUAL(next_query(l, &q[3]), "-");
    respond(l, &q[2], DNS_FOUND, 9, "192.0.2.1", 0);
    CU_ASSERT_STRING_EQUAL(next_query(l, &q[3]), "AAAA b");
    CU_ASSERT_STRING_EQUAL(next_query(l, &q[2]), "-");
    respond(l, &q[3], DNS_NO_RECORDS, 9, "", 0);
    CU_ASSERT_STRING_EQUAL(next_answer(l), "2 found until 9: 192.0.2.1");
    CU_ASSERT_STRING_EQUAL(next_query(l, &q[3]), "MX c");
    ask(l, DNS_ANSWER_MX, "d", 4, 0); // the line was empty, and begins anew
    respond(l, &q[0], DNS_NO_RECORDS, 9, "", 0);
    CU_ASSERT_STRING_EQUAL(next_query(l, &q[0]), "MX d");
    free_lookups(l);
}

static const struct {
    enum dns_answer_kind kind;
    const char *name, *want;
} known_cases[] = {
    {DNS_ANSWER_MX, "[127.0.0.1]", "1 found until 100: 0 [127.0.0.1]"},
    {DNS_ANSWER_ADDRESS, "[127.0.0.1]", "1 found until 100: 127.0.0.1"},
    {DNS_ANSWER_ADDRESS, "[ipv6:::1]", "1 found until 100: ::1"},
    {DNS_ANSWER_MX, "[127.0.0]", "1 no domain until 100:"},
    {DNS_ANSWER_MX, "", "1 no domain until 100:"},
    {DNS_ANSWER_MX, "a..org", "1 no domain until 100:"},
    {DNS_ANSWER_MX, "a b.org", "1 no domain until 100:"},
    {DNS_ANSWER_ADDRESS, "a\n.org", "1 no domain until 100:"},
};

// What failed the last time waits apart, and takes no more than a quarter of the queries (and one
// more, so that it is at least one).
static void test_doubtful_names(void)
{
    struct dns_lookups *l = new_lookups(8);
    struct dns_query q[8], fresh;
    char name[32];
    for (unsigned i = 0; i < 8; i++) {
        snprintf(name, sizeof(name), "dead%u.example", i);
        ask(l, DNS_ANSWER_MX, name, i, 0);
        CU_ASSERT_STRING_NOT_EQUAL(next_query(l, &q[i]), "-");
    }
    for (unsigned i = 0; i < 8; i++) {
        respond(l, &q[i], DNS_TRY_LATER, 0, "", 0);
        CU_ASSERT_STRING_NOT_EQUAL(next_answer(l), "-");
    }
    for (unsigned i = 0; i < 8; i++) { // their failure is forgotten, and asked for again
        snprintf(name, sizeof(name), "dead%u.example", i);
        ask(l, DNS_ANSWER_MX, name, i, 10 * SECOND);
    }
    ask(l, DNS_ANSWER_MX, "alive.example", 9, 10 * SECOND);
    CU_ASSERT_STRING_EQUAL(next_query(l, &fresh), "MX alive.example");
    for (unsigned i = 0; i < 3; i++)
        CU_ASSERT_STRING_NOT_EQUAL(next_query(l, &q[i]), "-");
    CU_ASSERT_STRING_EQUAL(next_query(l, &q[3]), "-");
    ask(l, DNS_ANSWER_MX, "also.example", 10, 10 * SECOND); // there is room for it
    CU_ASSERT_STRING_EQUAL(next_query(l, &fresh), "MX also.example");
    respond(l, &q[0], DNS_NO_DOMAIN, 30, "", 10 * SECOND);
    CU_ASSERT_STRING_EQUAL(next_query(l, &q[0]), "MX dead3.example");
    free_lookups(l);
}

static void test_without_query(void)
{
    struct dns_lookups *l = new_lookups(3);
    struct dns_query q;
    for (size_t i = 0; i < COUNT_OF(known_cases); i++) {
        ask(l, known_cases[i].kind, known_cases[i].name, 1, 0);
        CU_ASSERT_STRING_EQUAL(next_query(l, &q), "-");
        CU_ASSERT_STRING_EQUAL(next_answer(l), known_cases[i].want);
    }
    char long_name[600];
    memset(long_name, 'a', sizeof(long_name) - 1);
    long_name[sizeof(long_name) - 1] = '\0';
    ask(l, DNS_ANSWER_MX, long_name, 1, 0);
    CU_ASSERT_STRING_EQUAL(next_answer(l), "1 no domain until 100:");
    CU_ASSERT_EQUAL(l->cache.count, 0);
    free_lookups(l);
}

static void test_released_under_way(void)
{
    struct dns_lookups *l = new_lookups(3);
    struct dns_query a, aaaa;
    ask(l, DNS_ANSWER_ADDRESS, "half.org", 1, 0);
    next_query(l, &a);
    next_query(l, &aaaa);
    respond(l, &a, DNS_FOUND, 9, "192.0.2.1", 0);
    ask(l, DNS_ANSWER_MX, "[127.0.0.1]", 2, 0); // an answer that nobody takes
    free_lookups(l);
}

// What is secure stays so in the cache; TLSA, TXT and CNAME are one query each.
static void test_records(void)
{
    static const struct {
        enum dns_answer_kind kind;
        enum dns_type type;
    } kinds[] = {{DNS_ANSWER_TLSA, DNS_TYPE_TLSA},
                 {DNS_ANSWER_TXT, DNS_TYPE_TXT},
                 {DNS_ANSWER_CNAME, DNS_TYPE_CNAME}};
    for (size_t i = 0; i < COUNT_OF(kinds) * 2; i++) {
        struct dns_lookups *l = new_lookups(10);
        struct dns_response *r = calloc(1, sizeof(*r));
        struct dns_query q;
        ask(l, kinds[i / 2].kind, "_25._tcp.mx.org", 3, 0);
        CU_ASSERT_TRUE_FATAL(dns_lookups_next_query(l, &q));
        CU_ASSERT_EQUAL(q.type, kinds[i / 2].type);
        CU_ASSERT_FALSE(dns_lookups_next_query(l, &(struct dns_query){0}));
        dns_response_clear(r, DNS_FOUND);
        r->ttl_s = 30;
        r->secure = i % 2;
        r->record_count = 2;
        r->record_bytes = 7;
        memcpy(r->records, "\0\3abc\0\0", 7);
        dns_lookups_on_response(l, &q, r, 0);
        for (int again = 0; again < 2; again++) {
            struct dns_answer a = dns_lookups_next_answer(l);
            CU_ASSERT_EQUAL_FATAL(a.kind, kinds[i / 2].kind);
            CU_ASSERT_EQUAL(a.record.tag, 3);
            CU_ASSERT_EQUAL(a.record.status, DNS_FOUND);
            CU_ASSERT_EQUAL(a.record.secure, i % 2);
            CU_ASSERT_EQUAL_FATAL(a.record.count, 2);
            CU_ASSERT_TRUE(slice_equal(a.record.records[0], SLICE("abc")));
            CU_ASSERT_EQUAL(a.record.records[1].len, 0);
            ask(l, kinds[i / 2].kind, "_25._tcp.mx.org", 3, SECOND); // from the cache
        }
        free(r);
        free_lookups(l);
    }
}

// Where CNAMEs led to the MX records is told with them, also from the cache.
static void test_mx_by_alias(void)
{
    for (int aliased = 0; aliased < 2; aliased++) {
        struct dns_lookups *l = new_lookups(10);
        struct dns_response *r = calloc(1, sizeof(*r));
        struct dns_query q;
        ask(l, DNS_ANSWER_MX, "a.org", 1, 0);
        CU_ASSERT_TRUE_FATAL(dns_lookups_next_query(l, &q));
        dns_response_clear(r, DNS_FOUND);
        r->ttl_s = 30;
        r->mx_count = 1;
        r->mx[0] = (struct mx_host){.preference = 10, .len = 6, .name = "mx.org"};
        r->canonical_len = aliased ? 5 : 0;
        memcpy(r->canonical, "b.org", 5);
        dns_lookups_on_response(l, &q, r, 0);
        for (int again = 0; again < 2; again++) {
            struct dns_answer a = dns_lookups_next_answer(l);
            CU_ASSERT_EQUAL_FATAL(a.mx.hosts->count, 1);
            CU_ASSERT_EQUAL(a.mx.hosts->hosts[0].preference, 10);
            CU_ASSERT_EQUAL(a.mx.hosts->hosts[0].len, 6);
            CU_ASSERT_TRUE(slice_equal(a.mx.canonical, aliased ? SLICE("b.org") : SLICE_EMPTY));
            ask(l, DNS_ANSWER_MX, "a.org", 1, SECOND); // from the cache
        }
        free(r);
        free_lookups(l);
    }
}

// Both halves of an address must be secure; one that failed says nothing of it.
static void test_secure_address(void)
{
    static const struct {
        enum dns_status a, aaaa;
        bool a_secure, aaaa_secure, want;
    } rows[] = {
        {DNS_FOUND, DNS_FOUND, true, true, true},
        {DNS_FOUND, DNS_FOUND, true, false, false},
        {DNS_FOUND, DNS_NO_RECORDS, true, true, true},
        {DNS_FOUND, DNS_NO_RECORDS, true, false, false},
        {DNS_FOUND, DNS_TRY_LATER, true, false, true},
        {DNS_TRY_LATER, DNS_FOUND, false, false, false},
        {DNS_NO_RECORDS, DNS_NO_RECORDS, true, true, true},
        {DNS_TRY_LATER, DNS_TRY_LATER, false, false, false},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct dns_lookups *l = new_lookups(10);
        struct dns_response *r = calloc(1, sizeof(*r));
        struct dns_query a, aaaa;
        ask(l, DNS_ANSWER_ADDRESS, "mx.org", 1, 0);
        CU_ASSERT_TRUE(dns_lookups_next_query(l, &a) && dns_lookups_next_query(l, &aaaa));
        dns_response_clear(r, rows[i].a);
        r->secure = rows[i].a_secure;
        r->ips[0] = (struct dns_ip){4, {192, 0, 2, 1}};
        r->ip_count = rows[i].a == DNS_FOUND;
        r->canonical_len = r->ip_count ? 3 : 0;
        memcpy(r->canonical, "b.c", 3);
        dns_lookups_on_response(l, &a, r, 0);
        dns_response_clear(r, rows[i].aaaa);
        r->secure = rows[i].aaaa_secure;
        dns_lookups_on_response(l, &aaaa, r, 0);
        struct dns_answer got = dns_lookups_next_answer(l);
        CU_ASSERT_EQUAL(got.address.secure, rows[i].want);
        CU_ASSERT_EQUAL(got.address.address_count, rows[i].a == DNS_FOUND);
        CU_ASSERT_TRUE(slice_equal(got.address.canonical,
                                   rows[i].a == DNS_FOUND ? SLICE("b.c") : SLICE_EMPTY));
        free(r);
        free_lookups(l);
    }
}

static const struct suite_test tests[] = {
    {"mx", test_mx},
    {"mx by alias", test_mx_by_alias},
    {"records", test_records},
    {"secure address", test_secure_address},
    {"address", test_address},
    {"many addresses", test_many_addresses},
    {"shared", test_shared},
    {"queries in line", test_queries_in_line},
    {"doubtful names", test_doubtful_names},
    {"without query", test_without_query},
    {"released under way", test_released_under_way},
};
SUITE_MAIN("dns_lookups", tests)
