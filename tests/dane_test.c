// tests/dane_test.c: the table of RFC 7672, sections 2.1 to 2.2.3: what one exchanger's TLS must
// be.
#include "engine/base/check.h"
#include "engine/policy/dane.h"
#include "tests/suite.h"

static const char *const step_words[] = {
    [DANE_ASK_ADDRESS] = "address?",
    [DANE_ASK_ALIAS] = "cname?",
    [DANE_ASK_TLSA_THERE] = "tlsa-there?",
    [DANE_ASK_TLSA_OWN] = "tlsa-own?",
    [DANE_NONE] = "none",
    [DANE_ENCRYPT] = "encrypt",
    [DANE_AUTHENTICATE] = "authenticate",
    [DANE_LATER] = "later",
};

// What each question would be answered: "secure", "insecure", "none" (securely), "none-insecure",
// "fails" (also: bogus); of TLSA also "unusable" (secure) and "mixed" (some of them usable).
struct dane_case {
    const char *mx, *address, *alias; // alias "": no CNAME
    const char *there, *own;
    const char *want; // all steps
};

static const struct dane_case cases[] = {
    // An insecure MX: nothing is asked.
    {"insecure", "secure", "", "", "secure", "none"},
    {"insecure", "secure", "secure", "secure", "secure", "none"},
    {"insecure", "fails", "", "", "secure", "none"},
    // Addresses.
    {"secure", "fails", "", "", "secure", "address? later"},
    {"secure", "none", "", "", "secure", "address? none"},
    {"secure", "none-insecure", "", "", "secure", "address? none"},
    {"secure", "insecure", "", "", "secure", "address? none"}, // TLSA is not asked for
    // The host's own records.
    {"secure", "secure", "", "", "secure", "address? tlsa-own? authenticate"},
    {"secure", "secure", "", "", "mixed", "address? tlsa-own? authenticate"},
    {"secure", "secure", "", "", "unusable", "address? tlsa-own? encrypt"},
    {"secure", "secure", "", "", "none", "address? tlsa-own? none"},
    {"secure", "secure", "", "", "none-insecure", "address? tlsa-own? none"},
    {"secure", "secure", "", "", "insecure", "address? tlsa-own? none"},
    {"secure", "secure", "", "", "fails", "address? tlsa-own? later"},
    // A CNAME, all of it secure: its end first, then the host's own name (RFC 7672 2.2.3).
    {"secure", "secure", "secure", "secure", "secure", "address? tlsa-there? authenticate-there"},
    {"secure", "secure", "secure", "secure", "fails", "address? tlsa-there? authenticate-there"},
    {"secure", "secure", "secure", "unusable", "secure", "address? tlsa-there? encrypt-there"},
    {"secure", "secure", "secure", "none", "secure", "address? tlsa-there? tlsa-own? authenticate"},
    {"secure", "secure", "secure", "none-insecure", "secure",
     "address? tlsa-there? tlsa-own? authenticate"},
    {"secure", "secure", "secure", "insecure", "secure",
     "address? tlsa-there? tlsa-own? authenticate"},
    {"secure", "secure", "secure", "none", "unusable", "address? tlsa-there? tlsa-own? encrypt"},
    {"secure", "secure", "secure", "none", "none", "address? tlsa-there? tlsa-own? none"},
    {"secure", "secure", "secure", "none", "fails", "address? tlsa-there? tlsa-own? later"},
    {"secure", "secure", "secure", "fails", "secure", "address? tlsa-there? later"},
    // A CNAME that is secure, and leads to what is not (2.2.2): the host's own name alone.
    {"secure", "insecure", "secure", "secure", "secure", "address? cname? tlsa-own? authenticate"},
    {"secure", "insecure", "secure", "secure", "unusable", "address? cname? tlsa-own? encrypt"},
    {"secure", "insecure", "secure", "secure", "none", "address? cname? tlsa-own? none"},
    {"secure", "insecure", "secure", "secure", "insecure", "address? cname? tlsa-own? none"},
    {"secure", "insecure", "secure", "secure", "fails", "address? cname? tlsa-own? later"},
    {"secure", "insecure", "insecure", "secure", "secure", "address? cname? none"},
    {"secure", "insecure", "none", "secure", "secure", "address? cname? none"},
    {"secure", "insecure", "fails", "secure", "secure", "address? cname? later"},
};

