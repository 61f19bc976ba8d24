// tests/sim/peer.h: an exchanger in a simulated world that answers one step of a session in a way
// of choice, and all others as usual.
//
// It knows nothing of the engine: what it accepted is in its own list.
#ifndef POSTHASTE_TESTS_SIM_PEER_H
#define POSTHASTE_TESTS_SIM_PEER_H

#include "engine/base/slice.h"
#include "tests/sim/world.h"

#define PEER_ARRIVALS_MAX 64
#define PEER_ADDRESS_BYTES 64

// Steps: "greeting", "EHLO", "HELO", "MAIL", "RCPT1" (the first of a transaction), "RCPT2" and so
// on, "RCPT" (each of them), "DATA", "content" (its end, also that of BDAT), "RSET", "QUIT".
struct peer_script {
    struct slice step; // empty: none
    struct slice say;  // may be empty
    bool closes;       // then
    bool is_silent;    // then, for ever
    // On its first connection, earlier messages are served as usual: 1 is the first. On later ones
    // the script holds from the start.
    uint32_t message_first;
    // Before that: of this message on the first connection all recipients are refused; 0: of none.
    uint32_t message_refused;
    bool refuses_ehlo; // so that HELO comes
    bool pipelining, chunking;
};

struct peer;

// Listens at once. `script` is lent.
struct peer *peer_new(const char *address, const struct peer_script *script);
void peer_free(struct peer *p); // NULL is fine
struct io *peer_io(const struct peer *p);
void peer_turn(struct peer *p);

// Recipients of what it took, one for each copy.
uint32_t peer_arrival_count(const struct peer *p);
struct slice peer_arrival(const struct peer *p, uint32_t i);
uint32_t peer_connection_count(const struct peer *p); // that there ever were
uint32_t peer_open_count(const struct peer *p);       // that there are

#endif
