// When mail goes under TLS, and what becomes of it when that fails: every level, every mishap.
#include "engine/base/slice.h"
#include "engine/policy/tls.h"
#include "tests/suite.h"

#include <stdlib.h>

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static const struct plan_case {
    struct tls_facts facts;
    enum tls_way way;
    bool checks_name;
} plan_cases[] = {
    {{TLS_LEVEL_NONE, false, false}, TLS_WAY_PLAIN, false},
    {{TLS_LEVEL_NONE, false, true}, TLS_WAY_PLAIN, false},
    {{TLS_LEVEL_MAY, false, false}, TLS_WAY_IF_OFFERED, false},
    {{TLS_LEVEL_MAY, false, true}, TLS_WAY_PLAIN, false},
    {{TLS_LEVEL_ENCRYPT, false, false}, TLS_WAY_ALWAYS, false},
    {{TLS_LEVEL_ENCRYPT, false, true}, TLS_WAY_ALWAYS, false},
    {{TLS_LEVEL_VERIFY, false, false}, TLS_WAY_ALWAYS, true},
    {{TLS_LEVEL_VERIFY, false, true}, TLS_WAY_ALWAYS, true},
    {{TLS_LEVEL_NONE, true, false}, TLS_WAY_AT_ONCE, false},
    {{TLS_LEVEL_MAY, true, false}, TLS_WAY_AT_ONCE, false},
    {{TLS_LEVEL_MAY, true, true}, TLS_WAY_AT_ONCE, false},
    {{TLS_LEVEL_ENCRYPT, true, false}, TLS_WAY_AT_ONCE, false},
    {{TLS_LEVEL_VERIFY, true, true}, TLS_WAY_AT_ONCE, true},
};

static void plans(void)
{
    for (size_t i = 0; i < COUNT(plan_cases); i++) {
        struct tls_plan p = tls_plan(&plan_cases[i].facts);
        CU_ASSERT_EQUAL(p.way, plan_cases[i].way);
        CU_ASSERT_EQUAL(p.checks_name, plan_cases[i].checks_name);
    }
}

static const enum tls_mishap mishaps[] = {TLS_NOT_OFFERED,      TLS_REFUSED,      TLS_INJECTED,
                                          TLS_HANDSHAKE_FAILED, TLS_NOT_VERIFIED, TLS_LOST};

// Nothing but `may`, and nothing but a handshake that was refused or failed, leads to plain text.
static void plain_text_is_the_exception(void)
{
    for (int level = TLS_LEVEL_NONE; level < TLS_LEVEL_COUNT; level++)
        for (int implicit = 0; implicit < 2; implicit++)
            for (size_t i = 0; i < COUNT(mishaps); i++) {
                struct tls_facts f = {(enum tls_level)level, implicit, false};
                struct tls_consequence c = tls_trouble_means(&f, mishaps[i]);
                bool may = level == TLS_LEVEL_MAY || level == TLS_LEVEL_DANE; // of no host, here
                bool want = may && !implicit &&
                            (mishaps[i] == TLS_REFUSED || mishaps[i] == TLS_HANDSHAKE_FAILED);
                CU_ASSERT_EQUAL(c.retries_plain, want);
                CU_ASSERT_EQUAL(c.enhanced.class, 4); // never the mail's end
                CU_ASSERT_EQUAL(c.enhanced.subject, 7);
                CU_ASSERT_PTR_NOT_NULL(c.text);
            }
}

