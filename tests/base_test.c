// Slices, buffers, units, base64, histograms, dice.
#include "engine/base/base64.h"
#include "engine/base/buffer.h"
#include "engine/base/check.h"
#include "engine/base/histogram.h"
#include "engine/base/process.h"
#include "engine/base/random.h"
#include "engine/base/units.h"
#include "tests/suite.h"

#include <stdlib.h>

static void slice_compares(void)
{
    static const struct {
        const char *a, *b;
        bool equal, nocase, starts, starts_nocase; // a against b
    } rows[] = {
        {"", "", true, true, true, true},
        {"a", "", false, false, true, true},
        {"", "a", false, false, false, false},
        {"STARTTLS", "starttls", false, true, false, true},
        {"STARTTLS x", "STARTTLS", false, false, true, true},
        {"Starttls", "STARTTLSx", false, false, false, false},
        {"@[`{", "`{@[", false, false, false, false}, // not letters, though 0x20 apart
        {"\xc4", "\xe4", false, false, false, false}, // no Latin-1 folding
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct slice a = slice_of_text(rows[i].a);
        struct slice b = slice_of_text(rows[i].b);
        CU_ASSERT_EQUAL(slice_equal(a, b), rows[i].equal);
        CU_ASSERT_EQUAL(slice_equal_nocase(a, b), rows[i].nocase);
        CU_ASSERT_EQUAL(slice_starts(a, b), rows[i].starts);
        CU_ASSERT_EQUAL(slice_starts_nocase(a, b), rows[i].starts_nocase);
    }
    struct slice none = {0};
    CU_ASSERT_TRUE(slice_equal(none, SLICE("")) && slice_starts(none, none));
    CU_ASSERT_EQUAL(slice_skip(none, 3).len, 0);
    CU_ASSERT_EQUAL(slice_find(none, 'x'), 0);
}

static void slice_cuts(void)
{
    struct slice rest = SLICE("a,,bc");
    CU_ASSERT_TRUE(slice_equal(slice_cut(&rest, ','), SLICE("a")));
    CU_ASSERT_TRUE(slice_equal(slice_cut(&rest, ','), SLICE("")));
    CU_ASSERT_TRUE(slice_equal(slice_cut(&rest, ','), SLICE("bc")));
    CU_ASSERT_EQUAL(rest.len, 0);
    CU_ASSERT_EQUAL(slice_cut(&rest, ',').len, 0);
    CU_ASSERT_TRUE(slice_equal(slice_trim(SLICE(" \t a b \t")), SLICE("a b")));
    CU_ASSERT_EQUAL(slice_trim(SLICE(" \t ")).len, 0);
    CU_ASSERT_TRUE(slice_equal(slice_trim(SLICE("\r\n")), SLICE("\r\n"))); // not blanks
}

static void slice_numbers(void)
{
    static const struct {
        const char *text;
        uint64_t max;
        bool ok;
        uint64_t want;
    } rows[] = {
        {"0", 0, true, 0},
        {"1", 0, false, 0},
        {"00255", 255, true, 255},
        {"256", 255, false, 0},
        {"18446744073709551615", UINT64_MAX, true, UINT64_MAX},
        {"18446744073709551616", UINT64_MAX, false, 0},
        {"99999999999999999999", UINT64_MAX, false, 0},
        {"", 9, false, 0},
        {"-1", 9, false, 0},
        {"+1", 9, false, 0},
        {"1 ", 9, false, 0},
        {"1a", 99, false, 0},
        {"9", 5, false, 0},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        uint64_t got = 77;
        bool ok = slice_to_u64(slice_of_text(rows[i].text), rows[i].max, &got);
        CU_ASSERT_EQUAL(ok, rows[i].ok);
        CU_ASSERT_EQUAL(got, rows[i].ok ? rows[i].want : 77);
    }
}

