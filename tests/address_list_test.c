// Lists of addresses (RFC 5322 3.4, A.1, A.5, A.6.3) and the fields that they stand in.
#include "engine/base/check.h"
#include "engine/base/random.h"
#include "engine/message/address_list.h"
#include "engine/message/fields.h"
#include "tests/suite.h"

#include <stdlib.h>

struct list_case {
    const char *list;
    const char *want; // what comes out, each behind a space; "!" before what is bad, "<>" for null
};

static const struct list_case list_cases[] = {
    {"", ""},
    {"a@b", " a@b"},
    {" a@b \r\n", " a@b"},
    {"a@b,c@d", " a@b c@d"},
    {"a@b ,\r\n\tc@d\r\n", " a@b c@d"},
    {",, a@b ,\n , c@d,", " a@b c@d"},
    {"root", " root"},
    {"root, a@b", " root a@b"},
    // names
    {"Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>", " pete@silly.test"},
    {"\"Joe Q. Public\" <john.q.public@example.com>", " john.q.public@example.com"},
    {"Joe Q. Public <john.q.public@example.com>", " john.q.public@example.com"},
    {"Mary Smith <mary@x.test>, jdoe@example.org, Who? <one@y.test>",
     " mary@x.test jdoe@example.org one@y.test"},
    {"<boss@nil.test>, \"Giant; \\\"Big\\\" Box\" <sysservices@example.net>",
     " boss@nil.test sysservices@example.net"},
    {"me@home.example <a@b>", " a@b"},
    {"Gr\xc3\xbc\xc3\x9f"
     "e <a@b>",
     " a@b"},
    {"=?utf-8?q?a=2C_b?= <a@b>", " a@b"},
    {"\"a@b, c@d\" <e@f>", " e@f"},
    {"a@b (c@d, e@f)", " a@b"},
    {"<a@b> (last)", " a@b"},
    {"\"a\r\n b\" <a@b>", " a@b"},
    // groups
    {"A Group:Ed Jones <c@a.test>,joe@where.test,John <jdoe@one.test>;",
     " c@a.test joe@where.test jdoe@one.test"},
    {"Undisclosed recipients:;", ""},
    {"(Empty list)(start)Hidden recipients  :(nobody(that I know))  ;", ""},
    {"x: a@b;, c@d", " a@b c@d"},
    {"x: a@b; c@d", " a@b c@d"},
    // local parts and domains
    {"\"a b\"@c", " \"a b\"@c"},
    {"\"a,b\\\"<c>\"@d", " \"a,b\\\"<c>\"@d"},
    {"a@[127.0.0.1]", " a@[127.0.0.1]"},
    {"a@[IPv6:::1], b@c", " a@[IPv6:::1] b@c"},
    {"a+b=c/d@e-f.g", " a+b=c/d@e-f.g"},
    {"\xc3\xa9@\xc3\xa9.example", " \xc3\xa9@\xc3\xa9.example"},
    // what is obsolete
    {"john . doe (x) @ example (y) . com", " john.doe@example.com"},
    {"< a @ b >", " a@b"},
    {"<@hop:a@b>, <@x,@y:c@d>", " a@b c@d"},
    {"Mary <@machine.tld:mary@example.net>, , jdoe@test . example",
     " mary@example.net jdoe@test.example"},
    // null
    {"<>", " <>"},
    {"Nobody <>, a@b", " <> a@b"},
    // bad: each by itself, and what follows is read
    {"John Doe, a@b", " !John Doe a@b"},
    {"a@b c@d", " !a@b c@d"},
    {"a (x) b", " !a (x) b"},
    {"<a@b> c", " !<a@b> c"},
    {"<a@b> <c@d>, e@f", " !<a@b> <c@d> e@f"},
    {"<<a@b>>", " !<<a@b>>"},
    {"a@b>, c@d", " !a@b> c@d"},
    {"<@a>, b@c", " !<@a> b@c"},
    {"\"a\\\r\n\"b\"@c", " !\"a\\\r\n\"b\"@c"},
    {"<a,b@c>, d@e", " !<a,b@c> d@e"},
    {"<a:b@c>, d@e", " !<a:b@c> d@e"},
    {"<a@b>: c@d, d@e", " !<a@b>: c@d d@e"},
    {"<a;b>; d@e", " !<a;b> d@e"},
    {"a)@b, c]@d, e@f", " !a)@b !c]@d e@f"},
    {"@a, b@c", " !@a b@c"},
    // bad: no end can be told
    {"\"a@b, c@d", " !\"a@b, c@d"},
    {"(a@b, c@d", " !(a@b, c@d"},
    {"((a) b@c", " !((a) b@c"},
    {"<a@b, c@d", " !<a@b, c@d"},
    {"a@[1, c@d", " !a@[1, c@d"},
    {"\"a\\", " !\"a\\"},
    {"(a\\", " !(a\\"},
};

