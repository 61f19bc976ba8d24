// Text that leaves us: UTF-8, JSON and log lines.
#include "engine/base/check.h"
#include "engine/base/json.h"
#include "engine/base/log.h"
#include "engine/base/utf8.h"
#include "tests/suite.h"

#include <math.h>
#include <unistd.h>

// RFC 3629 section 4, row by row: the first and the last of each form, and what is one beyond.
static void utf8_forms(void)
{
    static const struct {
        const char *bytes;
        size_t want; // length of the first character, 0 when it is none
    } rows[] = {
        {"a", 1},
        {"\x7f", 1},
        {"\xc2\x80", 2},
        {"\xdf\xbf", 2},
        {"\xe0\xa0\x80", 3},
        {"\xed\x9f\xbf", 3},
        {"\xee\x80\x80", 3},
        {"\xef\xbf\xbf", 3},
        {"\xf0\x90\x80\x80", 4},
        {"\xf4\x8f\xbf\xbf", 4},
        {"\x80", 0},
        {"\xbf", 0},
        {"\xc0\x80", 0}, // overlong NUL
        {"\xc1\xbf", 0},
        {"\xe0\x9f\xbf", 0},
        {"\xed\xa0\x80", 0}, // surrogate
        {"\xf0\x8f\xbf\xbf", 0},
        {"\xf4\x90\x80\x80", 0}, // beyond U+10FFFF
        {"\xf5\x80\x80\x80", 0},
        {"\xff", 0},
        {"\xc2", 0}, // cut off
        {"\xe2\x82", 0},
        {"\xf0\x9f\x98", 0},
        {"\xe2\x28\xa1", 0},
        {"\xe2\x82\x28", 0},
        {"", 0},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct slice s = slice_of_text(rows[i].bytes);
        CU_ASSERT_EQUAL(utf8_char_bytes(s), rows[i].want);
        CU_ASSERT_EQUAL(utf8_valid(s), rows[i].want > 0 || s.len == 0);
    }
    CU_ASSERT_TRUE(utf8_valid(SLICE("gr\xc3\xbc\xc3\x9f e \xf0\x9f\x98\x80\0.")));
    CU_ASSERT_FALSE(utf8_valid(SLICE("gr\xc3\xbc\xc3")));
}

static void write_sample(struct json *j)
{
    json_object(j, NULL);
    json_text(j, "text", SLICE("q\"b\\s/\b\f\n\r\t\x01\x7f\xc2\x9b\0.\xc3\xbc"));
    json_text(j, "bad", SLICE("a\xff\xc3"));
    json_array(j, "list");
    json_u64(j, NULL, 0);
    json_u64(j, NULL, UINT64_MAX);
    json_i64(j, NULL, INT64_MIN);
    json_object(j, NULL);
    json_bool(j, "a", true);
    json_end(j);
    json_array(j, NULL);
    json_u64(j, NULL, 2);
    json_end(j);
    json_object(j, NULL);
    json_end(j);
    json_end(j);
    json_double(j, "d", -1.5);
    json_double(j, "nan", (double)NAN);
    json_bool(j, "yes", true);
    json_bool(j, "no", false);
    json_time(j, "epoch", 0);
    json_end(j);
}

static const char sample[] =
    "{\"text\":\"q\\\"b\\\\s/\\b\\f\\n\\r\\t\\u0001\\u007f\\u009b\\u0000.\xc3\xbc\","
    "\"bad\":\"a\xef\xbf\xbd\xef\xbf\xbd\",\"list\":[0,18446744073709551615,"
    "-9223372036854775808,{\"a\":true},[2],{}],\"d\":-1.500,\"nan\":null,\"yes\":true,\"no\":false,"
    "\"epoch\":\"1970-01-01T00:00:00.000Z\"}";

