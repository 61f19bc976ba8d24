// What the DNS demands of TLS with the hosts of a site: asked for before any of them is connected
// to, when the site's domains go by DANE. The table is policy/dane.h's.

#include "engine/base/check.h"
#include "engine/deliver/parts.h"

#include <stdlib.h>

static struct slice host_name(const struct site *s, uint8_t host)
{
    return slice_make(s->set->hosts[host].name, s->set->hosts[host].len);
}

static struct slice canonical_of(const struct host_dane *h)
{
    return slice_make(h->canonical, h->canonical_len);
}

struct slice dane_name(const struct site *s, uint8_t host)
{
    const struct host_dane *h = s->hosts[host].dane;
    return h && h->decision.there ? canonical_of(h) : host_name(s, host);
}

static struct dane_answer answer_of(const struct dns_record_answer *a)
{
    return (struct dane_answer){.known = true, .status = a->status, .secure = a->secure};
}

// --- records

// Those that can be used, in place of what was kept before: of the name that counts.
static void keep_records(struct host_dane *h, const struct tlsa_set *set)
{
    size_t bytes = 0, at = 0;
    for (uint32_t i = 0; i < set->usable_count; i++)
        bytes += set->usable[i].data.len;
    free(h->bytes);
    h->tlsa_count = 0;
    h->bytes = malloc(bytes ? bytes : 1);
    CHECK(h->bytes); // a few hundred bytes; 16 KiB at most
    for (uint32_t i = 0; i < set->usable_count && i < TLS_TLSA_MAX; i++) {
        const struct tlsa *t = &set->usable[i];
        memcpy(h->bytes + at, t->data.data, t->data.len);
        h->tlsa[h->tlsa_count++] = (struct tls_tlsa){t->usage, t->selector, t->matching,
                                                     slice_make(h->bytes + at, t->data.len)};
        at += t->data.len;
    }
}

static struct dane_answer read_records(struct host_dane *h, const struct dns_record_answer *a)
{
    struct dane_answer answer = answer_of(a);
    struct tlsa_set set;
    if (a->status != DNS_FOUND)
        return answer;
    tlsa_set_read(a->records, a->count, &set);
    keep_records(h, &set);
    answer.record_count = set.record_count;
    for (uint32_t i = 0; i < h->tlsa_count; i++) // some that look well cannot be read
        answer.usable_count += tls_tlsa_usable(&h->tlsa[i]);
    return answer;
}

// --- asking

static bool ask(struct deliver *d, struct site *s, uint8_t host, enum dns_answer_kind kind,
                struct slice name)
{
    uint32_t index;
    struct question *q = slab_take(&d->questions, &index);
    if (!q || !resolver_ask_records(d->o.resolver, kind, name, index)) {
        if (q)
            slab_give(&d->questions, index);
        site_starves(d, s, REASON_DNS_ASKING);
        return false;
    }
    *q = (struct question){.kind = QUESTION_RECORDS, .site = s, .host = host};
    s->ask_count++;
    return true;
}

// What was known has expired: it is asked for anew. Its addresses have a time of their own.
static void begin_anew(struct host_dane *h)
{
    h->facts.alias = h->facts.tlsa_there = h->facts.tlsa_own = (struct dane_answer){0};
    h->expires_us = UINT64_MAX;
}

bool dane_ask(struct deliver *d, struct site *s, uint8_t host)
{
    char name[TLSA_NAME_BYTES_MAX];
    struct site_host *at = &s->hosts[host];
    struct host_dane *h = at->dane;
    const struct mx_host *mx = &s->set->hosts[host];
    uint16_t port = mx->port ? mx->port : d->o.port;
    bool asked = true;
    if (at->dane_state == HOST_DANE_KNOWN)
        begin_anew(h);
    h->decision = dane_decide(&h->facts);
    switch (h->decision.step) {
    case DANE_ASK_ADDRESS: CHECK(false); break; // it was
    case DANE_ASK_ALIAS: asked = ask(d, s, host, DNS_ANSWER_CNAME, host_name(s, host)); break;
    case DANE_ASK_TLSA_THERE:
        asked = ask(d, s, host, DNS_ANSWER_TLSA, tlsa_name(canonical_of(h), port, name));
        break;
    case DANE_ASK_TLSA_OWN:
        asked = ask(d, s, host, DNS_ANSWER_TLSA, tlsa_name(host_name(s, host), port, name));
        break;
    case DANE_NONE:
    case DANE_ENCRYPT:
    case DANE_AUTHENTICATE:
    case DANE_LATER: at->dane_state = HOST_DANE_KNOWN; return true;
    }
    at->dane_state = asked ? HOST_DANE_ASKED : HOST_DANE_UNKNOWN;
    return asked;
}

void dane_on_records(struct deliver *d, struct site *s, uint8_t host,
                     const struct dns_record_answer *a)
{
    struct host_dane *h = s->hosts[host].dane;
    CHECK(s->ask_count > 0 && h && s->hosts[host].dane_state == HOST_DANE_ASKED);
    s->ask_count--;
    if (a->expires_us < h->expires_us)
        h->expires_us = a->expires_us;
    switch (h->decision.step) {
    case DANE_ASK_ALIAS: h->facts.alias = answer_of(a); break;
    case DANE_ASK_TLSA_THERE: h->facts.tlsa_there = read_records(h, a); break;
    case DANE_ASK_TLSA_OWN: h->facts.tlsa_own = read_records(h, a); break;
    default: CHECK(false);
    }
    (void)dane_ask(d, s, host); // without memory it is asked again at the site's next turn
    dispatch_site(d, s);
}

// --- a host's part

void dane_begin(struct site *s, uint8_t host, const struct dns_address_answer *a)
{
    struct site_host *at = &s->hosts[host];
    dane_forget(at);
    if (!site_asks_dane(s))
        return;
    struct host_dane *h = calloc(1, sizeof(*h));
    CHECK(h);                  // a kilobyte
    h->facts.mx_secure = true; // site_asks_dane()
    h->facts.address = (struct dane_answer){
        .known = true, .status = a->status, .secure = a->secure};
    h->facts.has_alias = a->canonical.len > 0;
    h->canonical_len = (uint8_t)a->canonical.len;
    memcpy(h->canonical, a->canonical.data, a->canonical.len);
    h->expires_us = UINT64_MAX;
    at->dane = h;
}

void dane_forget(struct site_host *at)
{
    if (at->dane)
        free(at->dane->bytes);
    free(at->dane);
    at->dane = NULL;
    at->dane_state = HOST_DANE_UNKNOWN;
}
