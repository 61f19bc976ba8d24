#include "engine/policy/tls.h"

bool tls_level_heeds_sts(enum tls_level level)
{
    return level == TLS_LEVEL_MAY || level == TLS_LEVEL_ENCRYPT || level == TLS_LEVEL_DANE;
}

// What all of that comes to. TLS_LEVEL_DANE: a certificate that fits a record.
static enum tls_level level_now(const struct tls_facts *f)
{
    bool by_dane = f->level == TLS_LEVEL_DANE || f->level == TLS_LEVEL_DANE_ONLY;
    if (by_dane && f->dane == DANE_AUTHENTICATE)
        return TLS_LEVEL_DANE;
    if (f->level == TLS_LEVEL_DANE_ONLY)
        return TLS_LEVEL_DANE; // no session begins so; if one did, nothing would fit
    if (f->sts)
        return TLS_LEVEL_VERIFY;
    if (by_dane)
        return f->dane == DANE_ENCRYPT ? TLS_LEVEL_ENCRYPT : TLS_LEVEL_MAY;
    return f->level;
}

enum tls_bar tls_bar(const struct tls_facts *f)
{
    bool by_dane = f->level == TLS_LEVEL_DANE || f->level == TLS_LEVEL_DANE_ONLY;
    if (by_dane && f->dane == DANE_LATER)
        return TLS_BAR_DANE_LATER;
    if (f->level == TLS_LEVEL_DANE_ONLY && f->dane != DANE_AUTHENTICATE)
        return TLS_BAR_DANE_NONE;
    if (f->sts && !f->sts_host && f->dane != DANE_AUTHENTICATE)
        return TLS_BAR_STS;
    return TLS_BAR_NONE;
}

struct tls_plan tls_plan(const struct tls_facts *f)
{
    enum tls_level level = level_now(f);
    struct tls_plan p = {.checks_name = level == TLS_LEVEL_VERIFY,
                         .checks_dane = level == TLS_LEVEL_DANE};
    if (f->implicit) {
        p.way = TLS_WAY_AT_ONCE; // whatever the level: nothing else is spoken there
        return p;
    }
    switch (level) {
    case TLS_LEVEL_NONE: p.way = TLS_WAY_PLAIN; break;
    case TLS_LEVEL_MAY: p.way = f->plain_kept ? TLS_WAY_PLAIN : TLS_WAY_IF_OFFERED; break;
    case TLS_LEVEL_ENCRYPT:
    case TLS_LEVEL_VERIFY:
    case TLS_LEVEL_DANE:
    case TLS_LEVEL_DANE_ONLY: p.way = TLS_WAY_ALWAYS; break;
    case TLS_LEVEL_COUNT: break;
    }
    return p;
}

// RFC 3463 3.8: x.7.4 features not supported, x.7.5 cryptographic failure.
static const struct tls_consequence consequences[] = {
    [TLS_NOT_OFFERED] = {false, REASON_TLS_REFUSED, {4, 7, 4}, "TLS is required, and not offered"},
    [TLS_REFUSED] = {false, REASON_TLS_REFUSED, {4, 7, 4}, "TLS is refused"},
    [TLS_INJECTED] = {false, REASON_TLS_REFUSED, {4, 7, 5}, "TLS begins with bytes in the clear"},
    [TLS_HANDSHAKE_FAILED] = {false, REASON_TLS_REFUSED, {4, 7, 5}, "TLS handshake failed"},
    [TLS_NOT_VERIFIED] = {false, REASON_TLS_UNVERIFIED, {4, 7, 5}, "certificate not verified"},
    [TLS_LOST] = {false, REASON_RETRY_LATER, {4, 7, 5}, "TLS broke"},
};

// Whoever stands between us and the server can make a handshake fail: that costs the secrecy that
// `may` does not promise. Bytes put behind the 220 are an attack, and there plain text would be its
// success.
struct tls_consequence tls_trouble_means(const struct tls_facts *f, enum tls_mishap m)
{
    struct tls_consequence c = consequences[m];
    bool falls_back = level_now(f) == TLS_LEVEL_MAY && !f->implicit;
    c.retries_plain = falls_back && (m == TLS_REFUSED || m == TLS_HANDSHAKE_FAILED);
    return c;
}

// RFC 3463 3.5: x.4.3 directory server failure, 3.8: x.7.0 some other security status.
static const struct tls_consequence bars[TLS_BARS] = {
    [TLS_BAR_DANE_LATER] = {false,
                            REASON_DANE_FAILED,
                            {4, 4, 3},
                            "what DANE says of it cannot be looked up"},
    [TLS_BAR_DANE_NONE] = {false,
                           REASON_TLS_REFUSED,
                           {4, 7, 4},
                           "DANE is required, and it has no usable TLSA records"},
    [TLS_BAR_STS] = {false,
                     REASON_STS_HOSTS,
                     {4, 7, 0},
                     "the domain's MTA-STS policy does not name it"},
};

struct tls_consequence tls_bar_means(enum tls_bar bar)
{
    return bars[bar];
}
