// bench/load/plan.h: what is to be sent, and how.
#ifndef POSTHASTE_BENCH_LOAD_PLAN_H
#define POSTHASTE_BENCH_LOAD_PLAN_H

#include "bench/load/content.h"
#include "bench/load/domains.h"
#include "engine/io/address.h"

#define LOAD_SESSIONS_MAX 1000000u

enum load_tls {
    LOAD_TLS_NONE,
    LOAD_TLS_START,    // STARTTLS; a server that does not offer it is a failed session
    LOAD_TLS_IMPLICIT, // from the first byte on
};

// What one worker has to do. It and all that it points to is lent for the worker's life.
struct load_plan {
    const struct io_address *peers; // taken in turn by the sessions
    uint32_t peer_count;
    uint32_t worker; // which of how many: message numbers are worker + i * worker_count
    uint32_t worker_count;
    uint64_t message_count; // UINT64_MAX: no limit
    uint64_t duration_us;   // UINT64_MAX: no limit
    double rate_per_s;      // 0: as fast as the sessions take them
    uint32_t session_count;
    uint64_t ramp_us;              // over which the sessions open
    uint64_t messages_per_session; // UINT64_MAX: no limit
    uint16_t window;
    uint32_t ignore; // extensions not to be used (enum smtp_extension)
    enum load_tls tls;
    bool tls_verify; // the certificate must be tls_name's, and signed by whom we trust
    bool tls_resume;
    struct slice tls_name;                 // SNI; empty: none is sent
    struct slice tls_trusted_pem;          // empty: whom the system trusts
    struct slice auth_user, auth_password; // user empty: no AUTH
    uint64_t reply_us_max;
    uint64_t give_up_us; // without a single good reply
    uint32_t rcpt_count;
    struct slice helo;
    struct slice from;
    struct slice priority;   // X-Posthaste-Priority of each message; empty: none
    uint32_t campaign_count; // X-Posthaste-Campaign, one of so many; 0: none
    uint64_t seed;
    const struct load_content *content;
    const struct load_domains *domains;
    int ledger_fd; // opened with O_APPEND; -1: none
};

// The share of worker `worker` of all->worker_count in a plan for all of them.
struct load_plan load_plan_share(const struct load_plan *all, uint32_t worker);

#endif
