// The pure parts of the control socket: requests, HTTP, rates.
#include "engine/control/control_parts.h"
#include "engine/control/rates.h"
#include "tests/suite.h"

static const struct order_kind list = {.name = "list", .selects = true};
static const struct order_kind purge = {.name = "purge", .selects = true, .must_select = true};
static const struct order_kind plain = {.name = "plain"};
static const struct order_kind *const kinds[] = {&list, &purge, &plain, NULL};

static const struct {
    const char *line;
    const char *why; // a part of it; NULL: it is good
} request_cases[] = {
    {"list", NULL},
    {"list\r", NULL},
    {"list domain=X.Example limit=5 dry-run brief", NULL},
    {"list domain=b%C3%BCcher.example", NULL},
    {"list domain=..", "domain: is no domain"},
    {"list frobnicate", "frobnicate: no such word"},
    {"list limit=x", "limit: is no number"},
    {"list  all", "KEY=VALUE"},
    {"purge", "say which mail is meant"},
    {"purge all", NULL},
    {"plain all", "all: no such word"},
    {"lists", "no request 'lists'"},
    {"", "a line of words"},
};

static void requests(void)
{
    for (size_t i = 0; i < sizeof(request_cases) / sizeof(request_cases[0]); i++) {
        struct order o = {0};
        char line[256];
        snprintf(line, sizeof(line), "%s", request_cases[i].line);
        bool good = request_parse(&o, kinds, slice_of_text(line));
        CU_ASSERT_EQUAL(good, request_cases[i].why == NULL);
        if (request_cases[i].why && !strstr(o.why, request_cases[i].why))
            CU_FAIL("another reason");
    }
}

static void a_request_is_read(void)
{
    struct order o = {0};
    char line[] = "list domain=B%C3%BCcher.Example sender=a@s limit=5 brief";
    CU_ASSERT_FATAL(request_parse(&o, kinds, slice_of_text(line)));
    CU_ASSERT_PTR_EQUAL(o.kind, &list);
    CU_ASSERT_STRING_EQUAL(o.selector.domain, "xn--bcher-kva.example");
    CU_ASSERT_STRING_EQUAL(o.selector.sender, "a@s");
    CU_ASSERT(o.limit == 5 && o.brief && !o.dry_run);
}

static const struct {
    const char *bytes;
    enum http_request want;
} http_cases[] = {
    {"", HTTP_MORE},
    {"GET /metrics HTTP/1.1\r\n", HTTP_MORE},
    {"GET /metrics HTTP/1.1\r\nHost: x\r\n", HTTP_MORE},
    {"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", HTTP_METRICS},
    {"GET /metrics HTTP/1.0\n\n", HTTP_METRICS},
    {"GET /metrics?x=1 HTTP/1.1\r\n\r\n", HTTP_METRICS},
    {"GET / HTTP/1.1\r\n\r\n", HTTP_OTHER},
    {"POST /metrics HTTP/1.1\r\n\r\n", HTTP_OTHER},
    {"\r\n\r\n", HTTP_OTHER},
};

static void http(void)
{
    for (size_t i = 0; i < sizeof(http_cases) / sizeof(http_cases[0]); i++)
        CU_ASSERT_EQUAL(http_parse(slice_of_text(http_cases[i].bytes)), http_cases[i].want);
}

static void rates_over_a_minute(void)
{
    struct rates r = {0};
    struct rates_sample now = {0};
    CU_ASSERT_EQUAL(rates_per_s(&r, &now, RATE_DELIVERED), 0);
    // A thousand a second for ten minutes, looked at each second: then ten a second.
    for (uint64_t s = 0; s <= 600; s++) {
        now = (struct rates_sample){s * 1000000, {[RATE_DELIVERED] = s * 1000}};
        rates_note(&r, &now);
    }
    double rate = rates_per_s(&r, &now, RATE_DELIVERED);
    CU_ASSERT(rate > 999.9 && rate < 1000.1);
    for (uint64_t s = 601; s <= 700; s++) {
        now = (struct rates_sample){s * 1000000, {[RATE_DELIVERED] = 600000 + (s - 600) * 10}};
        rates_note(&r, &now);
    }
    rate = rates_per_s(&r, &now, RATE_DELIVERED);
    CU_ASSERT(rate > 9.9 && rate < 10.1);
    CU_ASSERT_EQUAL(rates_per_s(&r, &now, RATE_FAILED), 0);
}

static const struct suite_test tests[] = {
    {"requests", requests},
    {"a request is read", a_request_is_read},
    {"http", http},
    {"rates over a minute", rates_over_a_minute},
};

SUITE_MAIN("control", tests)
