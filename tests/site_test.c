// A site's choice of the next address: preference, health, what is not known yet.

#include "engine/deliver/site.h"
#include "tests/suite.h"

#include <stdlib.h>

#define NOW UINT64_C(1000000)
#define LATER (NOW + 1000000)

static const struct limits limits = {.connections = 5};

struct world {
    struct site site;
    struct random dice;
    uint8_t host, address;
    bool temporary;
    enum tls_bar bar;
};

// A site of `count` hosts "a", "b", ...: each with the preference given.
static void begin(struct world *w, const uint16_t *preferences, uint32_t count)
{
    struct mx_set *set = calloc(1, sizeof(*set) + count * sizeof(set->hosts[0]));
    *w = (struct world){0};
    random_init(&w->dice, 1);
    set->count = count;
    for (uint32_t i = 0; i < count; i++) {
        set->hosts[i].preference = preferences[i];
        set->hosts[i].len = 1;
        set->hosts[i].name[0] = (char)('a' + i);
    }
    const struct site_need need = {0};
    CU_ASSERT_TRUE_FATAL(site_init(&w->site, set, 1, &limits, &need));
    free(set);
}

static void end(struct world *w)
{
    site_release(&w->site);
}

static enum site_choice choose(struct world *w)
{
    return site_choose(&w->site, SOURCE_ANY, NOW, &w->dice, &w->host, &w->address, &w->temporary,
                       &w->bar);
}

static struct io_address address_of(const char *text)
{
    struct io_address a;
    CU_ASSERT_TRUE_FATAL(io_address_parse(slice_of_text(text), 25, &a));
    return a;
}

// Host `host` has the addresses in `texts`, parted by blanks.
static void learn(struct world *w, uint8_t host, enum dns_status status, const char *texts)
{
    struct io_address addresses[32];
    struct slice rest = slice_of_text(texts);
    uint32_t count = 0;
    while (rest.len > 0) {
        struct slice one = slice_cut(&rest, ' ');
        CU_ASSERT_TRUE_FATAL(io_address_parse(one, 0, &addresses[count++]));
    }
    struct dns_address_answer a = {
        .status = status, .expires_us = LATER, .addresses = addresses, .address_count = count};
    site_learn_addresses(&w->site, host, &a, false, 25);
}

static void rest(struct world *w, const char *address)
{
    struct io_address a = address_of(address);
    site_rest_address(&w->site, &a, LATER);
}

static void test_asks_the_preferred_first(void)
{
    struct world w;
    begin(&w, (uint16_t[]){10, 20}, 2);
    CU_ASSERT_EQUAL(choose(&w), SITE_ASK);
    CU_ASSERT_EQUAL(w.host, 0);
    w.site.hosts[0].state = HOST_ASKED;
    CU_ASSERT_EQUAL(choose(&w), SITE_WAIT); // not the second before the first is known
    learn(&w, 0, DNS_FOUND, "8.8.8.1");
    CU_ASSERT_EQUAL(choose(&w), SITE_CONNECT);
    CU_ASSERT_EQUAL(w.host, 0);
    end(&w);
}

static void test_next_host_when_one_rests(void)
{
    struct world w;
    begin(&w, (uint16_t[]){10, 20}, 2);
    learn(&w, 0, DNS_FOUND, "8.8.8.1 8.8.8.2");
    learn(&w, 1, DNS_FOUND, "8.8.8.3");
    CU_ASSERT_EQUAL(choose(&w), SITE_CONNECT);
    CU_ASSERT_EQUAL(w.address, 0);
    rest(&w, "8.8.8.1:25");
    CU_ASSERT_EQUAL(choose(&w), SITE_CONNECT); // its other address first
    CU_ASSERT_EQUAL(w.host, 0);
    CU_ASSERT_EQUAL(w.address, 1);
    rest(&w, "8.8.8.2:25");
    CU_ASSERT_EQUAL(choose(&w), SITE_CONNECT);
    CU_ASSERT_EQUAL(w.host, 1);
    rest(&w, "8.8.8.3:25");
    CU_ASSERT_EQUAL(choose(&w), SITE_RESTING);
    CU_ASSERT_EQUAL(site_choose(&w.site, SOURCE_ANY, LATER - 1, &w.dice, &w.host, &w.address,
                                &w.temporary, &w.bar),
                    SITE_RESTING);
    end(&w);
}

