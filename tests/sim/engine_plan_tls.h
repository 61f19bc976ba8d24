// tests/sim/engine_plan_tls.h: what TLS the exchangers of a scenario offer, and with which faults.
//
//     first --(later_us)--> later --(the world heals)--> what it is in the end
//
// In the end an exchanger may still be one that no mail of a stricter domain can go to: then it has
// none.
#ifndef POSTHASTE_TESTS_SIM_ENGINE_PLAN_TLS_H
#define POSTHASTE_TESTS_SIM_ENGINE_PLAN_TLS_H

#include "engine/policy/limits.h"

#include <stdbool.h>
#include <stdint.h>

// What an exchanger shows.
enum plan_certificate {
    CERTIFICATE_GOOD,       // of its hosts' names, by who is trusted
    CERTIFICATE_MISNAMED,   // of another name
    CERTIFICATE_SELFSIGNED, // of its hosts' names
    CERTIFICATE_EXPIRED,    // of its hosts' names, by who is trusted
    CERTIFICATE_COUNT,
};

// So many sites, and so many domains, have hosts whose names the certificates bear.
#define PLAN_NAMED_MAX 16u

struct plan_sink_tls_state {
    bool is_offered; // STARTTLS
    enum plan_certificate certificate;
};

struct plan_sink_tls {
    bool is_implicit;  // TLS from the first byte on
    bool is_required;  // 530 to mail without it, until the world heals
    bool breaks;       // each handshake, also in the end
    uint64_t later_us; // since the world began; 0: never
    struct plan_sink_tls_state first, later, end;
};

#endif
