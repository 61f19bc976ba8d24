// engine/base/siphash.h: SipHash-2-4 with 128 bits (Aumasson and Bernstein): a keyed hash of short
// texts that nobody can find collisions for who does not know the key.
#ifndef POSTHASTE_BASE_SIPHASH_H
#define POSTHASTE_BASE_SIPHASH_H

#include "engine/base/slice.h"

struct siphash {
    uint64_t low, high;
};

struct siphash siphash(const uint64_t key[2], struct slice text);

#endif
