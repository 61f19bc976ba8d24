// tests/sim/engine_secrecy.h: is mail said to nobody but those whom it may be said to? Every
// recipient that an exchanger hears of is seen here (the linker puts us in front of
// sink_dialogue_feed() and smtp_server_feed()), with what his session was worth.
#ifndef POSTHASTE_TESTS_SIM_ENGINE_SECRECY_H
#define POSTHASTE_TESTS_SIM_ENGINE_SECRECY_H

#include "tests/sim/engine_plan.h"

// Since secrecy_watch().
struct secrecy_seen {
    uint32_t breach_count;
    char breach[160];     // the first one, for people; empty: none
    uint64_t verified;    // recipients whose domain insists on the right certificate
    uint64_t encrypted;   // on TLS
    uint64_t sealed;      // on nothing, and it was under TLS
    uint64_t fallen_back; // on nothing, and it was in the clear though TLS was offered
};

void secrecy_watch(const struct plan *p); // another scenario begins
struct secrecy_seen secrecy_seen(void);

#endif