static bool says(const char *word, const char *what)
{
    return strcmp(word, what) == 0;
}

static struct dane_answer answer(const char *word)
{
    struct dane_answer a = {.known = true, .status = DNS_FOUND};
    if (says(word, "fails"))
        a.status = DNS_TRY_LATER;
    else if (says(word, "none") || says(word, "none-insecure"))
        a.status = DNS_NO_RECORDS;
    else
        a.record_count = 2;
    a.secure = !says(word, "insecure") && !says(word, "none-insecure") && !says(word, "fails");
    a.usable_count = says(word, "mixed") ? 1 : says(word, "unusable") ? 0 : a.record_count;
    return a;
}

// Asks until it is decided, and writes down each step.
static struct dane_decision walk(const struct dane_case *c, char *out)
{
    struct dane_facts f = {.mx_secure = says(c->mx, "secure"), .has_alias = c->alias[0] != '\0'};
    for (;;) {
        struct dane_decision d = dane_decide(&f);
        out += sprintf(out, "%s%s", step_words[d.step], d.there ? "-there" : "");
        if (d.step >= DANE_NONE)
            return d;
        out += sprintf(out, " ");
        if (d.step == DANE_ASK_ADDRESS)
            f.address = answer(c->address);
        else if (d.step == DANE_ASK_ALIAS)
            f.alias = answer(c->alias);
        else if (d.step == DANE_ASK_TLSA_THERE)
            f.tlsa_there = answer(c->there);
        else
            f.tlsa_own = answer(c->own);
    }
}

static void test_table(void)
{
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char got[256];
        struct dane_decision d = walk(&cases[i], got);
        if (strcmp(got, cases[i].want) != 0)
            printf("\n  row %zu: got \"%s\", want \"%s\"\n", i, got, cases[i].want);
        CU_ASSERT_STRING_EQUAL(got, cases[i].want);
        CU_ASSERT_PTR_NOT_NULL(d.why);
    }
}

// Whatever the answers: it ends, it asks nothing twice, a failure that was seen never weakens it,
// and TLSA records are asked of secure names alone.
static void test_all_answers(void)
{
    static const char *const words[] = {"secure", "insecure",      "none",
                                        "fails",  "none-insecure", "unusable"};
    size_t n = COUNT_OF(words);
    for (size_t at = 0; at < 2 * 2 * n * n * n * n; at++) {
        size_t rest = at / 4;
        struct dane_case c = {.mx = at % 2 ? "secure" : "insecure"};
        c.alias = at / 2 % 2 ? words[rest % n] : "";
        c.address = words[rest / n % n];
        c.there = words[rest / n / n % n];
        c.own = words[rest / n / n / n % n];
        char got[256];
        struct dane_decision d = walk(&c, got);
        bool asked_own = strstr(got, "tlsa-own?"), asked_there = strstr(got, "tlsa-there?");
        if ((asked_own && says(c.own, "fails")) || (asked_there && says(c.there, "fails")))
            CU_ASSERT_EQUAL(d.step, DANE_LATER);
        if (says(c.mx, "insecure"))
            CU_ASSERT_STRING_EQUAL(got, "none");
        if (asked_there)
            CU_ASSERT_TRUE(answer(c.address).secure);
        if (asked_own)
            CU_ASSERT_TRUE(answer(c.address).secure || answer(c.alias).secure);
    }
}

static const struct suite_test tests[] = {
    {"table", test_table},
    {"all answers", test_all_answers},
};

SUITE_MAIN("dane", tests)
