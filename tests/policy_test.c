// The decisions of engine/policy/: tables of facts in and answers out.

#include "engine/policy/limits.h"
#include "engine/policy/pace.h"
#include "engine/policy/retry.h"
#include "engine/policy/route.h"
#include "engine/policy/verdict.h"
#include "tests/suite.h"

#include <stdlib.h>

#define SECONDS(n) (UINT64_C(1000000) * (n))

// --- what a reply means

static const struct {
    enum smtp_phase phase;
    uint16_t code;
    enum verdict want;
} reply_cases[] = {
    {SMTP_PHASE_CONTENT, 250, VERDICT_DELIVERED},
    {SMTP_PHASE_CONTENT, 251, VERDICT_DELIVERED}, // any 2xx (RFC 5321 4.3.2)
    {SMTP_PHASE_CONTENT, 299, VERDICT_DELIVERED},
    {SMTP_PHASE_CONTENT, 354, VERDICT_LATER},
    {SMTP_PHASE_CONTENT, 421, VERDICT_LATER},
    {SMTP_PHASE_CONTENT, 451, VERDICT_LATER},
    {SMTP_PHASE_CONTENT, 550, VERDICT_NEVER},
    {SMTP_PHASE_MAIL, 250, VERDICT_LATER}, // success before the content delivers nothing
    {SMTP_PHASE_MAIL, 451, VERDICT_LATER},
    {SMTP_PHASE_MAIL, 553, VERDICT_NEVER},
    {SMTP_PHASE_RCPT, 250, VERDICT_LATER},
    {SMTP_PHASE_RCPT, 450, VERDICT_LATER},
    {SMTP_PHASE_RCPT, 550, VERDICT_NEVER},
    {SMTP_PHASE_DATA, 250, VERDICT_LATER},
    {SMTP_PHASE_DATA, 554, VERDICT_NEVER},
    {SMTP_PHASE_RCPT, 0, VERDICT_LATER}, // no reply at all
};

static void test_replies(void)
{
    for (size_t i = 0; i < sizeof(reply_cases) / sizeof(reply_cases[0]); i++) {
        enum verdict got = verdict_of_reply(reply_cases[i].phase, reply_cases[i].code);
        CU_ASSERT_EQUAL(got, reply_cases[i].want);
        if (got != reply_cases[i].want)
            printf("phase %d code %d: got %d\n", reply_cases[i].phase, reply_cases[i].code, got);
    }
}

static void test_every_code_has_a_verdict(void)
{
    for (int phase = 0; phase < SMTP_PHASE_COUNT; phase++)
        for (uint16_t code = 0; code < 1000; code++) {
            enum verdict got = verdict_of_reply((enum smtp_phase)phase, code);
            CU_ASSERT_EQUAL(got == VERDICT_DELIVERED,
                            phase == SMTP_PHASE_CONTENT && code / 100 == 2);
            CU_ASSERT_EQUAL(got == VERDICT_NEVER, code / 100 == 5);
        }
}

// A rule turns a refusal, never a success.
static void test_turned(void)
{
    CU_ASSERT_EQUAL(verdict_turned(VERDICT_NEVER, RULES_AS_SAID), VERDICT_NEVER);
    CU_ASSERT_EQUAL(verdict_turned(VERDICT_NEVER, RULES_LATER), VERDICT_LATER);
    CU_ASSERT_EQUAL(verdict_turned(VERDICT_LATER, RULES_NEVER), VERDICT_NEVER);
    CU_ASSERT_EQUAL(verdict_turned(VERDICT_DELIVERED, RULES_NEVER), VERDICT_DELIVERED);
    CU_ASSERT_EQUAL(verdict_turned(VERDICT_DELIVERED, RULES_LATER), VERDICT_DELIVERED);
}

static const struct {
    uint16_t code;
    struct enhanced_code enhanced;
    bool want;
} rcpt_limit_cases[] = {
    {452, {0, 0, 0}, true},  {552, {0, 0, 0}, true},  {452, {4, 5, 3}, true},
    {452, {4, 2, 2}, false}, {452, {4, 3, 1}, false}, // a full mailbox, a full disk
    {552, {5, 2, 2}, false}, {450, {0, 0, 0}, false}, {550, {5, 5, 3}, false},
};

