// engine/smtp/octets.h: which kinds of bytes stand in a text, eight at a time.
//
// Two questions are asked of every line: may a reply's text be shown as it is, and may a command
// line be sent at all. Both are about control characters (below 0x20, and 0x7f) and 8-bit bytes.
#ifndef POSTHASTE_SMTP_OCTETS_H
#define POSTHASTE_SMTP_OCTETS_H

#include "engine/base/slice.h"

#define OCTETS_CONTROL 1u
#define OCTETS_8BIT 2u

#define OCTETS_ONES (UINT64_MAX / 0xff) // 0x0101...
#define OCTETS_TOPS (OCTETS_ONES * 0x80)

static inline bool octet_is_control(char octet)
{
    return (unsigned char)octet < 0x20 || octet == 0x7f;
}

// Eight bytes, the first one lowest.
static inline uint64_t octets_load(const char *at)
{
    uint64_t word;
    memcpy(&word, at, 8);
    return __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? word : __builtin_bswap64(word);
}

// The top bit of each byte that is a control character; the other bits mean nothing. Additions
// that never carry from byte to byte: 0x20 + 0x60 and 0x7f + 1 reach the top bit.
static inline uint64_t octets_controls(uint64_t word)
{
    uint64_t low = word & ~OCTETS_TOPS;
    uint64_t from_space = low + OCTETS_ONES * 0x60;
    uint64_t is_del = low + OCTETS_ONES;
    return (~from_space | is_del) & ~word;
}

// OCTETS_CONTROL | OCTETS_8BIT, as far as such bytes are there; 0 for plain text.
static inline unsigned octets_kinds(struct slice s)
{
    uint64_t controls = 0;
    uint64_t all = 0;
    uint64_t last = OCTETS_ONES * ' ';
    size_t i = 0;
    for (; i + 8 < s.len; i += 8) {
        uint64_t word = octets_load(s.data + i);
        all |= word;
        controls |= octets_controls(word);
    }
    if (s.len >= 8) // what is left, and maybe some bytes once more
        last = octets_load(s.data + s.len - 8);
    else
        for (; i < s.len; i++)
            last = last << 8 | (unsigned char)s.data[i];
    all |= last;
    controls |= octets_controls(last);
    return ((controls & OCTETS_TOPS) != 0 ? OCTETS_CONTROL : 0) |
           ((all & OCTETS_TOPS) != 0 ? OCTETS_8BIT : 0);
}

// Copies what stands in front of the first control character, and returns how much that is. What
// is behind that in `to`, up to from.len, is of no use any more.
static inline size_t octets_copy_plain(char *to, struct slice from)
{
    size_t i = 0;
    for (; i + 8 <= from.len; i += 8) {
        uint64_t controls = octets_controls(octets_load(from.data + i)) & OCTETS_TOPS;
        memcpy(to + i, from.data + i, 8);
        if (controls != 0)
            return i + (unsigned)__builtin_ctzll(controls) / 8;
    }
    for (; i < from.len && !octet_is_control(from.data[i]); i++)
        to[i] = from.data[i];
    return i;
}

#endif
