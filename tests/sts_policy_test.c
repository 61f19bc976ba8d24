// tests/sts_policy_test.c: MTA-STS policies and records (RFC 8461), good and bad ones.
#include "dns/sts_policy.h"
#include "engine/base/check.h"
#include "engine/base/random.h"
#include "tests/suite.h"

#include <stdlib.h>

#define GOOD "version: STSv1\nmode: enforce\nmx: mx.example.org\nmax_age: 604800\n"

// "enforce 604800 mx.example.org", or why not.
static const struct {
    const char *text, *want;
} policies[] = {
    {GOOD, "enforce 604800 mx.example.org"},
    {"version: STSv1\r\nmode: testing\r\nmx: *.example.net\r\nmx: A.example.ORG\r\nmax_age: 1\r\n",
     "testing 1 *.example.net a.example.org"},
    {"version: STSv1\nmode: none\nmax_age: 86400", "none 86400"}, // no end of the last line
    {"mode:enforce\nmax_age:\t9 \nmx:  mx.a\t\nversion:STSv1\n", "enforce 9 mx.a"},
    {"version: STSv1\n\nmode: enforce\nmx: a\nmax_age: 5\n\n", "enforce 5 a"},
    {GOOD "x-more: of ours; ~!\n", "enforce 604800 mx.example.org"}, // unknown keys
    {GOOD "mode: none\nmax_age: 1\nversion: STSv1\n", "enforce 604800 mx.example.org"}, // the first
    {"version: STSv1\nmode: none\nmax_age: 9999999999\n", "none 31557600"},
    {"version: STSv1\nmode: none\nmax_age: 0\n", "none 0"},
    {"", "it has no version"},
    {"\n\n", "it has no version"},
    {"mode: enforce\nmx: a\nmax_age: 5\n", "it has no version"},
    {"version: STSv2\nmode: enforce\nmx: a\nmax_age: 5\n", "the version is not STSv1"},
    {"version: stsv1\nmode: enforce\nmx: a\nmax_age: 5\n", "the version is not STSv1"},
    {"version: STSv1\nmx: a\nmax_age: 5\n", "it has no mode"},
    {"version: STSv1\nmode: Enforce\nmx: a\nmax_age: 5\n", "the mode is not known"},
    {"version: STSv1\nmode:\nmx: a\nmax_age: 5\n", "the mode is not known"},
    {"version: STSv1\nmode: enforce\nmx: a\n", "it has no max_age"},
    {"version: STSv1\nmode: enforce\nmx: a\nmax_age: -5\n", "max_age is no number of seconds"},
    {"version: STSv1\nmode: enforce\nmx: a\nmax_age: 1d\n", "max_age is no number of seconds"},
    {"version: STSv1\nmode: enforce\nmx: a\nmax_age: 00000000001\n",
     "max_age is no number of seconds"},
    {"version: STSv1\nmode: enforce\nmax_age: 5\n", "it has no mx"},
    {"version: STSv1\nmode: enforce\nmx: *\nmax_age: 5\n",
     "an mx is no name, or there are too many"},
    {"version: STSv1\nmode: enforce\nmx: .a.b\nmax_age: 5\n",
     "an mx is no name, or there are too many"},
    {"version: STSv1\nmode: enforce\nmx: a.*.b\nmax_age: 5\n",
     "an mx is no name, or there are too many"},
    {"version: STSv1\nmode: enforce\nmx: 192.0.2.1, a\nmax_age: 5\n",
     "an mx is no name, or there are too many"},
    {"<html><body>not found</body></html>\n", "a line is not of the form \"key: value\""},
    {"version: STSv1\nmode\n", "a line is not of the form \"key: value\""},
    {"version: STSv1\n: enforce\n", "a line is not of the form \"key: value\""},
    {"version: STSv1\nmode: enforce\nmx: a\033[31m\nmax_age: 5\n", "it holds control characters"},
    {"version: STSv1\rmode: enforce\rmx: a\rmax_age: 5\n", "it holds control characters"},
};

static const char *print(const struct sts_policy *p, char *out)
{
    char *to = out + sprintf(out, "%s %u", sts_mode_word(p->mode), p->max_age_s);
    size_t at = 0;
    for (struct slice mx; (mx = sts_policy_next_mx(p, &at)).len > 0;)
        to += sprintf(to, " %.*s", SLICE_ARG(mx));
    return out;
}