static void test_too_many_recipients(void)
{
    for (size_t i = 0; i < sizeof(rcpt_limit_cases) / sizeof(rcpt_limit_cases[0]); i++)
        CU_ASSERT_EQUAL(
            verdict_is_rcpt_limit(rcpt_limit_cases[i].code, rcpt_limit_cases[i].enhanced),
            rcpt_limit_cases[i].want);
}

// --- what DNS means

static const struct {
    enum dns_status status;
    enum verdict want;
    uint16_t subject, detail;
} mx_cases[] = {
    {DNS_NO_DOMAIN, VERDICT_NEVER, 1, 2},
    {DNS_NULL_MX, VERDICT_NEVER, 1, 10}, // RFC 7505 4.1
    {DNS_NO_RECORDS, VERDICT_NEVER, 4, 4},
    {DNS_TRY_LATER, VERDICT_LATER, 4, 3},
};

static void test_mx(void)
{
    for (size_t i = 0; i < sizeof(mx_cases) / sizeof(mx_cases[0]); i++) {
        struct local_verdict got = verdict_of_mx(mx_cases[i].status);
        CU_ASSERT_EQUAL(got.verdict, mx_cases[i].want);
        CU_ASSERT_EQUAL(got.enhanced.class, got.verdict == VERDICT_NEVER ? 5 : 4);
        CU_ASSERT_EQUAL(got.enhanced.class, got.code / 100);
        CU_ASSERT_EQUAL(got.enhanced.subject, mx_cases[i].subject);
        CU_ASSERT_EQUAL(got.enhanced.detail, mx_cases[i].detail);
    }
    CU_ASSERT_EQUAL(verdict_of_no_address(true).verdict, VERDICT_LATER);
    CU_ASSERT_EQUAL(verdict_of_no_address(false).verdict, VERDICT_NEVER);
    CU_ASSERT_EQUAL(verdict_of_discarding().verdict, VERDICT_DELIVERED);
    CU_ASSERT_EQUAL(verdict_of_discarding().code, 250);
}

// The final dot is waited for at least ten minutes, whatever else changes (RFC 5321 4.5.3.2.6).
static void test_patience(void)
{
    CU_ASSERT(patience_us(SMTP_PHASE_GREETING) >= SECONDS(300));
    CU_ASSERT(patience_us(SMTP_PHASE_MAIL) >= SECONDS(300));
    CU_ASSERT(patience_us(SMTP_PHASE_RCPT) >= SECONDS(300));
    CU_ASSERT(patience_us(SMTP_PHASE_DATA) >= SECONDS(120));
    CU_ASSERT(patience_us(SMTP_PHASE_CONTENT) >= SECONDS(600));
    CU_ASSERT(PATIENCE_SEND_US >= SECONDS(180));
}

// --- when to try again

static const struct retry_policy retry = {
    .delay_us_first = SECONDS(60),
    .delay_us_max = SECONDS(3600),
    .lifetime_us = SECONDS(5 * 86400),
    .delay_us_in_doubt = SECONDS(900),
};

static void test_retry_doubles_up_to_its_cap(void)
{
    static const uint32_t want_s[] = {60, 120, 240, 480, 960, 1920, 3600, 3600};
    for (uint32_t n = 1; n <= 8; n++)
        CU_ASSERT_EQUAL(retry_delay_us(&retry, n, false, 0), SECONDS(want_s[n - 1]));
    CU_ASSERT_EQUAL(retry_delay_us(&retry, UINT32_MAX, false, 0), SECONDS(3600));
}

static void test_retry_jitter_only_adds(void)
{
    for (uint32_t dice = 0; dice < 5000; dice++) {
        uint64_t got = retry_delay_us(&retry, 1, false, dice);
        CU_ASSERT(got >= SECONDS(60) && got < SECONDS(66));
    }
    CU_ASSERT_NOT_EQUAL(retry_delay_us(&retry, 1, false, 1), retry_delay_us(&retry, 1, false, 2));
}

static void test_retry_in_doubt_is_late(void)
{
    CU_ASSERT_EQUAL(retry_delay_us(&retry, 1, true, 0), SECONDS(900));
    CU_ASSERT_EQUAL(retry_delay_us(&retry, 7, true, 0), SECONDS(3600));
}

static void test_retry_is_never_at_once(void)
{
    struct retry_policy none = {0};
    CU_ASSERT(retry_delay_us(&none, 1, false, 0) >= SECONDS(1));
    struct retry_policy huge = {.delay_us_first = UINT64_MAX / 4, .delay_us_max = UINT64_MAX / 4};
    CU_ASSERT(retry_delay_us(&huge, 3, false, 99) >= UINT64_MAX / 4);
}