static void slice_hashes(void)
{
    // Every length and every seed gives another hash; equal bytes equal ones.
    static const char zeros[64];
    uint64_t seen[64][4];
    for (size_t len = 0; len < 64; len++)
        for (uint64_t seed = 0; seed < 4; seed++) {
            seen[len][seed] = slice_hash(slice_make(zeros, len), seed);
            for (size_t other = 0; other < len; other++)
                CU_ASSERT_NOT_EQUAL(seen[len][seed], seen[other][seed]);
            for (uint64_t other = 0; other < seed; other++)
                CU_ASSERT_NOT_EQUAL(seen[len][seed], seen[len][other]);
        }
    CU_ASSERT_EQUAL(slice_hash(SLICE("gmail.com"), 9), slice_hash(SLICE("gmail.com"), 9));
    // The low bits alone choose a bucket: 4096 names in 4096 buckets leave about 1/e empty.
    bool used[4096] = {0};
    unsigned used_count = 0;
    for (unsigned i = 0; i < COUNT_OF(used); i++) {
        char name[32];
        size_t len = (size_t)snprintf(name, sizeof(name), "d%u.example", i);
        bool *bucket = &used[slice_hash(slice_make(name, len), 1) % COUNT_OF(used)];
        used_count += !*bucket;
        *bucket = true;
    }
    CU_ASSERT_TRUE(used_count > 2450 && used_count < 2730);
}

static void buffer_keeps_its_limit(void)
{
    // At every limit: what fits is appended whole, what does not is not appended at all.
    for (size_t limit = 0; limit < 700; limit += 7) {
        struct buffer b;
        size_t want = 0;
        buffer_init(&b, limit);
        for (unsigned i = 0; i < 400; i++) {
            bool fits = want + 5 <= limit;
            switch (i % 3) {
            case 0: CU_ASSERT_EQUAL(buffer_append(&b, SLICE("hello")), fits); break;
            case 1: CU_ASSERT_EQUAL(buffer_printf(&b, "h%clo", 'e'), want + 4 <= limit); break;
            case 2: CU_ASSERT_EQUAL(buffer_append_byte(&b, 'x'), want + 1 <= limit); break;
            }
            static const size_t sizes[] = {5, 4, 1};
            if (want + sizes[i % 3] <= limit)
                want += sizes[i % 3];
            CU_ASSERT_EQUAL(b.len, want);
            CU_ASSERT_TRUE(b.room <= limit);
        }
        CU_ASSERT_EQUAL(buffer_reserve(&b, limit - b.len + 1), NULL);
        buffer_release(&b);
        CU_ASSERT_EQUAL(b.bytes_max, limit);
    }
}

static void buffer_holds_what_it_was_given(void)
{
    struct buffer b;
    char *want = malloc(100001); // and the last NUL
    buffer_init(&b, 100000);
    for (unsigned i = 0; b.len + 8 <= 100000; i++) {
        snprintf(want + b.len, 9, "%08u", i);
        CU_ASSERT_TRUE(buffer_printf(&b, "%08u", i));
    }
    CU_ASSERT_TRUE(slice_equal(buffer_slice(&b), slice_make(want, 100000)));
    buffer_drop_front(&b, 8 * 1000);
    CU_ASSERT_TRUE(slice_starts(buffer_slice(&b), SLICE("0000100000001001")));
    CU_ASSERT_EQUAL(b.len, 92000);
    buffer_drop_front(&b, 92000);
    CU_ASSERT_EQUAL(b.len, 0);
    memcpy(buffer_reserve(&b, 3), "abc", 3);
    buffer_advance(&b, 2);
    CU_ASSERT_TRUE(slice_equal(buffer_slice(&b), SLICE("ab")));
    buffer_release(&b);
    struct buffer zeroed = {0};
    CU_ASSERT_FALSE(buffer_append(&zeroed, SLICE("a")));
    CU_ASSERT_TRUE(buffer_append(&zeroed, SLICE_EMPTY));
    free(want);
}

static void units_sizes(void)
{
    static const struct {
        const char *text;
        bool ok;
        uint64_t want;
    } rows[] = {
        {"512", true, 512},      {"0", true, 0},
        {"2k", true, 2048},      {"2K", true, 2048},
        {"50M", true, 50 << 20}, {"1G", true, 1 << 30},
        {"2kB", true, 2048},     {"2KiB", true, 2048},
        {"2kib", true, 2048},    {"1T", true, 1ull << 40},
        {"512B", true, 512},     {"512iB", false, 0},
        {"", false, 0},          {"k", false, 0},
        {"2 k", false, 0},       {"-2k", false, 0},
        {"2x", false, 0},        {"2kb2", false, 0},
        {"2BB", false, 0},       {"1.5M", false, 0},
        {"16777216T", false, 0}, {"16777215T", true, 0xffffff0000000000},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        uint64_t got = 77;
        CU_ASSERT_EQUAL(units_parse_bytes(slice_of_text(rows[i].text), &got), rows[i].ok);
        CU_ASSERT_EQUAL(got, rows[i].ok ? rows[i].want : 77);
    }
}