static void note(char *seen, const char *mark, struct slice s)
{
    size_t len = strlen(seen);
    snprintf(seen + len, 512 - len, " %s%.*s", mark, SLICE_ARG(s));
}

static void test_lists(void)
{
    for (size_t i = 0; i < COUNT_OF(list_cases); i++) {
        const struct list_case *t = &list_cases[i];
        struct slice rest = slice_of_text(t->list);
        char text[ADDRESS_LIST_ADDRESS_BYTES_MAX];
        char got[512] = "";
        struct slice found;
        for (bool more = true; more;)
            switch (address_list_next(&rest, text, &found)) {
            case ADDRESS_LIST_ADDRESS: note(got, "", found); break;
            case ADDRESS_LIST_NULL: note(got, "<>", SLICE_EMPTY); break;
            case ADDRESS_LIST_BAD: note(got, "!", found); break;
            case ADDRESS_LIST_END: more = false; break;
            }
        if (strcmp(got, t->want) != 0)
            fprintf(stderr, "'%s': got '%s', want '%s'\n", t->list, got, t->want);
        CU_ASSERT_STRING_EQUAL(got, t->want);
        CU_ASSERT_EQUAL(rest.len, 0);
    }
}

// An address as long as there is room for, and one byte more; a name may have any length.
static void test_long(void)
{
    static char list[3 * ADDRESS_LIST_ADDRESS_BYTES_MAX];
    char text[ADDRESS_LIST_ADDRESS_BYTES_MAX];
    struct slice found;
    memset(list, 'x', sizeof(list));
    struct slice rest = slice_make(list, ADDRESS_LIST_ADDRESS_BYTES_MAX);
    CU_ASSERT_EQUAL(address_list_next(&rest, text, &found), ADDRESS_LIST_ADDRESS);
    CU_ASSERT_EQUAL(found.len, ADDRESS_LIST_ADDRESS_BYTES_MAX);
    rest = slice_make(list, ADDRESS_LIST_ADDRESS_BYTES_MAX + 1);
    CU_ASSERT_EQUAL(address_list_next(&rest, text, &found), ADDRESS_LIST_BAD);
    memcpy(list + sizeof(list) - 5, "<a@b>", 5);
    rest = slice_make(list, sizeof(list));
    CU_ASSERT_EQUAL(address_list_next(&rest, text, &found), ADDRESS_LIST_ADDRESS);
    CU_ASSERT_TRUE(slice_equal(found, SLICE("a@b")));
}