// Five days of a message's life.
static void test_retry_walks_to_the_end(void)
{
    uint64_t now_us = 0;
    uint32_t attempts = 0;
    while (!retry_expired(&retry, now_us) && attempts < 1000) {
        attempts++;
        now_us += retry_delay_us(&retry, attempts, false, attempts * 7919);
    }
    CU_ASSERT(attempts > 115 && attempts < 130); // some twelve in the first half day, then hourly
    CU_ASSERT(retry_expired(&retry, SECONDS(5 * 86400)));
    CU_ASSERT(!retry_expired(&retry, SECONDS(5 * 86400) - 1));
}

static void test_retry_growth(void)
{
    struct retry_policy p = retry;
    static const uint32_t by_half_s[] = {60, 90, 135};
    p.growth_per_100 = 150;
    for (uint32_t n = 1; n <= 3; n++)
        CU_ASSERT_EQUAL(retry_delay_us(&p, n, false, 0), SECONDS(by_half_s[n - 1]));
    p.growth_per_100 = 100;
    CU_ASSERT_EQUAL(retry_delay_us(&p, UINT32_MAX, false, 0), SECONDS(60));
    p.growth_per_100 = 1000;
    CU_ASSERT_EQUAL(retry_delay_us(&p, 3, false, 0), SECONDS(3600));
}

static void test_retry_by_a_list(void)
{
    struct retry_policy p = retry;
    p.steps = (struct retry_steps){3, {SECONDS(10), SECONDS(300), SECONDS(7200)}};
    static const uint32_t want_s[] = {10, 300, 7200, 7200};
    for (uint32_t n = 1; n <= 4; n++)
        CU_ASSERT_EQUAL(retry_delay_us(&p, n, false, 0), SECONDS(want_s[n - 1]));
    CU_ASSERT_EQUAL(retry_delay_us(&p, 1, true, 0), SECONDS(900));
    CU_ASSERT_EQUAL(retry_address_us(&p), SECONDS(10));
}

// The last attempt is at its end, unless it may have arrived; a site that rests until later is not
// waited for.
static void test_retry_ends_with_its_life(void)
{
    const uint64_t life = retry.lifetime_us;
    static const uint32_t dice = 0;
    CU_ASSERT_EQUAL(retry_wait_us(&retry, 1, false, dice, 0, 0), SECONDS(60));
    CU_ASSERT_EQUAL(retry_wait_us(&retry, 7, false, dice, life - SECONDS(100), 0), SECONDS(100));
    CU_ASSERT_EQUAL(retry_wait_us(&retry, 1, true, dice, life - SECONDS(100), 0), SECONDS(900));
    CU_ASSERT_EQUAL(retry_wait_us(&retry, 1, false, dice, 0, SECONDS(200)), SECONDS(200));
    CU_ASSERT_EQUAL(retry_wait_us(&retry, 1, false, dice, life - SECONDS(100), SECONDS(200)),
                    SECONDS(100));
    CU_ASSERT_EQUAL(retry_wait_us(&retry, 1, false, dice, life + 1, 0), SECONDS(1)); // at once
    CU_ASSERT(retry_wait_us(&retry, 1, false, 99, 0, SECONDS(200)) > SECONDS(200));
}

static void test_retry_of_a_site(void)
{
    CU_ASSERT_EQUAL(retry_site_us(&retry, 1, 0), SECONDS(60));
    CU_ASSERT_EQUAL(retry_site_us(&retry, 2, 0), SECONDS(120));
    CU_ASSERT_EQUAL(retry_site_us(&retry, 100, 0), RETRY_SITE_US_MAX);
    CU_ASSERT_EQUAL(retry_address_us(&retry), RETRY_ADDRESS_US_MAX);
}

// --- routes

