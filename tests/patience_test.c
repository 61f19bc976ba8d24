// tests/patience_test.c: mail that must wait, in virtual time: how often it is tried, how often a
// dead site is, and when its life is over, wherever it waits.
#include "engine/base/check.h"
#include "tests/sim/stage.h"
#include "tests/suite.h"

#include <stdlib.h>
#include <urcu/urcu-qsbr.h>

#define MINUTES(n) (60 * STAGE_SECOND * (n))
#define HOURS(n) (60 * MINUTES(n))
#define DAYS(n) (24 * HOURS(n))

static struct stage *begin(void)
{
    struct stage *s = calloc(1, sizeof(*s));
    CHECK(s);
    stage_init(s);
    s->has_other = s->knows_other = false;
    return s;
}

static void end(struct stage *s)
{
    stage_end(s);
    free(s);
}

static uint32_t event_count(const struct stage *s, const char *recipient)
{
    uint32_t count = 0;
    while (stage_event(s, recipient, count).len > 0)
        count++;
    return count;
}

// Refused for now, for five days: first after a minute, then twice as long each time, then hourly.
static void test_five_days(void)
{
    struct stage *s = begin();
    s->script.step = SLICE("RCPT1");
    s->script.say = SLICE("450 4.2.0 grey\r\n");
    stage_begin(s);
    stage_until(s, DAYS(4));
    uint32_t count = event_count(s, "r1@");
    CU_ASSERT(count > 85 && count < 105);
    stage_until(s, DAYS(5) + MINUTES(1));
    count = event_count(s, "r1@");
    struct slice last = stage_event(s, "r1@", count - 1);
    CU_ASSERT(stage_has(last, "\"event\":\"failed\""));
    CU_ASSERT(stage_has(last, "\"code\":450")); // its last answer is why
    CU_ASSERT_EQUAL(stage_number(last, "attempt"), count);
    end(s);
}

// Fifty messages for a site whose only exchanger takes no session. One connection finds out for all
// of them, ever more rarely; and when it serves again all are delivered.
static void test_a_dead_site(void)
{
    struct stage *s = begin();
    s->script.step = SLICE("greeting");
    s->script.say = SLICE("421 4.3.2 gone fishing\r\n");
    s->script.closes = true;
    s->load_plan.message_count = 50;
    stage_begin(s);
    stage_until(s, HOURS(24));
    // After 1, 2, 4, 8, 16 and 32 minutes, then once or twice an hour, as they are due.
    CU_ASSERT(peer_connection_count(s->first) >= 25);
    CU_ASSERT(peer_connection_count(s->first) <= 45);
    CU_ASSERT(event_count(s, "r7@") > 20); // each is told of as before
    s->script.step = SLICE_EMPTY;
    stage_until(s, HOURS(26));
    CU_ASSERT_EQUAL(peer_arrival_count(s->first), 50);
    end(s);
}

// Nobody answers at its address: each attempt takes until it times out, and still one at a time.
static void test_a_silent_site(void)
{
    struct stage *s = begin();
    s->has_first = false;
    s->first_is_lost = true;
    s->load_plan.message_count = 20;
    stage_begin(s);
    stage_until(s, HOURS(24));
    CU_ASSERT(life_counters(&s->life).deliver.connections_opened <= 45);
    end(s);
}

// One message holds the only connection for ten minutes. What waits behind it lives for one.
static void test_too_old_among_the_ready(void)
{
    struct stage *s = begin();
    s->config.limits.fallback.retry.lifetime_us = MINUTES(1);
    s->config.limits.fallback.window = 1;
    s->script.step = SLICE("content");
    s->script.is_silent = true;
    s->script.pipelining = false;
    s->load_plan.message_count = 3;
    stage_begin(s);
    stage_until(s, MINUTES(2));
    for (uint32_t m = 2; m <= 3; m++) {
        char name[8];
        snprintf(name, sizeof(name), "r%u@", m);
        struct slice line = stage_event(s, name, 0);
        CU_ASSERT(stage_has(line, "\"event\":\"failed\""));
        CU_ASSERT(stage_has(line, "\"enhanced\":\"5.4.7\""));
    }
    CU_ASSERT_EQUAL(event_count(s, "r1@"), 0); // it may be taken yet
    CU_ASSERT_EQUAL(peer_connection_count(s->first), 1);
    end(s);
}

