// The list of suppressed addresses in memory, and its lines on disk.

#include "engine/base/siphash.h"
#include "queue/suppression_line.h"
#include "tests/suite.h"

#include <pthread.h>
#include <stdlib.h>

#define TODAY 20000
#define MANY 400000u

static const uint64_t seed[2] = {1, 2};

// The first vectors of the authors' list: key 00 01 .. 0f, input 00 01 .., 128 bits.
static void test_siphash(void)
{
    static const uint8_t want[][16] = {
        {0xa3, 0x81, 0x7f, 0x04, 0xba, 0x25, 0xa8, 0xe6, 0x6d, 0xf6, 0x72, 0x14, 0xc7, 0x55, 0x02,
         0x93},
        {0xda, 0x87, 0xc1, 0xd8, 0x6b, 0x99, 0xaf, 0x44, 0x34, 0x76, 0x59, 0x11, 0x9b, 0x22, 0xfc,
         0x45},
    };
    const uint64_t key[2] = {UINT64_C(0x0706050403020100), UINT64_C(0x0f0e0d0c0b0a0908)};
    static const char input[1] = {0};
    for (size_t len = 0; len < 2; len++) {
        struct siphash h = siphash(key, slice_make(input, len));
        CU_ASSERT_EQUAL(memcmp(&h, want[len], sizeof(h)), 0);
    }
}

static struct slice number(uint32_t n, char text[32])
{
    return slice_make(text, (size_t)snprintf(text, 32, "user%u@example.org", n));
}

static void test_one_address(void)
{
    struct suppression s;
    CU_ASSERT_FATAL(suppression_init(&s, seed));
    struct slice a = SLICE("joe@example.org");
    CU_ASSERT(!suppression_holds(&s, a, TODAY));
    CU_ASSERT(!suppression_remove(&s, a));
    CU_ASSERT(suppression_add(&s, a, TODAY + 2, TODAY));
    CU_ASSERT(suppression_holds(&s, a, TODAY));
    CU_ASSERT(suppression_holds(&s, a, TODAY + 1));
    CU_ASSERT(!suppression_holds(&s, a, TODAY + 2)); // its last day has come
    CU_ASSERT(!suppression_holds(&s, SLICE("joe@example.or"), TODAY));
    CU_ASSERT(suppression_add(&s, a, SUPPRESSION_FOR_EVER, TODAY));
    CU_ASSERT_EQUAL(s.count, 1);
    CU_ASSERT(suppression_holds(&s, a, UINT16_MAX - 1));
    CU_ASSERT(suppression_remove(&s, a));
    CU_ASSERT(!suppression_remove(&s, a));
    CU_ASSERT(!suppression_holds(&s, a, TODAY));
    CU_ASSERT(suppression_add(&s, a, TODAY + 1, TODAY)); // again
    CU_ASSERT(suppression_holds(&s, a, TODAY));
    suppression_release(&s);
}

static const struct {
    const char *address, *domain, *want;
} text_cases[] = {
    {"Joe@Example.ORG", "example.org", "joe@example.org"},
    {"joe@x@b\xc3\xbc"
     "cher.example",
     "xn--bcher-kva.example", "joe@x@xn--bcher-kva.example"},
    {"\"A b\"@example.org", "example.org", "\"a b\"@example.org"},
    {"J\xc3\x96"
     "E@example.org",
     "example.org",
     "j\xc3\x96"
     "e@example.org"}, // ASCII alone
    {"postmaster", "mail.example", "postmaster@mail.example"},
};

static void test_texts(void)
{
    char text[SUPPRESSION_ADDRESS_BYTES_MAX];
    for (size_t i = 0; i < sizeof(text_cases) / sizeof(text_cases[0]); i++) {
        struct slice got = suppression_text(slice_of_text(text_cases[i].address),
                                            slice_of_text(text_cases[i].domain), text);
        CU_ASSERT(slice_equal(got, slice_of_text(text_cases[i].want)));
    }
    char longer[SUPPRESSION_ADDRESS_BYTES_MAX];
    memset(longer, 'a', sizeof(longer));
    CU_ASSERT_EQUAL(
        suppression_text(slice_make(longer, sizeof(longer)), SLICE("x.example"), text).len, 0);
}

