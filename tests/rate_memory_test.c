// What was counted against rates, written down and read again: nothing is lost by it, and what is
// torn is not believed.

#include "engine/policy/rate_memory.h"
#include "tests/suite.h"

#define HOUR (UINT64_C(3600) * 1000000)
#define WALL (UINT64_C(20000) * 24 * HOUR)
#define NOW (5 * HOUR)

static const struct rate_limits limits = {2, {{1000, HOUR}, {10000, 24 * HOUR}}};

// Some messages an hour, for as long as the clock runs.
static void count_some(struct rate_meter *meters)
{
    memset(meters, 0, limits.count * sizeof(*meters));
    for (uint64_t at_us = 0; at_us < NOW; at_us += HOUR / 97)
        rate_limits_count(meters, &limits, at_us);
}

static bool print_all(struct buffer *out, struct rate_meter *meters, uint64_t place,
                      const struct rate_clock *clock)
{
    bool is_ok = rate_memory_begin(out);
    for (uint32_t i = 0; i < limits.count; i++)
        is_ok = is_ok && rate_memory_print(out, place, RATE_OF_MESSAGES, &limits.items[i],
                                           &meters[i], clock);
    return is_ok && rate_memory_end(out);
}

static void recall_all(const struct rate_memory *m, uint64_t place, struct rate_meter *meters)
{
    memset(meters, 0, limits.count * sizeof(*meters));
    for (uint32_t i = 0; i < limits.count; i++)
        (void)rate_memory_recall(m, place, RATE_OF_MESSAGES, limits.items[i].window_us, &meters[i]);
}

// Another clock, a while later: at each moment there is as much room as if nothing had happened.
static void test_comes_back(void)
{
    static const uint64_t starts[] = {0, HOUR / 10, 30 * HOUR}; // of the other clock
    for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
        struct rate_meter before[2], after[2];
        struct rate_clock then = {NOW, WALL}, later = {starts[i], WALL + HOUR / 60};
        struct buffer text;
        struct rate_memory *m = rate_memory_new();
        buffer_init(&text, RATE_MEMORY_BYTES_MAX);
        CU_ASSERT_FATAL(m != NULL);
        count_some(before);
        CU_ASSERT_TRUE(print_all(&text, before, 7, &then));
        CU_ASSERT_TRUE(rate_memory_read(m, buffer_slice(&text), &later));
        rate_memory_sort(m);
        recall_all(m, 7, after);
        for (uint64_t on_us = 0; on_us < 30 * HOUR; on_us += HOUR / 50) {
            uint64_t was_us = NOW + HOUR / 60 + on_us, is_us = starts[i] + on_us;
            CU_ASSERT_EQUAL(rate_limits_room(after, &limits, is_us),
                            rate_limits_room(before, &limits, was_us));
        }
        rate_memory_free(m);
        buffer_release(&text);
    }
}

static void test_only_what_is_asked_for(void)
{
    struct rate_meter meters[2], got;
    struct rate_clock clock = {NOW, WALL};
    struct buffer text;
    struct rate_memory *m = rate_memory_new();
    buffer_init(&text, RATE_MEMORY_BYTES_MAX);
    count_some(meters);
    CU_ASSERT_TRUE(print_all(&text, meters, 7, &clock));
    CU_ASSERT_TRUE(rate_memory_read(m, buffer_slice(&text), &clock));
    rate_memory_sort(m);
    CU_ASSERT_TRUE(rate_memory_recall(m, 7, RATE_OF_MESSAGES, HOUR, &got));
    CU_ASSERT_FALSE(rate_memory_recall(m, 8, RATE_OF_MESSAGES, HOUR, &got));
    CU_ASSERT_FALSE(rate_memory_recall(m, 7, RATE_OF_CONNECTIONS, HOUR, &got));
    CU_ASSERT_FALSE(rate_memory_recall(m, 7, RATE_OF_MESSAGES, 2 * HOUR, &got));
    CU_ASSERT_FALSE(rate_memory_recall(NULL, 7, RATE_OF_MESSAGES, HOUR, &got));
    rate_memory_free(m);
    buffer_release(&text);
}

