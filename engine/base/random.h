// engine/base/random.h: reproducible dice (xoshiro256**), one per owner. Not for secrets.
#ifndef POSTHASTE_BASE_RANDOM_H
#define POSTHASTE_BASE_RANDOM_H

#include <stdint.h>

struct random {
    uint64_t state[4];
};

void random_init(struct random *r, uint64_t seed);
uint64_t random_u64(struct random *r);
uint32_t random_below(struct random *r, uint32_t bound); // 0 <= x < bound; bound > 0
double random_unit(struct random *r);                    // 0 <= x < 1

#endif
