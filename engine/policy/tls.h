// engine/policy/tls.h: when mail goes under TLS, what the other side must prove, and what becomes
// of it when that fails. Pure: facts in, decision out.
//
// The level belongs to the recipient domain, or to the route that its mail takes. It is decided
// upon twice for each session: how it begins (tls_plan()), and when TLS comes to nothing
// (tls_trouble_means()).
//
// Falls back to plain text: `may` alone, by a new connection, and only when a handshake has failed.
// It is remembered for TLS_PLAIN_KEPT_US, so that not each connection fails first.
#ifndef POSTHASTE_POLICY_TLS_H
#define POSTHASTE_POLICY_TLS_H

#include "engine/policy/reason.h"
#include "engine/policy/route.h"
#include "engine/smtp/reply.h"

#define TLS_PLAIN_KEPT_US (UINT64_C(3600) * 1000 * 1000)

// What is known when a session begins.
struct tls_facts {
    enum tls_level level;
    bool implicit;   // a smarthost that speaks TLS from the first byte on
    bool plain_kept; // a handshake with that address has failed lately
};

enum tls_way {
    TLS_WAY_PLAIN,      // STARTTLS is not asked for
    TLS_WAY_IF_OFFERED, // by STARTTLS
    TLS_WAY_ALWAYS,     // by STARTTLS; where it is not offered no mail goes
    TLS_WAY_AT_ONCE,    // implicit TLS
};

struct tls_plan {
    enum tls_way way;
    bool checks_name; // the certificate must be the host's; else any will do
};
struct tls_plan tls_plan(const struct tls_facts *f);

enum tls_mishap {
    TLS_NOT_OFFERED,      // and the plan was TLS_WAY_ALWAYS
    TLS_REFUSED,          // STARTTLS was answered by 4xx or 5xx
    TLS_INJECTED,         // bytes in the clear behind the answer to STARTTLS
    TLS_HANDSHAKE_FAILED, // for another reason than the next
    TLS_NOT_VERIFIED,     // the certificate is not what it must be
    TLS_LOST,             // it broke later
};

struct tls_consequence {
    bool retries_plain; // the host is tried again in the clear. Else it cannot be used for now
    enum reason_kind reason;
    struct enhanced_code enhanced;
    const char *text; // for people; what exactly went wrong comes behind it
};
struct tls_consequence tls_trouble_means(const struct tls_facts *f, enum tls_mishap m);

#endif
