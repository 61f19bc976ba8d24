// engine/policy/reason.h: why mail is not moving, as data. Pure.
//
// Whatever holds something back, or has decided, says so with a struct reason: one decision, one
// reason. `posthaste explain` looks them up; it decides nothing a second time.
//
// Owns:         the list of reasons; for each its name, what it means, and what the engine does
//               next.
// Knows not of: whom it is about: host, reply and domain stand beside it (struct explanation).
#ifndef POSTHASTE_POLICY_REASON_H
#define POSTHASTE_POLICY_REASON_H

#include <stdbool.h>
#include <stdint.h>

// Their numbers stand in the journal's records: new ones come in front of REASON_COUNT.
enum reason_kind {
    REASON_NONE, // nothing holds it back
    REASON_HOLD, // an operator holds it
    REASON_DRAINING,
    REASON_DISK, // what became of it could not be written
    REASON_DNS_ASKING,
    REASON_DNS_FAILED,
    REASON_NO_MX,
    REASON_NULL_MX,
    REASON_NO_ADDRESS,
    REASON_CONNECTING,
    REASON_CONNECTION_LIMIT,
    REASON_CONNECTION_RATE,
    REASON_MESSAGE_RATE,
    REASON_SITE_BACK_OFF,
    REASON_SOURCE_SUSPENDED, // none of the addresses that it may leave from is wanted there
    REASON_ADDRESS_RESTS,    // all of them: they did not answer
    REASON_REFUSED_SESSION,  // they answered, and would not serve us
    REASON_DANE_FAILED,      // the TLSA records of all of them cannot be had
    REASON_STS_HOSTS,        // none of them is named by the domain's policy
    REASON_TLS_REFUSED,      // TLS is asked for, and cannot be had
    REASON_TLS_UNVERIFIED,   // they do not prove who they are
    REASON_AUTH_REFUSED,     // the smarthost does not take our password, or cannot be given it
    REASON_PROBING,          // the site has failed: one message tries it for all
    REASON_RETRY_LATER,      // this message was deferred
    REASON_IN_DOUBT,         // it may have arrived
    REASON_BEHIND_OTHERS,    // ready: its turn comes
    REASON_SENDING,
    REASON_MEMORY,
    REASON_GLOBAL_CONNECTIONS, // the engine's own limit
    REASON_SUPPRESSED,
    REASON_EXPIRED,
    REASON_ROUTE_FAIL, // the configuration refuses it
    REASON_DELIVERED,
    REASON_FAILED,
    REASON_UNKNOWN, // of nothing that is asked about
    REASON_COUNT,
};

struct reason {
    enum reason_kind kind;
    uint64_t until_us; // monotonic; 0: not known
};

const char *reason_word(enum reason_kind r); // for programs: "connection-limit"; stays as it is
const char *reason_text(enum reason_kind r); // for people: what it is. No full stop
const char *reason_next(enum reason_kind r); // for people: what the engine does next
// Nothing more comes: it has ended, or nobody knows of it.
bool reason_is_final(enum reason_kind r);

// Two reasons that both hold: the one that ends last binds. An unknown end is later than any, but
// none at all than the other; of equals the first one.
struct reason reason_binding(struct reason a, struct reason b);

#endif
