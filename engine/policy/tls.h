// engine/policy/tls.h: when mail goes under TLS, what the other side must prove, and what becomes
// of it when that fails. Pure: facts in, decision out.
//
// The level belongs to the recipient domain, or to the route that its mail takes. It is decided
// upon three times: whether an exchanger may be used at all (tls_bar()), for each session how it
// begins (tls_plan()), and when TLS comes to nothing (tls_trouble_means()).
//
// What receivers publish comes in as facts: DANE (policy/dane.h) and MTA-STS. DANE wins where it
// says who an exchanger is (RFC 8461 2); where its records are of no use, a policy asks for more.
// What neither asks for is left to the level.
//
// Falls back to plain text: `may` alone, by a new connection, and only when a handshake has failed.
// It is remembered for TLS_PLAIN_KEPT_US, so that not each connection fails first.
#ifndef POSTHASTE_POLICY_TLS_H
#define POSTHASTE_POLICY_TLS_H

#include "engine/policy/dane.h"
#include "engine/policy/reason.h"
#include "engine/policy/route.h"
#include "engine/smtp/reply.h"

#define TLS_PLAIN_KEPT_US (UINT64_C(3600) * 1000 * 1000)

// What is known when a session begins.
struct tls_facts {
    enum tls_level level;
    bool implicit;       // a smarthost that speaks TLS from the first byte on
    bool plain_kept;     // a handshake with that address has failed lately
    bool sts;            // a policy of the domain's is to be enforced
    bool sts_host;       // and names this host
    enum dane_step dane; // of this host; DANE_NONE where it was not asked for
};

// Does a policy by MTA-STS change anything at that level? An operator who asks for no TLS, or for
// more than it does, has the last word.
bool tls_level_heeds_sts(enum tls_level level);

enum tls_bar {
    TLS_BAR_NONE,       // it may be used
    TLS_BAR_DANE_LATER, // what DANE says of it cannot be had
    TLS_BAR_DANE_NONE,  // `dane-only`, and it has no usable TLSA records
    TLS_BAR_STS,        // it is none that the policy names
    TLS_BARS,
};
enum tls_bar tls_bar(const struct tls_facts *f);

enum tls_way {
    TLS_WAY_PLAIN,      // STARTTLS is not asked for
    TLS_WAY_IF_OFFERED, // by STARTTLS
    TLS_WAY_ALWAYS,     // by STARTTLS; where it is not offered no mail goes
    TLS_WAY_AT_ONCE,    // implicit TLS
};

struct tls_plan {
    enum tls_way way;
    bool checks_name; // the certificate must be the host's,
    bool checks_dane; // or fit one of its TLSA records; else any will do
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
// Nothing is tried: the text goes behind the host's name.
struct tls_consequence tls_bar_means(enum tls_bar bar);

#endif
