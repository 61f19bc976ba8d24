#include "engine/base/json.h"

#include "engine/base/check.h"
#include "engine/base/utf8.h"

#include <math.h>

void json_init(struct json *j, struct buffer *out)
{
    *j = (struct json){.out = out};
}

bool json_ok(const struct json *j)
{
    return !j->failed;
}

static void put(struct json *j, struct slice text)
{
    if (!j->failed && !buffer_append(j->out, text))
        j->failed = true;
}

// Printable ASCII but for the two that JSON escapes.
static const bool is_plain[256] = {
    [' '] = true, ['!'] = true, ['#' ... '['] = true, [']' ... '~'] = true};

// What JSON or a terminal would take for more than text.
static bool needs_escape(struct slice rest, size_t char_bytes)
{
    return char_bytes == 0 || rest.data[0] == '"' || rest.data[0] == '\\' || utf8_is_control(rest);
}

static void put_escaped(struct json *j, struct slice rest, size_t char_bytes)
{
    static const char short_forms[][2] = {{'"', '"'},  {'\\', '\\'}, {'\b', 'b'}, {'\f', 'f'},
                                          {'\n', 'n'}, {'\r', 'r'},  {'\t', 't'}};
    char text[] = {'\\', 'u', '0', '0', '0', '0'};
    if (char_bytes == 0) {
        put(j, SLICE("\xef\xbf\xbd")); // U+FFFD
        return;
    }
    for (size_t i = 0; i < COUNT_OF(short_forms); i++)
        if (rest.data[0] == short_forms[i][0]) {
            text[1] = short_forms[i][1];
            put(j, slice_make(text, 2));
            return;
        }
    // C0 and DEL are their own code point; that of C1 is its second byte.
    unsigned char code = (unsigned char)rest.data[char_bytes - 1];
    text[4] = "0123456789abcdef"[code >> 4];
    text[5] = "0123456789abcdef"[code & 15];
    put(j, slice_make(text, sizeof(text)));
}

// How many bytes at the front are printable ASCII that goes out as it is: nearly always all.
static size_t plain_bytes(struct slice s)
{
    size_t count = 0;
    while (count < s.len && is_plain[(unsigned char)s.data[count]])
        count++;
    return count;
}

// What is left of a string, from the first byte that is more than plain.
static void put_rest(struct json *j, struct slice value)
{
    while (value.len > 0) {
        size_t char_bytes = utf8_char_bytes(value);
        size_t going = char_bytes;
        if (needs_escape(value, char_bytes)) {
            put_escaped(j, value, char_bytes);
            value = slice_skip(value, char_bytes ? char_bytes : 1);
            continue;
        }
        going += plain_bytes(slice_skip(value, char_bytes));
        put(j, slice_take(value, going));
        value = slice_skip(value, going);
    }
}

// `before`, the string in quotation marks, `after`: in one piece where nothing needs an escape.
static void put_string(struct json *j, struct slice before, struct slice value, struct slice after)
{
    size_t plain = plain_bytes(value);
    char *to = j->failed ? NULL : buffer_reserve(j->out, before.len + plain + after.len + 2);
    if (!to) {
        j->failed = true;
        return;
    }
    char *at = (char *)mempcpy(to, before.data, before.len);
    *at++ = '"';
    at = plain ? (char *)mempcpy(at, value.data, plain) : at; // an empty one may be nowhere
    if (plain < value.len) {
        buffer_advance(j->out, (size_t)(at - to));
        put_rest(j, slice_skip(value, plain));
        put(j, SLICE("\""));
        put(j, after);
        return;
    }
    *at++ = '"';
    at = (char *)mempcpy(at, after.data, after.len);
    buffer_advance(j->out, (size_t)(at - to));
}

// What stands in front of every value.
static void lead(struct json *j, const char *key)
{
    struct slice comma = j->need_comma[j->depth] ? SLICE(",") : SLICE("");
    j->need_comma[j->depth] = j->depth > 0;
    if (key)
        put_string(j, comma, slice_of_text(key), SLICE(":"));
    else
        put(j, comma);
}

