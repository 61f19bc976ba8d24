// engine/tls_memory.h: what the engine remembers about TLS beyond its sessions: MTA-STS policies
// (dns/sts_store.h), and counts for reports (queue/tls_tally.h). Both are for all workers.
//
// Opened before the workers start, closed when they have ended; blocking.
#ifndef POSTHASTE_TLS_MEMORY_H
#define POSTHASTE_TLS_MEMORY_H

#include "dns/sts_store.h"
#include "engine/refusal.h"
#include "queue/tls_tally.h"

struct tls_memory {
    int policies_fd, counts_fd; // folders, the caller's; -1: what they would hold ends with us
    struct sts_store *policies; // NULL: MTA-STS is not used
    struct tls_tally *tally;    // NULL: nothing is counted
};

bool tls_memory_open(struct tls_memory *m, bool uses_mta_sts, struct refusal *why);
void tls_memory_close(struct tls_memory *m); // one that was never opened is fine

#endif
