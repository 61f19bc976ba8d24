#include "engine/policy/limits.h"

#include "engine/policy/route.h"

#include <stdlib.h>

static int rule_compare(const void *key, const void *rule)
{
    const struct slice *domain = key;
    const struct limits_rule *r = rule;
    size_t rule_len = strlen(r->domain);
    size_t shorter = domain->len < rule_len ? domain->len : rule_len;
    int order = memcmp(domain->data, r->domain, shorter);
    if (order != 0)
        return order;
    return (domain->len > rule_len) - (domain->len < rule_len);
}

const struct limits *limits_of_domain(const struct limits_table *t, struct slice domain)
{
    const struct limits_rule *rule = NULL;
    if (t->rule_count > 0)
        rule = bsearch(&domain, t->rules, t->rule_count, sizeof(*t->rules), rule_compare);
    return rule ? &rule->limits : &t->fallback;
}

static uint32_t smaller(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

struct limits limits_tighter(const struct limits *a, const struct limits *b)
{
    struct limits tight = *a;
    tight.connections = smaller(a->connections, b->connections);
    tight.messages_per_connection = smaller(a->messages_per_connection, b->messages_per_connection);
    tight.rcpts_per_transaction = smaller(a->rcpts_per_transaction, b->rcpts_per_transaction);
    tight.window = smaller(a->window, b->window);
    rate_limits_tighten(&tight.rates, &b->rates);
    rate_limits_tighten(&tight.connection_rates, &b->connection_rates);
    return tight;
}

struct limits limits_in_force(const struct limits *domain)
{
    const struct route *r = domain->route;
    if (!r || route_ends_here(r))
        return *domain;
    struct limits l = limits_tighter(domain, &r->limits);
    if (r->limits.sources.count > 0)
        l.sources = r->limits.sources;
    return l;
}

bool limits_are_shared(const struct limits *l)
{
    return l->connections < LIMITS_CONNECTIONS_MAX || l->rates.count > 0 ||
           l->connection_rates.count > 0;
}

static bool pattern_matches(const char *pattern, struct slice host)
{
    struct slice p = slice_of_text(pattern);
    if (!slice_starts_nocase(p, SLICE("*.")))
        return slice_equal(p, host);
    p = slice_skip(p, 1); // the dot stays
    return host.len > p.len && slice_equal(slice_skip(host, host.len - p.len), p);
}

static bool any_matches(const struct mx_patterns *patterns, struct slice host)
{
    for (uint32_t i = 0; i < patterns->count; i++)
        if (pattern_matches(patterns->items[i], host))
            return true;
    return false;
}

static bool site_matches(const struct limits_site *s, const struct mx_set *set)
{
    for (uint32_t i = 0; i < set->count; i++)
        if (!any_matches(&s->mx, slice_make(set->hosts[i].name, set->hosts[i].len)))
            return false;
    return set->count > 0;
}

const struct limits_site *limits_site_of(const struct limits_table *t, const struct mx_set *set)
{
    for (uint32_t i = 0; i < t->site_count; i++)
        if (site_matches(&t->sites[i], set))
            return &t->sites[i];
    return NULL;
}

struct limits limits_within_site(const struct limits *domain, const struct limits *site)
{
    struct limits l = *domain;
    l.messages_per_connection = smaller(l.messages_per_connection, site->messages_per_connection);
    l.rcpts_per_transaction = smaller(l.rcpts_per_transaction, site->rcpts_per_transaction);
    l.window = smaller(l.window, site->window);
    return l;
}

uint32_t limits_part(const struct limits *l, uint32_t worker_count)
{
    return worker_count > 1 ? l->connections / worker_count : 0;
}

enum reason_kind limits_connection_reason(const struct limits *l, const struct site_load *load)
{
    uint32_t cap = smaller(l->connections, load->connections_now);
    uint32_t probes = load->failing ? LIMITS_PROBES_FAILING : LIMITS_PROBES_MAX;
    if (!load->proven && load->opening_count >= probes)
        return load->failing ? REASON_PROBING : REASON_CONNECTING;
    if (load->ready_count <= (uint64_t)load->spare_count * load->spare_jobs)
        return load->opening_count > 0 ? REASON_CONNECTING : REASON_BEHIND_OTHERS;
    return load->open_count < cap ? REASON_NONE : REASON_CONNECTION_LIMIT;
}

bool limits_may_connect(const struct limits *l, const struct site_load *load)
{
    return limits_connection_reason(l, load) == REASON_NONE;
}
