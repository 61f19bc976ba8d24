#include "engine/deliver/site.h"

#include "engine/base/check.h"

#include <stdlib.h>

void failure_set(struct failure *f, uint16_t code, struct enhanced_code enhanced, struct slice text)
{
    text = slice_take(text, sizeof(f->text));
    f->code = code;
    f->not_before_us = 0;
    f->enhanced = enhanced;
    f->category = (uint8_t)category_of_codes(SMTP_PHASE_COUNT, code, enhanced);
    f->reason = REASON_RETRY_LATER;
    f->text_len = (uint16_t)text.len;
    memcpy(f->text, text.data, text.len);
}

// False without memory.
static bool keep_need(struct site *s, const struct site_need *need)
{
    size_t domain_len = need->domain.len, canonical_len = need->canonical.len;
    s->need = *need;
    if (domain_len == 0)
        return true;
    s->need_names = malloc(domain_len + canonical_len);
    if (!s->need_names)
        return false;
    memcpy(s->need_names, need->domain.data, domain_len);
    if (canonical_len > 0)
        memcpy(s->need_names + domain_len, need->canonical.data, canonical_len);
    s->need.domain = slice_make(s->need_names, domain_len);
    s->need.canonical = slice_make(s->need_names + domain_len, canonical_len);
    return true;
}

bool site_init(struct site *s, const struct mx_set *set, uint64_t hash, const struct limits *l,
               const struct site_need *need)
{
    size_t set_bytes = sizeof(*set) + set->count * sizeof(set->hosts[0]);
    CHECK(set->count > 0 && set->count <= MX_HOSTS_MAX);
    s->set = malloc(set_bytes);
    if (s->set)
        memcpy(s->set, set, set_bytes);
    s->hosts = calloc(set->count, sizeof(*s->hosts));
    if (!s->set || !s->hosts || !keep_need(s, need) || !allowance_init(&s->allowance, l)) {
        site_release(s);
        return false;
    }
    s->hash = hash;
    s->limits = *l;
    s->walk = 1;
    s->connections_told = UINT32_MAX;
    pace_init(&s->pace);
    return true;
}

void site_release(struct site *s)
{
    for (uint32_t i = 0; s->hosts && s->set && i < s->set->count; i++) {
        free(s->hosts[i].addresses);
        if (s->hosts[i].dane)
            free(s->hosts[i].dane->bytes);
        free(s->hosts[i].dane);
    }
    allowance_release(&s->allowance);
    free(s->hosts);
    free(s->set);
    free(s->need_names);
    s->hosts = NULL;
    s->set = NULL;
    s->need_names = NULL;
}

struct site_need site_need_of(const struct limits *domain, const struct mx_set *set)
{
    const struct route *r = domain->route;
    return (struct site_need){
        .level = route_tls_level(r, domain->tls),
        .implicit = r && r->tls_implicit && set->hosts[0].configured,
        .login = route_has_login(r) && route_leads_to(r, set) ? r : NULL,
    };
}

static bool same_login(const struct route *a, const struct route *b)
{
    if (!a || !b)
        return a == b;
    return strcmp(a->login.user, b->login.user) == 0 &&
           strcmp(a->login.password, b->login.password) == 0;
}

bool site_need_equal(const struct site_need *a, const struct site_need *b)
{
    return a->level == b->level && a->implicit == b->implicit && a->mx_secure == b->mx_secure &&
           a->sts == b->sts && a->sts_hosts == b->sts_hosts && same_login(a->login, b->login) &&
           slice_equal(a->domain, b->domain) && slice_equal(a->canonical, b->canonical);
}

bool site_asks_dane(const struct site *s)
{
    bool by_dane = s->need.level == TLS_LEVEL_DANE || s->need.level == TLS_LEVEL_DANE_ONLY;
    return by_dane && s->need.mx_secure;
}

struct tls_facts site_tls_facts(const struct site *s, uint8_t host)
{
    const struct site_host *h = &s->hosts[host];
    return (struct tls_facts){
        .level = s->need.level,
        .implicit = s->need.implicit,
        .sts = s->need.sts,
        .sts_host = s->need.sts_hosts >> host & 1,
        .dane = h->dane ? h->dane->decision.step : DANE_NONE,
    };
}