// Two texts about one meter: what was written last counts, in whatever order they are read. Carried
// on by another one it keeps its age.
static void test_the_newest_counts(void)
{
    for (int order = 0; order < 3; order++) {
        struct rate_meter old[2], new[2], got[2];
        struct rate_clock first = {NOW, WALL}, second = {NOW + HOUR, WALL + HOUR};
        struct buffer texts[2], carried;
        struct rate_memory *m = rate_memory_new(), *other = rate_memory_new();
        count_some(old);
        count_some(new);
        rate_limits_count(new, &limits, NOW + HOUR);
        buffer_init(&texts[0], RATE_MEMORY_BYTES_MAX);
        buffer_init(&texts[1], RATE_MEMORY_BYTES_MAX);
        buffer_init(&carried, RATE_MEMORY_BYTES_MAX);
        CU_ASSERT_TRUE(print_all(&texts[0], old, 7, &first));
        CU_ASSERT_TRUE(print_all(&texts[1], new, 7, &second));
        if (order == 2) { // the old one, carried on later than the new one was written
            struct rate_clock third = {NOW + 2 * HOUR, WALL + 2 * HOUR};
            CU_ASSERT_TRUE(rate_memory_read(other, buffer_slice(&texts[0]), &third));
            rate_memory_sort(other);
            CU_ASSERT_TRUE(rate_memory_begin(&carried) &&
                           rate_memory_carry(other, &carried, &third) && rate_memory_end(&carried));
            CU_ASSERT_TRUE(rate_memory_read(m, buffer_slice(&carried), &second));
        }
        CU_ASSERT_TRUE(rate_memory_read(m, buffer_slice(&texts[order == 1]), &second));
        CU_ASSERT_TRUE(rate_memory_read(m, buffer_slice(&texts[order != 1]), &second));
        rate_memory_sort(m);
        recall_all(m, 7, got);
        CU_ASSERT_EQUAL(rate_limits_room(got, &limits, NOW + HOUR),
                        rate_limits_room(new, &limits, NOW + HOUR));
        rate_memory_free(m);
        rate_memory_free(other);
        buffer_release(&texts[0]);
        buffer_release(&texts[1]);
        buffer_release(&carried);
    }
}

// Cut anywhere, or with any byte changed, it is no text; what stood before stays.
static void test_torn(void)
{
    struct rate_meter meters[2], got[2];
    struct rate_clock clock = {NOW, WALL};
    struct buffer text;
    struct rate_memory *m = rate_memory_new();
    buffer_init(&text, RATE_MEMORY_BYTES_MAX);
    count_some(meters);
    CU_ASSERT_TRUE(print_all(&text, meters, 7, &clock));
    struct slice whole = buffer_slice(&text);
    for (size_t len = 0; len + 1 < whole.len; len++) // its last line's end may be missing
        CU_ASSERT_FALSE(rate_memory_read(m, slice_take(whole, len), &clock));
    for (size_t at = 0; at + 1 < whole.len; at++) {
        text.data[at] ^= 1;
        CU_ASSERT_FALSE(rate_memory_read(m, whole, &clock));
        text.data[at] ^= 1;
    }
    rate_memory_sort(m);
    recall_all(m, 7, got);
    CU_ASSERT_EQUAL(got[0].batch_count, 0);
    CU_ASSERT_TRUE(rate_memory_read(m, whole, &clock)); // and what is behind its end is not read
    CU_ASSERT_TRUE(buffer_append(&text, SLICE("1 m 3600000000 5 1:1\nend 5\n")));
    CU_ASSERT_TRUE(rate_memory_read(m, buffer_slice(&text), &clock));
    rate_memory_sort(m);
    CU_ASSERT_FALSE(rate_memory_recall(m, 1, RATE_OF_MESSAGES, HOUR, &got[0]));
    rate_memory_free(m);
    buffer_release(&text);
}

// Good sums, bad lines.
static void test_nonsense(void)
{
    static const char *const lines[] = {
        "x m 3600000000 5 1:1\n",
        "1 q 3600000000 5 1:1\n",
        "1 m 99999999999999 5 1:1\n",
        "1 m 3600000000 5\n",
        "1 m 3600000000 5 1\n",
        "1 m 3600000000 5 1:4294967296\n",
        "\n",
    };
    struct rate_clock clock = {NOW, WALL};
    for (size_t i = 0; i <= sizeof(lines) / sizeof(lines[0]); i++) {
        struct buffer text;
        struct rate_memory *m = rate_memory_new();
        buffer_init(&text, RATE_MEMORY_BYTES_MAX);
        CU_ASSERT_TRUE(rate_memory_begin(&text));
        if (i < sizeof(lines) / sizeof(lines[0])) {
            CU_ASSERT_TRUE(buffer_append(&text, slice_of_text(lines[i])));
        } else { // more batches than a meter has
            CU_ASSERT_TRUE(buffer_append(&text, SLICE("1 m 3600000000 5")));
            for (uint32_t n = 0; n <= RATE_BATCHES; n++)
                CU_ASSERT_TRUE(buffer_append(&text, SLICE(" 1:1")));
            CU_ASSERT_TRUE(buffer_append_byte(&text, '\n'));
        }
        CU_ASSERT_TRUE(rate_memory_end(&text));
        CU_ASSERT_FALSE(rate_memory_read(m, buffer_slice(&text), &clock));
        rate_memory_free(m);
        buffer_release(&text);
    }
}

