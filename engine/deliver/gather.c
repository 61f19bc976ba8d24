#include "engine/deliver/gather.h"

#include <stdlib.h>

struct gathering {
    const struct route *route;
    uint32_t asked; // names, with an answer
    enum dns_status status;
    bool insecure; // is one of those that were found
    uint64_t expires_us;
    struct mx_set set; // with room for MX_HOSTS_MAX
};

struct gathering *gathering_new(const struct route *r)
{
    struct gathering *g = calloc(1, sizeof(*g) + MX_HOSTS_MAX * sizeof(struct mx_host));
    if (!g)
        return NULL;
    g->route = r;
    g->status = DNS_NO_RECORDS;
    g->expires_us = UINT64_MAX;
    return g;
}

void gathering_free(struct gathering *g)
{
    free(g);
}

struct slice gathering_name(const struct gathering *g)
{
    return route_mx_name(g->route, g->asked, SLICE_EMPTY);
}

bool gathering_take(struct gathering *g, const struct dns_mx_answer *a)
{
    g->insecure |= a->status == DNS_FOUND && !a->secure;
    if (a->status == DNS_FOUND)
        route_adopt(g->route, g->asked, a->hosts, &g->set);
    else if (g->status != DNS_TRY_LATER)
        g->status = a->status;
    if (a->expires_us < g->expires_us)
        g->expires_us = a->expires_us;
    g->asked++;
    return g->asked == route_mx_count(g->route);
}

struct dns_mx_answer gathering_answer(const struct gathering *g)
{
    return (struct dns_mx_answer){.status = g->set.count > 0 ? DNS_FOUND : g->status,
                                  .expires_us = g->expires_us,
                                  .hosts = &g->set,
                                  .secure = g->set.count > 0 && !g->insecure};
}
