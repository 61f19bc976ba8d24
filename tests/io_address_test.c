// Addresses: what is written, what is read back, and which are no exchanger's.
#include "engine/base/check.h"
#include "engine/io/address.h"
#include "tests/suite.h"

static void parsed_and_printed(void)
{
    static const struct {
        const char *text;
        const char *want; // NULL: refused
        const char *host;
    } rows[] = {
        {"127.0.0.1:2525", "127.0.0.1:2525", "127.0.0.1"},
        {"127.0.0.1", "127.0.0.1:25", "127.0.0.1"},
        {"127.0.0.1:0", "127.0.0.1:0", "127.0.0.1"},
        {"127.0.0.1:65535", "127.0.0.1:65535", "127.0.0.1"},
        {"[::1]:2525", "[::1]:2525", "::1"},
        {"[::1]", "[::1]:25", "::1"},
        {"::1", "[::1]:25", "::1"},
        {"2001:DB8:0:0::1", "[2001:db8::1]:25", "2001:db8::1"},
        {"[::ffff:10.0.0.1]:1", "[::ffff:10.0.0.1]:1", "::ffff:10.0.0.1"},
        {"unix:/run/x.sock", "unix:/run/x.sock", "unix:/run/x.sock"},
        {"unix:", NULL, NULL},
        {"", NULL, NULL},
        {":25", NULL, NULL},
        {"127.0.0.1:", NULL, NULL},
        {"127.0.0.1:65536", NULL, NULL},
        {"127.0.0.1:-1", NULL, NULL},
        {"127.0.0.1:25x", NULL, NULL},
        {"127.1", NULL, NULL},
        {"127.0.0.01:25", NULL, NULL}, // octal or not: ambiguous
        {"[::1", NULL, NULL},
        {"[::1]25", NULL, NULL},
        {"[127.0.0.1]:25", NULL, NULL},
        {"::1]:25", NULL, NULL},
        {"localhost:25", NULL, NULL}, // names are not looked up
        {"fe80::1%eth0", NULL, NULL},
        {"1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc", NULL, NULL},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct io_address a, back;
        char text[IO_ADDRESS_TEXT_BYTES];
        bool ok = io_address_parse(slice_of_text(rows[i].text), 25, &a);
        CU_ASSERT_EQUAL(ok, rows[i].want != NULL);
        if (!ok || !rows[i].want)
            continue;
        CU_ASSERT_STRING_EQUAL(io_address_print_host(&a, text), rows[i].host);
        CU_ASSERT_STRING_EQUAL(io_address_print(&a, text), rows[i].want);
        CU_ASSERT_TRUE(io_address_parse(slice_of_text(text), 1, &back));
        CU_ASSERT_TRUE(io_address_equal(&a, &back));
    }
}

static void unix_paths(void)
{
    char text[200] = "unix:";
    char printed[IO_ADDRESS_TEXT_BYTES];
    struct io_address a, b;
    memset(text + 5, 'p', sizeof(text) - 5);
    CU_ASSERT_TRUE(io_address_parse(slice_make(text, 5 + 107), 0, &a)); // sun_path and its NUL
    CU_ASSERT_FALSE(io_address_parse(slice_make(text, 5 + 108), 0, &b));
    CU_ASSERT_FALSE(io_address_parse(SLICE("unix:/a\0b"), 0, &b));
    CU_ASSERT_TRUE(
        slice_equal(slice_of_text(io_address_print(&a, printed)), slice_make(text, 112)));
    struct io_address unnamed = {.len = 2, .as.un.sun_family = AF_UNIX};
    CU_ASSERT_STRING_EQUAL(io_address_print(&unnamed, printed), "unix:");
    CU_ASSERT_FALSE(io_address_equal(&a, &unnamed));
    CU_ASSERT_TRUE(io_address_is_unix(&a) && io_address_is_loopback(&a));
}

