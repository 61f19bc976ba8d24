// tests/tls_tally_test.c: sessions counted by domain, day and policy; what is kept of them in a
// file.
#include "engine/base/check.h"
#include "engine/base/random.h"
#include "queue/tls_tally.h"
#include "tests/suite.h"

#include <stdlib.h>

#define DAY(n) ((n) * (uint64_t)SECONDS_A_DAY)
#define SEED 7

static struct tls_session_end end_of(const char *domain, uint32_t day, enum tls_policy_type type,
                                     enum tls_result result, const char *host)
{
    return (struct tls_session_end){
        .domain = slice_of_text(domain),
        .type = type,
        .policy = type == TLS_POLICY_STS ? SLICE("version: STSv1\nmode: enforce") : SLICE_EMPTY,
        .result = result,
        .host = slice_of_text(host),
        .address = host[0] ? SLICE("192.0.2.1") : SLICE_EMPTY,
        .wall_s = DAY(day) + 5,
    };
}

static void count(struct tls_tally *t, const char *domain, uint32_t day, enum tls_policy_type type,
                  enum tls_result result, const char *host)
{
    struct tls_session_end e = end_of(domain, day, type, result, host);
    tls_tally_count(t, &e);
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

// All lines, in order of the alphabet.
static char *lines_of(struct tls_tally *t, uint32_t today)
{
    struct buffer out;
    char *lines[1000], *sorted;
    uint32_t line_count = 0;
    buffer_init(&out, TLS_TALLY_FILE_BYTES_MAX);
    CU_ASSERT_TRUE_FATAL(tls_tally_print(t, DAY(today), &out));
    struct slice rest = buffer_slice(&out);
    sorted = calloc(1, out.len + 1);
    while (rest.len > 0) {
        struct slice line = slice_cut(&rest, '\n');
        CHECK(line_count < COUNT_OF(lines));
        CHECK(asprintf(&lines[line_count++], "%.*s", (int)line.len, line.data) >= 0);
    }
    qsort(lines, line_count, sizeof(lines[0]), compare);
    for (uint32_t i = 0; i < line_count; i++) {
        strcat(strcat(sorted, lines[i]), "\n");
        free(lines[i]);
    }
    buffer_release(&out);
    return sorted;
}

static void expect(struct tls_tally *t, uint32_t today, const char *want)
{
    char *got = lines_of(t, today);
    if (strcmp(got, want) != 0)
        printf("\n  got  %s\n  want %s\n", got, want);
    CU_ASSERT_STRING_EQUAL(got, want);
    free(got);
}

static void fill(struct tls_tally *t)
{
    count(t, "a.example", 100, TLS_POLICY_STS, TLS_SUCCESS, "");
    count(t, "a.example", 100, TLS_POLICY_STS, TLS_SUCCESS, "mx");
    count(t, "a.example", 101, TLS_POLICY_STS, TLS_SUCCESS, "mx");
    count(t, "a.example", 100, TLS_POLICY_TLSA, TLS_VALIDATION_FAILURE, "mx");
    count(t, "b.example", 100, TLS_POLICY_NONE, TLS_NOT_SUPPORTED, "mx1");
    count(t, "b.example", 100, TLS_POLICY_NONE, TLS_NOT_SUPPORTED, "mx2");
    count(t, "b.example", 100, TLS_POLICY_NONE, TLS_NOT_SUPPORTED, "mx1");
}

#define FAILED_A                                                                                   \
    "failed domain=a.example day=100 type=tlsa count=1 result=validation-failure host=mx "         \
    "address=192.0.2.1\n"
#define FAILED_B                                                                                   \
    "failed domain=b.example day=100 type=no-policy-found count=1 "                                \
    "result=starttls-not-supported host=mx2 address=192.0.2.1\n"                                   \
    "failed domain=b.example day=100 type=no-policy-found count=2 "                                \
    "result=starttls-not-supported host=mx1 address=192.0.2.1\n"
#define POLICY " policy=version:%20STSv1%0Amode:%20enforce\n"
#define GOOD_101 "good domain=a.example day=101 type=sts count=1" POLICY

static void test_counts(void)
{
    struct tls_tally *t = tls_tally_new(SEED);
    fill(t);
    expect(t, 101,
           FAILED_A FAILED_B "good domain=a.example day=100 type=sts count=2" POLICY
                             "good domain=a.example day=100 type=tlsa count=0\n" GOOD_101
                             "good domain=b.example day=100 type=no-policy-found count=0\n");
    CU_ASSERT_EQUAL(tls_tally_changes(t), 7);
    expect(t, 101 + TLS_TALLY_DAYS, GOOD_101); // the day before is too old
    expect(t, 102 + TLS_TALLY_DAYS, "");
    tls_tally_free(t);
}

static void test_read_again(void)
{
    struct tls_tally *t = tls_tally_new(SEED), *again = tls_tally_new(SEED);
    struct buffer text;
    buffer_init(&text, TLS_TALLY_FILE_BYTES_MAX);
    fill(t);
    CU_ASSERT_TRUE(tls_tally_print(t, DAY(101), &text));
    CU_ASSERT_TRUE(tls_tally_read(again, buffer_slice(&text)));
    char *want = lines_of(t, 101);
    expect(again, 101, want);
    count(again, "a.example", 101, TLS_POLICY_STS, TLS_SUCCESS, "mx"); // it goes on
    CU_ASSERT_EQUAL(tls_tally_changes(again), 1);
    free(want);
    tls_tally_free(again);
    // Cut and changed in any way it is read without harm.
    struct random dice;
    random_init(&dice, 7);
    for (size_t cut = 0; cut < text.len; cut++) {
        struct tls_tally *broken = tls_tally_new(SEED);
        char *exact = malloc(cut ? cut : 1);
        memcpy(exact, text.data, cut);
        if (cut > 0)
            exact[random_below(&dice, (uint32_t)cut)] = (char)random_u64(&dice);
        tls_tally_read(broken, slice_make(exact, cut));
        free(exact);
        tls_tally_free(broken);
    }
    buffer_release(&text);
    tls_tally_free(t);
}

static void test_bounds(void)
{
    struct tls_tally *t = tls_tally_new(SEED);
    char name[32];
    for (uint32_t i = 0; i < 100; i++) {
        snprintf(name, sizeof(name), "mx%u", i);
        count(t, "many.example", 1, TLS_POLICY_NONE, TLS_CERTIFICATE_EXPIRED, name);
    }
    const struct tls_row *r = NULL;
    for (uint32_t i = 0; i < TLS_TALLY_BUCKETS && !r; i++)
        r = tls_tally_bucket(t, i);
    CU_ASSERT_PTR_NOT_NULL_FATAL(r);
    CU_ASSERT_EQUAL(r->failed_count, 100);
    CU_ASSERT_EQUAL(r->failure_count, TLS_TALLY_FAILURES_MAX + 1);
    CU_ASSERT_EQUAL(r->failures->count, 100 - TLS_TALLY_FAILURES_MAX);
    CU_ASSERT_STRING_EQUAL(r->failures->host, "");
    for (uint32_t i = 1; i < TLS_TALLY_ROWS_MAX + 5; i++) {
        snprintf(name, sizeof(name), "d%u.example", i);
        count(t, name, 1, TLS_POLICY_NONE, TLS_SUCCESS, "");
    }
    CU_ASSERT_EQUAL(tls_tally_lost(t), 5);
    tls_tally_free(t);
}

static const struct suite_test tests[] = {
    {"counts", test_counts},
    {"read again", test_read_again},
    {"bounds", test_bounds},
};

SUITE_MAIN("tls_tally", tests)