// What a policy of the domain's does not name is left out; with nothing else left, that is said.
static void test_barred_by_a_policy(void)
{
    struct world w;
    begin(&w, (uint16_t[]){10, 20}, 2);
    learn(&w, 0, DNS_FOUND, "8.8.8.1");
    learn(&w, 1, DNS_FOUND, "8.8.8.2");
    w.site.need = (struct site_need){.level = TLS_LEVEL_MAY, .sts = true, .sts_hosts = 2};
    CU_ASSERT_EQUAL(choose(&w), SITE_CONNECT);
    CU_ASSERT_EQUAL(w.host, 1);
    w.site.need.sts_hosts = 0;
    CU_ASSERT_EQUAL(choose(&w), SITE_BARRED);
    CU_ASSERT_EQUAL(w.host, 0);
    CU_ASSERT_EQUAL(w.bar, TLS_BAR_STS);
    end(&w);
}

// DANE is asked about before a host is connected to, and bars one of which it cannot be told.
static void test_dane_first(void)
{
    struct world w;
    begin(&w, (uint16_t[]){10, 20}, 2);
    learn(&w, 0, DNS_FOUND, "8.8.8.1");
    learn(&w, 1, DNS_FOUND, "8.8.8.2");
    w.site.need = (struct site_need){.level = TLS_LEVEL_DANE, .mx_secure = true};
    for (int i = 0; i < 2; i++) {
        w.site.hosts[i].dane = calloc(1, sizeof(struct host_dane));
        w.site.hosts[i].dane->expires_us = LATER;
    }
    CU_ASSERT_EQUAL(choose(&w), SITE_ASK_DANE);
    CU_ASSERT_EQUAL(w.host, 0);
    w.site.hosts[0].dane_state = HOST_DANE_ASKED;
    CU_ASSERT_EQUAL(choose(&w), SITE_WAIT);
    w.site.hosts[0].dane_state = HOST_DANE_KNOWN;
    w.site.hosts[0].dane->decision.step = DANE_LATER;
    CU_ASSERT_EQUAL(choose(&w), SITE_ASK_DANE);
    CU_ASSERT_EQUAL(w.host, 1);
    w.site.hosts[1].dane_state = HOST_DANE_KNOWN;
    w.site.hosts[1].dane->decision.step = DANE_NONE;
    CU_ASSERT_EQUAL(choose(&w), SITE_CONNECT);
    CU_ASSERT_EQUAL(w.host, 1);
    w.site.hosts[1].dane->decision.step = DANE_LATER;
    CU_ASSERT_EQUAL(choose(&w), SITE_BARRED);
    CU_ASSERT_EQUAL(w.bar, TLS_BAR_DANE_LATER);
    w.site.hosts[0].dane->expires_us = NOW; // it is asked about again
    CU_ASSERT_EQUAL(choose(&w), SITE_ASK_DANE);
    end(&w);
}

static void test_equal_preferences_share(void)
{
    struct world w;
    int chosen[3] = {0};
    begin(&w, (uint16_t[]){10, 10, 20}, 3);
    learn(&w, 0, DNS_FOUND, "8.8.8.1");
    learn(&w, 1, DNS_FOUND, "8.8.8.2");
    learn(&w, 2, DNS_FOUND, "8.8.8.3");
    for (int i = 0; i < 1000; i++) {
        CU_ASSERT_EQUAL(choose(&w), SITE_CONNECT);
        chosen[w.host]++;
    }
    CU_ASSERT(chosen[0] > 400 && chosen[1] > 400);
    CU_ASSERT_EQUAL(chosen[2], 0);
    end(&w);
}

