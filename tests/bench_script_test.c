#include "bench/sink/script.h"
#include "engine/base/check.h"
#include "tests/suite.h"

struct rule_case {
    const char *text;
    const char *want_why; // part of it; NULL: the rule is fine
    struct sink_rule want;
};

static const struct rule_case rule_cases[] = {
    {.text = "RCPT 10% 450 4.2.1 later",
     .want = {SINK_RCPT, SINK_REPLY, 0.1, 0, "450 4.2.1 later"}},
    {.text = "rcpt   0.5%   550  5.1.1 nobody ",
     .want = {SINK_RCPT, SINK_REPLY, 0.005, 0, "550 5.1.1 nobody"}},
    {.text = "MAIL 451", .want = {SINK_MAIL, SINK_REPLY, 1, 0, "451 as the script says"}},
    {.text = "RCPT 251 elsewhere", .want = {SINK_RCPT, SINK_REPLY, 1, 0, "251 elsewhere"}},
    {.text = ". 2% delay 3s", .want = {SINK_END, SINK_USUAL, 0.02, 3000000, ""}},
    {.text = ". delay 250ms 554 5.7.1 no",
     .want = {SINK_END, SINK_REPLY, 1, 250000, "554 5.7.1 no"}},
    {.text = "DATA 1% disconnect", .want = {SINK_DATA, SINK_DISCONNECT, 0.01, 0, ""}},
    {.text = "BDAT delay 1m disconnect", .want = {SINK_DATA, SINK_DISCONNECT, 1, 60000000, ""}},
    {.text = ". accept-disconnect", .want = {SINK_END, SINK_ACCEPT_DISCONNECT, 1, 0, ""}},
    {.text = "CONNECT 100% 421 4.3.2 busy",
     .want = {SINK_CONNECT, SINK_REPLY, 1, 0, "421 4.3.2 busy"}},
    {.text = "STARTTLS 50% 454 4.7.0 not now",
     .want = {SINK_STARTTLS, SINK_REPLY, 0.5, 0, "454 4.7.0 not now"}},
    {.text = "STARTTLS inject 250 2.0.0  injected ",
     .want = {SINK_STARTTLS, SINK_INJECT, 1, 0, "250 2.0.0  injected"}},
    {.text = "STARTTLS delay 1h", .want = {SINK_STARTTLS, SINK_USUAL, 1, 3600000000, ""}},
    {.text = "TLS 20% disconnect", .want = {SINK_TLS, SINK_DISCONNECT, 0.2, 0, ""}},
    {.text = "tls silence", .want = {SINK_TLS, SINK_SILENCE, 1, 0, ""}},
    {.text = "TLS 3% tear", .want = {SINK_TLS, SINK_TEAR, 0.03, 0, ""}},
    {.text = ". delay 1s tear", .want = {SINK_END, SINK_TEAR, 1, 1000000, ""}},
    {.text = "AUTH 535 5.7.8 no", .want = {SINK_AUTH, SINK_REPLY, 1, 0, "535 5.7.8 no"}},
    {.text = "HELO 0% 502 no", .want = {SINK_EHLO, SINK_REPLY, 0, 0, "502 no"}},

    {.text = "", .want_why = "expected CONNECT"},
    {.text = "FOO 450 x", .want_why = "expected CONNECT"},
    {.text = "RCPT", .want_why = "expected a reply"},
    {.text = "RCPT 10%", .want_why = "expected a reply"},
    {.text = "RCPT 101% 450 x", .want_why = "share"},
    {.text = "RCPT -1% 450 x", .want_why = "share"},
    {.text = "RCPT x% 450 x", .want_why = "share"},
    {.text = "RCPT delay soon 450 x", .want_why = "delay"},
    {.text = "RCPT delay", .want_why = "delay"},
    {.text = "RCPT delay 0s", .want_why = "expected a reply"},
    {.text = "RCPT 45 x", .want_why = "expected a reply"},
    {.text = "RCPT 600 x", .want_why = "expected a reply"},
    {.text = "RCPT 150 x", .want_why = "expected a reply"},
    {.text = "RCPT 354 x", .want_why = "such a code"},
    {.text = "DATA 250 ok", .want_why = "such a code"},
    {.text = "CONNECT 220 hi", .want_why = "such a code"},
    {.text = "RCPT 450 a\nb", .want_why = "one line"},
    {.text = "STARTTLS 220 go", .want_why = "such a code"},
    {.text = "AUTH 235 fine", .want_why = "such a code"},
    {.text = "STARTTLS inject", .want_why = "one line"},
    {.text = "MAIL inject 250 ok", .want_why = "goes with"},
    {.text = "MAIL silence", .want_why = "goes with"},
    {.text = "TLS 454 no", .want_why = "no reply"},
    {.text = "TLS delay 1s", .want_why = "not delayed"},
    {.text = "MAIL accept-disconnect", .want_why = "goes with"},
};