// What DANE and MTA-STS make of each level: whether a host may be used, how, and what then may go
// out in the clear. "-": it may not.
static const struct {
    enum tls_level level;
    enum dane_step dane;
    bool sts, sts_host;
    const char *want;
} published[] = {
    {TLS_LEVEL_DANE, DANE_AUTHENTICATE, false, false, "always dane"},
    {TLS_LEVEL_DANE, DANE_ENCRYPT, false, false, "always"},
    {TLS_LEVEL_DANE, DANE_NONE, false, false, "offered plain"},
    {TLS_LEVEL_DANE, DANE_LATER, false, false, "-"},
    {TLS_LEVEL_DANE_ONLY, DANE_AUTHENTICATE, false, false, "always dane"},
    {TLS_LEVEL_DANE_ONLY, DANE_ENCRYPT, false, false, "-"},
    {TLS_LEVEL_DANE_ONLY, DANE_NONE, false, false, "-"},
    {TLS_LEVEL_DANE_ONLY, DANE_LATER, false, false, "-"},
    {TLS_LEVEL_MAY, DANE_NONE, true, true, "always name"},
    {TLS_LEVEL_MAY, DANE_NONE, true, false, "-"},
    {TLS_LEVEL_ENCRYPT, DANE_NONE, true, true, "always name"},
    {TLS_LEVEL_DANE, DANE_NONE, true, true, "always name"},
    {TLS_LEVEL_DANE, DANE_NONE, true, false, "-"},
    {TLS_LEVEL_DANE, DANE_AUTHENTICATE, true, false, "always dane"}, // RFC 8461 2
    {TLS_LEVEL_DANE, DANE_ENCRYPT, true, false, "-"}, // records of no use take nothing away
    {TLS_LEVEL_DANE, DANE_ENCRYPT, true, true, "always name"},
    {TLS_LEVEL_DANE, DANE_LATER, true, true, "-"},
};

static void what_receivers_publish(void)
{
    for (size_t i = 0; i < COUNT(published); i++) {
        const struct tls_facts f = {.level = published[i].level,
                                    .dane = published[i].dane,
                                    .sts = published[i].sts,
                                    .sts_host = published[i].sts_host};
        const struct tls_plan p = tls_plan(&f);
        char got[64] = "-";
        if (tls_bar(&f) == TLS_BAR_NONE)
            snprintf(got, sizeof(got), "%s%s%s%s",
                     p.way == TLS_WAY_ALWAYS       ? "always"
                     : p.way == TLS_WAY_IF_OFFERED ? "offered"
                                                   : "?",
                     p.checks_dane ? " dane" : "", p.checks_name ? " name" : "",
                     tls_trouble_means(&f, TLS_HANDSHAKE_FAILED).retries_plain ? " plain" : "");
        if (strcmp(got, published[i].want) != 0)
            printf("\n  row %zu: got \"%s\", want \"%s\"\n", i, got, published[i].want);
        CU_ASSERT_STRING_EQUAL(got, published[i].want);
    }
    for (int bar = TLS_BAR_DANE_LATER; bar < TLS_BARS; bar++) {
        struct tls_consequence c = tls_bar_means((enum tls_bar)bar);
        CU_ASSERT_EQUAL(c.enhanced.class, 4); // never the mail's end
        CU_ASSERT_FALSE(c.retries_plain);
        CU_ASSERT_PTR_NOT_NULL(c.text);
    }
    // An operator who asks for none, or for more, has the last word over a policy.
    CU_ASSERT_FALSE(tls_level_heeds_sts(TLS_LEVEL_NONE));
    CU_ASSERT_TRUE(tls_level_heeds_sts(TLS_LEVEL_MAY));
    CU_ASSERT_TRUE(tls_level_heeds_sts(TLS_LEVEL_ENCRYPT));
    CU_ASSERT_FALSE(tls_level_heeds_sts(TLS_LEVEL_VERIFY));
    CU_ASSERT_TRUE(tls_level_heeds_sts(TLS_LEVEL_DANE));
    CU_ASSERT_FALSE(tls_level_heeds_sts(TLS_LEVEL_DANE_ONLY));
}

static void reasons(void)
{
    struct tls_facts f = {TLS_LEVEL_VERIFY, false, false};
    CU_ASSERT_EQUAL(tls_trouble_means(&f, TLS_NOT_OFFERED).reason, REASON_TLS_REFUSED);
    CU_ASSERT_EQUAL(tls_trouble_means(&f, TLS_NOT_OFFERED).enhanced.detail, 4);
    CU_ASSERT_EQUAL(tls_trouble_means(&f, TLS_NOT_VERIFIED).reason, REASON_TLS_UNVERIFIED);
    CU_ASSERT_EQUAL(tls_trouble_means(&f, TLS_NOT_VERIFIED).enhanced.detail, 5);
}