static const struct {
    enum dns_status status[2];
    enum site_choice want;
    bool want_temporary;
} no_address_cases[] = {
    {{DNS_NO_DOMAIN, DNS_NO_RECORDS}, SITE_NO_ADDRESS, false},
    {{DNS_TRY_LATER, DNS_NO_RECORDS}, SITE_NO_ADDRESS, true},
    {{DNS_NO_RECORDS, DNS_TRY_LATER}, SITE_NO_ADDRESS, true},
};

static void test_no_address(void)
{
    for (size_t i = 0; i < sizeof(no_address_cases) / sizeof(no_address_cases[0]); i++) {
        struct world w;
        begin(&w, (uint16_t[]){10, 20}, 2);
        learn(&w, 0, no_address_cases[i].status[0], "");
        learn(&w, 1, no_address_cases[i].status[1], "");
        CU_ASSERT_EQUAL(choose(&w), no_address_cases[i].want);
        CU_ASSERT_EQUAL(w.temporary, no_address_cases[i].want_temporary);
        end(&w);
    }
}

// Nobody's exchanger: addresses that are not on the public Internet (RFC 6890).
static void test_private_addresses_are_left_out(void)
{
    struct world w;
    begin(&w, (uint16_t[]){10}, 1);
    learn(&w, 0, DNS_FOUND, "127.0.0.1 10.0.0.1 169.254.169.254 0.0.0.0 [::1] [fe80::1] 224.0.0.1");
    CU_ASSERT_EQUAL(choose(&w), SITE_NO_ADDRESS);
    CU_ASSERT_FALSE(w.temporary);
    learn(&w, 0, DNS_FOUND, "192.168.1.1 8.8.8.8");
    CU_ASSERT_EQUAL(choose(&w), SITE_CONNECT);
    struct io_address want = address_of("8.8.8.8:25");
    CU_ASSERT_TRUE(io_address_equal(&w.site.hosts[0].addresses[w.address].address, &want));
    end(&w);
}

// A new answer keeps the rest of an address that is still there, and asks again when it is old.
static void test_new_answers(void)
{
    struct world w;
    begin(&w, (uint16_t[]){10}, 1);
    learn(&w, 0, DNS_FOUND, "8.8.8.1");
    rest(&w, "8.8.8.1:25");
    learn(&w, 0, DNS_FOUND, "8.8.8.2 8.8.8.1");
    CU_ASSERT_EQUAL(choose(&w), SITE_CONNECT);
    CU_ASSERT_EQUAL(w.address, 0);
    rest(&w, "8.8.8.2:25");
    CU_ASSERT_EQUAL(choose(&w), SITE_RESTING);
    CU_ASSERT_EQUAL(
        site_choose(&w.site, SOURCE_ANY, LATER, &w.dice, &w.host, &w.address, &w.temporary, &w.bar),
        SITE_ASK);
    end(&w);
}

// Three that fail slowly stand before the one that serves: by the time the third has failed, the
// first rests no more, and still the fourth comes next.
static void test_reaches_the_fourth_of_four(void)
{
    struct world w;
    begin(&w, (uint16_t[]){10, 20}, 2);
    learn(&w, 0, DNS_FOUND, "8.8.8.1 8.8.8.2 8.8.8.3");
    learn(&w, 1, DNS_FOUND, "8.8.8.4");
    for (uint8_t i = 0; i < 3; i++) {
        CU_ASSERT_EQUAL(choose(&w), SITE_CONNECT);
        CU_ASSERT_EQUAL(w.host, 0);
        CU_ASSERT_EQUAL(w.address, i);
        site_rest_address(&w.site, &w.site.hosts[0].addresses[i].address, NOW - 1);
    }
    CU_ASSERT_EQUAL(choose(&w), SITE_CONNECT);
    CU_ASSERT_EQUAL(w.host, 1);
    site_address_serves(&w.site, &w.site.hosts[0].addresses[1].address);
    CU_ASSERT_EQUAL(choose(&w), SITE_CONNECT);
    CU_ASSERT_EQUAL(w.host, 0);
    CU_ASSERT_EQUAL(w.address, 1);
    end(&w);
}

