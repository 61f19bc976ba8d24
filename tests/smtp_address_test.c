// Addresses of MAIL and RCPT: RFC 5321 4.1.2, RFC 6531, and examples of RFC 3696 and its errata.
#include "engine/base/check.h"
#include "engine/smtp/address.h"
#include "tests/suite.h"

#include <stdlib.h>

struct path_case {
    const char *path;
    enum address_status want;
    const char *want_text; // of ADDRESS_OK
    const char *want_domain;
};

#define X10 "xxxxxxxxxx"
#define X60 X10 X10 X10 X10 X10 X10
#define X240 X60 X60 X60 X60
#define LABELS_200 X10 X10 X10 X10 "." X60 "." X60 "." X10 X10 X10 "abcdefg"

static const struct path_case forward_cases[] = {
    {"<a@b>", ADDRESS_OK, "a@b", "b"},
    {"<Jones@xyz.com>", ADDRESS_OK, "Jones@xyz.com", "xyz.com"},
    {"<customer/department=shipping@example.com>", ADDRESS_OK,
     "customer/department=shipping@example.com", "example.com"},
    {"<!def!xyz%abc@example.com>", ADDRESS_OK, "!def!xyz%abc@example.com", "example.com"},
    {"<_somename@example.com>", ADDRESS_OK, "_somename@example.com", "example.com"},
    {"<user+mailbox@example.com>", ADDRESS_OK, "user+mailbox@example.com", "example.com"},
    {"<\"Joe Blow\"@example.com>", ADDRESS_OK, "\"Joe Blow\"@example.com", "example.com"},
    {"<\"Abc@def\"@example.com>", ADDRESS_OK, "\"Abc@def\"@example.com", "example.com"},
    {"<\"Fred\\\\Bloggs\"@example.com>", ADDRESS_OK, "\"Fred\\\\Bloggs\"@example.com",
     "example.com"},
    {"<\"a\\\"b>c\"@example.com>", ADDRESS_OK, "\"a\\\"b>c\"@example.com", "example.com"},
    {"<\"\"@example.com>", ADDRESS_OK, "\"\"@example.com", "example.com"},
    {"<a@xn--nxasmq6b.example>", ADDRESS_OK, "a@xn--nxasmq6b.example", "xn--nxasmq6b.example"},
    {"<a@under_score.example>", ADDRESS_OK, "a@under_score.example", "under_score.example"},
    {"<a@1.2.3.4>", ADDRESS_OK, "a@1.2.3.4", "1.2.3.4"}, // no literal, an odd name
    {"<a@[127.0.0.1]>", ADDRESS_OK, "a@[127.0.0.1]", "[127.0.0.1]"},
    {"<a@[IPv6:2001:db8::1]>", ADDRESS_OK, "a@[IPv6:2001:db8::1]", "[IPv6:2001:db8::1]"},
    {"<a@[ipv6:::ffff:1.2.3.4]>", ADDRESS_OK, "a@[ipv6:::ffff:1.2.3.4]", "[ipv6:::ffff:1.2.3.4]"},
    {"<@hosta.int,@jkl.org:userc@d.bar.org>", ADDRESS_OK, "userc@d.bar.org", "d.bar.org"},
    {"<@[1.2.3.4]:a@b>", ADDRESS_OK, "a@b", "b"},
    {"<Postmaster>", ADDRESS_OK, "Postmaster", ""},
    {"<postmaster@x.example>", ADDRESS_OK, "postmaster@x.example", "x.example"},
    {"<" X240 "@example.com>", ADDRESS_OK, X240 "@example.com", "example.com"},
    {"<a@" X60 "abc.example>", ADDRESS_OK, "a@" X60 "abc.example", X60 "abc.example"},
    {"<a@" LABELS_200 ">", ADDRESS_OK, "a@" LABELS_200, LABELS_200},

    {"", ADDRESS_BAD_SYNTAX},
    {"<", ADDRESS_BAD_SYNTAX},
    {"<>", ADDRESS_BAD_SYNTAX}, // only a reverse-path may be null
    {"a@b", ADDRESS_BAD_SYNTAX},
    {"<a@b", ADDRESS_BAD_SYNTAX},
    {"<a>", ADDRESS_BAD_SYNTAX},
    {"<a@>", ADDRESS_BAD_SYNTAX},
    {"<@b>", ADDRESS_BAD_SYNTAX},
    {"<postmaster", ADDRESS_BAD_SYNTAX},
    {"<postmasters>", ADDRESS_BAD_SYNTAX},
    {"<a b@c>", ADDRESS_BAD_SYNTAX},
    {"< a@b>", ADDRESS_BAD_SYNTAX},
    {"<a@b >", ADDRESS_BAD_SYNTAX},
    {"<a@b@c>", ADDRESS_BAD_SYNTAX},
    {"<a,b@c>", ADDRESS_BAD_SYNTAX},
    {"<(comment)a@b>", ADDRESS_BAD_SYNTAX},
    {"<.a@b>", ADDRESS_BAD_SYNTAX},
    {"<a.@b>", ADDRESS_BAD_SYNTAX},
    {"<a..b@c>", ADDRESS_BAD_SYNTAX},
    {"<a\\ b@c>", ADDRESS_BAD_SYNTAX},
    {"<\"a\"b@c>", ADDRESS_BAD_SYNTAX},
    {"<\"a@c>", ADDRESS_BAD_SYNTAX},
    {"<\"a\\", ADDRESS_BAD_SYNTAX},
    {"<\"a\\\x01\"@c>", ADDRESS_BAD_SYNTAX},
    {"<\"a\tb\"@c>", ADDRESS_BAD_SYNTAX},
    {"<a@b.>", ADDRESS_BAD_SYNTAX},
    {"<a@.b>", ADDRESS_BAD_SYNTAX},
    {"<a@b..c>", ADDRESS_BAD_SYNTAX},
    {"<a@-b.c>", ADDRESS_BAD_SYNTAX},
    {"<a@b-.c>", ADDRESS_BAD_SYNTAX},
    {"<a@b!c>", ADDRESS_BAD_SYNTAX},
    {"<a@[127.0.0.1>", ADDRESS_BAD_SYNTAX},
    {"<a@[127.0.0.256]>", ADDRESS_BAD_SYNTAX},
    {"<a@[127.0.1]>", ADDRESS_BAD_SYNTAX},
    {"<a@[::1]>", ADDRESS_BAD_SYNTAX}, // lacks its tag
    {"<a@[IPv6:127.0.0.1]>", ADDRESS_BAD_SYNTAX},
    {"<a@[IPv6:1:2:3:4:5:6:7:8:9]>", ADDRESS_BAD_SYNTAX},
    {"<a@[tag:content]>", ADDRESS_BAD_SYNTAX},
    {"<a@[]>", ADDRESS_BAD_SYNTAX},
    {"<a@[1.2.3.4]x>", ADDRESS_BAD_SYNTAX},
    {"<@a.b@c>", ADDRESS_BAD_SYNTAX},
    {"<@a,b:c@d>", ADDRESS_BAD_SYNTAX},
    {"<@a,:c@d>", ADDRESS_BAD_SYNTAX},
    {"<@:c@d>", ADDRESS_BAD_SYNTAX},
    {"<a@" X60 "abcd.example>", ADDRESS_BAD_SYNTAX}, // a label of 64
    {"<" X240 X10 X10 "@example.com>", ADDRESS_TOO_LONG},
    {"<" X240 "@" LABELS_200 ">", ADDRESS_TOO_LONG},
    {"<a@" X60 "." X60 "." X60 "." X60 "." X60 ">", ADDRESS_TOO_LONG},

    {"<\xc3\xa9@b>", ADDRESS_NEEDS_SMTPUTF8},
    {"<a@\xc3\xa9.example>", ADDRESS_NEEDS_SMTPUTF8},
    {"<\"\xc3\xa9\"@b>", ADDRESS_NEEDS_SMTPUTF8},
};