// What ten million of them take, seen at sizes whose tables stand at all degrees of fullness.
static void test_bytes_of_an_address(void)
{
    char text[32];
    struct suppression s;
    double worst = 0;
    CU_ASSERT_FATAL(suppression_init(&s, seed));
    for (uint32_t i = 0; i < MANY; i++) {
        CU_ASSERT_FATAL(suppression_add(&s, number(i, text), TODAY + 1, TODAY));
        suppression_reclaim(&s, NULL);
        if (i >= MANY / 2 && i % 1000 == 0 && (double)s.bytes / i > worst)
            worst = (double)s.bytes / i;
    }
    CU_ASSERT(worst < 16);
    CU_ASSERT_EQUAL(s.count, MANY);
    printf("at most %.1f bytes an address ", worst);
    for (uint32_t i = 0; i < MANY; i++)
        CU_ASSERT_FATAL(suppression_holds(&s, number(i, text), TODAY));
    for (uint32_t i = MANY; i < 2 * MANY; i++)
        CU_ASSERT_FATAL(!suppression_holds(&s, number(i, text), TODAY));
    suppression_release(&s);
}

// What is over makes room when its table is replaced.
static void test_those_that_are_over_go(void)
{
    char text[32];
    struct suppression s;
    CU_ASSERT_FATAL(suppression_init(&s, seed));
    for (uint16_t day = 0; day < 50; day++)
        for (uint32_t i = 0; i < 4000; i++) {
            uint32_t n = day * 4000u + i;
            CU_ASSERT_FATAL(suppression_add(&s, number(n, text), TODAY + day + 1, TODAY + day));
            suppression_reclaim(&s, NULL);
        }
    CU_ASSERT(s.bytes < 4000u * 16 + SUPPRESSION_TABLES * 256u * 2);
    CU_ASSERT(s.count < 200000);
    suppression_release(&s);
}

// --- readers beside the writer

struct crossing {
    struct suppression list;
    struct epochs epochs;
    _Atomic uint32_t added; // those below this number are there
    _Atomic bool over;
    bool lost;
};

static void *read_on(void *argument)
{
    struct crossing *c = argument;
    char text[32];
    uint32_t seen = 0;
    while (!atomic_load(&c->over)) {
        uint32_t added = atomic_load_explicit(&c->added, memory_order_acquire);
        epoch_turn_begins(&c->epochs, 1);
        for (uint32_t i = 0; i < 100 && added > 0; i++)
            c->lost |= !suppression_holds(&c->list, number(seen++ % added, text), TODAY);
        epoch_turn_ends(&c->epochs, 1);
    }
    return NULL;
}

static void test_readers_miss_nothing(void)
{
    static struct crossing c;
    pthread_t reader;
    char text[32];
    CU_ASSERT_FATAL(suppression_init(&c.list, seed));
    epochs_init(&c.epochs, 2);
    CU_ASSERT_FATAL(pthread_create(&reader, NULL, read_on, &c) == 0);
    for (uint32_t i = 0; i < MANY / 4; i++) {
        epoch_turn_begins(&c.epochs, 0);
        CU_ASSERT_FATAL(suppression_add(&c.list, number(i, text), TODAY + 1, TODAY));
        suppression_reclaim(&c.list, &c.epochs);
        epoch_turn_ends(&c.epochs, 0);
        atomic_store_explicit(&c.added, i + 1, memory_order_release);
    }
    atomic_store(&c.over, true);
    pthread_join(reader, NULL);
    CU_ASSERT(!c.lost);
    suppression_release(&c.list);
}

// --- lines

