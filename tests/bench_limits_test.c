#include "bench/sink/limits.h"
#include "bench/sink/listeners.h"
#include "engine/base/check.h"
#include "engine/base/random.h"
#include "tests/suite.h"

static struct io_address client(uint32_t host, uint16_t port)
{
    uint32_t bytes = __builtin_bswap32(host);
    return io_address_from_bytes(&bytes, 4, port);
}

static struct sink_limits *limits_of(struct sink_limits_options options)
{
    struct sink_limits *l = NULL;
    options.listener_count = 3;
    CHECK(sink_limits_new(&l, &options) == 0);
    return l;
}

static void test_in_all_and_at_a_listener(void)
{
    struct sink_limits *l = limits_of(
        (struct sink_limits_options){.sessions_max = 3, .sessions_per_listener_max = 2});
    CU_ASSERT_PTR_NULL(sink_limits_enter(l, 0, NULL));
    CU_ASSERT_PTR_NULL(sink_limits_enter(l, 0, NULL));
    CU_ASSERT_STRING_EQUAL(sink_limits_enter(l, 0, NULL), "sessions at this listener");
    CU_ASSERT_PTR_NULL(sink_limits_enter(l, 1, NULL));
    CU_ASSERT_STRING_EQUAL(sink_limits_enter(l, 2, NULL), "sessions");
    sink_limits_leave(l, 0, NULL);
    CU_ASSERT_PTR_NULL(sink_limits_enter(l, 2, NULL));
    CU_ASSERT_EQUAL(sink_limits_peaks(l).sessions, 3);
    sink_limits_free(l);
}

static void test_transactions_at_a_time(void)
{
    struct sink_limits *l = limits_of((struct sink_limits_options){.sessions_max = 0});
    sink_limits_transactions(l, 5);
    sink_limits_transactions(l, -3);
    sink_limits_transactions(l, 2);
    CU_ASSERT_EQUAL(sink_limits_peaks(l).transactions, 5);
    sink_limits_free(l);
}

static void test_messages_in_a_second(void)
{
    struct sink_limits *l = limits_of((struct sink_limits_options){.messages_per_s_max = 2});
    CU_ASSERT_TRUE(sink_limits_message(l, 5000000));
    CU_ASSERT_TRUE(sink_limits_message(l, 5900000));
    CU_ASSERT_FALSE(sink_limits_message(l, 5999999));
    CU_ASSERT_TRUE(sink_limits_message(l, 6000000));
    CU_ASSERT_FALSE(sink_limits_message(l, 6000000));
    CU_ASSERT_TRUE(sink_limits_message(l, 6900000));
    sink_limits_free(l);
}

static void test_a_client_is_its_host(void)
{
    struct sink_limits *l = limits_of((struct sink_limits_options){.sessions_per_client_max = 1});
    struct io_address a = client(0x7f000001, 1000), b = client(0x7f000001, 1001);
    struct io_address c = client(0x7f000002, 1000);
    CU_ASSERT_PTR_NULL(sink_limits_enter(l, 0, &a));
    CU_ASSERT_STRING_EQUAL(sink_limits_enter(l, 1, &b), "sessions from this address");
    CU_ASSERT_PTR_NULL(sink_limits_enter(l, 1, &c));
    sink_limits_leave(l, 0, &a);
    CU_ASSERT_PTR_NULL(sink_limits_enter(l, 1, &b));
    sink_limits_free(l);
}

// Thousands of clients come and go; the table of them must never forget one nor keep one.
static void test_many_clients(void)
{
    enum { HOSTS = 4096, SESSIONS_MAX = 3 };
    static uint8_t sessions[HOSTS];
    struct sink_limits *l = limits_of(
        (struct sink_limits_options){.sessions_per_client_max = SESSIONS_MAX});
    struct random dice;
    random_init(&dice, 11);
    for (unsigned step = 0; step < 200000; step++) {
        uint32_t host = random_below(&dice, HOSTS);
        struct io_address address = client(0x0a000000 + host, (uint16_t)step);
        if (random_below(&dice, 2) && sessions[host] > 0) {
            sink_limits_leave(l, 0, &address);
            sessions[host]--;
        } else {
            bool entered = sink_limits_enter(l, 0, &address) == NULL;
            CU_ASSERT_EQUAL(entered, sessions[host] < SESSIONS_MAX);
            sessions[host] += entered;
        }
    }
    sink_limits_free(l);
}

struct range_case {
    const char *text;
    uint32_t want_count; // 0: refused
    const char *want_first, *want_last;
};

static const struct range_case range_cases[] = {
    {"127.0.0.1:2526", 1, "127.0.0.1:2526", "127.0.0.1:2526"},
    {"127.0.0.1", 1, "127.0.0.1:2525", "127.0.0.1:2525"},
    {"127.1.0.1-127.1.0.250:0", 250, "127.1.0.1:0", "127.1.0.250:0"},
    {"127.1.0.250-127.1.1.5:25", 12, "127.1.0.250:25", "127.1.1.5:25"},
    {"127.1.0.9-127.1.0.9", 1, "127.1.0.9:2525", "127.1.0.9:2525"},
    {"unix:/tmp/a-b", 1, "unix:/tmp/a-b", "unix:/tmp/a-b"},
    {"[::1]:25", 1, "[::1]:25", "[::1]:25"},
    {"127.0.0.1-128.0.0.1:25", 0, NULL, NULL},
    {"127.0.0.1:99999", 0, NULL, NULL},
    {"unix:", 0, NULL, NULL},
    {":25", 0, NULL, NULL},
};

static void test_addresses_and_ranges(void)
{
    for (size_t i = 0; i < COUNT_OF(range_cases); i++) {
        const struct range_case *c = &range_cases[i];
        struct sink_listeners l = {0};
        char why[RESOLVE_WHY_BYTES], text[IO_ADDRESS_TEXT_BYTES];
        bool added = sink_listeners_add(&l, slice_of_text(c->text), false, why);
        CU_ASSERT_EQUAL(added, c->want_count > 0);
        if (added) {
            CU_ASSERT_EQUAL(l.count, c->want_count);
            CU_ASSERT_STRING_EQUAL(io_address_print(&l.items[0].address, text), c->want_first);
            CU_ASSERT_STRING_EQUAL(io_address_print(&l.items[l.count - 1].address, text),
                                   c->want_last);
        }
        sink_listeners_release(&l);
    }
}

static const struct suite_test tests[] = {
    {"in all and at a listener", test_in_all_and_at_a_listener},
    {"transactions at a time", test_transactions_at_a_time},
    {"messages in a second", test_messages_in_a_second},
    {"a client is its host", test_a_client_is_its_host},
    {"many clients", test_many_clients},
    {"addresses and ranges", test_addresses_and_ranges},
};

SUITE_MAIN("bench_limits", tests)