static void test_route_sets(void)
{
    const size_t bytes = sizeof(struct mx_set) + 3 * sizeof(struct mx_host);
    struct mx_set *set = calloc(1, bytes), *other = calloc(1, bytes);
    struct route r = {.kind = ROUTE_HOSTS,
                      .hosts = {3, {{"z.example", 587}, {"a.example", 0}, {"[192.0.2.1]", 25}}}};
    CU_ASSERT_FATAL(set && other);
    route_set(&r, set);
    CU_ASSERT_EQUAL(set->count, 3);
    CU_ASSERT_STRING_EQUAL(set->hosts[0].name, "z.example"); // as they are named
    CU_ASSERT_EQUAL(set->hosts[0].port, 587);
    CU_ASSERT(set->hosts[0].preference < set->hosts[1].preference);
    CU_ASSERT(set->hosts[2].configured);
    // Another port, or hosts that the DNS has named: another site.
    r.hosts.items[1].port = 26;
    route_set(&r, other);
    CU_ASSERT_FALSE(mx_set_equal(set, other));
    CU_ASSERT_NOT_EQUAL(mx_set_hash(set, 0), mx_set_hash(other, 0));
    r.hosts.items[1].port = 0;
    route_set(&r, other);
    CU_ASSERT_TRUE(mx_set_equal(set, other));
    other->hosts[0].configured = false;
    CU_ASSERT_FALSE(mx_set_equal(set, other));
    free(set);
    free(other);
}

static void add_host(struct mx_set *set, uint16_t preference, const char *name)
{
    struct mx_host *h = &set->hosts[set->count++];
    *h = (struct mx_host){.preference = preference, .len = (uint8_t)strlen(name)};
    memcpy(h->name, name, h->len);
}

// What two names lead to, one after the other: the exchangers of the first come before the others,
// equal ones stay equal, and each stands there once.
static void test_route_adopts(void)
{
    const size_t bytes = sizeof(struct mx_set) + MX_HOSTS_MAX * sizeof(struct mx_host);
    static const struct {
        const char *name;
        uint16_t preference, port;
    } want[] = {{"a", 0, 587}, {"b", 0, 587}, {"c", 1, 587}, {"d", 2, 0}, {"e", 4, 0}};
    struct mx_set *found = calloc(1, bytes), *into = calloc(1, bytes);
    struct route r = {.kind = ROUTE_EXCHANGERS, .hosts = {3, {{"x", 587}, {"y", 0}, {"z", 0}}}};
    CU_ASSERT_FATAL(found && into);
    add_host(found, 10, "a");
    add_host(found, 10, "b");
    add_host(found, 20, "c");
    route_adopt(&r, 0, found, into);
    found->count = 0;
    add_host(found, 5, "d");
    route_adopt(&r, 1, found, into);
    add_host(found, 7, "e"); // and d, which is known
    route_adopt(&r, 2, found, into);
    CU_ASSERT_EQUAL(into->count, 5);
    for (uint32_t i = 0; i < into->count; i++) {
        const struct mx_host *h = &into->hosts[i];
        CU_ASSERT_STRING_EQUAL(h->name, want[i].name);
        CU_ASSERT(h->preference == want[i].preference && h->port == want[i].port);
        CU_ASSERT(h->configured);
    }
    for (found->count = 0; found->count < MX_HOSTS_MAX;) {
        char name[8];
        snprintf(name, sizeof(name), "h%u", found->count);
        add_host(found, 1, name);
    }
    route_adopt(&r, 2, found, into);
    CU_ASSERT_EQUAL(into->count, MX_HOSTS_MAX);
    free(found);
    free(into);
}

// Of route and domain each limit that is tighter; sources are the route's, if it names any.
static void test_limits_in_force(void)
{
    struct route r = {.kind = ROUTE_HOSTS,
                      .limits = {.connections = 5,
                                 .messages_per_connection = 1000,
                                 .rcpts_per_transaction = 10,
                                 .window = 32,
                                 .rates = {1, {{14, SECONDS(1)}}}}};
    struct limits domain = {.connections = 20,
                            .messages_per_connection = 100,
                            .rcpts_per_transaction = 100,
                            .window = 8,
                            .rates = {1, {{50000, SECONDS(86400)}}},
                            .sources = {1, {{"a", NULL}}},
                            .route = &r};
    struct limits l = limits_in_force(&domain);
    CU_ASSERT(l.connections == 5 && l.messages_per_connection == 100);
    CU_ASSERT(l.rcpts_per_transaction == 10 && l.window == 8 && l.rates.count == 2);
    CU_ASSERT_STRING_EQUAL(l.sources.items[0].name, "a");
    r.limits.sources = (struct source_list){2, {{"b", NULL}, {"c", NULL}}};
    l = limits_in_force(&domain);
    CU_ASSERT_EQUAL(l.sources.count, 2);
    CU_ASSERT_STRING_EQUAL(l.sources.items[0].name, "b");
    domain.route = &route_null;
    CU_ASSERT_EQUAL(limits_in_force(&domain).connections, 20);
    domain.route = NULL;
    CU_ASSERT_EQUAL(limits_in_force(&domain).rates.count, 1);
    CU_ASSERT_TRUE(limits_are_shared(&r.limits));
    r.limits = (struct limits){.connections = LIMITS_CONNECTIONS_MAX, .messages_per_connection = 3};
    CU_ASSERT_FALSE(limits_are_shared(&r.limits));
    r.limits.connection_rates.count = 1;
    CU_ASSERT_TRUE(limits_are_shared(&r.limits));
}

