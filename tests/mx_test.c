// tests/mx_test.c: sets of mail exchangers (RFC 5321 5.1).
#include "dns/mx.h"
#include "tests/suite.h"

#include <stdlib.h>

#define ROOM (MX_HOSTS_MAX * 4)

static struct mx_host host(uint16_t preference, const char *name)
{
    struct mx_host h = {.preference = preference, .len = (uint8_t)strlen(name)};
    memcpy(h.name, name, h.len);
    return h;
}

// "10 a 20 b" and back.
static uint32_t read_hosts(const char *text, struct mx_host *hosts)
{
    uint32_t count = 0;
    unsigned preference;
    char name[64];
    for (int used; sscanf(text, " %u %63s%n", &preference, name, &used) == 2; text += used)
        hosts[count++] = host((uint16_t)preference, name);
    return count;
}

static const char *print_hosts(const struct mx_host *hosts, uint32_t count, char *out)
{
    char *at = out;
    *at = '\0';
    for (uint32_t i = 0; i < count; i++)
        at += sprintf(at, "%s%u %s", i ? " " : "", hosts[i].preference, hosts[i].name);
    return out;
}

static struct mx_set *set_of(const char *text)
{
    struct mx_set *set = calloc(1, sizeof(*set) + ROOM * sizeof(struct mx_host));
    set->count = read_hosts(text, set->hosts);
    mx_sort(set->hosts, &set->count);
    return set;
}

static const struct {
    const char *given, *want;
} sort_cases[] = {
    {"", ""},
    {"10 a", "10 a"},
    {"20 b 10 a", "10 a 20 b"},
    {"10 b 10 a", "10 a 10 b"},
    {"10 ab 10 a 10 abc", "10 a 10 ab 10 abc"},
    {"10 a 10 a", "10 a"},
    {"20 a 10 a", "10 a"},
    {"10 a 20 a 5 b", "5 b 10 a"},
    {"65535 z 0 y 256 x 1 w", "0 y 1 w 256 x 65535 z"},
};

static void test_sort(void)
{
    for (size_t i = 0; i < sizeof(sort_cases) / sizeof(sort_cases[0]); i++) {
        struct mx_set *set = set_of(sort_cases[i].given);
        char got[1024];
        CU_ASSERT_STRING_EQUAL(print_hosts(set->hosts, set->count, got), sort_cases[i].want);
        free(set);
    }
}

// However many there are, and in whatever order they come, the best MX_HOSTS_MAX remain.
static void test_cut(void)
{
    struct mx_host hosts[ROOM];
    struct random dice;
    random_init(&dice, 1);
    for (unsigned round = 0; round < 50; round++) {
        uint32_t count = ROOM;
        for (uint32_t i = 0; i < ROOM; i++) {
            char name[16];
            sprintf(name, "h%03u", i);
            hosts[i] = host((uint16_t)(1000 + i), name);
        }
        for (uint32_t i = ROOM - 1; i > 0; i--) {
            uint32_t other = random_below(&dice, i + 1);
            struct mx_host swapped = hosts[i];
            hosts[i] = hosts[other];
            hosts[other] = swapped;
        }
        mx_sort(hosts, &count);
        CU_ASSERT_EQUAL(count, MX_HOSTS_MAX);
        for (uint32_t i = 0; i < count; i++)
            CU_ASSERT_EQUAL(hosts[i].preference, 1000 + i);
    }
}

static void test_order(void)
{
    struct mx_set *set = set_of("10 a 20 b 20 c 20 d 30 e");
    unsigned first_count[5] = {0};
    struct random dice;
    random_init(&dice, 7);
    for (unsigned round = 0; round < 3000; round++) {
        uint8_t order[MX_HOSTS_MAX];
        unsigned seen = 0;
        mx_order(set, &dice, order);
        for (unsigned i = 0; i < 5; i++)
            seen |= 1u << order[i];
        CU_ASSERT_EQUAL(seen, 0x1f);
        CU_ASSERT_EQUAL(order[0], 0);
        CU_ASSERT_EQUAL(order[4], 4);
        first_count[order[1]]++;
    }
    for (unsigned i = 1; i <= 3; i++)
        CU_ASSERT(first_count[i] > 800 && first_count[i] < 1200);
    set->count = 0;
    mx_order(set, &dice, (uint8_t[MX_HOSTS_MAX]){0});
    free(set);
}

static void test_equal(void)
{
    const char *texts[] = {"", "10 a", "10 b", "20 a", "10 a 20 b", "10 ab", "10 a 10 b"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        for (size_t j = 0; j < sizeof(texts) / sizeof(texts[0]); j++) {
            struct mx_set *a = set_of(texts[i]), *b = set_of(texts[j]);
            CU_ASSERT_EQUAL(mx_set_equal(a, b), i == j);
            CU_ASSERT_EQUAL(mx_set_hash(a, 5) == mx_set_hash(b, 5), i == j);
            free(a);
            free(b);
        }
    struct mx_set *a = set_of("10 b 10 a 20 c"), *b = set_of("20 c 10 a 10 b 30 a");
    CU_ASSERT_TRUE(mx_set_equal(a, b));
    CU_ASSERT_EQUAL(mx_set_hash(a, 1), mx_set_hash(b, 1));
    CU_ASSERT_EQUAL(memcmp(a->hosts, b->hosts, 3 * sizeof(a->hosts[0])), 0);
    free(a);
    free(b);
}

static const struct suite_test tests[] = {
    {"sort", test_sort},
    {"cut", test_cut},
    {"order", test_order},
    {"equal", test_equal},
};
SUITE_MAIN("mx", tests)
