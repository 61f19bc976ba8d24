#include "bench/load/pace.h"
#include "bench/load/plan.h"
#include "tests/suite.h"

static void test_closed_loop(void)
{
    struct pace p = {.start_us = 1000, .end_us = UINT64_MAX, .count_max = 3};
    uint64_t intended_us = 0;
    for (unsigned i = 0; i < 3; i++) {
        CU_ASSERT_TRUE(pace_take(&p, 1000 + i, &intended_us));
        CU_ASSERT_EQUAL(intended_us, 1000 + i); // it is due when a session has room
    }
    CU_ASSERT_TRUE(pace_over(&p, 1003));
    CU_ASSERT_FALSE(pace_take(&p, 1003, &intended_us));
    CU_ASSERT_EQUAL(pace_due_us(&p), UINT64_MAX);
    CU_ASSERT_EQUAL(pace_overdue(&p, 2000), 0);
}

// 100 a second: one every 10 ms. A server that stalls does not change when they are due.
static void test_open_loop(void)
{
    struct pace p = {.start_us = 0, .end_us = 1000000, .count_max = UINT64_MAX, .rate_per_s = 100};
    uint64_t intended_us = 1;
    CU_ASSERT_TRUE(pace_take(&p, 0, &intended_us));
    CU_ASSERT_EQUAL(intended_us, 0);
    CU_ASSERT_EQUAL(pace_due_us(&p), 10000);
    CU_ASSERT_FALSE(pace_take(&p, 9999, &intended_us));
    CU_ASSERT_TRUE(pace_take(&p, 10000, &intended_us));
    CU_ASSERT_EQUAL(intended_us, 10000);
    for (uint64_t due_us = 20000; due_us <= 500000; due_us += 10000) { // all started at 500 ms
        CU_ASSERT_TRUE(pace_take(&p, 500000, &intended_us));
        CU_ASSERT_EQUAL(intended_us, due_us);
    }
    CU_ASSERT_FALSE(pace_take(&p, 500000, &intended_us));
    CU_ASSERT_EQUAL(pace_overdue(&p, 750000), 24);
    CU_ASSERT_FALSE(pace_over(&p, 999999));
    CU_ASSERT_TRUE(pace_over(&p, 1000000));
    CU_ASSERT_FALSE(pace_take(&p, 1000000, &intended_us));
    CU_ASSERT_EQUAL(pace_overdue(&p, 5000000), 49); // those that were due before the end
}

static void test_stop(void)
{
    struct pace p = {.start_us = 0, .end_us = UINT64_MAX, .count_max = 10, .rate_per_s = 1};
    uint64_t intended_us;
    CU_ASSERT_TRUE(pace_take(&p, 0, &intended_us));
    pace_stop(&p);
    CU_ASSERT_TRUE(pace_over(&p, 0));
    CU_ASSERT_FALSE(pace_take(&p, 5000000, &intended_us));
}

static void test_shares_of_a_plan(void)
{
    const struct load_plan all = {
        .worker_count = 4, .message_count = 1002, .session_count = 7, .rate_per_s = 100};
    uint64_t messages = 0, sessions = 0;
    double rate = 0;
    for (uint32_t i = 0; i < 4; i++) {
        struct load_plan share = load_plan_share(&all, i);
        CU_ASSERT_EQUAL(share.worker, i);
        CU_ASSERT(share.session_count >= 1);
        messages += share.message_count;
        sessions += share.session_count;
        rate += share.rate_per_s;
    }
    CU_ASSERT_EQUAL(messages, 1002);
    CU_ASSERT_EQUAL(sessions, 7);
    CU_ASSERT_DOUBLE_EQUAL(rate, 100, 1e-9);
    const struct load_plan endless = {.worker_count = 2, .message_count = UINT64_MAX};
    CU_ASSERT_EQUAL(load_plan_share(&endless, 1).message_count, UINT64_MAX);
}

static const struct suite_test tests[] = {
    {"closed loop", test_closed_loop},
    {"open loop", test_open_loop},
    {"stop", test_stop},
    {"shares of a plan", test_shares_of_a_plan},
};

SUITE_MAIN("bench_pace", tests)
