#include "engine/policy/route.h"

const struct route route_null = {.name = "null", .kind = ROUTE_NULL, .tls = TLS_LEVEL_COUNT};

// What is certain of a connection at that level.
static enum tls_level worth(enum tls_level level)
{
    switch (level) {
    case TLS_LEVEL_DANE: return TLS_LEVEL_MAY;
    case TLS_LEVEL_DANE_ONLY: return TLS_LEVEL_VERIFY;
    default: return level;
    }
}

enum tls_level route_tls_level(const struct route *r, enum tls_level domain)
{
    enum tls_level level = r && r->tls != TLS_LEVEL_COUNT ? r->tls : domain;
    return route_has_login(r) && r->login.needs > worth(level) ? r->login.needs : level;
}

uint32_t route_mx_count(const struct route *r)
{
    return route_kind_of(r) == ROUTE_EXCHANGERS ? r->hosts.count : 1;
}

struct slice route_mx_name(const struct route *r, uint32_t nth, struct slice domain)
{
    return route_kind_of(r) == ROUTE_EXCHANGERS ? slice_of_text(r->hosts.items[nth].name) : domain;
}

void route_set(const struct route *r, struct mx_set *ret)
{
    ret->count = r->hosts.count;
    for (uint32_t i = 0; i < r->hosts.count; i++) {
        const struct route_host *from = &r->hosts.items[i];
        struct mx_host *to = &ret->hosts[i];
        *to = (struct mx_host){.preference = (uint16_t)i,
                               .port = from->port,
                               .configured = true,
                               .len = (uint8_t)strlen(from->name)};
        memcpy(to->name, from->name, to->len);
    }
}

bool route_leads_to(const struct route *r, const struct mx_set *set)
{
    if (route_kind_of(r) != ROUTE_HOSTS || set->count != r->hosts.count)
        return false;
    for (uint32_t i = 0; i < set->count; i++) {
        const struct mx_host *host = &set->hosts[i];
        const struct route_host *named = &r->hosts.items[i];
        if (!host->configured || host->port != named->port ||
            !slice_equal(slice_make(host->name, host->len), slice_of_text(named->name)))
            return false;
    }
    return true;
}

static bool has_host(const struct mx_set *set, const struct mx_host *h)
{
    for (uint32_t i = 0; i < set->count; i++)
        if (set->hosts[i].port == h->port && set->hosts[i].len == h->len &&
            memcmp(set->hosts[i].name, h->name, h->len) == 0)
            return true;
    return false;
}

void route_adopt(const struct route *r, uint32_t nth, const struct mx_set *found,
                 struct mx_set *into)
{
    uint32_t first = into->count;
    uint32_t preference = first > 0 ? into->hosts[first - 1].preference + 1u : 0;
    for (uint32_t i = 0; i < found->count && into->count < MX_HOSTS_MAX; i++) {
        struct mx_host h = found->hosts[i];
        if (i > 0 && h.preference != found->hosts[i - 1].preference)
            preference++;
        h.preference = (uint16_t)preference;
        h.port = r->hosts.items[nth].port;
        h.configured = true;
        if (!has_host(into, &h))
            into->hosts[into->count++] = h;
    }
}
