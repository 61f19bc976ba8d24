// engine/policy/source.h: which of our own addresses a connection leaves from. Pure.
//
// A source is a local address (one of each family at most) with a name that it gives at EHLO, and
// limits that hold for it at each site. A list of them stands for what a domain's mail, or that of
// a route, may leave from; without a list the kernel chooses the address.
//
// What a source may do at a site now is told as an offer, made from what is counted there
// (engine/deliver/source.h).
#ifndef POSTHASTE_POLICY_SOURCE_H
#define POSTHASTE_POLICY_SOURCE_H

#include "dns/answer.h"
#include "engine/policy/rate.h"

#define SOURCE_NAME_BYTES 32
#define SOURCE_HOST_BYTES 256
#define SOURCES_MAX 16 // of one list

struct source {
    char name[SOURCE_NAME_BYTES];
    char hostname[SOURCE_HOST_BYTES]; // at EHLO; empty: delivery's
    struct io_address v4, v6;         // len 0: it has none
    // At each site:
    uint32_t connections; // at a time
    uint32_t messages_per_connection;
    struct rate_limits rates, connection_rates;
};

struct source_place {
    char name[SOURCE_NAME_BYTES];
    const struct source *found; // NULL until all sources are known
};

// Names first; what they mean when all sources have been read.
struct source_list {
    uint32_t count; // 0: the kernel chooses
    struct source_place items[SOURCES_MAX];
};

// The same names in the same order.
bool source_list_equal(const struct source_list *a, const struct source_list *b);

// --- which one

enum source_family { SOURCE_V4 = 1, SOURCE_V6 = 2, SOURCE_ANY = SOURCE_V4 | SOURCE_V6 };

static inline uint8_t source_family_of(const struct io_address *peer)
{
    return peer->as.any.sa_family == AF_INET6 ? SOURCE_V6 : SOURCE_V4;
}

// To which peers it can go; NULL stands for the kernel's choice.
uint8_t source_families(const struct source *s);
// What to bind to; NULL: to nothing.
const struct io_address *source_address(const struct source *s, const struct io_address *peer);

struct source_offer {
    uint8_t families;     // enum source_family
    bool suspended;       // not wanted there for now
    uint32_t messages;    // that may begin from it
    uint32_t connections; // that may be opened from it
    // Without any: when there are some again, as far as that is a matter of time; else 0.
    uint64_t messages_due_us, connections_due_us;
    uint64_t suspended_to_us; // if it is
};

// The one to open a connection from: with a connection and a message to spare, and an address of
// the peer's family. Of several the one with the most connections left; of equal ones the first
// from `turn` on, so that they take turns. SOURCES_MAX: none.
uint32_t source_choose(const struct source_offer *offers, uint32_t count, uint8_t family,
                       uint32_t turn);

// All of them together.
struct source_sum {
    uint8_t families;     // to which any could go at all
    uint8_t families_now; // to which one may open a connection now
    uint32_t messages, connections;
    bool all_suspended;
    uint64_t suspended_to_us; // when the first of those that are is so no longer; 0: none is
    // Without any: when one may, as far as that is a matter of time; else 0.
    uint64_t messages_due_us, connections_due_us;
};
struct source_sum source_sum(const struct source_offer *offers, uint32_t count);

#endif
