#include "bench/sink/delay.h"
#include "engine/base/random.h"
#include "tests/suite.h"

static void put(struct delay_line *d, const char *text, uint64_t due_us)
{
    CU_ASSERT_TRUE(delay_line_put(d, slice_of_text(text), due_us));
}

// What comes out at `now_us`.
static void expect(struct delay_line *d, uint64_t now_us, const char *want)
{
    struct buffer out;
    buffer_init(&out, 4096);
    CU_ASSERT_TRUE(delay_line_take(d, now_us, &out));
    if (!slice_equal(buffer_slice(&out), slice_of_text(want)))
        printf("\nat %lu: got \"%.*s\", want \"%s\"", (unsigned long)now_us,
               SLICE_ARG(buffer_slice(&out)), want);
    CU_ASSERT_TRUE(slice_equal(buffer_slice(&out), slice_of_text(want)));
    buffer_release(&out);
}

static void test_each_at_its_time(void)
{
    struct delay_line d;
    delay_line_init(&d);
    CU_ASSERT_TRUE(delay_line_empty(&d));
    CU_ASSERT_EQUAL(delay_line_due_us(&d), UINT64_MAX);
    put(&d, "a", 5000);
    put(&d, "b", 7000);
    put(&d, "c", 7000);
    put(&d, "d", 9000);
    CU_ASSERT_EQUAL(delay_line_due_us(&d), 5000);
    expect(&d, 4999, "");
    expect(&d, 5000, "a");
    CU_ASSERT_EQUAL(delay_line_due_us(&d), 7000);
    expect(&d, 8999, "bc");
    expect(&d, 100000, "d");
    CU_ASSERT_TRUE(delay_line_empty(&d));
    delay_line_release(&d);
}

static void test_never_early_and_never_out_of_order(void)
{
    struct delay_line d;
    delay_line_init(&d);
    put(&d, "late", 9000);
    put(&d, "behind", 2000); // must not overtake
    put(&d, "odd", 9001);    // rounded up
    expect(&d, 8999, "");
    expect(&d, 9000, "latebehind");
    expect(&d, 9999, "");
    expect(&d, 10000, "odd");
    put(&d, "now", 0);
    expect(&d, 0, "now");
    delay_line_release(&d);
}

static void test_a_mark_without_bytes_is_waited_for(void)
{
    struct delay_line d;
    delay_line_init(&d);
    put(&d, "bye", 0);
    put(&d, "", 3000);
    expect(&d, 1, "bye");
    CU_ASSERT_FALSE(delay_line_empty(&d));
    expect(&d, 2999, "");
    CU_ASSERT_FALSE(delay_line_empty(&d));
    expect(&d, 3000, "");
    CU_ASSERT_TRUE(delay_line_empty(&d));
    delay_line_release(&d);
}

static void test_hurry(void)
{
    struct delay_line d;
    delay_line_init(&d);
    put(&d, "a", 5000);
    put(&d, "b", 900000);
    delay_line_hurry(&d);
    CU_ASSERT_EQUAL(delay_line_due_us(&d), 0);
    expect(&d, 0, "ab");
    CU_ASSERT_TRUE(delay_line_empty(&d));
    delay_line_release(&d);
}

// A thousand random puts and takes against the plain definition: each byte has a due time that is
// no smaller than that of the byte before it.
static void test_against_the_definition(void)
{
    for (uint64_t seed = 1; seed <= 50; seed++) {
        static uint64_t due_us[20000];
        size_t put_count = 0, taken = 0;
        uint64_t now_us = 0, last_us = 0;
        struct random dice;
        struct delay_line d;
        struct buffer out;
        random_init(&dice, seed);
        delay_line_init(&d);
        buffer_init(&out, 20000);
        for (unsigned step = 0; step < 1000; step++) {
            char text[16];
            size_t len = random_below(&dice, sizeof(text));
            uint64_t wanted_us = now_us + random_below(&dice, 5) * 3000;
            if (wanted_us > last_us)
                last_us = wanted_us;
            for (size_t i = 0; i < len; i++) {
                text[i] = (char)(put_count & 0x7f);
                due_us[put_count++] = last_us;
            }
            CU_ASSERT_TRUE(delay_line_put(&d, slice_make(text, len), wanted_us));
            now_us += random_below(&dice, 3) * 1000;
            buffer_clear(&out);
            CU_ASSERT_TRUE(delay_line_take(&d, now_us, &out));
            for (size_t i = 0; i < out.len; i++, taken++)
                CU_ASSERT(due_us[taken] <= now_us && out.data[i] == (char)(taken & 0x7f));
            CU_ASSERT(taken == put_count || due_us[taken] > now_us);
        }
        buffer_release(&out);
        delay_line_release(&d);
    }
}

static const struct suite_test tests[] = {
    {"each at its time", test_each_at_its_time},
    {"never early and never out of order", test_never_early_and_never_out_of_order},
    {"a mark without bytes is waited for", test_a_mark_without_bytes_is_waited_for},
    {"hurry", test_hurry},
    {"against the definition", test_against_the_definition},
};

SUITE_MAIN("bench_delay", tests)