static void units_durations(void)
{
    static const struct {
        const char *text;
        bool ok;
        uint64_t want;
    } rows[] = {
        {"30", true, 30000000},
        {"0", true, 0},
        {"250ms", true, 250000},
        {"7us", true, 7},
        {"30s", true, 30000000},
        {"5m", true, 300000000},
        {"4h", true, 14400000000},
        {"5d", true, 432000000000},
        {"1h30m", true, 5400000000},
        {"1d1ms", true, 86400001000},
        {"30m1h", false, 0}, // the larger first
        {"1h1h", false, 0},
        {"1h30", false, 0},
        {"h", false, 0},
        {"", false, 0},
        {"1.5h", false, 0},
        {"1w", false, 0},
        {"213503983d", false, 0},
        {"18446744073709551615us", true, UINT64_MAX},
        {"1s18446744073709551615us", false, 0},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        uint64_t got = 77;
        CU_ASSERT_EQUAL(units_parse_us(slice_of_text(rows[i].text), &got), rows[i].ok);
        CU_ASSERT_EQUAL(got, rows[i].ok ? rows[i].want : 77);
    }
}

static void units_rates(void)
{
    static const struct {
        const char *text;
        bool ok;
        double want;
    } rows[] = {
        {"100/s", true, 100},   {"120/m", true, 2},
        {"36/h", true, 0.01},   {"2000000/24h", true, 2000000 / 86400.0},
        {"10/500ms", true, 20}, {"0/s", true, 0},
        {"100", false, 0},      {"/s", false, 0},
        {"100/", false, 0},     {"100/0s", false, 0},
        {"100/x", false, 0},    {"1.5/s", false, 0},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        double got = 77;
        CU_ASSERT_EQUAL(units_parse_rate(slice_of_text(rows[i].text), &got), rows[i].ok);
        CU_ASSERT_DOUBLE_EQUAL(got, rows[i].ok ? rows[i].want : 77, 1e-9);
    }
}

static void units_print(void)
{
    static const struct {
        uint64_t value;
        const char *bytes, *us;
    } rows[] = {
        {0, "0", "0s"},
        {250, "250", "250us"},
        {2048, "2k", "2.0ms"},
        {1536 * 1024, "1.5M", "1.6s"},
        {250000, "244.1k", "250ms"},
        {52428800, "50M", "52.4s"},
        {300000000, "286.1M", "5m"},
        {5400000000, "5.0G", "1h30m"},
        {432000000000, "402.3G", "5d"},
        {UINT64_MAX, "16777216.0T", "213503982d8h"},
    };
    char text[UNITS_TEXT_BYTES];
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        CU_ASSERT_STRING_EQUAL(units_print_bytes(text, rows[i].value), rows[i].bytes);
        CU_ASSERT_STRING_EQUAL(units_print_us(text, rows[i].value), rows[i].us);
    }
    // What comes out even is read back as it was.
    for (uint64_t n = 1; n < 60; n++) {
        uint64_t back = 0;
        CU_ASSERT_TRUE(units_parse_us(slice_of_text(units_print_us(text, n * 3600000000)), &back));
        CU_ASSERT_EQUAL(back, n * 3600000000);
        CU_ASSERT_TRUE(units_parse_bytes(slice_of_text(units_print_bytes(text, n << 20)), &back));
        CU_ASSERT_EQUAL(back, n << 20);
    }
}