static void json_at_every_limit(void)
{
    // Whole in a buffer of its size; not ok, and never beyond the limit, in each smaller one.
    size_t want = strlen(sample);
    for (size_t limit = 0; limit <= want; limit++) {
        struct buffer b;
        struct json j;
        buffer_init(&b, limit);
        json_init(&j, &b);
        write_sample(&j);
        CU_ASSERT_EQUAL(json_ok(&j), limit == want);
        CU_ASSERT_TRUE(b.len <= limit);
        if (limit == want)
            CU_ASSERT_TRUE(slice_equal(buffer_slice(&b), slice_of_text(sample)));
        buffer_release(&b);
    }
}

static void json_times(void)
{
    static const struct {
        uint64_t wall_us;
        const char *want;
    } rows[] = {
        {951782399999000, "\"2000-02-28T23:59:59.999Z\""},
        {951782400000000, "\"2000-02-29T00:00:00.000Z\""},
        {951868800000000, "\"2000-03-01T00:00:00.000Z\""},
        {1704067199123456, "\"2023-12-31T23:59:59.123Z\""},
        {1769862896789000, "\"2026-01-31T12:34:56.789Z\""},
        {4107542400000000, "\"2100-03-01T00:00:00.000Z\""},
        {253402300799999999, "\"9999-12-31T23:59:59.999Z\""},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct buffer b;
        struct json j;
        buffer_init(&b, 100);
        json_init(&j, &b);
        json_time(&j, NULL, rows[i].wall_us);
        CU_ASSERT_TRUE(slice_equal(buffer_slice(&b), slice_of_text(rows[i].want)));
        buffer_release(&b);
    }
}

// What log_line() writes, read back through a pipe in place of standard error.
static struct slice logged(enum log_level level, const char *text, char *room, size_t room_bytes)
{
    int pipe_fds[2];
    int saved = dup(STDERR_FILENO);
    CU_ASSERT_EQUAL_FATAL(pipe(pipe_fds), 0);
    dup2(pipe_fds[1], STDERR_FILENO);
    log_line(level, "<%s>", text);
    dup2(saved, STDERR_FILENO);
    close(saved);
    close(pipe_fds[1]);
    ssize_t got = read(pipe_fds[0], room, room_bytes);
    close(pipe_fds[0]);
    return slice_make(room, got > 0 ? (size_t)got : 0);
}

static void log_lines(void)
{
    static const struct {
        enum log_level level;
        const char *text, *want;
    } rows[] = {
        {LOG_LEVEL_ERROR, "x", "t: error: <x>\n"},
        {LOG_LEVEL_WARNING, "x", "t: warning: <x>\n"},
        {LOG_LEVEL_INFO, "x", "t: <x>\n"},
        {LOG_LEVEL_DEBUG, "x", ""},
        {LOG_LEVEL_INFO, "a\nt: error: forged\x1b[2J", "t: <a?t: error: forged?[2J>\n"},
        {LOG_LEVEL_INFO, "\xc3\xbc\xff\xc2\x9b", "t: <\xc3\xbc?\?\?>\n"},
    };
    char room[8192];
    log_setup("t", LOG_LEVEL_INFO);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct slice got = logged(rows[i].level, rows[i].text, room, sizeof(room));
        CU_ASSERT_TRUE(slice_equal(got, slice_of_text(rows[i].want)));
    }
    char huge[5000];
    memset(huge, 'x', sizeof(huge));
    huge[sizeof(huge) - 1] = 0;
    struct slice got = logged(LOG_LEVEL_INFO, huge, room, sizeof(room));
    CU_ASSERT_EQUAL(got.len, LOG_LINE_BYTES_MAX);
    CU_ASSERT_EQUAL(got.data[got.len - 1], '\n');
}

static const struct suite_test tests[] = {
    {"UTF-8 forms", utf8_forms},
    {"JSON at every limit", json_at_every_limit},
    {"JSON times", json_times},
    {"log lines", log_lines},
};
SUITE_MAIN("json", tests)
