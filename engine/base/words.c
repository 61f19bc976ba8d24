#include "engine/base/words.h"

static int digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

// In place: what comes out is never longer. False at a "%" without two digits.
static bool unescape(char *text, size_t *len)
{
    size_t to = 0;
    for (size_t i = 0; i < *len; i++) {
        if (text[i] != '%') {
            text[to++] = text[i];
            continue;
        }
        int high = i + 2 < *len ? digit_of(text[i + 1]) : -1;
        int low = i + 2 < *len ? digit_of(text[i + 2]) : -1;
        if (high < 0 || low < 0)
            return false;
        text[to++] = (char)(high * 16 + low);
        i += 2;
    }
    *len = to;
    return true;
}

bool words_next(struct slice *rest, struct slice *ret_key, struct slice *ret_value)
{
    struct slice line = *rest;
    if (line.len == 0)
        return false;
    struct slice word = slice_cut(&line, ' ');
    struct slice value = word;
    struct slice key = slice_cut(&value, '=');
    size_t len = value.len;
    if (key.len == 0 || !unescape((char *)(uintptr_t)value.data, &len))
        return false;
    *ret_key = key;
    *ret_value = slice_take(value, len);
    *rest = line;
    return true;
}

static bool put_byte(struct buffer *out, char c)
{
    if (c > ' ' && c < 0x7f && c != '%')
        return buffer_append_byte(out, c);
    return buffer_printf(out, "%%%02X", (unsigned char)c);
}

bool words_put(struct buffer *out, const char *key, struct slice value)
{
    size_t before = out->len;
    bool first = before == 0 || out->data[before - 1] == '\n';
    bool fits = (first || buffer_append_byte(out, ' ')) && buffer_append(out, slice_of_text(key));
    if (fits && value.len > 0)
        fits = buffer_append_byte(out, '=');
    for (size_t i = 0; fits && i < value.len; i++)
        fits = put_byte(out, value.data[i]);
    if (!fits)
        out->len = before;
    return fits;
}