// All fail, each so slowly that the first rests no more: the walk is over all the same.
static void test_all_dead(void)
{
    struct world w;
    begin(&w, (uint16_t[]){10}, 1);
    learn(&w, 0, DNS_FOUND, "8.8.8.1 8.8.8.2");
    for (uint8_t i = 0; i < 2; i++) {
        CU_ASSERT_EQUAL(choose(&w), SITE_CONNECT);
        CU_ASSERT_EQUAL(w.address, i);
        site_rest_address(&w.site, &w.site.hosts[0].addresses[i].address, NOW - 2 + i);
    }
    CU_ASSERT_EQUAL(choose(&w), SITE_RESTING);
    w.site.walk++; // dispatch has ended what was ready
    CU_ASSERT_EQUAL(choose(&w), SITE_CONNECT);
    CU_ASSERT_EQUAL(w.address, 0); // the one that failed first
    end(&w);
}

// After a walk in vain it is left alone, longer each time, until a session is ready.
static void test_a_site_rests(void)
{
    struct world w;
    begin(&w, (uint16_t[]){10}, 1);
    w.site.limits.retry = (struct retry_policy){.delay_us_first = 4000000,
                                                .delay_us_max = 100000000};
    learn(&w, 0, DNS_FOUND, "8.8.8.1");
    site_rest(&w.site, NOW, &w.dice);
    CU_ASSERT_EQUAL(choose(&w), SITE_RESTING);
    uint64_t first_us = w.site.rests_until_us - NOW;
    CU_ASSERT(first_us >= 4000000 && first_us < 4400000);
    CU_ASSERT_EQUAL(w.site.failure.not_before_us, w.site.rests_until_us);
    site_rest(&w.site, NOW, &w.dice); // more mail has come: that is no other walk
    CU_ASSERT_EQUAL(w.site.failure_count, 1);
    site_rest(&w.site, w.site.rests_until_us, &w.dice);
    CU_ASSERT(w.site.rests_until_us - NOW >= first_us + 8000000);
    site_serves(&w.site);
    CU_ASSERT_EQUAL(choose(&w), SITE_CONNECT);
    end(&w);
}

// It let us down: others come first, but where there are none it is tried again at once.
static void test_suspects(void)
{
    struct world w;
    begin(&w, (uint16_t[]){10, 20}, 2);
    learn(&w, 0, DNS_FOUND, "8.8.8.1");
    learn(&w, 1, DNS_FOUND, "8.8.8.2");
    site_suspect_address(&w.site, &w.site.hosts[0].addresses[0].address, NOW);
    CU_ASSERT_EQUAL(choose(&w), SITE_CONNECT);
    CU_ASSERT_EQUAL(w.host, 1);
    rest(&w, "8.8.8.2:25");
    CU_ASSERT_EQUAL(choose(&w), SITE_CONNECT);
    CU_ASSERT_EQUAL(w.host, 0);
    rest(&w, "8.8.8.1:25");
    CU_ASSERT_EQUAL(choose(&w), SITE_RESTING);
    end(&w);
}