// The next attempt would be due after its end: it is made at its end.
static void test_too_old_in_the_calendar(void)
{
    struct stage *s = begin();
    s->config.limits.fallback.retry.lifetime_us = MINUTES(90);
    s->config.limits.fallback.retry.delay_us_first = HOURS(1);
    s->script.step = SLICE("RCPT1");
    s->script.say = SLICE("450 4.2.0 grey\r\n");
    stage_begin(s);
    stage_until(s, MINUTES(92));
    CU_ASSERT_EQUAL(event_count(s, "r1@"), 3);
    CU_ASSERT(stage_has(stage_event(s, "r1@", 2), "\"event\":\"failed\""));
    end(s);
}

// A list of delays is walked through, and its last one repeats.
static void test_a_list(void)
{
    static const uint64_t want_s[] = {60, 300, 1800, 7200, 7200};
    struct stage *s = begin();
    s->config.limits.fallback.retry.steps = (struct retry_steps){
        4, {MINUTES(1), MINUTES(5), MINUTES(30), HOURS(2)}};
    s->script.step = SLICE("RCPT1");
    s->script.say = SLICE("450 4.2.0 grey\r\n");
    stage_begin(s);
    stage_until(s, HOURS(8));
    for (uint32_t i = 0; i < COUNT_OF(want_s); i++) {
        uint64_t got_s = stage_number(stage_event(s, "r1@", i), "delay");
        CU_ASSERT(got_s >= want_s[i] && got_s <= want_s[i] + want_s[i] / 10 + 1);
    }
    end(s);
}

// A message that makes the exchanger hang up is put off, and the others are delivered.
static void test_one_that_it_dislikes(void)
{
    struct stage *s = begin();
    s->script.step = SLICE("RCPT2"); // the first message alone has a second recipient here
    s->script.closes = true;
    s->load_plan.message_count = 1;
    s->load_plan.rcpt_count = 2;
    stage_begin(s);
    stage_until(s, MINUTES(1) - STAGE_SECOND);
    CU_ASSERT(stage_has(stage_event(s, "r1.1@", 0), "\"event\":\"deferred\""));
    CU_ASSERT_EQUAL(peer_connection_count(s->first), 3); // and not for ever
    end(s);
}

// A disk that takes up to two minutes for a sync: whoever waits for that is not told that he was
// too slow, or he would send again what is taken all the same.
static void test_a_slow_disk(void)
{
    struct stage *s = begin();
    s->config.durable = true;
    s->config.segment_bytes = 1024 * 1024;
    s->config.listeners[0].idle_us_max = 5 * STAGE_SECOND;
    s->options.sync_latency_us_max = 2 * 60 * STAGE_SECOND;
    s->load_plan.message_count = 20;
    stage_begin(s);
    stage_until(s, HOURS(3));
    CU_ASSERT_EQUAL(s->load->stats.counters.messages_accepted, 20);
    CU_ASSERT_EQUAL(s->load->stats.counters.messages_lost, 0);
    CU_ASSERT_EQUAL(peer_arrival_count(s->first), 20);
    end(s);
}

static const struct suite_test tests[] = {
    {"five days", test_five_days},
    {"a dead site", test_a_dead_site},
    {"a silent site", test_a_silent_site},
    {"too old among the ready", test_too_old_among_the_ready},
    {"too old in the calendar", test_too_old_in_the_calendar},
    {"a list", test_a_list},
    {"one that it dislikes", test_one_that_it_dislikes},
    {"a slow disk", test_a_slow_disk},
};

int main(int argc, char **argv)
{
    urcu_qsbr_register_thread();
    int result = suite_main("patience", tests, COUNT_OF(tests), argc, argv);
    urcu_qsbr_unregister_thread();
    return result;
}
