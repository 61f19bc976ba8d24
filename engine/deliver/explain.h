// engine/deliver/explain.h: why a domain's mail is not moving, as far as delivery knows: a look-up
// of what it has decided, for posthaste explain.
//
// Owns:    what a domain's mail was last deferred or refused for (struct setback), for as long as
//          delivery keeps the domain: not beyond a restart (queue/found_setbacks.h), nor on another
//          worker.
// Limits:  SETBACKS_MAX domains are remembered, those heard of last.
// Threads: the worker that owns the domain.
#ifndef POSTHASTE_DELIVER_EXPLAIN_H
#define POSTHASTE_DELIVER_EXPLAIN_H

#include "dns/mx.h"
#include "engine/deliver/site.h"
#include "engine/policy/reason.h"

#define SETBACKS_MAX 65536u // 200 bytes each, mostly

struct deliver;

// What somebody said, or what went wrong where.
struct explained_cause {
    struct failure failure; // text_len 0: nothing is known
    char host[UINT8_MAX + 1];
    char address[IO_ADDRESS_TEXT_BYTES];
};

struct explanation {
    struct reason reason; // REASON_NONE: delivery has nothing of it
    struct explained_cause cause;
    char source[SOURCE_NAME_BYTES];             // that is suspended; empty: none
    uint32_t ready_count;                       // messages that could go
    uint32_t sending_count;                     // that are being read back, or sent
    uint32_t connection_count, connections_max; // of the domain's site; 0, 0: it has none yet
    const char *provider; // whose it is one of, by the configuration's name; NULL: nobody's
};

// False: the domain is not this worker's, or delivery knows nothing of it.
bool deliver_explain(struct deliver *d, struct slice domain, struct explanation *ret);

#endif