static void test_rules(void)
{
    for (size_t i = 0; i < COUNT_OF(rule_cases); i++) {
        const struct rule_case *c = &rule_cases[i];
        struct sink_script script = {.count = 0};
        const char *why = NULL;
        bool added = sink_script_add(&script, slice_of_text(c->text), &why);
        if (added != (c->want_why == NULL) || (!added && !strstr(why, c->want_why))) {
            printf("\n\"%s\": got %s", c->text, added ? "added" : why);
            CU_FAIL("rule");
            continue;
        }
        const struct sink_rule *got = &script.rules[0];
        if (added) {
            CU_ASSERT_EQUAL(got->step, c->want.step);
            CU_ASSERT_EQUAL(got->deed, c->want.deed);
            CU_ASSERT_DOUBLE_EQUAL(got->share, c->want.share, 1e-9);
            CU_ASSERT_EQUAL(got->delay_us, c->want.delay_us);
            CU_ASSERT_STRING_EQUAL(got->reply, c->want.reply);
        }
    }
}

static void test_a_reply_must_fit(void)
{
    char text[SINK_REPLY_BYTES_MAX + 64] = "RCPT 450 ";
    struct sink_script script = {.count = 0};
    const char *why = NULL;
    memset(text + 9, 'x', SINK_REPLY_BYTES_MAX - 5); // "450 " and the NUL
    CU_ASSERT_TRUE(sink_script_add(&script, slice_of_text(text), &why));
    CU_ASSERT_EQUAL(strlen(script.rules[0].reply), SINK_REPLY_BYTES_MAX - 1);
    text[strlen(text)] = 'x';
    CU_ASSERT_FALSE(sink_script_add(&script, slice_of_text(text), &why));
}

static void test_rules_have_a_limit(void)
{
    static struct sink_script script;
    const char *why = NULL;
    for (unsigned i = 0; i < SINK_RULES_MAX; i++)
        CU_ASSERT_TRUE(sink_script_add(&script, SLICE("RCPT 450"), &why));
    CU_ASSERT_FALSE(sink_script_add(&script, SLICE("RCPT 450"), &why));
}

static struct sink_script script_of(const char *const *rules, size_t count)
{
    struct sink_script script = {.count = 0};
    const char *why;
    for (size_t i = 0; i < count; i++)
        CU_ASSERT_TRUE(sink_script_add(&script, slice_of_text(rules[i]), &why));
    return script;
}

static void test_delays_add_up_and_the_first_deed_decides(void)
{
    static const char *const rules[] = {"RCPT delay 1s", "MAIL 550 x", "RCPT 0% 451 never",
                                        "RCPT delay 2s 450 first", "RCPT delay 4s 550 second"};
    struct sink_script script = script_of(rules, COUNT_OF(rules));
    struct random dice;
    random_init(&dice, 1);
    struct sink_outcome o = sink_script_throw(&script, SINK_RCPT, &dice);
    CU_ASSERT_EQUAL(o.deed, SINK_REPLY);
    CU_ASSERT_EQUAL(o.delay_us, 3000000);
    CU_ASSERT_STRING_EQUAL(o.reply, "450 first");
    o = sink_script_throw(&script, SINK_DATA, &dice);
    CU_ASSERT_EQUAL(o.deed, SINK_USUAL);
    CU_ASSERT_EQUAL(o.delay_us, 0);
    CU_ASSERT_PTR_NULL(o.reply);
}

static void test_shares_come_true(void)
{
    static const char *const rules[] = {"RCPT 10% 450 x", "RCPT 50% disconnect"};
    struct sink_script script = script_of(rules, COUNT_OF(rules));
    unsigned replies = 0, disconnects = 0;
    struct random dice;
    random_init(&dice, 7);
    for (unsigned i = 0; i < 100000; i++) {
        struct sink_outcome o = sink_script_throw(&script, SINK_RCPT, &dice);
        replies += o.deed == SINK_REPLY;
        disconnects += o.deed == SINK_DISCONNECT;
    }
    CU_ASSERT(replies > 9500 && replies < 10500);
    CU_ASSERT(disconnects > 44000 && disconnects < 46000); // half of what is left
}

static void test_a_seed_is_a_story(void)
{
    static const char *const rules[] = {"RCPT 30% 450 x", ". 5% disconnect"};
    struct sink_script script = script_of(rules, COUNT_OF(rules));
    struct random a, b;
    random_init(&a, 42);
    random_init(&b, 42);
    for (unsigned i = 0; i < 1000; i++) {
        enum sink_step step = i % 3 ? SINK_RCPT : SINK_END;
        CU_ASSERT_EQUAL(sink_script_throw(&script, step, &a).deed,
                        sink_script_throw(&script, step, &b).deed);
    }
}

static const struct suite_test tests[] = {
    {"rules", test_rules},
    {"a reply must fit", test_a_reply_must_fit},
    {"rules have a limit", test_rules_have_a_limit},
    {"delays add up and the first deed decides", test_delays_add_up_and_the_first_deed_decides},
    {"shares come true", test_shares_come_true},
    {"a seed is a story", test_a_seed_is_a_story},
};

SUITE_MAIN("bench_script", tests)
