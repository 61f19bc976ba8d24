// tests/dns_cache_test.c: what is known about names, until it expires.
#include "dns/cache.h"
#include "engine/base/check.h"
#include "engine/base/random.h"
#include "tests/suite.h"

#include <stdlib.h>

static void put(struct dns_cache *c, enum dns_answer_kind kind, const char *name,
                uint64_t expires_us, const char *packed)
{
    struct dns_entry *e = dns_entry_new(kind, slice_of_text(name), DNS_FOUND, expires_us,
                                        slice_of_text(packed));
    dns_cache_put(c, e);
    dns_entry_unref(e);
}

static const char *get(struct dns_cache *c, enum dns_answer_kind kind, const char *name,
                       uint64_t now_us, char out[64])
{
    struct dns_entry *e = dns_cache_find(c, kind, slice_of_text(name), now_us);
    if (!e)
        return "-";
    struct slice packed = dns_entry_packed(e);
    snprintf(out, 64, "%.*s", SLICE_ARG(packed));
    return out;
}

static void test_find(void)
{
    struct dns_cache c;
    char out[64];
    CU_ASSERT_EQUAL_FATAL(dns_cache_init(&c, 10, 1), 0);
    put(&c, DNS_ANSWER_MX, "a.org", 100, "mx");
    put(&c, DNS_ANSWER_ADDRESS, "a.org", 200, "address");
    CU_ASSERT_STRING_EQUAL(get(&c, DNS_ANSWER_MX, "a.org", 0, out), "mx");
    CU_ASSERT_STRING_EQUAL(get(&c, DNS_ANSWER_ADDRESS, "a.org", 0, out), "address");
    CU_ASSERT_STRING_EQUAL(get(&c, DNS_ANSWER_MX, "b.org", 0, out), "-");
    CU_ASSERT_STRING_EQUAL(get(&c, DNS_ANSWER_MX, "a.orga", 0, out), "-");
    CU_ASSERT_STRING_EQUAL(get(&c, DNS_ANSWER_MX, "", 0, out), "-");

    put(&c, DNS_ANSWER_MX, "a.org", 150, "newer");
    CU_ASSERT_EQUAL(c.count, 2);
    CU_ASSERT_STRING_EQUAL(get(&c, DNS_ANSWER_MX, "a.org", 149, out), "newer");
    CU_ASSERT_STRING_EQUAL(get(&c, DNS_ANSWER_MX, "a.org", 150, out), "-");
    CU_ASSERT_EQUAL(c.count, 1);
    CU_ASSERT_STRING_EQUAL(get(&c, DNS_ANSWER_ADDRESS, "a.org", 150, out), "address");
    dns_cache_release(&c);
}

static void test_full(void)
{
    struct dns_cache c;
    char out[64];
    CU_ASSERT_EQUAL_FATAL(dns_cache_init(&c, 3, 1), 0);
    put(&c, DNS_ANSWER_MX, "late", 300, "x");
    put(&c, DNS_ANSWER_MX, "soon", 100, "x");
    put(&c, DNS_ANSWER_MX, "mid", 200, "x");
    put(&c, DNS_ANSWER_MX, "more", 400, "x");
    CU_ASSERT_EQUAL(c.count, 3);
    CU_ASSERT_STRING_EQUAL(get(&c, DNS_ANSWER_MX, "soon", 0, out), "-");
    put(&c, DNS_ANSWER_MX, "more", 50, "y"); // takes its own place, nobody else's
    CU_ASSERT_STRING_EQUAL(get(&c, DNS_ANSWER_MX, "mid", 0, out), "x");
    put(&c, DNS_ANSWER_MX, "again", 500, "x");
    CU_ASSERT_STRING_EQUAL(get(&c, DNS_ANSWER_MX, "more", 0, out), "-");
    dns_cache_release(&c);
}

// Who waits for an answer keeps it, whatever becomes of its place.
static void test_reference(void)
{
    struct dns_cache c;
    CU_ASSERT_EQUAL_FATAL(dns_cache_init(&c, 1, 1), 0);
    put(&c, DNS_ANSWER_MX, "a", 100, "kept");
    struct dns_entry *e = dns_entry_ref(dns_cache_find(&c, DNS_ANSWER_MX, SLICE("a"), 0));
    put(&c, DNS_ANSWER_MX, "b", 100, "x");
    dns_cache_release(&c);
    CU_ASSERT_TRUE(slice_equal(dns_entry_packed(e), SLICE("kept")));
    dns_entry_unref(e);
}

// Against a model of plain arrays, with many replacements, expiries and evictions.
static void test_model(void)
{
    enum { NAMES = 64, ROOM = 24 };
    uint64_t expires_us[NAMES] = {0};
    struct dns_cache c;
    struct random dice;
    random_init(&dice, 11);
    CU_ASSERT_EQUAL_FATAL(dns_cache_init(&c, ROOM, 5), 0);
    for (uint64_t now_us = 1; now_us < 20000; now_us++) {
        uint32_t i = random_below(&dice, NAMES);
        char name[16], out[64];
        snprintf(name, sizeof(name), "n%u", i);
        if (random_below(&dice, 2)) {
            bool known = expires_us[i] > now_us;
            CU_ASSERT_STRING_EQUAL(get(&c, DNS_ANSWER_MX, name, now_us, out), known ? name : "-");
            if (!known)
                expires_us[i] = 0;
            continue;
        }
        uint32_t held = 0, first = NAMES;
        for (uint32_t k = 0; k < NAMES; k++) {
            if (!expires_us[k])
                continue;
            held++;
            if (first == NAMES || expires_us[k] < expires_us[first])
                first = k;
        }
        CU_ASSERT_EQUAL_FATAL(c.count, held);
        if (held == ROOM && !expires_us[i])
            expires_us[first] = 0;
        // No two expire together, so that it is clear who goes first.
        expires_us[i] = now_us + 1 + random_below(&dice, 1000);
        for (bool again = true; again;) {
            again = false;
            for (uint32_t k = 0; k < NAMES; k++)
                if (k != i && expires_us[k] == expires_us[i]) {
                    expires_us[i]++;
                    again = true;
                }
        }
        put(&c, DNS_ANSWER_MX, name, expires_us[i], name);
    }
    dns_cache_release(&c);
}

static const struct suite_test tests[] = {
    {"find", test_find},
    {"full", test_full},
    {"reference", test_reference},
    {"model", test_model},
};
SUITE_MAIN("dns_cache", tests)
