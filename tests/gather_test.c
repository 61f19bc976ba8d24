// What the exchangers of a route's names come to together, and whether that can be believed.
#include "engine/deliver/gather.h"
#include "tests/suite.h"

#include <stdlib.h>

static const struct route route = {
    .kind = ROUTE_EXCHANGERS,
    .lookup = ROUTE_LOOKUP_MX,
    .hosts = {2, {{"one.example", 26}, {"two.example", 0}}},
};

// What each name is answered: "secure", "insecure", "none" (securely), "fails".
static const struct {
    const char *one, *two;
    enum dns_status want;
    uint32_t want_hosts;
    bool want_secure;
} cases[] = {
    {"secure", "secure", DNS_FOUND, 2, true},    {"secure", "insecure", DNS_FOUND, 2, false},
    {"insecure", "secure", DNS_FOUND, 2, false}, {"secure", "none", DNS_FOUND, 1, true},
    {"secure", "fails", DNS_FOUND, 1, true},     {"none", "insecure", DNS_FOUND, 1, false},
    {"none", "none", DNS_NO_RECORDS, 0, false},  {"none", "fails", DNS_TRY_LATER, 0, false},
    {"fails", "none", DNS_TRY_LATER, 0, false},
};

static void take(struct gathering *g, const char *what, struct mx_set *set)
{
    struct slice name = gathering_name(g);
    struct dns_mx_answer a = {.status = DNS_FOUND, .expires_us = 7, .hosts = set};
    a.secure = strcmp(what, "secure") == 0 || strcmp(what, "none") == 0;
    if (strcmp(what, "none") == 0)
        a.status = DNS_NO_RECORDS;
    else if (strcmp(what, "fails") == 0)
        a.status = DNS_TRY_LATER;
    set->count = 1;
    set->hosts[0] = (struct mx_host){.preference = 10, .len = (uint8_t)name.len};
    memcpy(set->hosts[0].name, name.data, name.len);
    gathering_take(g, &a);
}

static void table(void)
{
    struct mx_set *set = calloc(1, sizeof(*set) + sizeof(set->hosts[0]));
    CU_ASSERT_PTR_NOT_NULL_FATAL(set);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct gathering *g = gathering_new(&route);
        CU_ASSERT_PTR_NOT_NULL_FATAL(g);
        take(g, cases[i].one, set);
        take(g, cases[i].two, set);
        const struct dns_mx_answer a = gathering_answer(g);
        CU_ASSERT_EQUAL(a.status, cases[i].want);
        CU_ASSERT_EQUAL(a.hosts->count, cases[i].want_hosts);
        CU_ASSERT_EQUAL(a.secure, cases[i].want_secure);
        gathering_free(g);
    }
    free(set);
}

static const struct suite_test tests[] = {{"table", table}};

SUITE_MAIN("gather", tests)