static void test_route_verdicts(void)
{
    struct route r = {.kind = ROUTE_FAIL, .fail = {550, {5, 1, 2}, "closed"}};
    CU_ASSERT_EQUAL(verdict_of_failing(&r).verdict, VERDICT_NEVER);
    CU_ASSERT_STRING_EQUAL(verdict_of_failing(&r).text, "closed");
    r.fail.code = 450;
    CU_ASSERT_EQUAL(verdict_of_failing(&r).verdict, VERDICT_LATER);
    CU_ASSERT_EQUAL(verdict_of_lost_route().verdict, VERDICT_LATER);
    CU_ASSERT_EQUAL(verdict_of_old_age().verdict, VERDICT_NEVER);
    struct route by_mx = {.kind = ROUTE_EXCHANGERS,
                          .hosts = {2, {{"a.example", 0}, {"c.example", 0}}}};
    CU_ASSERT(slice_equal(route_mx_name(&by_mx, 0, SLICE("b.example")), SLICE("a.example")));
    CU_ASSERT(slice_equal(route_mx_name(&by_mx, 1, SLICE("b.example")), SLICE("c.example")));
    CU_ASSERT(slice_equal(route_mx_name(NULL, 0, SLICE("b.example")), SLICE("b.example")));
    CU_ASSERT(route_mx_count(&by_mx) == 2 && route_mx_count(NULL) == 1);
}