static void test_dates(void)
{
    static const struct {
        uint16_t day;
        const char *text;
    } cases[] = {{0, "1970-01-01"},     {58, "1970-02-28"},
                 {59, "1970-03-01"},    {789, "1972-02-29"},
                 {11016, "2000-02-29"}, {20512, "2026-02-28"},
                 {47540, "2100-02-28"}, {47541, "2100-03-01"},
                 {65534, "2149-06-05"}, {SUPPRESSION_FOR_EVER, "9999-12-31"}};
    char text[SUPPRESSION_DATE_BYTES];
    uint16_t back;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        CU_ASSERT_STRING_EQUAL(suppression_date(cases[i].day, text), cases[i].text);
        CU_ASSERT(suppression_date_read(slice_of_text(cases[i].text), &back));
        CU_ASSERT_EQUAL(back, cases[i].day);
    }
    for (uint32_t day = 0; day <= UINT16_MAX; day++) {
        suppression_date((uint16_t)day, text);
        CU_ASSERT(suppression_date_read(slice_of_text(text), &back) && back == day);
    }
    static const char *const bad[] = {
        "",           "2026-02-30", "2026-13-01",  "2026-00-01", "2026-01-00", "1969-12-31",
        "2026/01/01", "26-01-01",   "2026-01-011", "2026-1-01x", "+026-01-01"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CU_ASSERT(!suppression_date_read(slice_of_text(bad[i]), &back));
}

static void test_lines(void)
{
    struct buffer out;
    struct suppression_line got;
    const struct suppression_line lines[] = {
        {false, TODAY, SLICE("bad-mailbox"), SLICE("joe@example.org")},
        {true, TODAY + 1, SLICE("other"), SLICE("\"a b\"@example.org")},
        {false, SUPPRESSION_FOR_EVER, SLICE("spam"), SLICE("j\xc3\xb6@xn--x.example")},
    };
    buffer_init(&out, 4096);
    for (size_t i = 0; i < 3; i++)
        CU_ASSERT(suppression_line_put(&out, &lines[i]));
    struct slice rest = buffer_slice(&out);
    for (size_t i = 0; i < 3; i++) {
        CU_ASSERT_EQUAL(suppression_line_next(&rest, &got), SUPPRESSION_READ);
        CU_ASSERT(got.removes == lines[i].removes && got.until == lines[i].until &&
                  slice_equal(got.category, lines[i].category) &&
                  slice_equal(got.address, lines[i].address));
    }
    CU_ASSERT_EQUAL(suppression_line_next(&rest, &got), SUPPRESSION_MORE);
    static const struct suppression_line bad[] = {
        {false, TODAY, SLICE("x"), SLICE("a\n@example.org")},
        {false, TODAY, SLICE("x"), SLICE("")},
        {false, TODAY, SLICE(""), SLICE("a@example.org")},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CU_ASSERT(!suppression_line_put(&out, &bad[i]));
    buffer_release(&out);
}

// Any byte turned over, any tail torn off: that line says nothing, and the next ones are read.
static void test_damaged_lines(void)
{
    struct buffer out;
    struct suppression_line got;
    buffer_init(&out, 4096);
    struct suppression_line line = {false, TODAY, SLICE("bad-mailbox"), SLICE("joe@example.org")};
    CU_ASSERT(suppression_line_put(&out, &line));
    size_t first = out.len;
    line.address = SLICE("jim@example.org");
    CU_ASSERT(buffer_append_byte(&out, '\n') && suppression_line_put(&out, &line));
    for (size_t i = 0; i + 1 < first; i++) {
        out.data[i] ^= 1;
        struct slice rest = buffer_slice(&out);
        enum suppression_read read = suppression_line_next(&rest, &got);
        CU_ASSERT_EQUAL(read, SUPPRESSION_BAD);
        while (read == SUPPRESSION_BAD) // a line end may have been made
            read = suppression_line_next(&rest, &got);
        CU_ASSERT(read == SUPPRESSION_READ && slice_equal(got.address, line.address));
        out.data[i] ^= 1;
    }
    for (size_t cut = 1; cut < first; cut++) {
        struct slice rest = slice_skip(buffer_slice(&out), cut); // torn, then its end
        CU_ASSERT_EQUAL(suppression_line_next(&rest, &got),
                        cut + 1 < first ? SUPPRESSION_BAD : SUPPRESSION_READ);
    }
    buffer_release(&out);
}

static const struct suite_test tests[] = {
    {"siphash", test_siphash},
    {"one address", test_one_address},
    {"texts of addresses", test_texts},
    {"bytes of an address", test_bytes_of_an_address},
    {"those that are over go", test_those_that_are_over_go},
    {"readers miss nothing", test_readers_miss_nothing},
    {"dates", test_dates},
    {"lines", test_lines},
    {"damaged lines", test_damaged_lines},
};

SUITE_MAIN("suppression", tests)
