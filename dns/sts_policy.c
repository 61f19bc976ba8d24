// dns/sts_policy.c: MTA-STS as data.
#include "dns/sts_policy.h"

#include "dns/name.h"
#include "engine/base/check.h"

#define KEY_BYTES_MAX 31 // RFC 8461 3.2: 1*31
#define MAX_AGE_DIGITS_MAX 10
#define RECORD_BYTES_MAX 1024 // a TXT record that is longer is not about this

static const struct slice mode_words[] = {
    [STS_NONE] = {"none", 4}, [STS_TESTING] = {"testing", 7}, [STS_ENFORCE] = {"enforce", 7}};

const char *sts_mode_word(enum sts_mode m)
{
    return mode_words[m].data;
}

// --- a policy

struct reading {
    struct sts_policy *policy;
    bool has_version, has_mode, has_max_age;
};

static bool is_alnum(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_key(struct slice key)
{
    if (key.len == 0 || key.len > KEY_BYTES_MAX || !is_alnum(key.data[0]))
        return false;
    for (size_t i = 1; i < key.len; i++)
        if (!is_alnum(key.data[i]) && key.data[i] != '_' && key.data[i] != '-' &&
            key.data[i] != '.')
            return false;
    return true;
}

static bool has_control_byte(struct slice s)
{
    for (size_t i = 0; i < s.len; i++)
        if (((unsigned char)s.data[i] < 0x20 && s.data[i] != '\t') || s.data[i] == 0x7f)
            return true;
    return false;
}

static bool add_mx(struct sts_policy *p, struct slice pattern)
{
    struct slice name = slice_starts(pattern, SLICE("*.")) ? slice_skip(pattern, 2) : pattern;
    if (!dns_name_is_host(name) || p->mx_count == STS_MX_COUNT_MAX ||
        p->mx_bytes + pattern.len + 1 > sizeof(p->mx))
        return false;
    char *to = p->mx + p->mx_bytes;
    for (size_t i = 0; i < pattern.len; i++) {
        char c = pattern.data[i];
        to[i] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
    }
    to[pattern.len] = '\0';
    p->mx_bytes = (uint16_t)(p->mx_bytes + pattern.len + 1);
    p->mx_count++;
    return true;
}

static bool read_mode(struct slice value, enum sts_mode *ret)
{
    for (size_t i = 0; i < COUNT_OF(mode_words); i++)
        if (slice_equal(value, mode_words[i])) {
            *ret = (enum sts_mode)i;
            return true;
        }
    return false;
}

static bool read_max_age(struct slice value, uint32_t *ret)
{
    uint64_t seconds;
    if (value.len > MAX_AGE_DIGITS_MAX || !slice_to_u64(value, UINT64_MAX, &seconds))
        return false;
    *ret = seconds < STS_MAX_AGE_S_MAX ? (uint32_t)seconds : STS_MAX_AGE_S_MAX;
    return true;
}

// Of what may stand there once, the first counts (RFC 8461 3.2). NULL, or what is wrong.
static const char *take_field(struct reading *r, struct slice key, struct slice value)
{
    struct sts_policy *p = r->policy;
    if (slice_equal(key, SLICE("version")) && !r->has_version) {
        r->has_version = true;
        return slice_equal(value, SLICE("STSv1")) ? NULL : "the version is not STSv1";
    }
    if (slice_equal(key, SLICE("mode")) && !r->has_mode) {
        r->has_mode = true;
        return read_mode(value, &p->mode) ? NULL : "the mode is not known";
    }
    if (slice_equal(key, SLICE("max_age")) && !r->has_max_age) {
        r->has_max_age = true;
        return read_max_age(value, &p->max_age_s) ? NULL : "max_age is no number of seconds";
    }
    if (slice_equal(key, SLICE("mx")))
        return add_mx(p, value) ? NULL : "an mx is no name, or there are too many";
    return NULL; // what we do not know is for others
}

static const char *take_line(struct reading *r, struct slice line)
{
    if (line.len > 0 && line.data[line.len - 1] == '\r')
        line.len--;
    if (has_control_byte(line))
        return "it holds control characters";
    struct slice rest = line;
    struct slice key = slice_cut(&rest, ':');
    if (key.len == line.len || !is_key(key))
        return "a line is not of the form \"key: value\"";
    return take_field(r, key, slice_trim(rest));
}

static const char *what_lacks(const struct reading *r)
{
    if (!r->has_version)
        return "it has no version";
    if (!r->has_mode)
        return "it has no mode";
    if (!r->has_max_age)
        return "it has no max_age";
    if (r->policy->mx_count == 0 && r->policy->mode != STS_NONE)
        return "it has no mx";
    return NULL;
}

bool sts_policy_parse(struct slice text, struct sts_policy *ret, const char **ret_why)
{
    struct reading r = {.policy = ret};
    *ret_why = text.len > STS_TEXT_BYTES_MAX ? "it is longer than 64 KiB" : NULL;
    ret->mode = STS_NONE;
    ret->max_age_s = 0;
    ret->mx_count = ret->mx_bytes = 0;
    while (!*ret_why && text.len > 0) {
        struct slice line = slice_cut(&text, '\n');
        bool is_blank = slice_trim(line).len == 0 || slice_equal(line, SLICE("\r"));
        if (!is_blank)
            *ret_why = take_line(&r, line);
    }
    if (!*ret_why)
        *ret_why = what_lacks(&r);
    return !*ret_why;
}

bool sts_policy_print(const struct sts_policy *p, struct buffer *out)
{
    size_t at = 0;
    bool good = buffer_printf(out, "version: STSv1\nmode: %s\n", sts_mode_word(p->mode));
    for (struct slice mx; (mx = sts_policy_next_mx(p, &at)).len > 0;)
        good = good && buffer_printf(out, "mx: %.*s\n", SLICE_ARG(mx));
    return good && buffer_printf(out, "max_age: %u\n", p->max_age_s);
}

struct slice sts_policy_next_mx(const struct sts_policy *p, size_t *at)
{
    struct slice rest = slice_skip(slice_make(p->mx, p->mx_bytes), *at);
    struct slice mx = slice_cut(&rest, '\0');
    *at += mx.len + 1;
    return mx;
}

static bool matches(struct slice pattern, struct slice host)
{
    if (!slice_starts(pattern, SLICE("*.")))
        return slice_equal(pattern, host);
    size_t label = slice_find(host, '.');
    return label > 0 && slice_equal(slice_skip(host, label), slice_skip(pattern, 1));
}

bool sts_policy_allows(const struct sts_policy *p, struct slice host)
{
    size_t at = 0;
    for (struct slice mx; (mx = sts_policy_next_mx(p, &at)).len > 0;)
        if (matches(mx, host))
            return true;
    return false;
}

// --- the record

// The strings of a TXT record, put together (RFC 7208 3.3 has it so, too).
static bool join_strings(struct slice record, char out[RECORD_BYTES_MAX], struct slice *ret)
{
    size_t len = 0;
    while (record.len > 0) {
        size_t part = (unsigned char)record.data[0];
        record = slice_skip(record, 1);
        if (part > record.len || len + part > RECORD_BYTES_MAX)
            return false;
        memcpy(out + len, record.data, part);
        len += part;
        record = slice_skip(record, part);
    }
    *ret = slice_make(out, len);
    return true;
}

static bool take_id(struct slice value, char ret_id[STS_ID_BYTES_MAX + 1])
{
    if (value.len == 0 || value.len > STS_ID_BYTES_MAX)
        return false;
    for (size_t i = 0; i < value.len; i++)
        if (!is_alnum(value.data[i]))
            return false;
    memcpy(ret_id, value.data, value.len);
    ret_id[value.len] = '\0';
    return true;
}

// "v=STSv1; id=20160831085700Z;"
static bool read_fields(struct slice text, char ret_id[STS_ID_BYTES_MAX + 1])
{
    bool has_id = false;
    while (text.len > 0) {
        struct slice field = slice_trim(slice_cut(&text, ';'));
        if (field.len == 0 && text.len == 0)
            break;
        struct slice value = field;
        struct slice key = slice_trim(slice_cut(&value, '='));
        if (key.len == 0 || key.len == field.len)
            return false;
        if (!slice_equal(key, SLICE("id")) || has_id)
            continue;
        if (!take_id(slice_trim(value), ret_id))
            return false;
        has_id = true;
    }
    return has_id;
}

static bool is_about_sts(struct slice text)
{
    struct slice version = slice_trim(slice_cut(&text, ';'));
    return slice_equal(version, SLICE("v=STSv1"));
}

bool sts_record_find(const struct slice *records, uint32_t count, char ret_id[STS_ID_BYTES_MAX + 1])
{
    char joined[RECORD_BYTES_MAX];
    struct slice text;
    uint32_t found = 0;
    bool good = false;
    for (uint32_t i = 0; i < count; i++) {
        if (!join_strings(records[i], joined, &text) || !is_about_sts(text))
            continue;
        good = read_fields(text, ret_id);
        found++;
    }
    return found == 1 && good;
}