static bool text_is(struct slice got, const char *want)
{
    return slice_equal(got, slice_of_text(want));
}

// The parser gets a heap copy of just the bytes there are, so that reading on is caught.
static enum address_status parse_path(const char *path, bool null_allowed, bool utf8,
                                      struct address *ret, char **ret_copy, size_t *ret_used)
{
    size_t len = strlen(path);
    char *copy = malloc(len ? len : 1);
    memcpy(copy, path, len);
    struct slice rest = slice_make(copy, len);
    enum address_status status = address_parse_path(&rest, null_allowed, utf8, ret);
    *ret_used = len - rest.len;
    *ret_copy = copy;
    return status;
}

static void forward_paths(void)
{
    for (size_t i = 0; i < COUNT_OF(forward_cases); i++) {
        const struct path_case *c = &forward_cases[i];
        struct address got = {.text = SLICE("untouched")};
        char *copy;
        size_t used;
        enum address_status status = parse_path(c->path, false, false, &got, &copy, &used);
        bool right = status == c->want;
        if (status == ADDRESS_OK)
            right = right && used == strlen(c->path) && text_is(got.text, c->want_text) &&
                    text_is(got.domain, c->want_domain) && !got.needs_smtputf8;
        else
            right = right && used == 0 && text_is(got.text, "untouched");
        if (!right)
            printf("\n  %s: got status %d, '%.*s'\n", c->path, status, SLICE_ARG(got.text));
        CU_ASSERT(right);
        free(copy);
    }
}