static void test_policies(void)
{
    struct sts_policy p;
    for (size_t i = 0; i < COUNT_OF(policies); i++) {
        const char *why;
        char got[1024];
        bool good = sts_policy_parse(slice_of_text(policies[i].text), &p, &why);
        CU_ASSERT_EQUAL(good, why == NULL);
        if (good)
            print(&p, got);
        if (strcmp(good ? got : why, policies[i].want) != 0)
            printf("\n  row %zu: got \"%s\", want \"%s\"\n", i, good ? got : why, policies[i].want);
        CU_ASSERT_STRING_EQUAL(good ? got : why, policies[i].want);
    }
}

// What was printed is read as the same; whatever it is cut to or becomes, it stays within bounds.
static void test_cut_and_changed(void)
{
    struct random dice;
    struct buffer text;
    struct sts_policy p, q;
    const char *why;
    random_init(&dice, 5);
    buffer_init(&text, STS_TEXT_BYTES_MAX);
    for (size_t i = 0; i < COUNT_OF(policies); i++) {
        size_t len = strlen(policies[i].text);
        for (size_t cut = 0; cut <= len; cut++) {
            char *exact = malloc(cut ? cut : 1);
            memcpy(exact, policies[i].text, cut);
            if (cut > 0 && random_below(&dice, 2))
                exact[random_below(&dice, (uint32_t)cut)] = (char)random_u64(&dice);
            bool good = sts_policy_parse(slice_make(exact, cut), &p, &why);
            free(exact);
            CU_ASSERT_FATAL(p.mx_count <= STS_MX_COUNT_MAX && p.mx_bytes <= STS_MX_BYTES_MAX);
            if (!good)
                continue;
            char first[1024], second[1024];
            buffer_clear(&text);
            CU_ASSERT_TRUE_FATAL(sts_policy_print(&p, &text));
            CU_ASSERT_TRUE_FATAL(sts_policy_parse(buffer_slice(&text), &q, &why));
            CU_ASSERT_STRING_EQUAL(print(&p, first), print(&q, second));
        }
    }
    buffer_release(&text);
}

static void test_limits(void)
{
    struct buffer text;
    struct sts_policy p;
    const char *why;
    buffer_init(&text, 2 * STS_TEXT_BYTES_MAX);
    buffer_append(&text, SLICE("version: STSv1\nmode: enforce\nmax_age: 5\n"));
    for (int i = 0; i < STS_MX_COUNT_MAX; i++)
        buffer_printf(&text, "mx: mx%d.example\n", i);
    CU_ASSERT_TRUE(sts_policy_parse(buffer_slice(&text), &p, &why));
    CU_ASSERT_EQUAL(p.mx_count, STS_MX_COUNT_MAX);
    CU_ASSERT_TRUE(sts_policy_allows(&p, SLICE("mx127.example")));
    buffer_append(&text, SLICE("mx: one.more\n"));
    CU_ASSERT_FALSE(sts_policy_parse(buffer_slice(&text), &p, &why));

    buffer_clear(&text);
    buffer_append(&text, SLICE(GOOD));
    while (text.len < STS_TEXT_BYTES_MAX - 3)
        buffer_append(&text, SLICE("x: "));
    while (text.len < STS_TEXT_BYTES_MAX)
        buffer_append_byte(&text, ' ');
    CU_ASSERT_TRUE(sts_policy_parse(buffer_slice(&text), &p, &why));
    buffer_append_byte(&text, ' ');
    CU_ASSERT_FALSE(sts_policy_parse(buffer_slice(&text), &p, &why));
    buffer_release(&text);
}

static const struct {
    const char *mx, *host;
    bool allowed;
} hosts[] = {
    {"mx.example.org", "mx.example.org", true},
    {"MX.Example.Org", "mx.example.org", true},
    {"mx.example.org", "mx2.example.org", false},
    {"mx.example.org", "a.mx.example.org", false},
    {"*.example.org", "mx.example.org", true},
    {"*.example.org", "a.b.example.org", false}, // one label
    {"*.example.org", "example.org", false},
    {"*.example.org", ".example.org", false},
    {"*.example.org", "mxexample.org", false},
    {"*.example.org", "mx.example.org.evil.test", false},
    {"*.org", "example.org", true},
};

