#include "bench/fields.h"
#include "bench/sink/arrival.h"
#include "engine/base/check.h"
#include "tests/suite.h"

#include <stdlib.h>

struct arrival_case {
    const char *name;
    const char *content;
    const char *want_id;
    const char *want_hashed; // what the hash is over
};

#define REST "From: a@b.example\r\nMessage-ID: <1@x>\r\n\r\nbody\r\n"

static const struct arrival_case arrival_cases[] = {
    {"no trace", REST, "<1@x>", REST},
    {"one field", "Received: from a by b; now\r\n" REST, "<1@x>", REST},
    {"continuation lines", "Received: from a\r\n\tby b;\r\n now\r\n" REST, "<1@x>", REST},
    {"several of both, any case", "Return-Path: <a@b>\r\nRECEIVED: x\r\n y\r\nreceived: z\r\n" REST,
     "<1@x>", REST},
    {"only leading ones", "X: 1\r\nReceived: kept\r\n" REST, "<1@x>",
     "X: 1\r\nReceived: kept\r\n" REST},
    {"names that only begin alike", "Received-SPF: pass\r\n" REST, "<1@x>",
     "Received-SPF: pass\r\n" REST},
    {"folded id", "message-id:\r\n <2@y>\r\nA: b\r\n\r\n", "<2@y>",
     "message-id:\r\n <2@y>\r\nA: b\r\n\r\n"},
    {"id with a comment", "Message-ID: (c) <3@z> x\r\n\r\n", "<3@z>",
     "Message-ID: (c) <3@z> x\r\n\r\n"},
    {"id without brackets", "Message-ID:  four \r\n\r\n", "four", "Message-ID:  four \r\n\r\n"},
    {"old syntax", "Message-ID : <5@x>\r\n\r\n", "<5@x>", "Message-ID : <5@x>\r\n\r\n"},
    {"the first of two", "Message-ID: <6@x>\r\nMessage-ID: <7@x>\r\n\r\n", "<6@x>",
     "Message-ID: <6@x>\r\nMessage-ID: <7@x>\r\n\r\n"},
    {"in the body there is none", "A: b\r\n\r\nMessage-ID: <8@x>\r\n", "",
     "A: b\r\n\r\nMessage-ID: <8@x>\r\n"},
    {"no body", "Received: x\r\nMessage-ID: <9@x>\r\n", "<9@x>", "Message-ID: <9@x>\r\n"},
    {"no header", "\r\nReceived: body\r\n", "", "\r\nReceived: body\r\n"},
    {"trace alone", "Received: x\r\n\ty\r\n", "", ""},
    {"a body like a trace", "Received: x\r\n\r\nReceived: body\r\n", "", "\r\nReceived: body\r\n"},
    {"nothing", "", "", ""},
};

static void hash_of(const char *text, char ret[SHA256_HEX_BYTES])
{
    uint8_t digest[SHA256_BYTES];
    struct sha256 *h = sha256_new();
    CHECK(h);
    sha256_start(h);
    sha256_add(h, slice_of_text(text));
    sha256_end(h, digest);
    sha256_hex(digest, ret);
    sha256_free(h);
}

// The content comes as text[0, first), text[first, second), text[second, end).
static void check_case(struct arrival *a, const struct arrival_case *c, size_t first, size_t second)
{
    char want_hex[SHA256_HEX_BYTES];
    struct slice content = slice_of_text(c->content);
    hash_of(c->want_hashed, want_hex);
    CU_ASSERT_TRUE(arrival_start(a, SLICE("s@x")));
    CU_ASSERT_TRUE(arrival_add_content(a, slice_take(content, first)));
    CU_ASSERT_TRUE(arrival_add_content(a, slice_skip(slice_take(content, second), first)));
    CU_ASSERT_TRUE(arrival_add_content(a, slice_skip(content, second)));
    arrival_end(a);
    bool fine = strcmp(a->hex, want_hex) == 0 &&
                slice_equal(arrival_id(a), slice_of_text(c->want_id));
    if (!fine)
        printf("\n%s, cut at %zu and %zu: id \"%.*s\", hash %s", c->name, first, second,
               SLICE_ARG(arrival_id(a)), strcmp(a->hex, want_hex) ? "differs" : "fine");
    CU_ASSERT_TRUE(fine);
    CU_ASSERT_TRUE(slice_equal(buffer_slice(&a->content), content));
}

static void test_every_cut(void)
{
    struct arrival *a = arrival_new(true); // one for all: nothing may be left from before
    CHECK(a);
    for (size_t i = 0; i < COUNT_OF(arrival_cases); i++) {
        size_t len = strlen(arrival_cases[i].content);
        for (size_t first = 0; first <= len; first++)
            for (size_t second = first; second <= len; second++)
                check_case(a, &arrival_cases[i], first, second);
    }
    arrival_free(a);
}

// A header section that never ends is hashed all the same, and costs bounded memory.
static void test_endless_header(void)
{
    size_t len = 2 * ARRIVAL_HEADER_BYTES_MAX;
    char *text = malloc(len + 1), want[SHA256_HEX_BYTES];
    struct arrival *a = arrival_new(false);
    CHECK(text && a);
    memset(text, 'x', len);
    memcpy(text, "Message-ID: <long@x>\r\nX: ", 25);
    text[len] = 0;
    hash_of(text, want);
    CU_ASSERT_TRUE(arrival_start(a, SLICE_EMPTY));
    for (size_t at = 0; at < len; at += 1000)
        CU_ASSERT_TRUE(arrival_add_content(a, slice_take(slice_make(text + at, len - at), 1000)));
    arrival_end(a);
    CU_ASSERT_STRING_EQUAL(a->hex, want);
    CU_ASSERT_TRUE(slice_equal(arrival_id(a), SLICE("<long@x>")));
    CU_ASSERT(a->header.room <= ARRIVAL_HEADER_BYTES_MAX);
    arrival_free(a);
    free(text);
}

static void test_recipients_in_order(void)
{
    static const char *const rcpts[] = {"a@x.example", "b@y.example", "\"c d\"@z.example"};
    struct arrival *a = arrival_new(false);
    CHECK(a);
    for (unsigned round = 0; round < 2; round++) {
        CU_ASSERT_TRUE(arrival_start(a, SLICE_EMPTY));
        for (unsigned i = 0; i < COUNT_OF(rcpts); i++)
            CU_ASSERT_TRUE(arrival_add_rcpt(a, slice_of_text(rcpts[i])));
        struct slice rest = buffer_slice(&a->rcpts), address;
        unsigned count = 0;
        while (arrival_next_rcpt(&rest, &address))
            CU_ASSERT_TRUE(slice_equal(address, slice_of_text(rcpts[count++])));
        CU_ASSERT_EQUAL(count, COUNT_OF(rcpts));
    }
    arrival_free(a);
}

static void test_date(void)
{
    char text[FIELDS_DATE_BYTES];
    fields_print_date(text, 1795326189ull * 1000000 + 999999);
    CU_ASSERT_STRING_EQUAL(text, "Sun, 22 Nov 2026 05:43:09 +0000");
    fields_print_date(text, 951782400ull * 1000000);
    CU_ASSERT_STRING_EQUAL(text, "Tue, 29 Feb 2000 00:00:00 +0000");
}

static const struct suite_test tests[] = {
    {"trace, id and hash, at every cut", test_every_cut},
    {"endless header", test_endless_header},
    {"recipients in order", test_recipients_in_order},
    {"date", test_date},
};

SUITE_MAIN("bench_arrival", tests)