static int compare_u64(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void histogram_quantiles(void)
{
    // Against the sorted values themselves, over all magnitudes.
    enum { COUNT = 20000 };
    static const uint32_t asked[] = {0, 1, 10000, 500000, 900000, 990000, 999000, 1000000};
    struct histogram *h = calloc(1, sizeof(*h));
    struct histogram *half = calloc(1, sizeof(*half));
    uint64_t *values = calloc(COUNT, sizeof(*values));
    struct random r;
    random_init(&r, 1);
    CU_ASSERT_EQUAL(histogram_quantile(h, 500000), 0);
    for (size_t i = 0; i < COUNT; i++) {
        values[i] = random_u64(&r) >> (17 + random_below(&r, 47));
        histogram_add(i % 2 ? h : half, values[i]);
    }
    histogram_merge(h, half);
    qsort(values, COUNT, sizeof(*values), compare_u64);
    CU_ASSERT_EQUAL(h->count, COUNT);
    CU_ASSERT_EQUAL(h->min, values[0]);
    CU_ASSERT_EQUAL(h->max, values[COUNT - 1]);
    for (size_t i = 0; i < COUNT_OF(asked); i++) {
        size_t rank = ((size_t)COUNT * asked[i] + 999999) / 1000000;
        uint64_t want = values[rank > 0 ? rank - 1 : 0];
        uint64_t got = histogram_quantile(h, asked[i]);
        CU_ASSERT_TRUE(got >= want && (double)got <= (double)want * (1 + 1.0 / 32));
    }
    histogram_add(h, UINT64_MAX); // beyond the range
    CU_ASSERT_EQUAL(histogram_quantile(h, 1000000), UINT64_MAX);
    free(values);
    free(half);
    free(h);
}

static void random_is_reproducible_and_fair(void)
{
    struct random a, b, c;
    unsigned counts[10] = {0};
    double sum = 0;
    random_init(&a, 0);
    random_init(&b, 0);
    random_init(&c, 1);
    CU_ASSERT_EQUAL(random_u64(&a), random_u64(&b));
    CU_ASSERT_NOT_EQUAL(random_u64(&a), random_u64(&c));
    for (int i = 0; i < 100000; i++) {
        counts[random_below(&a, 10)]++;
        double unit = random_unit(&a);
        CU_ASSERT_TRUE(unit >= 0 && unit < 1);
        sum += unit;
    }
    for (int i = 0; i < 10; i++)
        CU_ASSERT_TRUE(counts[i] > 9600 && counts[i] < 10400);
    CU_ASSERT_DOUBLE_EQUAL(sum / 100000, 0.5, 0.005);
    CU_ASSERT_EQUAL(random_below(&a, 1), 0);
}

// xoshiro256**'s authors give no vectors; these are of the reference C code, seeded by splitmix64.
static void random_is_xoshiro(void)
{
    struct random r = {.state = {1, 2, 3, 4}};
    static const uint64_t want[] = {11520, 0, 1509978240, 1215971899390074240};
    for (size_t i = 0; i < COUNT_OF(want); i++)
        CU_ASSERT_EQUAL(random_u64(&r), want[i]);
}

static void process_figures(void)
{
    CU_ASSERT_TRUE(process_core_count() >= 1);
    CU_ASSERT_TRUE(process_resident_bytes_peak() > 100000);
    uint64_t before = process_cpu_us();
    for (volatile int i = 0; i < 30000000; i++)
        ;
    CU_ASSERT_TRUE(process_cpu_us() > before);
    CU_ASSERT_TRUE(process_raise_descriptors(1024) >= 256);
}

// RFC 4648 10, and bytes of all kinds.
static void base64_groups(void)
{
    static const struct {
        const char *bytes, *want;
    } rows[] = {{"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"\xff\xef\xbe", "/+++"}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char got[BASE64_GROUP_CHARS];
        base64_group(rows[i].bytes, strlen(rows[i].bytes), got);
        CU_ASSERT_EQUAL(memcmp(got, rows[i].want, sizeof(got)), 0);
    }
}

static const struct suite_test tests[] = {
    {"slice compares", slice_compares},
    {"slice cuts", slice_cuts},
    {"slice numbers", slice_numbers},
    {"slice hashes", slice_hashes},
    {"buffer keeps its limit", buffer_keeps_its_limit},
    {"buffer holds what it was given", buffer_holds_what_it_was_given},
    {"units: sizes", units_sizes},
    {"units: durations", units_durations},
    {"units: rates", units_rates},
    {"units: print", units_print},
    {"base64 groups", base64_groups},
    {"histogram quantiles", histogram_quantiles},
    {"random is reproducible and fair", random_is_reproducible_and_fair},
    {"random is xoshiro256**", random_is_xoshiro},
    {"process figures", process_figures},
};
SUITE_MAIN("base", tests)
