// tests/tlsa_test.c: which TLSA records there are, and which SMTP can use (RFC 7672 3.1).
#include "dns/tlsa.h"
#include "engine/base/check.h"
#include "tests/suite.h"

#include <stdlib.h>

#define BYTES_MAX 512

// "3 1 1 32": usage, selector, matching type, and how many bytes of data.
static size_t make(const char *text, uint8_t *out)
{
    unsigned usage, selector, matching, len;
    CHECK(sscanf(text, "%u %u %u %u", &usage, &selector, &matching, &len) == 4);
    CHECK(3 + len <= BYTES_MAX);
    out[0] = (uint8_t)usage;
    out[1] = (uint8_t)selector;
    out[2] = (uint8_t)matching;
    memset(out + 3, 0xa5, len);
    return 3 + len;
}

static const struct {
    const char *record;
    bool usable;
} cases[] = {
    {"3 1 1 32", true},
    {"3 1 2 64", true},
    {"3 1 0 91", true},
    {"3 0 1 32", true},
    {"3 0 2 64", true},
    {"3 0 0 400", true},
    {"2 1 1 32", true},
    {"2 0 1 32", true},
    {"2 0 2 64", true},
    {"2 0 0 400", true},
    {"2 1 0 91", true},
    {"0 0 1 32", false}, // PKIX-TA and PKIX-EE: no authorities that both sides know of
    {"1 1 1 32", false},
    {"4 1 1 32", false},
    {"255 1 1 32", false}, // usages that are none
    {"3 2 1 32", false},
    {"3 255 1 32", false}, // selectors that are none
    {"3 1 3 32", false},
    {"3 1 255 32", false}, // digests that are none
    {"3 1 1 31", false},
    {"3 1 1 33", false},
    {"3 1 1 20", false}, // too short, too long
    {"3 1 2 63", false},
    {"3 1 2 65", false},
    {"3 1 2 32", false},
    {"3 1 1 64", false},
};

static void test_usable(void)
{
    uint8_t bytes[BYTES_MAX];
    struct tlsa t;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        size_t len = make(cases[i].record, bytes);
        CU_ASSERT_TRUE_FATAL(tlsa_parse(slice_make(bytes, len), &t));
        if (tlsa_is_usable(&t) != cases[i].usable)
            printf("\n  %s\n", cases[i].record);
        CU_ASSERT_EQUAL(tlsa_is_usable(&t), cases[i].usable);
    }
}

// Cut anywhere, each in a block of its very size: a digest that is not whole is never used.
static void test_every_cut(void)
{
    uint8_t bytes[BYTES_MAX];
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        size_t whole = make(cases[i].record, bytes);
        for (size_t len = 0; len < whole; len++) {
            uint8_t *exact = malloc(len ? len : 1);
            struct tlsa t;
            memcpy(exact, bytes, len);
            bool parsed = tlsa_parse(slice_make(exact, len), &t);
            CU_ASSERT_EQUAL(parsed, len > 3);
            if (parsed && cases[i].usable)
                CU_ASSERT_EQUAL(tlsa_is_usable(&t), t.matching == TLSA_WHOLE);
            free(exact);
        }
    }
}

static void test_set(void)
{
    uint8_t good[BYTES_MAX], bad[BYTES_MAX];
    size_t good_len = make("3 1 1 32", good), bad_len = make("1 1 1 32", bad);
    struct slice records[] = {slice_make(bad, bad_len), slice_make(good, good_len),
                              slice_make(good, 2), SLICE_EMPTY, slice_make(good, good_len)};
    struct tlsa_set set;
    tlsa_set_read(records, COUNT_OF(records), &set);
    CU_ASSERT_EQUAL(set.record_count, 5);
    CU_ASSERT_EQUAL(set.usable_count, 2);
    CU_ASSERT_EQUAL(set.usable[1].usage, TLSA_DANE_EE);
    CU_ASSERT_EQUAL(set.usable[1].data.len, 32);
    tlsa_set_read(records, 1, &set);
    CU_ASSERT_EQUAL(set.record_count, 1);
    CU_ASSERT_EQUAL(set.usable_count, 0);

    struct slice full[DNS_RECORDS_KEPT_MAX];
    for (size_t i = 0; i < COUNT_OF(full); i++)
        full[i] = records[1];
    tlsa_set_read(full, COUNT_OF(full), &set);
    CU_ASSERT_EQUAL(set.usable_count, DNS_RECORDS_KEPT_MAX);
}

static void test_text(void)
{
    uint8_t bytes[BYTES_MAX];
    char text[TLSA_TEXT_BYTES_MAX], name[TLSA_NAME_BYTES_MAX], longest[DNS_NAME_BYTES_MAX];
    struct tlsa t;
    CU_ASSERT_TRUE_FATAL(tlsa_parse(slice_make(bytes, make("3 1 1 2", bytes)), &t));
    CU_ASSERT_STRING_EQUAL(tlsa_print(&t, text), "3 1 1 a5a5");
    CU_ASSERT_TRUE_FATAL(tlsa_parse(slice_make(bytes, make("255 255 255 400", bytes)), &t));
    CU_ASSERT_TRUE(strlen(tlsa_print(&t, text)) < TLSA_TEXT_BYTES_MAX);
    CU_ASSERT_TRUE(slice_equal(tlsa_name(SLICE("mx.example.org"), 25, name),
                               SLICE("_25._tcp.mx.example.org")));
    memset(longest, 'a', sizeof(longest));
    CU_ASSERT_FALSE(dns_name_is_host(tlsa_name(slice_make(longest, sizeof(longest)), 65535, name)));
}

static const struct suite_test tests[] = {
    {"usable", test_usable},
    {"every cut", test_every_cut},
    {"set", test_set},
    {"text", test_text},
};

SUITE_MAIN("tlsa", tests)
