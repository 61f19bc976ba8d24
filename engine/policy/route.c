#include "engine/policy/route.h"

const struct route route_null = {.name = "null", .kind = ROUTE_NULL, .tls = TLS_LEVEL_COUNT};

enum tls_level route_tls_level(const struct route *r, enum tls_level domain)
{
    enum tls_level level = r && r->tls != TLS_LEVEL_COUNT ? r->tls : domain;
    return route_has_login(r) && r->login.needs > level ? r->login.needs : level;
}

struct slice route_mx_name(const struct route *r, struct slice domain)
{
    return route_kind_of(r) == ROUTE_EXCHANGERS ? slice_of_text(r->hosts.items[0].name) : domain;
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

void route_adopt(const struct route *r, struct mx_set *set)
{
    for (uint32_t i = 0; i < set->count; i++) {
        set->hosts[i].port = r->hosts.items[0].port;
        set->hosts[i].configured = true;
    }
}