static void test_hosts(void)
{
    struct sts_policy p;
    for (size_t i = 0; i < COUNT_OF(hosts); i++) {
        char text[256];
        const char *why;
        sprintf(text, "version: STSv1\nmode: enforce\nmx: %s\nmax_age: 5\n", hosts[i].mx);
        CU_ASSERT_TRUE_FATAL(sts_policy_parse(slice_of_text(text), &p, &why));
        if (sts_policy_allows(&p, slice_of_text(hosts[i].host)) != hosts[i].allowed)
            printf("\n  %s %s\n", hosts[i].mx, hosts[i].host);
        CU_ASSERT_EQUAL(sts_policy_allows(&p, slice_of_text(hosts[i].host)), hosts[i].allowed);
    }
}

// Records are separated by "|", their strings by "+".
static const struct {
    const char *records, *want;
} records[] = {
    {"v=STSv1; id=20160831085700Z;", "20160831085700Z"},
    {"v=STSv1;id=1", "1"},
    {"v=STSv1 ;\tid = a1 ; more=x;", "a1"},
    {"v=STS+v1; i+d=7;", "7"},
    {"v=spf1 -all|v=STSv1; id=1;", "1"},
    {"v=STSv1; id=1; id=2;", "1"},
    {"v=STSv1; x=1; id=2;", "2"},
    {"v=STSv1; id=abcdefghijklmnopqrstuvwxyz012345;", "abcdefghijklmnopqrstuvwxyz012345"},
    {"", NULL},
    {"v=STSv1;", NULL},
    {"v=STSv1", NULL},
    {"v=STSv1; id=;", NULL},
    {"v=STSv1; id=a-b;", NULL},
    {"v=STSv1; id=abcdefghijklmnopqrstuvwxyz0123456;", NULL},
    {"v=STSv1; id", NULL},
    {"v=STSv1; ; id=1", NULL},
    {"V=STSv1; id=1;", NULL},
    {"v=stsv1; id=1;", NULL},
    {"v=STSv10; id=1;", NULL},
    {"id=1; v=STSv1;", NULL},
    {"v=STSv1; id=1;|v=STSv1; id=2;", NULL}, // which one?
    {"v=STSv1; id=1;|v=STSv1; id=1;", NULL},
};

static void test_records(void)
{
    for (size_t i = 0; i < COUNT_OF(records); i++) {
        char bytes[8][300], id[STS_ID_BYTES_MAX + 1] = "";
        struct slice found[8], rest = slice_of_text(records[i].records);
        uint32_t count = 0;
        while (rest.len > 0) {
            struct slice strings = slice_cut(&rest, '|');
            size_t at = 0;
            while (strings.len > 0) {
                struct slice one = slice_cut(&strings, '+');
                bytes[count][at++] = (char)one.len;
                memcpy(bytes[count] + at, one.data, one.len);
                at += one.len;
            }
            found[count] = slice_make(bytes[count], at);
            count++;
        }
        bool good = sts_record_find(found, count, id);
        if (good != (records[i].want != NULL) || (good && strcmp(id, records[i].want) != 0))
            printf("\n  %s: %s\n", records[i].records, id);
        CU_ASSERT_EQUAL(good, records[i].want != NULL);
        if (good && records[i].want)
            CU_ASSERT_STRING_EQUAL(id, records[i].want);
        // Cut anywhere: a string that goes beyond its record is none.
        for (size_t cut = 0; count == 1 && cut < found[0].len; cut++) {
            char *exact = malloc(cut ? cut : 1);
            memcpy(exact, found[0].data, cut);
            struct slice one = slice_make(exact, cut);
            sts_record_find(&one, 1, id);
            free(exact);
        }
    }
}

static const struct suite_test tests[] = {
    {"policies", test_policies}, {"cut and changed", test_cut_and_changed},
    {"limits", test_limits},     {"hosts", test_hosts},
    {"records", test_records},
};

SUITE_MAIN("sts_policy", tests)
