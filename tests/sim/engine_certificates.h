// tests/sim/engine_certificates.h: what the exchangers of all scenarios prove themselves with, and
// whom the engine trusts.
//
// Fixed, and by Ed25519: its signatures are always as long, so that a seed's world is the same
// each time.
#ifndef POSTHASTE_TESTS_SIM_ENGINE_CERTIFICATES_H
#define POSTHASTE_TESTS_SIM_ENGINE_CERTIFICATES_H

#include "engine/tls/tls.h"
#include "tests/sim/engine_plan_tls.h"

extern char certificates_anchor[]; // in PEM

// Makes them, once, and throws OpenSSL's dice (tls_dice_init()).
void certificates_prepare(void);
struct tls_context *certificates_context(enum plan_certificate which);

#endif