// Addresses that no source can go to are as if they were not there.
static void test_families(void)
{
    struct world w;
    begin(&w, (uint16_t[]){10, 20}, 2);
    learn(&w, 0, DNS_FOUND, "[2a01::1]");
    learn(&w, 1, DNS_FOUND, "8.8.8.1 [2a01::2]");
    CU_ASSERT_EQUAL(choose(&w), SITE_CONNECT);
    CU_ASSERT_EQUAL(w.host, 0);
    CU_ASSERT_EQUAL(
        site_choose(&w.site, SOURCE_V4, NOW, &w.dice, &w.host, &w.address, &w.temporary, &w.bar),
        SITE_CONNECT);
    CU_ASSERT(w.host == 1 && w.address == 0);
    rest(&w, "8.8.8.1:25");
    CU_ASSERT_EQUAL(
        site_choose(&w.site, SOURCE_V4, NOW, &w.dice, &w.host, &w.address, &w.temporary, &w.bar),
        SITE_RESTING);
    CU_ASSERT_EQUAL(choose(&w), SITE_CONNECT);
    learn(&w, 1, DNS_FOUND, "[2a01::2]");
    CU_ASSERT_EQUAL(
        site_choose(&w.site, SOURCE_V4, NOW, &w.dice, &w.host, &w.address, &w.temporary, &w.bar),
        SITE_NO_ADDRESS);
    end(&w);
}

static void test_many_addresses_are_bounded(void)
{
    struct world w;
    begin(&w, (uint16_t[]){10}, 1);
    learn(&w, 0, DNS_FOUND,
          "8.8.8.1 8.8.8.2 8.8.8.3 8.8.8.4 8.8.8.5 8.8.8.6 8.8.8.7 8.8.8.8 8.8.8.9 8.8.8.10 "
          "8.8.8.11 8.8.8.12 8.8.8.13 8.8.8.14 8.8.8.15 8.8.8.16 8.8.8.17 8.8.8.18");
    CU_ASSERT_EQUAL(w.site.hosts[0].address_count, SITE_ADDRESSES_PER_HOST_MAX);
    end(&w);
}

// Whose certificate may bear a domain's name is that domain's alone. The site keeps the names.
static void test_needs_of_one_domain(void)
{
    char name[] = "d.example", alias[] = "e.example";
    const struct site_need shared = {.level = TLS_LEVEL_DANE, .mx_secure = true};
    struct site_need its = shared, other = shared, by_alias = shared;
    struct mx_set *set = calloc(1, sizeof(*set) + sizeof(set->hosts[0]));
    struct site s = {0};
    set->count = 1;
    its.domain = slice_of_text(name);
    other.domain = SLICE("f.example");
    by_alias.domain = its.domain;
    by_alias.canonical = slice_of_text(alias);
    CU_ASSERT_TRUE(site_need_equal(&its, &its));
    CU_ASSERT_FALSE(site_need_equal(&its, &shared));
    CU_ASSERT_FALSE(site_need_equal(&its, &other));
    CU_ASSERT_FALSE(site_need_equal(&its, &by_alias));
    CU_ASSERT_TRUE_FATAL(site_init(&s, set, 1, &limits, &by_alias));
    name[0] = alias[0] = 'x';
    CU_ASSERT_TRUE(slice_equal(s.need.domain, SLICE("d.example")));
    CU_ASSERT_TRUE(slice_equal(s.need.canonical, SLICE("e.example")));
    site_release(&s);
    free(set);
}

static const struct suite_test tests[] = {
    {"needs of one domain", test_needs_of_one_domain},
    {"barred by a policy", test_barred_by_a_policy},
    {"DANE first", test_dane_first},
    {"asks the preferred first", test_asks_the_preferred_first},
    {"next host when one rests", test_next_host_when_one_rests},
    {"equal preferences share", test_equal_preferences_share},
    {"no address", test_no_address},
    {"private addresses are left out", test_private_addresses_are_left_out},
    {"new answers", test_new_answers},
    {"reaches the fourth of four", test_reaches_the_fourth_of_four},
    {"all dead", test_all_dead},
    {"a site rests", test_a_site_rests},
    {"suspects", test_suspects},
    {"many addresses are bounded", test_many_addresses_are_bounded},
    {"families", test_families},
};

SUITE_MAIN("site", tests)