static bool dane_is_known(const struct site_host *h, uint64_t now_us)
{
    return !h->dane || (h->dane_state == HOST_DANE_KNOWN && h->dane->expires_us > now_us);
}

// It failed, has rested, and has not served since.
static bool has_failed_lately(const struct site_address *a, uint64_t now_us)
{
    return a->rests_until_us > 0 && now_us - a->rests_until_us < SITE_FAILURE_KEPT_US;
}

// --- the choice of an address

// One walk over the hosts: whom it is for, and what it has found so far.
struct choosing {
    uint8_t families;
    uint64_t now_us;
    bool any_address, temporary, walk_over;
    uint8_t rested_host, rested_at;
    const struct site_address *rested; // the longest
    uint8_t barred_host;               // the most preferred of those that may not be used,
    enum tls_bar bar;                  // and why
};

// What must be found out about a host first; SITE_CONNECT: nothing.
static enum site_choice what_lacks(const struct site_host *host, uint64_t now_us)
{
    if (host->state == HOST_ASKED || host->dane_state == HOST_DANE_ASKED)
        return SITE_WAIT;
    if (host->state == HOST_UNKNOWN || host->expires_us <= now_us)
        return SITE_ASK;
    return host->address_count > 0 && !dane_is_known(host, now_us) ? SITE_ASK_DANE : SITE_CONNECT;
}

static bool may_be_used(struct choosing *c, const struct site *s, uint8_t host)
{
    const struct tls_facts facts = site_tls_facts(s, host);
    enum tls_bar bar = s->hosts[host].address_count > 0 ? tls_bar(&facts) : TLS_BAR_NONE;
    if (bar != TLS_BAR_NONE && c->bar == TLS_BAR_NONE) {
        c->barred_host = host;
        c->bar = bar;
    }
    return bar == TLS_BAR_NONE;
}

// An address of the host that has not failed lately. False: there is none.
static bool find_sound(struct choosing *c, const struct site *s, uint8_t host, uint8_t *ret_address)
{
    for (uint8_t a = 0; a < s->hosts[host].address_count; a++) {
        const struct site_address *at = &s->hosts[host].addresses[a];
        if (!(source_family_of(&at->address) & c->families))
            continue;
        c->any_address = true;
        if (at->rests_until_us > c->now_us)
            continue;
        if (!has_failed_lately(at, c->now_us)) {
            *ret_address = a;
            return true;
        }
        c->walk_over &= at->walk == s->walk;
        if (!c->rested || at->rests_until_us < c->rested->rests_until_us) {
            c->rested = at;
            c->rested_host = host;
            c->rested_at = a;
        }
    }
    return false;
}

enum site_choice site_choose(struct site *s, uint8_t families, uint64_t now_us, struct random *dice,
                             uint8_t *ret_host, uint8_t *ret_address, bool *ret_temporary,
                             enum tls_bar *ret_bar)
{
    uint8_t order[MX_HOSTS_MAX];
    struct choosing c = {.families = families, .now_us = now_us, .walk_over = true};
    if (s->rests_until_us > now_us)
        return SITE_RESTING;
    mx_order(s->set, dice, order);
    for (uint32_t i = 0; i < s->set->count; i++) {
        *ret_host = order[i];
        enum site_choice lacks = what_lacks(&s->hosts[order[i]], now_us);
        if (lacks != SITE_CONNECT)
            return lacks;
        c.temporary |= s->hosts[order[i]].state == HOST_NONE_FOR_NOW;
        if (may_be_used(&c, s, order[i]) && find_sound(&c, s, order[i], ret_address))
            return SITE_CONNECT;
    }
    if (c.rested && !c.walk_over) {
        *ret_host = c.rested_host;
        *ret_address = c.rested_at;
        return SITE_CONNECT;
    }
    if (c.any_address)
        return SITE_RESTING;
    *ret_temporary = c.temporary;
    *ret_host = c.barred_host;
    *ret_bar = c.bar;
    return c.bar != TLS_BAR_NONE ? SITE_BARRED : SITE_NO_ADDRESS;
}