static void open_level(struct json *j, const char *key, char bracket)
{
    lead(j, key);
    put(j, slice_make(&bracket, 1));
    CHECK(j->depth + 1 < JSON_DEPTH_MAX);
    j->depth++;
    j->need_comma[j->depth] = false;
    j->closing[j->depth] = bracket == '{' ? '}' : ']';
}

void json_object(struct json *j, const char *key)
{
    open_level(j, key, '{');
}

void json_array(struct json *j, const char *key)
{
    open_level(j, key, '[');
}

void json_end(struct json *j)
{
    CHECK(j->depth > 0);
    put(j, slice_make(&j->closing[j->depth], 1));
    j->depth--;
}

void json_text(struct json *j, const char *key, struct slice value)
{
    lead(j, key);
    put_string(j, SLICE(""), value, SLICE(""));
}

static void put_u64(struct json *j, uint64_t value, bool negative)
{
    char text[21];
    size_t at = sizeof(text);
    do {
        text[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    if (negative)
        text[--at] = '-';
    put(j, slice_make(text + at, sizeof(text) - at));
}

void json_u64(struct json *j, const char *key, uint64_t value)
{
    lead(j, key);
    put_u64(j, value, false);
}

void json_i64(struct json *j, const char *key, int64_t value)
{
    lead(j, key);
    put_u64(j, value < 0 ? 0 - (uint64_t)value : (uint64_t)value, value < 0);
}

void json_double(struct json *j, const char *key, double value)
{
    lead(j, key);
    if (!isfinite(value))
        put(j, SLICE("null")); // RFC 8259 6: neither NaN nor infinity can be written
    else if (!j->failed && !buffer_printf(j->out, "%.3f", value))
        j->failed = true;
}

void json_bool(struct json *j, const char *key, bool value)
{
    lead(j, key);
    put(j, value ? SLICE("true") : SLICE("false"));
}

struct date {
    unsigned year, month, day;
};

// The proleptic Gregorian calendar in eras of 400 years that begin on 1 March. Not gmtime_r():
// glibc's takes a lock.
static struct date date_of(uint64_t days_since_1970)
{
    uint64_t days = days_since_1970 + 719468; // since 0000-03-01
    uint64_t era = days / 146097;
    unsigned of_era = (unsigned)(days % 146097);
    unsigned year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    unsigned of_year = of_era - (365 * year + year / 4 - year / 100);
    unsigned month = (5 * of_year + 2) / 153; // 0 is March
    return (struct date){
        .year = (unsigned)(era * 400) + year + (month >= 10),
        .month = month < 10 ? month + 3 : month - 9,
        .day = of_year - (153 * month + 2) / 5 + 1,
    };
}

static char *put_digits(char *to, unsigned value, unsigned count, char after)
{
    for (unsigned i = count; i-- > 0; value /= 10)
        to[i] = (char)('0' + value % 10);
    to[count] = after;
    return to + count + 1;
}

void json_time(struct json *j, const char *key, uint64_t wall_us)
{
    uint64_t seconds = wall_us / 1000000;
    unsigned of_day = (unsigned)(seconds % 86400);
    struct date date = date_of(seconds / 86400);
    char text[32];
    char *at = text;
    *at++ = '"';
    at = put_digits(at, date.year, 4, '-');
    at = put_digits(at, date.month, 2, '-');
    at = put_digits(at, date.day, 2, 'T');
    at = put_digits(at, of_day / 3600, 2, ':');
    at = put_digits(at, of_day / 60 % 60, 2, ':');
    at = put_digits(at, of_day % 60, 2, '.');
    at = put_digits(at, (unsigned)(wall_us / 1000 % 1000), 3, 'Z');
    *at++ = '"';
    lead(j, key);
    put(j, slice_make(text, (size_t)(at - text)));
}
