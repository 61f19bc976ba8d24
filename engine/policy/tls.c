#include "engine/policy/tls.h"

struct tls_plan tls_plan(const struct tls_facts *f)
{
    struct tls_plan p = {.checks_name = f->level == TLS_LEVEL_VERIFY};
    if (f->implicit) {
        p.way = TLS_WAY_AT_ONCE; // whatever the level: nothing else is spoken there
        return p;
    }
    switch (f->level) {
    case TLS_LEVEL_NONE: p.way = TLS_WAY_PLAIN; break;
    case TLS_LEVEL_MAY: p.way = f->plain_kept ? TLS_WAY_PLAIN : TLS_WAY_IF_OFFERED; break;
    case TLS_LEVEL_ENCRYPT:
    case TLS_LEVEL_VERIFY: p.way = TLS_WAY_ALWAYS; break;
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
    bool falls_back = f->level == TLS_LEVEL_MAY && !f->implicit;
    c.retries_plain = falls_back && (m == TLS_REFUSED || m == TLS_HANDSHAKE_FAILED);
    return c;
}