static void reverse_path_may_be_null(void)
{
    struct address got;
    char *copy;
    size_t used;
    CU_ASSERT(parse_path("<> SIZE=1", true, false, &got, &copy, &used) == ADDRESS_OK);
    CU_ASSERT(used == 2 && got.text.len == 0 && got.local.len == 0 && got.domain.len == 0);
    free(copy);
    CU_ASSERT(parse_path("<postmaster>", true, false, &got, &copy, &used) == ADDRESS_BAD_SYNTAX);
    free(copy);
}

static void what_stands_behind_is_left(void)
{
    struct address got;
    char *copy;
    size_t used;
    CU_ASSERT(parse_path("<a@b>x", false, false, &got, &copy, &used) == ADDRESS_OK);
    CU_ASSERT(used == 5);
    free(copy);
}

static void utf8_addresses(void)
{
    static const struct {
        const char *path;
        enum address_status want;
    } cases[] = {
        {"<\xe7\x94\xa8\xe6\x88\xb7@\xe4\xbe\x8b\xe5\xad\x90.\xe5\xb9\xbf\xe5\x91\x8a>",
         ADDRESS_OK},
        {"<\"\xc3\xa9\"@b>", ADDRESS_OK},
        {"<plain@b>", ADDRESS_OK},
        {"<\xc3@b>", ADDRESS_NEEDS_SMTPUTF8},         // cut short
        {"<\xc0\xaf@b>", ADDRESS_NEEDS_SMTPUTF8},     // overlong
        {"<\xed\xa0\x80@b>", ADDRESS_NEEDS_SMTPUTF8}, // surrogate
        {"<a@\xff.b>", ADDRESS_NEEDS_SMTPUTF8},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct address got = {.needs_smtputf8 = false};
        char *copy;
        size_t used;
        CU_ASSERT(parse_path(cases[i].path, false, true, &got, &copy, &used) == cases[i].want);
        if (cases[i].want == ADDRESS_OK)
            CU_ASSERT(got.needs_smtputf8 == (strcmp(cases[i].path, "<plain@b>") != 0));
        free(copy);
    }
}