// Steps of the wall clock, forth and back, before the message came and after: a day old is a day
// old where one of the clocks can know it, and never more.
static void test_age_by_two_clocks(void)
{
    const uint64_t day = SECONDS(86400), start = 20000 * day, years = 5000 * day;
    static const char *const names[] = {"no step",      "forth after", "back after",
                                        "forth before", "back before", "forth and back around it"};
    const struct {
        uint64_t since, steady, wall, want;
    } cases[] = {
        {start, start + day, start + day, day},
        {start, start + day, start + day + years, day},
        {start, start + day, start + day - years, day},
        {start + years, start + day, start + years + day, day},
        {start - years, start + day, start - years + day, day},
        {start + years, start + day, start + day, 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint64_t got = retry_age_us(cases[i].since, cases[i].steady, cases[i].wall);
        CU_ASSERT_EQUAL(got, cases[i].want);
        if (got != cases[i].want)
            printf("\n  %s\n", names[i]);
    }
}

// --- limits

static void test_limits_of_domains(void)
{
    struct limits_rule rules[] = {
        {"example.com", {.connections = 1}},
        {"example.org", {.connections = 2}},
        {"org", {.connections = 3}},
    };
    struct limits_table t = {{.connections = 20}, rules, 3};
    static const struct {
        const char *domain;
        uint32_t want;
    } cases[] = {{"example.com", 1}, {"example.org", 2},   {"org", 3},
                 {"example.co", 20}, {"example.comm", 20}, {"a.org", 20},
                 {"", 20},           {"zzz", 20},          {"aaa", 20}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        CU_ASSERT_EQUAL(limits_of_domain(&t, slice_of_text(cases[i].domain))->connections,
                        cases[i].want);
    struct limits tight = limits_tighter(&(struct limits){5, 10, 100, 4, retry},
                                         &(struct limits){7, 3, 50, 8, retry});
    CU_ASSERT_EQUAL(tight.connections, 5);
    CU_ASSERT_EQUAL(tight.messages_per_connection, 3);
    CU_ASSERT_EQUAL(tight.rcpts_per_transaction, 50);
    CU_ASSERT_EQUAL(tight.window, 4);
    CU_ASSERT_EQUAL(route_kind_of(tight.route), ROUTE_MX);
    tight = limits_tighter(
        &(struct limits){.rates = {1, {{5, 1000000}}}},
        &(struct limits){.rates = {1, {{3, 1000000}}}, .connection_rates = {1, {{9, 1000000}}}});
    CU_ASSERT_EQUAL(tight.rates.items[0].count, 3);
    CU_ASSERT_EQUAL(tight.connection_rates.items[0].count, 9);
}

static struct mx_set *set_of(const char *hosts)
{
    struct slice rest = slice_of_text(hosts);
    struct mx_set *set = calloc(1, sizeof(*set) + MX_HOSTS_MAX * sizeof(set->hosts[0]));
    CU_ASSERT_PTR_NOT_NULL_FATAL(set);
    while (rest.len > 0) {
        struct slice name = slice_cut(&rest, ' ');
        struct mx_host *host = &set->hosts[set->count++];
        host->len = (uint8_t)name.len;
        memcpy(host->name, name.data, name.len);
    }
    return set;
}

// All hosts must match; the first section that does counts.
static void test_sites_by_pattern(void)
{
    static const struct limits_site sites[] = {
        {.name = "outlook", .mx = {1, {"*.outlook.example"}}},
        {.name = "two", .mx = {2, {"mx.two.example", "*.two.test"}}},
        {.name = "later", .mx = {1, {"*.eu.outlook.example"}}},
    };
    static const struct {
        const char *hosts;
        int want; // -1: none
    } cases[] = {
        {"a.outlook.example", 0},
        {"a.outlook.example b.eu.outlook.example", 0},
        {"outlook.example", -1},
        {"a.outlook.example mx.elsewhere.example", -1},
        {"xoutlook.example", -1},
        {"mx.two.example", 1},
        {"a.mx.two.example", -1},
        {"mx.two.example a.two.test", 1},
        {"", -1},
        {"a.outlook.example.org", -1},
    };
    struct limits_table t = {.sites = sites, .site_count = 3};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct mx_set *set = set_of(cases[i].hosts);
        const struct limits_site *want = cases[i].want >= 0 ? &sites[cases[i].want] : NULL;
        CU_ASSERT_PTR_EQUAL(limits_site_of(&t, set), want);
        free(set);
    }
}

static const struct {
    struct site_load load;
    bool want;
} connect_cases[] = {
    {{.ready_count = 1, .connections_now = UINT32_MAX}, true},
    {{.ready_count = 0, .connections_now = UINT32_MAX}, false},
    {{.ready_count = 1,
      .open_count = 1,
      .spare_count = 1,
      .spare_jobs = 1,
      .connections_now = UINT32_MAX},
     false},
    {{.ready_count = 2,
      .open_count = 1,
      .spare_count = 1,
      .spare_jobs = 1,
      .connections_now = UINT32_MAX},
     true},
    // Each takes eight.
    {{.ready_count = 16,
      .open_count = 2,
      .spare_count = 2,
      .spare_jobs = 8,
      .connections_now = UINT32_MAX},
     false},
    {{.ready_count = 17,
      .open_count = 2,
      .spare_count = 2,
      .spare_jobs = 8,
      .connections_now = UINT32_MAX},
     true},
    {{.ready_count = 99, .open_count = 20, .connections_now = UINT32_MAX}, false}, // the limit
    {{.ready_count = 99, .open_count = 19, .connections_now = UINT32_MAX}, true},
    {{.ready_count = 99, .open_count = 3, .connections_now = 3}, false}, // learned
    // Nobody has answered yet: two probes.
    {{.ready_count = 99, .open_count = 1, .opening_count = 1, .connections_now = 99}, true},
    {{.ready_count = 99, .open_count = 2, .opening_count = 2, .connections_now = 99}, false},
    {{.ready_count = 99,
      .open_count = 2,
      .opening_count = 2,
      .connections_now = 99,
      .proven = true},
     true},
    // None of its addresses served the last time: one probe.
    {{.ready_count = 99, .connections_now = 99, .failing = true}, true},
    {{.ready_count = 99,
      .open_count = 1,
      .opening_count = 1,
      .connections_now = 99,
      .failing = true},
     false},
};

// The same decision says why.
static const struct {
    struct site_load load;
    enum reason_kind want;
} reason_cases[] = {
    {{.ready_count = 1, .connections_now = UINT32_MAX}, REASON_NONE},
    {{.ready_count = 99, .open_count = 20, .connections_now = UINT32_MAX, .proven = true},
     REASON_CONNECTION_LIMIT},
    {{.ready_count = 99, .open_count = 3, .connections_now = 3, .proven = true},
     REASON_CONNECTION_LIMIT}, // learned
    {{.ready_count = 99, .open_count = 2, .opening_count = 2, .connections_now = 99},
     REASON_CONNECTING},
    {{.ready_count = 99,
      .open_count = 1,
      .opening_count = 1,
      .connections_now = 99,
      .failing = true},
     REASON_PROBING},
    {{.ready_count = 1,
      .open_count = 1,
      .opening_count = 1,
      .spare_count = 1,
      .spare_jobs = 1,
      .connections_now = 99,
      .proven = true},
     REASON_CONNECTING},
    {{.ready_count = 1,
      .open_count = 1,
      .spare_count = 1,
      .spare_jobs = 1,
      .connections_now = 99,
      .proven = true},
     REASON_BEHIND_OTHERS},
};

static void test_why_not_connect(void)
{
    struct limits l = {.connections = 20};
    for (size_t i = 0; i < sizeof(reason_cases) / sizeof(reason_cases[0]); i++)
        CU_ASSERT_EQUAL(limits_connection_reason(&l, &reason_cases[i].load), reason_cases[i].want);
}

// What ends without anybody being asked says why, too.
static void test_local_reasons(void)
{
    CU_ASSERT_EQUAL(verdict_of_mx(DNS_NO_DOMAIN).reason, REASON_NO_MX);
    CU_ASSERT_EQUAL(verdict_of_mx(DNS_NO_RECORDS).reason, REASON_NO_MX);
    CU_ASSERT_EQUAL(verdict_of_mx(DNS_NULL_MX).reason, REASON_NULL_MX);
    CU_ASSERT_EQUAL(verdict_of_mx(DNS_TRY_LATER).reason, REASON_DNS_FAILED);
    CU_ASSERT_EQUAL(verdict_of_no_address(false).reason, REASON_NO_ADDRESS);
    CU_ASSERT_EQUAL(verdict_of_no_address(true).reason, REASON_DNS_FAILED);
    CU_ASSERT_EQUAL(verdict_of_old_age().reason, REASON_EXPIRED);
    CU_ASSERT_EQUAL(verdict_of_discarding().reason, REASON_DELIVERED);
    CU_ASSERT_EQUAL(verdict_of_failing(&(struct route){.fail = {.code = 550}}).reason,
                    REASON_ROUTE_FAIL);
}

static void test_may_connect(void)
{
    struct limits l = {.connections = 20};
    for (size_t i = 0; i < sizeof(connect_cases) / sizeof(connect_cases[0]); i++)
        CU_ASSERT_EQUAL(limits_may_connect(&l, &connect_cases[i].load), connect_cases[i].want);
}

static void test_parts(void)
{
    struct limits l = {.connections = 20};
    CU_ASSERT_EQUAL(limits_part(&l, 1), 0); // nobody to share with
    CU_ASSERT_EQUAL(limits_part(&l, 2), 10);
    CU_ASSERT_EQUAL(limits_part(&l, 3), 6); // 8 stay with the owner
    CU_ASSERT_EQUAL(limits_part(&l, 21), 0);
}

// --- pace

#define WINDOW 8

static void take_many(struct pace *p, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        pace_took(p, WINDOW);
}

static void test_pace_widens_and_closes(void)
{
    struct pace p;
    pace_init(&p);
    CU_ASSERT_EQUAL(p.window, 1);
    for (uint16_t want = 2; want <= WINDOW; want++) {
        pace_took(&p, WINDOW);
        CU_ASSERT_EQUAL(p.window, want);
    }
    take_many(&p, 100);
    CU_ASSERT_EQUAL(p.window, WINDOW);
    pace_broke(&p, PACE_BROKE_LATE, 0);
    CU_ASSERT_EQUAL(p.window, 1);
    take_many(&p, PACE_STEP_GROWTH - 1); // now a step takes longer
    CU_ASSERT_EQUAL(p.window, 1);
    take_many(&p, 1);
    CU_ASSERT_EQUAL(p.window, 2);
    pace_broke(&p, PACE_BROKE_LATE, 0);
    take_many(&p, PACE_STEP_GROWTH * PACE_STEP_GROWTH - 1); // and longer
    CU_ASSERT_EQUAL(p.window, 1);
    for (int i = 0; i < 10; i++)
        pace_broke(&p, PACE_BROKE_LATE, 0);
    CU_ASSERT_EQUAL(p.step_messages, PACE_STEP_MESSAGES_MAX);
    take_many(&p, PACE_STEP_MESSAGES_MAX * (WINDOW - 1));
    CU_ASSERT_EQUAL(p.window, WINDOW);
    take_many(&p, 1);
    CU_ASSERT_EQUAL(p.step_messages, 1); // forgiven
    pace_took(&p, 3);
    CU_ASSERT_EQUAL(p.window, 3); // the limit is another domain's
    CU_ASSERT(!pace_is_lockstep(&p, 0));
}

// What led to it, a letter each: took, answered, broke late or first, broke the rules.
static const struct {
    const char *story;
    bool want;
} lockstep_cases[] = {
    {"", false},    {"fff", true},    {"ff", false},  {"fftff", false}, {"ffaff", false},
    {"fffa", true}, {"lllll", false}, {"fflf", true}, {"r", true},      {"tttr", true},
};

static void test_pace_lockstep(void)
{
    for (size_t i = 0; i < sizeof(lockstep_cases) / sizeof(lockstep_cases[0]); i++) {
        struct pace p;
        pace_init(&p);
        for (const char *at = lockstep_cases[i].story; *at; at++)
            switch (*at) {
            case 't': pace_took(&p, WINDOW); break;
            case 'a': pace_answered(&p); break;
            case 'l': pace_broke(&p, PACE_BROKE_LATE, SECONDS(1)); break;
            case 'f': pace_broke(&p, PACE_BROKE_FIRST, SECONDS(1)); break;
            case 'r': pace_broke(&p, PACE_BROKE_RULES, SECONDS(1)); break;
            }
        CU_ASSERT_EQUAL(pace_is_lockstep(&p, SECONDS(2)), lockstep_cases[i].want);
        CU_ASSERT(!pace_is_lockstep(&p, SECONDS(1) + PACE_LOCKSTEP_US)); // another chance
    }
}

// Whatever the waits are, one of those that follow each other passes the mark.
static void test_one_wait_passes_the_mark(void)
{
    static const uint64_t steps_s[] = {60, 1, 119, 240, 3600, 5, 14400, 1};
    for (uint64_t mark_s = 1; mark_s < 20000; mark_s += 7) {
        uint64_t age_s = 0;
        uint32_t passed = 0;
        for (size_t i = 0; i < sizeof(steps_s) / sizeof(steps_s[0]); age_s += steps_s[i++])
            passed += retry_wait_passes(SECONDS(age_s), SECONDS(steps_s[i]), SECONDS(mark_s));
        CU_ASSERT_EQUAL(passed, mark_s <= age_s);
    }
}

static const struct suite_test tests[] = {
    {"replies", test_replies},
    {"every code has a verdict", test_every_code_has_a_verdict},
    {"a rule turns a verdict", test_turned},
    {"too many recipients", test_too_many_recipients},
    {"mx answers", test_mx},
    {"patience", test_patience},
    {"retry doubles up to its cap", test_retry_doubles_up_to_its_cap},
    {"retry jitter only adds", test_retry_jitter_only_adds},
    {"retry in doubt is late", test_retry_in_doubt_is_late},
    {"retry is never at once", test_retry_is_never_at_once},
    {"retry walks to the end", test_retry_walks_to_the_end},
    {"retry growth", test_retry_growth},
    {"retry by a list", test_retry_by_a_list},
    {"retry ends with its life", test_retry_ends_with_its_life},
    {"retry of a site", test_retry_of_a_site},
    {"route sets", test_route_sets},
    {"route adopts", test_route_adopts},
    {"limits in force", test_limits_in_force},
    {"route verdicts", test_route_verdicts},
    {"age by two clocks", test_age_by_two_clocks},
    {"one wait passes the mark", test_one_wait_passes_the_mark},
    {"limits of domains", test_limits_of_domains},
    {"sites by pattern", test_sites_by_pattern},
    {"may connect", test_may_connect},
    {"why not connect", test_why_not_connect},
    {"reasons of what nobody was asked", test_local_reasons},
    {"parts", test_parts},
    {"pace widens and closes", test_pace_widens_and_closes},
    {"pace: lockstep", test_pace_lockstep},
};

SUITE_MAIN("policy", tests)