// Any bytes: each step takes something, and what comes out as an address is one entry that reads
// as itself.
static void test_any_bytes(void)
{
    static const char alphabet[] = "aab@@..,;:<>()[]\"\\ \r\n\t\0\xff";
    for (uint64_t seed = 0; seed < 40000; seed++) {
        struct random dice;
        char *list = malloc(48); // so that a sanitizer sees its end
        char text[ADDRESS_LIST_ADDRESS_BYTES_MAX];
        char again[ADDRESS_LIST_ADDRESS_BYTES_MAX];
        struct slice found;
        struct slice same;
        random_init(&dice, seed);
        size_t len = random_below(&dice, 48);
        for (size_t i = 0; i < len; i++)
            list[i] = alphabet[random_below(&dice, sizeof(alphabet) - 1)];
        memmove(list + 48 - len, list, len);
        struct slice rest = slice_make(list + 48 - len, len);
        for (size_t left = rest.len + 1; left > rest.len;) {
            left = rest.len;
            enum address_list_step step = address_list_next(&rest, text, &found);
            if (step != ADDRESS_LIST_ADDRESS)
                continue;
            CU_ASSERT_EQUAL(memchr(found.data, '\n', found.len), NULL);
            CU_ASSERT_EQUAL(memchr(found.data, '\r', found.len), NULL);
            struct slice once_more = found;
            CU_ASSERT_EQUAL(address_list_next(&once_more, again, &same), ADDRESS_LIST_ADDRESS);
            CU_ASSERT_TRUE(slice_equal(same, found));
            CU_ASSERT_EQUAL(once_more.len, 0);
        }
        CU_ASSERT_EQUAL(rest.len, 0);
        free(list);
    }
}

// --- fields

struct section_case {
    const char *section;
    const char *want; // "name=body|" of each
    const char *want_rest;
};

static const struct section_case section_cases[] = {
    {"", "", ""},
    {"\r\nbody", "", "\r\nbody"},
    {"A: b\r\n\r\nbody", "A= b\r\n|", "\r\nbody"},
    {"A: b\nB : c\n\nbody", "A= b\n|B= c\n|", "\nbody"},
    {"A: b\r\n c\r\n\td\r\nB: e\r\n", "A= b\r\n c\r\n\td\r\n|B= e\r\n|", ""},
    {"A:\r\nB:", "A=\r\n|B=|", ""},
    {"A: b\r\n \r\nB: c\r\n", "A= b\r\n \r\n|B= c\r\n|", ""}, // a line of blanks is a fold
    {"A: b: c\n", "A= b: c\n|", ""},
    {" A: b\n", "", " A: b\n"},
    {"no field\n", "", "no field\n"},
    {"A: b\nno field\n", "A= b\n|", "no field\n"},
    {": b\n", "", ": b\n"},
    {"A b: c\n", "", "A b: c\n"},
    {"\xc3\xa9: c\n", "", "\xc3\xa9: c\n"},
    {"A", "", "A"},
    {"A: b", "A= b|", ""},
    {"A: b\n ", "A= b\n |", ""},
};

static void test_fields(void)
{
    for (size_t i = 0; i < COUNT_OF(section_cases); i++) {
        const struct section_case *t = &section_cases[i];
        struct slice rest = slice_of_text(t->section);
        struct header_field f;
        char got[512] = "";
        size_t len = 0;
        const char *at = rest.data;
        CU_ASSERT_EQUAL(fields_is_first_line(rest), t->want[0] != '\0');
        while (fields_next(&rest, &f)) {
            len += (size_t)snprintf(got + len, sizeof(got) - len, "%.*s=%.*s|", SLICE_ARG(f.name),
                                    SLICE_ARG(f.body));
            CU_ASSERT_PTR_EQUAL(f.whole.data, at);
            at += f.whole.len;
            CU_ASSERT_PTR_EQUAL(rest.data, at);
        }
        CU_ASSERT_STRING_EQUAL(got, t->want);
        CU_ASSERT_TRUE(slice_equal(rest, slice_of_text(t->want_rest)));
    }
    struct header_field bcc = {.name = SLICE("BCC")};
    CU_ASSERT_TRUE(header_field_is(&bcc, SLICE("Bcc")));
    CU_ASSERT_FALSE(header_field_is(&bcc, SLICE("Bc")));
}

static const struct suite_test tests[] = {
    {"lists", test_lists},
    {"long addresses", test_long},
    {"any bytes", test_any_bytes},
    {"fields", test_fields},
};
SUITE_MAIN("address_list", tests)