// No byte that ends a command line, nor any other control character, is in any accepted address,
// wherever it stands.
static void every_byte_everywhere(void)
{
    static const char *const forms[] = {"<ab@cd.ef>", "<\"ab\"@cd.ef>", "<a@[IPv6:::1]>",
                                        "<@ab.cd:ef@gh>"};
    for (size_t f = 0; f < COUNT_OF(forms); f++)
        for (size_t at = 0; at <= strlen(forms[f]); at++)
            for (unsigned byte = 0; byte < 256; byte++) {
                char path[64];
                size_t len = strlen(forms[f]);
                memcpy(path, forms[f], at);
                path[at] = (char)byte;
                memcpy(path + at + 1, forms[f] + at, len - at);
                struct slice rest = slice_make(path, len + 1);
                struct address got;
                enum address_status status = address_parse_path(&rest, false, true, &got);
                bool is_control = byte < 0x20 || byte == 0x7f;
                if (status == ADDRESS_OK && is_control)
                    CU_ASSERT(memchr(got.text.data, (int)byte, got.text.len) == NULL);
            }
}

static void bare_addresses(void)
{
    struct address got;
    CU_ASSERT(address_parse(SLICE("a@example.org"), false, &got) == ADDRESS_OK);
    CU_ASSERT(text_is(got.local, "a") && text_is(got.domain, "example.org"));
    CU_ASSERT(address_parse(SLICE("a@example.org>"), false, &got) == ADDRESS_BAD_SYNTAX);
    CU_ASSERT(address_parse(SLICE("<a@example.org>"), false, &got) == ADDRESS_BAD_SYNTAX);
    CU_ASSERT(address_parse(SLICE("postmaster"), false, &got) == ADDRESS_BAD_SYNTAX);
    CU_ASSERT(address_parse(SLICE(""), false, &got) == ADDRESS_BAD_SYNTAX);
    CU_ASSERT(address_parse(SLICE("\xc3\xa9@b"), true, &got) == ADDRESS_OK && got.needs_smtputf8);
}

static void domains_to_ascii(void)
{
    static const struct {
        const char *domain;
        const char *want; // "": no domain name
    } cases[] = {
        {"Example.ORG", "example.org"},
        {"XN--NXASMQ6B.example", "xn--nxasmq6b.example"},
        {"b\xc3\xbc\x63her.example", "xn--bcher-kva.example"},
        {"B\xc3\x9c\x43HER.example", "xn--bcher-kva.example"},
        {"bu\xcc\x88\x63her.example", "xn--bcher-kva.example"}, // decomposed: NFC first
        {"fa\xc3\x9f.example", "xn--fa-hia.example"},           // nontransitional
        {"\xe4\xbe\x8b\xe5\xad\x90.\xe5\xb9\xbf\xe5\x91\x8a", "xn--fsqu00a.xn--4rr70v"},
        {"[IPv6:2001:DB8::1]", "[ipv6:2001:db8::1]"},
        {"a_b.example", "a_b.example"},
        {LABELS_200, LABELS_200},
        {"", ""},
        {".", ""},
        {"example.org.", ""},
        {"exa mple.org", ""},
        {"-a.example", ""},
        {"a@b", ""},
        {"[1.2.3]", ""},
        {"\xff\xfe.example", ""},
        {"\xe2\x80\xa8.example", ""}, // LINE SEPARATOR
        {"a\nb.example", ""},
        {X60 "." X60 "." X60 "." X60 ".abcdefghij", ""}, // 254 bytes
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char out[ADDRESS_DOMAIN_BYTES_MAX + 1];
        size_t len = address_domain_ascii(slice_of_text(cases[i].domain), out);
        bool right = len == strlen(cases[i].want) && strcmp(out, cases[i].want) == 0;
        if (!right)
            printf("\n  %s: got '%s'\n", cases[i].domain, out);
        CU_ASSERT(right);
    }
    char out[ADDRESS_DOMAIN_BYTES_MAX + 1];
    CU_ASSERT(address_domain_ascii(slice_make("a\0b", 3), out) == 0);
}

static const struct suite_test tests[] = {
    {"forward paths", forward_paths},
    {"a reverse-path may be null", reverse_path_may_be_null},
    {"what stands behind the path is left", what_stands_behind_is_left},
    {"UTF-8 addresses", utf8_addresses},
    {"every byte everywhere", every_byte_everywhere},
    {"bare addresses", bare_addresses},
    {"domains to ASCII", domains_to_ascii},
};

SUITE_MAIN("smtp_address", tests)