// A route's word counts before its domains'; a password asks for what it needs, at least.
static void levels_of_routes(void)
{
    static const struct {
        enum tls_level domain, route;
        bool login;
        enum tls_level needs, want;
    } cases[] = {
        {TLS_LEVEL_MAY, TLS_LEVEL_COUNT, false, TLS_LEVEL_VERIFY, TLS_LEVEL_MAY},
        {TLS_LEVEL_VERIFY, TLS_LEVEL_COUNT, false, TLS_LEVEL_NONE, TLS_LEVEL_VERIFY},
        {TLS_LEVEL_VERIFY, TLS_LEVEL_NONE, false, TLS_LEVEL_VERIFY, TLS_LEVEL_NONE},
        {TLS_LEVEL_MAY, TLS_LEVEL_COUNT, true, TLS_LEVEL_VERIFY, TLS_LEVEL_VERIFY},
        {TLS_LEVEL_MAY, TLS_LEVEL_NONE, true, TLS_LEVEL_ENCRYPT, TLS_LEVEL_ENCRYPT},
        {TLS_LEVEL_MAY, TLS_LEVEL_COUNT, true, TLS_LEVEL_NONE, TLS_LEVEL_MAY},
        {TLS_LEVEL_NONE, TLS_LEVEL_VERIFY, true, TLS_LEVEL_ENCRYPT, TLS_LEVEL_VERIFY},
        {TLS_LEVEL_DANE, TLS_LEVEL_COUNT, true, TLS_LEVEL_VERIFY, TLS_LEVEL_VERIFY},
        {TLS_LEVEL_DANE, TLS_LEVEL_COUNT, true, TLS_LEVEL_MAY, TLS_LEVEL_DANE},
        {TLS_LEVEL_DANE_ONLY, TLS_LEVEL_COUNT, true, TLS_LEVEL_VERIFY, TLS_LEVEL_DANE_ONLY},
    };
    CU_ASSERT_EQUAL(route_tls_level(NULL, TLS_LEVEL_ENCRYPT), TLS_LEVEL_ENCRYPT);
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct route r = {.tls = cases[i].route, .login = {.needs = cases[i].needs}};
        if (cases[i].login)
            r.login.user[0] = 'u';
        CU_ASSERT_EQUAL(route_tls_level(&r, cases[i].domain), cases[i].want);
    }
}

static struct mx_host host(const char *name, uint16_t port, bool configured)
{
    struct mx_host h = {.port = port, .configured = configured, .len = (uint8_t)strlen(name)};
    memcpy(h.name, name, h.len);
    return h;
}

// The hosts that a password is for: those that its route names, and not what the DNS has found, nor
// what another route named.
static void hosts_of_a_route(void)
{
    const struct {
        const char *name;
        uint16_t port;
        bool configured, want;
    } cases[] = {
        {"a.example", 587, true, true},    {"b.example", 587, true, false},
        {"a.example", 25, true, false},    {"a.example", 587, false, false},
        {"a.example.x", 587, true, false}, {"a.exampl", 587, true, false},
    };
    struct route r = {.kind = ROUTE_HOSTS, .hosts = {1, {{"a.example", 587}}}};
    struct mx_set *found = calloc(1, sizeof(*found) + 2 * sizeof(found->hosts[0]));
    CU_ASSERT_PTR_NOT_NULL_FATAL(found);
    found->count = 1;
    for (size_t i = 0; i < COUNT(cases); i++) {
        found->hosts[0] = host(cases[i].name, cases[i].port, cases[i].configured);
        CU_ASSERT_EQUAL(route_leads_to(&r, found), cases[i].want);
    }
    found->count = 2;
    found->hosts[0] = found->hosts[1] = host("a.example", 587, true);
    CU_ASSERT_FALSE(route_leads_to(&r, found));
    r.kind = ROUTE_EXCHANGERS;
    found->count = 1;
    CU_ASSERT_FALSE(route_leads_to(&r, found));
    CU_ASSERT_FALSE(route_leads_to(NULL, found));
    free(found);
}

static const struct suite_test tests[] = {
    {"plans", plans},
    {"plain text is the exception", plain_text_is_the_exception},
    {"what receivers publish", what_receivers_publish},
    {"reasons", reasons},
    {"levels of routes", levels_of_routes},
    {"hosts of a route", hosts_of_a_route},
};
SUITE_MAIN("tls_policy", tests)
