#include "engine/base/siphash.h"

struct state {
    uint64_t v0, v1, v2, v3;
};

static uint64_t rotate(uint64_t x, unsigned bits)
{
    return x << bits | x >> (64 - bits);
}

static void rounds(struct state *s, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        s->v0 += s->v1;
        s->v2 += s->v3;
        s->v1 = rotate(s->v1, 13) ^ s->v0;
        s->v3 = rotate(s->v3, 16) ^ s->v2;
        s->v0 = rotate(s->v0, 32) + s->v3;
        s->v2 += s->v1;
        s->v3 = rotate(s->v3, 21) ^ s->v0;
        s->v1 = rotate(s->v1, 17) ^ s->v2;
        s->v2 = rotate(s->v2, 32);
    }
}

static void absorb(struct state *s, uint64_t word)
{
    s->v3 ^= word;
    rounds(s, 2);
    s->v0 ^= word;
}

static uint64_t squeeze(struct state *s)
{
    rounds(s, 4);
    return s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
}

struct siphash siphash(const uint64_t key[2], struct slice text)
{
    struct state s = {key[0] ^ UINT64_C(0x736f6d6570736575),
                      key[1] ^ UINT64_C(0x646f72616e646f6d) ^ 0xee,
                      key[0] ^ UINT64_C(0x6c7967656e657261), key[1] ^ UINT64_C(0x7465646279746573)};
    uint64_t word, last = (uint64_t)text.len << 56;
    for (; text.len >= sizeof(word); text = slice_skip(text, sizeof(word))) {
        memcpy(&word, text.data, sizeof(word)); // little-endian machines
        absorb(&s, word);
    }
    for (size_t i = 0; i < text.len; i++)
        last |= (uint64_t)(uint8_t)text.data[i] << (8 * i);
    absorb(&s, last);
    s.v2 ^= 0xee;
    uint64_t low = squeeze(&s);
    s.v1 ^= 0xdd;
    return (struct siphash){low, squeeze(&s)};
}
