// engine/smtp/octets.h: which kinds of bytes stand in a text, sixteen at a time.
//
// Two questions are asked of every line: may a reply's text be shown as it is, and may a command
// line be sent at all. Both are about control characters (below 0x20, and 0x7f) and 8-bit bytes.
//
// The vectors are GNU C's own; only their bits are collected by hand where there is SSE2.
#ifndef POSTHASTE_SMTP_OCTETS_H
#define POSTHASTE_SMTP_OCTETS_H

#include "engine/base/slice.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define OCTETS_CONTROL 1u
#define OCTETS_8BIT 2u

#define OCTETS_BLOCK_BYTES 16

typedef uint8_t octets_block __attribute__((vector_size(OCTETS_BLOCK_BYTES)));

static inline bool octet_is_control(char octet)
{
    return (unsigned char)octet < 0x20 || octet == 0x7f;
}

static inline octets_block octets_load(const char *at)
{
    octets_block block;
    memcpy(&block, at, sizeof(block));
    return block;
}

// Some bytes twice, or spaces besides: for who asks only what there is, not where.
static inline octets_block octets_load_short(struct slice s)
{
    uint64_t words[2] = {UINT64_C(0x2020202020202020), UINT64_C(0x2020202020202020)};
    if (s.len >= 8) {
        memcpy(&words[0], s.data, 8);
        memcpy(&words[1], s.data + s.len - 8, 8);
    } else {
        for (size_t i = 0; i < s.len; i++)
            words[0] = words[0] << 8 | (unsigned char)s.data[i];
    }
    octets_block block;
    memcpy(&block, words, sizeof(block));
    return block;
}

// 0xff for each control character, 0 for others.
static inline octets_block octets_controls(octets_block block)
{
    return (octets_block)(block < 0x20) | (octets_block)(block == 0x7f);
}

// The top bit of each byte; the first byte's is the lowest.
static inline unsigned octets_tops(octets_block block)
{
#ifdef __SSE2__
    return (unsigned)_mm_movemask_epi8((__m128i)block);
#else
    unsigned tops = 0;
    for (unsigned i = 0; i < OCTETS_BLOCK_BYTES; i++)
        tops |= (unsigned)(block[i] >> 7) << i;
    return tops;
#endif
}

// What a text is made of: in either, any top bit says that there is such a byte.
struct octets_found {
    octets_block controls;
    octets_block eight_bit;
    octets_block angles; // ">", which ends a path
};

// Copies the text to `to`, unless that is NULL.
static inline struct octets_found octets_look(char *to, struct slice s)
{
    const bool is_short = s.len < OCTETS_BLOCK_BYTES;
    const size_t last = is_short ? 0 : s.len - OCTETS_BLOCK_BYTES;
    octets_block all = is_short ? octets_load_short(s) : octets_load(s.data + last);
    octets_block controls = octets_controls(all);
    octets_block angles = (octets_block)(all == '>');
    if (to && is_short)
        memcpy(to, s.data, s.len);
    else if (to)
        memcpy(to + last, &all, sizeof(all));
    for (size_t i = 0; i < last; i += OCTETS_BLOCK_BYTES) {
        const octets_block block = octets_load(s.data + i);
        all |= block;
        controls |= octets_controls(block);
        angles |= (octets_block)(block == '>');
        if (to)
            memcpy(to + i, &block, sizeof(block));
    }
    return (struct octets_found){.controls = controls, .eight_bit = all, .angles = angles};
}

// OCTETS_CONTROL | OCTETS_8BIT, as far as such bytes are there; 0 for plain text.
static inline unsigned octets_kinds(struct slice s)
{
    const struct octets_found found = octets_look(NULL, s);
    return (octets_tops(found.controls) ? OCTETS_CONTROL : 0) |
           (octets_tops(found.eight_bit) ? OCTETS_8BIT : 0);
}

// May it stand on a command line? Copies it to `to`, unless that is NULL.
static inline bool octets_copy_sayable(char *to, struct slice s, bool utf8)
{
    const struct octets_found found = octets_look(to, s);
    return octets_tops(utf8 ? found.controls : found.controls | found.eight_bit) == 0;
}

// And without a look at its quotes, between "<" and ">"?
static inline bool octets_plain_path(struct slice s, bool utf8)
{
    const struct octets_found found = octets_look(NULL, s);
    const octets_block unwanted = found.controls | found.angles;
    return octets_tops(utf8 ? unwanted : unwanted | found.eight_bit) == 0;
}

#define OCTETS_COPY_BYTES_MIN 8

// Copies what stands in front of the first control character, and returns how much that is. What
// is behind that in `to` is of no use any more. There are OCTETS_COPY_BYTES_MIN at least, and `to`
// has room for from.len and for a block.
static inline size_t octets_copy_plain(char *to, struct slice from)
{
    if (from.len < OCTETS_BLOCK_BYTES) {
        memset(to, '\0', OCTETS_BLOCK_BYTES); // an end to be found
        memcpy(to, from.data, 8);
        memcpy(to + from.len - 8, from.data + from.len - 8, 8);
        return (unsigned)__builtin_ctz(octets_tops(octets_controls(octets_load(to))));
    }
    const size_t last = from.len - OCTETS_BLOCK_BYTES;
    for (size_t i = 0;; i += OCTETS_BLOCK_BYTES) {
        const size_t at = i < last ? i : last; // the last block has some bytes once more
        const octets_block block = octets_load(from.data + at);
        const unsigned controls = octets_tops(octets_controls(block));
        memcpy(to + at, &block, sizeof(block));
        if (controls != 0)
            return at + (unsigned)__builtin_ctz(controls);
        if (at == last)
            return from.len;
    }
}

// How many that would be, of OCTETS_COPY_BYTES_MIN bytes at least.
static inline size_t octets_plain_bytes(struct slice s)
{
    if (s.len < OCTETS_BLOCK_BYTES) {
        char copy[OCTETS_BLOCK_BYTES];
        return octets_copy_plain(copy, s);
    }
    const size_t last = s.len - OCTETS_BLOCK_BYTES;
    for (size_t i = 0;; i += OCTETS_BLOCK_BYTES) {
        const size_t at = i < last ? i : last;
        const unsigned controls = octets_tops(octets_controls(octets_load(s.data + at)));
        if (controls != 0)
            return at + (unsigned)__builtin_ctz(controls);
        if (at == last)
            return s.len;
    }
}

#endif