static void equality(void)
{
    static const char *texts[] = {"127.0.0.1:1", "127.0.0.1:2",          "127.0.0.2:1", "[::1]:1",
                                  "[::2]:1",     "[::ffff:127.0.0.1]:1", "unix:a",      "unix:b"};
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        for (size_t k = 0; k < COUNT_OF(texts); k++) {
            struct io_address a, b;
            CU_ASSERT_TRUE(io_address_parse(slice_of_text(texts[i]), 0, &a));
            CU_ASSERT_TRUE(io_address_parse(slice_of_text(texts[k]), 0, &b));
            CU_ASSERT_EQUAL(io_address_equal(&a, &b), i == k);
        }
}

static void who_is_private(void)
{
    static const struct {
        const char *text;
        bool private, loopback;
    } rows[] = {
        {"0.0.0.0", true, false},
        {"0.255.255.255", true, false},
        {"1.0.0.0", false, false},
        {"9.255.255.255", false, false},
        {"10.0.0.0", true, false},
        {"10.255.255.255", true, false},
        {"11.0.0.0", false, false},
        {"100.63.255.255", false, false},
        {"100.64.0.0", true, false},
        {"100.127.255.255", true, false},
        {"100.128.0.0", false, false},
        {"126.255.255.255", false, false},
        {"127.0.0.0", true, true},
        {"127.255.255.255", true, true},
        {"128.0.0.0", false, false},
        {"169.253.255.255", false, false},
        {"169.254.169.254", true, false},
        {"169.255.0.0", false, false},
        {"172.15.255.255", false, false},
        {"172.16.0.0", true, false},
        {"172.31.255.255", true, false},
        {"172.32.0.0", false, false},
        {"192.0.0.8", true, false},
        {"192.0.1.0", false, false},
        {"192.0.2.1", true, false},
        {"192.167.255.255", false, false},
        {"192.168.0.0", true, false},
        {"192.169.0.0", false, false},
        {"198.17.255.255", false, false},
        {"198.18.0.0", true, false},
        {"198.19.255.255", true, false},
        {"198.20.0.0", false, false},
        {"198.51.100.1", true, false},
        {"203.0.113.1", true, false},
        {"203.0.114.0", false, false},
        {"223.255.255.255", false, false},
        {"224.0.0.1", true, false},
        {"240.0.0.1", true, false},
        {"255.255.255.255", true, false},
        {"::", true, false},
        {"::1", true, true},
        {"::2", true, false},
        {"::ffff:127.0.0.1", true, true},
        {"::ffff:192.168.1.1", true, false},
        {"::ffff:8.8.8.8", false, false},
        {"64:ff9b::10.0.0.1", true, false},
        {"64:ff9b::8.8.8.8", false, false},
        {"64:ff9b:1::8.8.8.8", true, false},
        {"100::1", true, false},
        {"100:0:0:1::1", false, false},
        {"2001::1", true, false},
        {"2001:1ff:ffff::1", true, false},
        {"2001:200::1", false, false},
        {"2001:db8::1", true, false},
        {"2001:db9::1", false, false},
        {"2002:7f00:1::1", true, true},
        {"2002:808:808::1", false, false},
        {"2606:4700::1", false, false},
        {"3fff::1", true, false},
        {"3fff:1000::1", false, false},
        {"fbff::1", false, false},
        {"fc00::1", true, false},
        {"fdff::1", true, false},
        {"fe80::1", true, false},
        {"fec0::1", true, false},
        {"ff02::1", true, false},
        {"unix:/run/x", true, true},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct io_address a;
        CU_ASSERT_TRUE_FATAL(io_address_parse(slice_of_text(rows[i].text), 25, &a));
        CU_ASSERT_EQUAL(io_address_is_private(&a), rows[i].private);
        CU_ASSERT_EQUAL(io_address_is_loopback(&a), rows[i].loopback);
        if (io_address_is_private(&a) != rows[i].private)
            printf("private? %s\n", rows[i].text);
    }
}

static const struct suite_test tests[] = {
    {"parsed and printed", parsed_and_printed},
    {"unix paths", unix_paths},
    {"equality", equality},
    {"who is private", who_is_private},
};
SUITE_MAIN("io_address", tests)
