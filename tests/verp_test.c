#include "engine/message/verp.h"
#include "tests/suite.h"

#include <stdlib.h>

struct verp_case {
    struct slice sender, rcpt, want; // empty: there is no such form
};

static const struct verp_case verp_cases[] = {
    {SLICE("news@list.example"), SLICE("joe@example.org"),
     SLICE("news+joe=example.org@list.example")},
    {SLICE("a+b@c"), SLICE("d+e=f@g"), SLICE("a+b+d+e=f=g@c")},
    {SLICE("n@l"), SLICE("j\xc3\xb6@k\xc3\xa4se.example"),
     SLICE("n+j\xc3\xb6=k\xc3\xa4se.example@l")},
    {SLICE("n@[192.0.2.1]"), SLICE("a@b"), SLICE("n+a=b@[192.0.2.1]")},
    {SLICE_EMPTY, SLICE("a@b"), SLICE_EMPTY},
    {SLICE("n@l"), SLICE("a@[192.0.2.1]"), SLICE_EMPTY},
    {SLICE("n@l"), SLICE("\"a b\"@c"), SLICE_EMPTY},
    {SLICE("\"n@x\"@l"), SLICE("a@b"), SLICE_EMPTY},
    {SLICE("n@l"), SLICE("postmaster"), SLICE_EMPTY},
};

static void test_cases(void)
{
    char out[ADDRESS_BYTES_MAX];
    for (size_t i = 0; i < sizeof(verp_cases) / sizeof(verp_cases[0]); i++) {
        const struct verp_case *c = &verp_cases[i];
        CU_ASSERT(slice_equal(slice_make(out, verp_write(c->sender, c->rcpt, out)), c->want));
    }
}

// What comes out is an address, however long its parts are, or nothing is.
static void test_lengths(void)
{
    char out[ADDRESS_BYTES_MAX], name[ADDRESS_BYTES_MAX];
    memset(name, 'x', sizeof(name));
    for (size_t len = 1; len <= 200; len++) {
        char rcpt[ADDRESS_BYTES_MAX], sender[ADDRESS_BYTES_MAX];
        int rcpt_len = snprintf(rcpt, sizeof(rcpt), "%.*s@example.org", (int)len, name);
        int sender_len = snprintf(sender, sizeof(sender), "%.*s@list.example", 64, name);
        size_t got = verp_write(slice_make(sender, (size_t)sender_len),
                                slice_make(rcpt, (size_t)rcpt_len), out);
        struct address a;
        bool fits = 64 + 1 + len + 1 + 11 <= ADDRESS_LOCAL_BYTES_MAX &&
                    64 + 1 + len + 1 + 11 + 13 <= ADDRESS_BYTES_MAX;
        CU_ASSERT_EQUAL(got > 0, fits);
        CU_ASSERT(got == 0 || address_parse(slice_make(out, got), false, &a) == ADDRESS_OK);
    }
}

static const struct suite_test tests[] = {
    {"the form", test_cases},
    {"lengths", test_lengths},
};

SUITE_MAIN("verp", tests)
