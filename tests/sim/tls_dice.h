// tests/sim/tls_dice.h: OpenSSL's random bytes come from a seed, from now on: with the same keys,
// tickets are as long, and what a worker says is the same to the byte, but for OpenSSL's clock.
#ifndef POSTHASTE_TESTS_SIM_TLS_DICE_H
#define POSTHASTE_TESTS_SIM_TLS_DICE_H

#include <stdint.h>

void tls_dice_init(uint64_t seed);

#endif
