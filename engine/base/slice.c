#include "engine/base/slice.h"

static unsigned char lower(char c)
{
    return (unsigned char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

bool slice_starts_nocase(struct slice s, struct slice prefix)
{
    if (s.len < prefix.len)
        return false;
    for (size_t i = 0; i < prefix.len; i++)
        if (lower(s.data[i]) != lower(prefix.data[i]))
            return false;
    return true;
}

bool slice_equal_nocase(struct slice a, struct slice b)
{
    return a.len == b.len && slice_starts_nocase(a, b);
}

struct slice slice_cut(struct slice *rest, char byte)
{
    size_t at = slice_find(*rest, byte);
    struct slice before = slice_take(*rest, at);
    *rest = slice_skip(*rest, at < rest->len ? at + 1 : at);
    return before;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

struct slice slice_trim(struct slice s)
{
    while (s.len > 0 && is_blank(s.data[0]))
        s = slice_skip(s, 1);
    while (s.len > 0 && is_blank(s.data[s.len - 1]))
        s.len--;
    return s;
}

static bool is_fold(char c)
{
    return is_blank(c) || c == '\r' || c == '\n';
}

struct slice slice_trim_folds(struct slice s)
{
    while (s.len > 0 && is_fold(s.data[0]))
        s = slice_skip(s, 1);
    while (s.len > 0 && is_fold(s.data[s.len - 1]))
        s.len--;
    return s;
}

bool slice_to_u64(struct slice s, uint64_t max, uint64_t *ret)
{
    uint64_t value = 0;
    if (s.len == 0)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        if (s.data[i] < '0' || s.data[i] > '9')
            return false;
        uint64_t digit = (uint64_t)(s.data[i] - '0');
        if (digit > max || value > (max - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    *ret = value;
    return true;
}

// SipHash-1-3: who chooses the domains of a submission must not be able to choose our collisions.
struct sip {
    uint64_t v0, v1, v2, v3;
};

static inline uint64_t rotate(uint64_t x, unsigned bits)
{
    return x << bits | x >> (64 - bits);
}

static inline void sip_round(struct sip *s)
{
    s->v0 += s->v1;
    s->v1 = rotate(s->v1, 13) ^ s->v0;
    s->v0 = rotate(s->v0, 32);
    s->v2 += s->v3;
    s->v3 = rotate(s->v3, 16) ^ s->v2;
    s->v0 += s->v3;
    s->v3 = rotate(s->v3, 21) ^ s->v0;
    s->v2 += s->v1;
    s->v1 = rotate(s->v1, 17) ^ s->v2;
    s->v2 = rotate(s->v2, 32);
}

static inline void sip_word(struct sip *s, uint64_t word)
{
    s->v3 ^= word;
    sip_round(s);
    s->v0 ^= word;
}

uint64_t slice_hash(struct slice s, uint64_t seed)
{
    uint64_t key = seed * 0x9e3779b97f4a7c15u;
    struct sip sip = {seed ^ 0x736f6d6570736575u, key ^ 0x646f72616e646f6du,
                      seed ^ 0x6c7967656e657261u, key ^ 0x7465646279746573u};
    uint64_t last = (uint64_t)s.len << 56;
    for (; s.len >= 8; s = slice_skip(s, 8)) {
        uint64_t word;
        memcpy(&word, s.data, 8);
        sip_word(&sip, word);
    }
    for (size_t i = 0; i < s.len; i++)
        last |= (uint64_t)(unsigned char)s.data[i] << (8 * i);
    sip_word(&sip, last);
    sip.v2 ^= 0xff;
    for (int i = 0; i < 3; i++)
        sip_round(&sip);
    return sip.v0 ^ sip.v1 ^ sip.v2 ^ sip.v3;
}
