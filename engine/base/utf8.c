#include "engine/base/utf8.h"

// The table of RFC 3629 section 4: what the first byte asks of the second.
static size_t shape_of(unsigned char first, unsigned char *ret_low, unsigned char *ret_high)
{
    *ret_low = 0x80;
    *ret_high = 0xbf;
    if (first < 0x80)
        return 1;
    if (first < 0xc2 || first > 0xf4)
        return 0;
    if (first < 0xe0)
        return 2;
    if (first == 0xe0)
        *ret_low = 0xa0;
    if (first == 0xed)
        *ret_high = 0x9f;
    if (first < 0xf0)
        return 3;
    if (first == 0xf0)
        *ret_low = 0x90;
    if (first == 0xf4)
        *ret_high = 0x8f;
    return 4;
}

size_t utf8_char_bytes(struct slice s)
{
    const unsigned char *at = (const unsigned char *)s.data;
    unsigned char low, high;
    if (s.len == 0)
        return 0;
    size_t bytes = shape_of(at[0], &low, &high);
    if (bytes > s.len)
        return 0;
    for (size_t i = 1; i < bytes; i++) {
        if (at[i] < low || at[i] > high)
            return 0;
        low = 0x80;
        high = 0xbf;
    }
    return bytes;
}

bool utf8_is_control(struct slice s)
{
    const unsigned char *at = (const unsigned char *)s.data;
    return at[0] < 0x20 || at[0] == 0x7f || (at[0] == 0xc2 && at[1] < 0xa0);
}

bool utf8_valid(struct slice s)
{
    while (s.len > 0) {
        size_t bytes = utf8_char_bytes(s);
        if (bytes == 0)
            return false;
        s = slice_skip(s, bytes);
    }
    return true;
}