// A clock that was set back: what seems to come counts as of now, and so for longer, not for less.
static void test_from_the_future(void)
{
    struct rate_meter meters[2], got[2];
    struct rate_clock then = {NOW, WALL}, now = {NOW, WALL - 3 * HOUR};
    struct buffer text;
    struct rate_memory *m = rate_memory_new();
    buffer_init(&text, RATE_MEMORY_BYTES_MAX);
    count_some(meters);
    CU_ASSERT_TRUE(print_all(&text, meters, 7, &then));
    CU_ASSERT_TRUE(rate_memory_read(m, buffer_slice(&text), &now));
    rate_memory_sort(m);
    recall_all(m, 7, got);
    CU_ASSERT(rate_limits_room(got, &limits, NOW + HOUR / 2) <=
              rate_limits_room(meters, &limits, NOW + HOUR / 2));
    CU_ASSERT_EQUAL(rate_limits_room(got, &limits, NOW + HOUR), 1000);
    rate_memory_free(m);
    buffer_release(&text);
}

// What no window holds any more is not carried on.
static void test_carries_what_counts(void)
{
    struct rate_meter meters[2];
    struct rate_clock then = {NOW, WALL}, later = {NOW + 2 * HOUR, WALL + 2 * HOUR},
                      end = {NOW + 40 * HOUR, WALL + 40 * HOUR};
    struct buffer text, carried;
    struct rate_memory *m = rate_memory_new(), *again = rate_memory_new();
    struct rate_meter got;
    buffer_init(&text, RATE_MEMORY_BYTES_MAX);
    buffer_init(&carried, RATE_MEMORY_BYTES_MAX);
    count_some(meters);
    CU_ASSERT_TRUE(print_all(&text, meters, 7, &then));
    CU_ASSERT_TRUE(rate_memory_read(m, buffer_slice(&text), &later));
    rate_memory_sort(m);
    CU_ASSERT_TRUE(rate_memory_begin(&carried) && rate_memory_carry(m, &carried, &later) &&
                   rate_memory_end(&carried));
    CU_ASSERT_TRUE(rate_memory_read(again, buffer_slice(&carried), &later));
    rate_memory_sort(again);
    CU_ASSERT_FALSE(rate_memory_recall(again, 7, RATE_OF_MESSAGES, HOUR, &got));
    CU_ASSERT_TRUE(rate_memory_recall(again, 7, RATE_OF_MESSAGES, 24 * HOUR, &got));
    buffer_clear(&carried);
    CU_ASSERT_TRUE(rate_memory_carry(again, &carried, &end) && carried.len == 0);
    rate_memory_free(m);
    rate_memory_free(again);
    buffer_release(&text);
    buffer_release(&carried);
}

// Who wants to be left alone: until then by the wall clock, and of several the longest.
static void test_rests(void)
{
    static const uint64_t starts[] = {0, HOUR / 10, 30 * HOUR}; // of the other clock
    const struct rate_clock then = {NOW, WALL};
    for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
        const struct rate_clock later = {starts[i], WALL + HOUR};
        struct rest got;
        struct buffer text;
        struct rate_memory *m = rate_memory_new();
        buffer_init(&text, RATE_MEMORY_BYTES_MAX);
        CU_ASSERT_TRUE(rate_memory_begin(&text));
        const struct rest rests[] = {
            {NOW + 3 * HOUR, 550}, {NOW + 2 * HOUR, 554}, {NOW + HOUR / 2, 421}, {NOW, 421}};
        for (uint64_t n = 0; n < sizeof(rests) / sizeof(rests[0]); n++)
            CU_ASSERT_TRUE(rate_memory_print_rest(&text, n / 2, REST_OF_SOURCE, rests[n], &then));
        CU_ASSERT_TRUE(rate_memory_end(&text));
        CU_ASSERT_TRUE(rate_memory_read(m, buffer_slice(&text), &later));
        rate_memory_sort(m);
        CU_ASSERT_TRUE(rate_memory_recall_rest(m, 0, REST_OF_SOURCE, &got));
        CU_ASSERT_EQUAL(got.until_us, starts[i] + 2 * HOUR);
        CU_ASSERT_EQUAL(got.code, 550);
        CU_ASSERT_FALSE(rate_memory_recall_rest(m, 0, REST_OF_SITE, &got));
        CU_ASSERT_TRUE(rate_memory_recall_rest(m, 1, REST_OF_SOURCE, &got));
        CU_ASSERT_TRUE(got.until_us <= starts[i]); // over meanwhile
        buffer_clear(&text);
        CU_ASSERT_TRUE(rate_memory_carry(m, &text, &later));
        CU_ASSERT_TRUE(slice_starts(buffer_slice(&text), SLICE("0 s 0 ")));
        CU_ASSERT_EQUAL(slice_find(buffer_slice(&text), '\n') + 1, text.len); // that one alone
        rate_memory_free(m);
        buffer_release(&text);
    }
}

static const struct suite_test tests[] = {
    {"comes back", test_comes_back},
    {"only what is asked for", test_only_what_is_asked_for},
    {"the newest counts", test_the_newest_counts},
    {"torn", test_torn},
    {"nonsense", test_nonsense},
    {"from the future", test_from_the_future},
    {"carries what counts", test_carries_what_counts},
    {"rests", test_rests},
};

SUITE_MAIN("rate_memory", tests)
