// Sessions are counted for the domains whose mail goes on them (queue/tls_tally.h): one that takes
// mail for each of the first few, one that fails for the domain whose mail stood first.

#include "engine/deliver/parts.h"

#define POLICY_BYTES_MAX TLS_TALLY_POLICY_BYTES_MAX

// Not records that are of no use, where MTA-STS asks for more (policy/tls.h).
static bool has_dane(const struct conn *c)
{
    const struct host_dane *h = c->site->hosts[c->host].dane;
    return h && (h->decision.step == DANE_AUTHENTICATE ||
                 (h->decision.step == DANE_ENCRYPT && !c->site->need.sts));
}

static bool allows(const struct sts_policy *p, const struct mx_host *host)
{
    return sts_policy_allows(p, slice_make(host->name, host->len));
}

// The policy as lines: MTA-STS as it is published, DANE as its records.
static void print_policy(const struct conn *c, const struct sts_policy *p,
                         enum tls_policy_type type, struct buffer *out)
{
    char text[TLSA_TEXT_BYTES_MAX];
    const struct host_dane *h = c->site->hosts[c->host].dane;
    if (type == TLS_POLICY_STS)
        (void)sts_policy_print(p, out);
    for (uint32_t i = 0; type == TLS_POLICY_TLSA && i < h->tlsa_count; i++) {
        const struct tls_tlsa *r = &h->tlsa[i];
        const struct tlsa t = {r->usage, r->selector, r->matching, r->data};
        (void)buffer_printf(out, "%s\n", tlsa_print(&t, text));
    }
}

static void count(struct deliver *d, const struct conn *c, const struct target *t,
                  enum tls_result result)
{
    const struct mx_host *host = &c->site->set->hosts[c->host];
    bool has_policy = t->sts && t->sts->mode != STS_NONE;
    enum tls_policy_type type = has_dane(c)  ? TLS_POLICY_TLSA
                                : has_policy ? TLS_POLICY_STS
                                             : TLS_POLICY_NONE;
    char address[IO_ADDRESS_TEXT_BYTES];
    struct buffer policy;
    if (result == TLS_SUCCESS && type == TLS_POLICY_STS && !allows(t->sts, host))
        result = TLS_VALIDATION_FAILURE;
    buffer_init(&policy, POLICY_BYTES_MAX);
    print_policy(c, t->sts, type, &policy);
    const struct tls_session_end end = {
        .domain = domain_name(&t->domain),
        .type = type,
        .policy = buffer_slice(&policy),
        .result = result,
        .host = slice_make(host->name, host->len),
        .address = slice_of_text(io_address_print_host(&c->peer, address)),
        .wall_s = io_wall_us(d->io) / 1000000,
    };
    tls_tally_count(d->o.tally, &end);
    buffer_release(&policy);
}

static enum tls_result result_of_verdict(enum tls_verdict v)
{
    switch (v) {
    case TLS_PEER_UNKNOWN:
    case TLS_PEER_VERIFIED: return TLS_SUCCESS;
    case TLS_PEER_UNTRUSTED: return TLS_CERTIFICATE_NOT_TRUSTED;
    case TLS_PEER_EXPIRED: return TLS_CERTIFICATE_EXPIRED;
    case TLS_PEER_WRONG_NAME: return TLS_HOST_MISMATCH;
    case TLS_PEER_NO_TLSA: break;
    }
    return TLS_VALIDATION_FAILURE;
}

// What a good session is worth: a certificate that nobody vouches for matters where a policy asks
// for it, in testing alone, since else the session had failed.
static enum tls_result result_of_session(const struct conn *c, const struct target *t)
{
    if (!c->channel)
        return TLS_NOT_SUPPORTED;
    if (has_dane(c) || !t->sts || t->sts->mode == STS_NONE)
        return TLS_SUCCESS;
    return result_of_verdict(tls_info(c->channel->tls).verdict);
}

static bool is_counted(const struct deliver *d, const struct conn *c)
{
    return d->o.tally && c->site->need.level != TLS_LEVEL_NONE && !c->site->borrowed;
}

void tally_session(struct deliver *d, struct conn *c, const struct target *t)
{
    if (!is_counted(d, c) || c->plan.way == TLS_WAY_PLAIN || c->tallied_count == CONN_TALLIED_MAX)
        return;
    for (uint8_t i = 0; i < c->tallied_count; i++)
        if (c->tallied[i] == t)
            return;
    c->tallied[c->tallied_count++] = t;
    count(d, c, t, result_of_session(c, t));
}

void tally_failure(struct deliver *d, const struct conn *c, enum tls_mishap m)
{
    const struct target *t = target_of_site(c->site);
    enum tls_result result = TLS_VALIDATION_FAILURE;
    if (!is_counted(d, c) || !t)
        return;
    if (m == TLS_NOT_OFFERED || m == TLS_REFUSED)
        result = TLS_NOT_SUPPORTED;
    else if (m == TLS_NOT_VERIFIED && c->channel)
        result = result_of_verdict(tls_info(c->channel->tls).verdict);
    count(d, c, t, result);
}

void tally_policy_trouble(struct deliver *d, const struct target *t, enum sts_trouble trouble)
{
    static const enum tls_result results[] = {
        [STS_TROUBLE_FETCH] = TLS_STS_FETCH_ERROR,
        [STS_TROUBLE_CERTIFICATE] = TLS_STS_WEBPKI_INVALID,
        [STS_TROUBLE_INVALID] = TLS_STS_POLICY_INVALID,
    };
    if (!d->o.tally || trouble == STS_NO_TROUBLE)
        return;
    const struct tls_session_end end = {
        .domain = domain_name(&t->domain),
        .type = TLS_POLICY_STS,
        .result = results[trouble],
        .wall_s = io_wall_us(d->io) / 1000000,
    };
    tls_tally_count(d->o.tally, &end);
}

void tally_barred(struct deliver *d, const struct site *s, uint8_t host, enum tls_bar bar)
{
    const struct target *t = target_of_site(s);
    const struct mx_host *mx = &s->set->hosts[host];
    if (!d->o.tally || !t || s->borrowed)
        return;
    const struct tls_session_end end = {
        .domain = domain_name(&t->domain),
        .type = bar == TLS_BAR_STS ? TLS_POLICY_STS : TLS_POLICY_TLSA,
        .result = bar == TLS_BAR_STS          ? TLS_VALIDATION_FAILURE
                  : bar == TLS_BAR_DANE_LATER ? TLS_DNSSEC_INVALID
                                              : TLS_DANE_REQUIRED,
        .host = slice_make(mx->name, mx->len),
        .wall_s = io_wall_us(d->io) / 1000000,
    };
    tls_tally_count(d->o.tally, &end);
}