// An address that is still in DNS keeps its rest.
static struct site_address learn(const struct site_address *old, uint8_t old_count,
                                 const struct io_address *a)
{
    for (uint8_t i = 0; i < old_count; i++)
        if (io_address_equal(&old[i].address, a))
            return old[i];
    return (struct site_address){.address = *a};
}

void site_learn_addresses(struct site *s, uint8_t host_index, const struct dns_address_answer *a,
                          bool private_targets, uint16_t port)
{
    CHECK(host_index < s->set->count);
    struct site_host *host = &s->hosts[host_index];
    struct site_address learned[SITE_ADDRESSES_PER_HOST_MAX];
    uint8_t count = 0;
    for (uint32_t i = 0; a->status == DNS_FOUND && i < a->address_count; i++) {
        if (count == SITE_ADDRESSES_PER_HOST_MAX)
            break;
        struct io_address address = a->addresses[i];
        if (!private_targets && io_address_is_private(&address))
            continue;
        if (address.as.any.sa_family == AF_INET)
            address.as.in.sin_port = htons(port);
        else
            address.as.in6.sin6_port = htons(port);
        learned[count++] = learn(host->addresses, host->address_count, &address);
    }
    struct site_address *kept = count ? malloc(count * sizeof(*kept)) : NULL;
    if (kept)
        memcpy(kept, learned, count * sizeof(*kept));
    free(host->addresses);
    host->addresses = kept;
    host->address_count = kept ? count : 0;
    host->expires_us = a->expires_us;
    if (host->address_count > 0)
        host->state = HOST_KNOWN;
    else
        host->state = a->status == DNS_TRY_LATER ? HOST_NONE_FOR_NOW : HOST_NONE;
}

static void address_note(struct site *s, const struct io_address *a, uint64_t rests_until_us,
                         uint32_t walk)
{
    for (uint32_t h = 0; h < s->set->count; h++)
        for (uint8_t i = 0; i < s->hosts[h].address_count; i++)
            if (io_address_equal(&s->hosts[h].addresses[i].address, a)) {
                s->hosts[h].addresses[i].rests_until_us = rests_until_us;
                s->hosts[h].addresses[i].walk = walk;
            }
}

struct site_address *site_address_of(const struct site *s, const struct io_address *a)
{
    for (uint32_t h = 0; h < s->set->count; h++)
        for (uint8_t i = 0; i < s->hosts[h].address_count; i++)
            if (io_address_equal(&s->hosts[h].addresses[i].address, a))
                return &s->hosts[h].addresses[i];
    return NULL;
}

void site_rest_address(struct site *s, const struct io_address *a, uint64_t until_us)
{
    address_note(s, a, until_us, s->walk);
}

// A walk that it has no part in: so it may be tried again before that one is over.
void site_suspect_address(struct site *s, const struct io_address *a, uint64_t now_us)
{
    address_note(s, a, now_us, 0);
}

void site_rest(struct site *s, uint64_t now_us, struct random *dice)
{
    if (s->rests_until_us > now_us)
        return; // more mail has come for it meanwhile
    s->walk++;
    s->failure_count++;
    s->rests_until_us = now_us + retry_site_us(&s->limits.retry, s->failure_count,
                                               (uint32_t)random_u64(dice));
    s->failure.not_before_us = s->rests_until_us;
}

void site_serves(struct site *s)
{
    s->failure_count = 0;
    s->rests_until_us = 0;
}

void site_try_now(struct site *s)
{
    s->rests_until_us = 0;
    for (uint32_t h = 0; h < s->set->count; h++)
        for (uint8_t i = 0; i < s->hosts[h].address_count; i++)
            s->hosts[h].addresses[i].rests_until_us = 0;
}

void site_address_serves(struct site *s, const struct io_address *a)
{
    address_note(s, a, 0, 0);
}

enum reason_kind site_failure_reason(const struct site *s)
{
    enum reason_kind said = s->failure.reason;
    if (said == REASON_TLS_REFUSED || said == REASON_TLS_UNVERIFIED || said == REASON_AUTH_REFUSED)
        return said;
    return s->failure.code >= 400 ? REASON_REFUSED_SESSION : REASON_ADDRESS_RESTS;
}
