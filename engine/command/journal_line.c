#include "engine/command/journal_line.h"

#include "engine/base/check.h"

#include <stdio.h>

#define LINE_BYTES_MAX (1024u * 1024) // of one value: the rest has left before
#define PART_BYTES (32u * 1024)
#define ID_DIGIT_BITS 5

// In the order of ASCII, so that text sorts as the numbers do.
static const char id_digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

void journal_line_init(struct journal_line *l, bool as_json)
{
    l->as_json = as_json;
    l->failed = false;
    buffer_init(&l->text, LINE_BYTES_MAX);
    json_init(&l->json, &l->text);
}

void journal_line_release(struct journal_line *l)
{
    buffer_release(&l->text);
}

static void leave(struct journal_line *l)
{
    if (l->text.len > 0 && fwrite(l->text.data, 1, l->text.len, stdout) != l->text.len)
        l->failed = true;
    buffer_clear(&l->text);
}

static void put(struct journal_line *l, const char *text)
{
    if (!buffer_append(&l->text, slice_of_text(text)))
        l->failed = true;
}

void journal_line_begin(struct journal_line *l, const char *kind)
{
    json_init(&l->json, &l->text);
    if (l->as_json) {
        json_object(&l->json, NULL);
        json_text(&l->json, "kind", slice_of_text(kind));
    } else {
        put(l, kind);
    }
}

void journal_line_end(struct journal_line *l)
{
    if (l->as_json)
        json_end(&l->json);
    put(l, "\n");
    if (!json_ok(&l->json))
        l->failed = true;
    leave(l);
}

// What stands in front of each value. For people the value itself is written as JSON, too, but at
// the top level, where nothing comes between.
static const char *key_of(struct journal_line *l, const char *key)
{
    if (l->text.len > PART_BYTES)
        leave(l);
    if (l->as_json)
        return key;
    put(l, " ");
    put(l, key);
    put(l, "=");
    return NULL;
}

void journal_line_u64(struct journal_line *l, const char *key, uint64_t value)
{
    json_u64(&l->json, key_of(l, key), value);
}

void journal_line_word(struct journal_line *l, const char *key, const char *value)
{
    const char *inner = key_of(l, key);
    if (l->as_json || strchr(value, ' '))
        json_text(&l->json, inner, slice_of_text(value));
    else
        put(l, value);
}

void journal_line_text(struct journal_line *l, const char *key, struct slice value)
{
    json_text(&l->json, key_of(l, key), value);
}

void journal_line_time(struct journal_line *l, const char *key, uint64_t wall_us)
{
    // Four digits of years is what the form has room for; a number beyond is printed as it is.
    static const uint64_t us_max = UINT64_C(253402300800) * 1000000;
    if (wall_us >= us_max)
        json_u64(&l->json, key_of(l, key), wall_us);
    else
        json_time(&l->json, key_of(l, key), wall_us);
}

void journal_line_id(struct journal_line *l, const char *key, uint64_t id)
{
    char text[JOURNAL_ID_TEXT_BYTES];
    journal_line_word(l, key, journal_id_print(id, text));
}

void journal_line_bytes(struct journal_line *l, const char *key, const void *bytes, size_t len)
{
    char text[2 * 32 + 1];
    const uint8_t *at = bytes;
    CHECK(len <= 32);
    for (size_t i = 0; i < len; i++)
        snprintf(text + 2 * i, 3, "%02x", at[i]);
    text[2 * len] = '\0';
    journal_line_word(l, key, text);
}

void journal_line_list(struct journal_line *l, const char *key)
{
    if (l->as_json)
        json_array(&l->json, key_of(l, key));
}

void journal_line_item(struct journal_line *l)
{
    if (l->as_json)
        json_object(&l->json, NULL);
}

void journal_line_close(struct journal_line *l)
{
    if (l->as_json)
        json_end(&l->json);
}

const char *journal_id_print(uint64_t id, char text[JOURNAL_ID_TEXT_BYTES])
{
    for (int i = JOURNAL_ID_TEXT_BYTES - 2; i >= 0; i--, id >>= ID_DIGIT_BITS)
        text[i] = id_digits[id & 31];
    text[JOURNAL_ID_TEXT_BYTES - 1] = '\0';
    return text;
}

bool journal_id_read(const char *text, uint64_t *ret)
{
    uint64_t id = 0;
    if (strlen(text) != JOURNAL_ID_TEXT_BYTES - 1)
        return false;
    for (const char *at = text; *at; at++) {
        char upper = (char)(*at >= 'a' && *at <= 'z' ? *at - ('a' - 'A') : *at);
        const char *digit = strchr(id_digits, upper);
        if (!digit || id >> (64 - ID_DIGIT_BITS) != 0)
            return false;
        id = id << ID_DIGIT_BITS | (uint64_t)(digit - id_digits);
    }
    *ret = id;
    return true;
}
