// bench/sink/plan.h: how the sink behaves: what all its workers share, read-only once they run.
#ifndef POSTHASTE_BENCH_SINK_PLAN_H
#define POSTHASTE_BENCH_SINK_PLAN_H

#include "bench/sink/limits.h"
#include "bench/sink/script.h"
#include "engine/smtp/server.h"

struct sink_maildir;
struct sink_mailbox;

enum sink_tls {
    SINK_TLS_NONE,
    SINK_TLS_OFFERED,  // STARTTLS
    SINK_TLS_REQUIRED, // STARTTLS, and no mail without
    SINK_TLS_IMPLICIT, // from the first byte on
};

struct sink_plan {
    struct smtp_server_options smtp;
    struct sink_script script;
    enum sink_tls tls;
    struct slice certificate_pem, key_pem;
    bool auth;                             // no mail without AUTH
    struct slice auth_user, auth_password; // user empty: any will do
    uint64_t latency_us;                   // each reply leaves so much later
    uint64_t silence_us_max;               // a session that says nothing for so long is closed
    uint64_t seed;
    struct sink_limits_options limits_options;
    struct sink_limits *limits;   // the only parts that workers
    struct sink_mailbox *mailbox; // change: each has its own lock.
    struct sink_maildir *maildir; // NULL: no mail is kept there
    int ledger_fd;                // opened with O_APPEND; -1: none
    uint32_t worker_count;
};

#endif
