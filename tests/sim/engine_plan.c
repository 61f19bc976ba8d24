#include "tests/sim/engine_plan.h"

#include "engine/base/check.h"
#include "engine/base/random.h"
#include "engine/config_settings.h"
#include "engine/smtp/client.h"
#include "tests/sim/engine_plan_dice.h"

#include <stdio.h>

#define ORDERS_SEED UINT64_C(0x6f7264657273)
#define LOGIN_SEED UINT64_C(0x6c6f67696e)
#define SINKS_FIRST_MAX 3 // the sender's comes behind them, and one with implicit TLS
#define LISTS_SEED UINT64_C(0x6c69737473)

// --- the world

static void draw_world(struct plan *p, struct random *r, bool fair)
{
    struct world_options *w = &p->world;
    *w = (struct world_options){.seed = p->seed};
    w->pipe_bytes_max = percent(r, 20) ? 64 << random_below(r, 8) : 0;
    w->dns_latency_us_max = percent(r, 30) ? 2000000 : 0;
    w->cut_mode = percent(r, 25) ? WORLD_CUT_DICE : between(r, WORLD_CUT_ANY, WORLD_CUT_NONE);
    w->latency_us_max = percent(r, 20) ? 5000 : 0; // of each byte, where a line is cut so finely
    w->receive_buffers_max = percent(r, 25) ? between(r, 2, 8) : 0;
    w->faults.early_end = rate(r, 100000);
    w->faults.stall = rate(r, 50000);
    if (fair)
        return;
    w->faults.reset = rate(r, 4000);
    w->faults.connect_failure = rate(r, 200000);
    w->faults.accept_failure = rate(r, 100000);
    w->faults.dns_failure = rate(r, 300000);
}

// --- domains and where their mail goes

static void draw_address(struct plan_address *a, struct random *r, uint32_t site, uint32_t host,
                         uint32_t nth, bool fair)
{
    static const enum plan_address_kind kinds[] = {
        ADDRESS_SERVES,  ADDRESS_SERVES,     ADDRESS_SERVES,
        ADDRESS_REFUSES, ADDRESS_BLACK_HOLE, ADDRESS_PRIVATE,
    };
    a->kind = fair ? ADDRESS_SERVES : kinds[random_below(r, COUNT_OF(kinds))];
    if (a->kind == ADDRESS_PRIVATE)
        snprintf(a->text, sizeof(a->text), "10.%u.%u.%u", site, host, nth + 1);
    else if (percent(r, 70))
        snprintf(a->text, sizeof(a->text), "5.%u.%u.%u", site, host, nth + 1);
    else
        snprintf(a->text, sizeof(a->text), "2a01::%x:%x:%x", site, host, nth + 1);
}

static void draw_host(struct plan_site *s, struct random *r, uint32_t site, uint32_t host,
                      bool fair)
{
    struct plan_host *h = &s->hosts[host];
    snprintf(h->name, sizeof(h->name), "mx%u.site%u.example", host, site);
    h->preference = (uint16_t)(10 * between(r, 0, 2));
    h->address_count = between(r, fair || percent(r, 90) ? 1 : 0, PLAN_ADDRESSES_MAX);
    for (uint32_t i = 0; i < h->address_count; i++)
        draw_address(&h->addresses[i], r, site, host, i, fair);
}

// As slow as lets all mail get out in an hour.
static void draw_rates(struct limits *l, struct random *r)
{
    struct rate_limits *m = &l->rates, *c = &l->connection_rates;
    if (percent(r, 20))
        m->items[m->count++] = (struct rate_limit){between(r, 3, 50), between(r, 1, 50) * 100000};
    if (percent(r, 20))
        m->items[m->count++] = (struct rate_limit){between(r, 100, PLAN_RATE_COUNT_MAX),
                                                   between(r, 60, 120) * PLAN_SECOND};
    if (percent(r, 20))
        c->items[c->count++] = (struct rate_limit){between(r, 5, 20), between(r, 1, 50) * 100000};
}

static void draw_limits(struct limits *l, struct random *r, uint64_t lifetime_us)
{
    config_section_defaults(CONFIG_DOMAIN, l);
    l->connections = percent(r, 30) ? 1 : between(r, 1, 12);
    l->messages_per_connection = percent(r, 30) ? between(r, 1, 3) : between(r, 3, 100);
    l->rcpts_per_transaction = percent(r, 30) ? 1 : between(r, 1, 10);
    l->window = percent(r, 30) ? 1 : between(r, 1, 12);
    l->retry.delay_us_first = between(r, 1, 2) * PLAN_SECOND;
    l->retry.delay_us_max = between(r, 4, 60) * PLAN_SECOND;
    l->retry.delay_us_in_doubt = (percent(r, 80) ? between(r, 1, 30) : 900) * PLAN_SECOND;
    l->retry.lifetime_us = lifetime_us;
    draw_rates(l, r);
}

static bool site_serves(const struct plan_site *s)
{
    for (uint32_t h = 0; h < s->host_count; h++)
        for (uint32_t a = 0; a < s->hosts[h].address_count; a++)
            if (s->hosts[h].addresses[a].kind == ADDRESS_SERVES)
                return true;
    return false;
}

// Some die young: then a site may be dead for ever, and its mail comes to its end all the same.
static void draw_site(struct plan *p, struct random *r, uint32_t site, bool fair)
{
    struct plan_site *s = &p->sites[site];
    bool dies = !fair && percent(r, 20);
    s->sink = random_below(r, p->sink_count);
    s->host_count = percent(r, 50) ? 1 : between(r, 1, PLAN_HOSTS_MAX);
    for (uint32_t h = 0; h < s->host_count; h++)
        draw_host(s, r, site, h, fair);
    draw_limits(&s->limits, r, (dies ? between(r, 10, 300) : 5 * 86400) * PLAN_SECOND);
    if (site_serves(s) || dies)
        return;
    struct plan_host *h = &s->hosts[0];
    h->address_count = 1;
    h->addresses[0].kind = ADDRESS_SERVES;
    snprintf(h->addresses[0].text, sizeof(h->addresses[0].text), "5.%u.0.1", site);
}

static enum plan_domain_kind draw_domain_kind(struct random *r)
{
    if (percent(r, 85))
        return DOMAIN_WITH_MX;
    return (enum plan_domain_kind)between(r, DOMAIN_WITHOUT_MX, DOMAIN_MISSING);
}

static void draw_domains(struct plan *p, struct random *r, bool fair)
{
    p->domain_count = percent(r, 20) ? between(r, 1, 3) : between(r, 1, PLAN_DOMAINS_MAX);
    p->site_count = between(r, 1, p->domain_count);
    for (uint32_t i = 0; i < p->site_count; i++)
        draw_site(p, r, i, fair);
    p->shared_site_count = p->site_count; // those behind them belong to one domain each
    for (uint32_t i = 0; i < p->domain_count; i++) {
        struct plan_domain *d = &p->domains[i];
        d->kind = draw_domain_kind(r);
        d->site = random_below(r, p->shared_site_count);
        if (d->kind == DOMAIN_WITHOUT_MX) {
            d->site = p->site_count++;
            draw_site(p, r, d->site, fair);
        }
        snprintf(d->name, sizeof(d->name), "d%04u.example", i + 1);
        snprintf(p->rules[i].domain, sizeof(p->rules[i].domain), "%s", d->name);
        p->rules[i].limits = p->sites[d->site].limits;
    }
}

static void allow(struct plan_site *s, const struct limits *l)
{
    if (s->connections_max < l->connections)
        s->connections_max = l->connections;
    if (s->messages_per_connection_max < l->messages_per_connection)
        s->messages_per_connection_max = l->messages_per_connection;
}

// Some sites whose hosts all have names below "siteN.example" are one provider's.
static void draw_provider(struct plan *p, struct random *r)
{
    struct limits_site *provider = &p->provider;
    if (percent(r, 60))
        return;
    config_section_defaults(CONFIG_SITE, provider);
    snprintf(provider->name, sizeof(provider->name), "provider");
    provider->limits.connections = percent(r, 50) ? between(r, 1, 3) : between(r, 1, 20);
    draw_rates(&provider->limits, r);
    for (uint32_t i = 0; i < p->shared_site_count; i++) {
        if (provider->mx.count == SITE_PATTERNS_MAX || percent(r, 40))
            continue;
        snprintf(provider->mx.items[provider->mx.count++], sizeof(provider->mx.items[0]),
                 "*.site%u.example", i);
        p->sites[i].shared = true;
    }
}

// Domains that find another site while their mail is under way.
static void draw_moves(struct plan *p, struct random *r, bool fair)
{
    for (uint32_t i = 0; i < p->site_count; i++)
        allow(&p->sites[i], &p->sites[i].limits);
    p->dns_ttl_s = percent(r, 50) ? between(r, 1, 5) : 300;
    if (fair || percent(r, 70))
        return;
    uint32_t count = between(r, 1, PLAN_MOVES_MAX);
    for (uint32_t i = 0; i < count; i++) {
        struct plan_move m = {.domain = random_below(r, p->domain_count),
                              .site = random_below(r, p->shared_site_count),
                              .after_messages = random_below(r, p->message_count)};
        if (!site_serves(&p->sites[m.site])) // its own domains die young, this one does not
            continue;
        p->moves[p->move_count++] = m;
        allow(&p->sites[m.site], &p->rules[m.domain].limits);
        p->sites[m.site].rates_vary |= m.site != p->domains[m.domain].site;
    }
}

// --- exchangers

static void add_rules(struct sink_script *script, struct random *r)
{
    static const struct {
        const char *step, *deed;
    } rules[] = {
        {"CONNECT", "421 4.3.2 busy"},
        {"CONNECT", "554 5.3.2 no"},
        {"CONNECT", "disconnect"},
        {"CONNECT", "delay 2s"},
        {"EHLO", "502 5.5.1 what"},
        {"EHLO", "421 4.3.2 busy"},
        {"EHLO", "disconnect"},
        {"MAIL", "450 4.1.8 later"},
        {"MAIL", "550 5.1.8 no"},
        {"MAIL", "421 4.3.2 busy"},
        {"MAIL", "disconnect"},
        {"MAIL", "delay 500ms"},
        {"RCPT", "450 4.2.1 later"},
        {"RCPT", "550 5.1.1 no such user"},
        {"RCPT", "452 4.5.3 too many"},
        {"RCPT", "552 full"},
        {"RCPT", "421 4.3.2 busy"},
        {"RCPT", "disconnect"},
        {"RCPT", "delay 1s"},
        {"RCPT", "251 2.1.5 will forward"},
        {"DATA", "451 4.3.0 later"},
        {"DATA", "554 5.5.0 no"},
        {"DATA", "421 4.3.2 busy"},
        {"DATA", "disconnect"},
        {".", "450 4.3.0 later"},
        {".", "554 5.6.0 no"},
        {".", "421 4.3.2 busy"},
        {".", "disconnect"},
        {".", "accept-disconnect"},
        {".", "delay 3s"},
        {".", "delay 11m"},
        {".", "252 2.0.0 perhaps"},
        {"RSET", "421 4.3.2 busy"},
        {"QUIT", "disconnect"},
        {"QUIT", "delay 2m"},
    };
    char text[80];
    const char *why;
    uint32_t share = between(r, 3, 30);
    for (size_t i = 0; i < COUNT_OF(rules); i++) {
        if (!percent(r, share))
            continue;
        snprintf(text, sizeof(text), "%s %u%% %s", rules[i].step, between(r, 1, 20), rules[i].deed);
        CHECK(sink_script_add(script, slice_of_text(text), &why));
    }
}

static void draw_sink(struct plan *p, struct random *r, uint32_t nth, bool fair)
{
    struct sink_plan *s = &p->sinks[nth];
    *s = (struct sink_plan){
        .smtp = {.hostname = SLICE("sink.example"),
                 .banner = SLICE("ESMTP sink"),
                 .pipelining = percent(r, 70),
                 .chunking = percent(r, 60),
                 .eightbitmime = percent(r, 70),
                 .smtputf8 = percent(r, 50),
                 .dsn = percent(r, 50),
                 .enhanced_codes = percent(r, 70)},
        .silence_us_max = PLAN_PATIENCE_US,
        .seed = p->seed * (SINKS_FIRST_MAX + 1) + nth,
        .worker_count = 1,
    };
    s->latency_us = percent(r, 40) ? between(r, 1, 200000) : 0;
    if (fair)
        return;
    if (percent(r, 30))
        s->smtp.rcpt_count_max = between(r, 1, 4);
    if (percent(r, 20)) // it lets connections go that we still hold
        s->silence_us_max = between(r, 500, 3000) * 1000;
    if (percent(r, 20))
        s->limits_options.sessions_per_listener_max = between(r, 1, 4);
    if (percent(r, 20))
        s->limits_options.messages_per_s_max = between(r, 1, 20);
    if (percent(r, 70))
        add_rules(&s->script, r);
}

// --- the engine

static void draw_listener(struct config_listener *l, struct random *r, const char *address,
                          bool fair)
{
    config_section_defaults(CONFIG_LISTEN, l);
    CHECK(io_address_parse(slice_of_text(address), 0, &l->address));
    if (fair)
        return;
    if (percent(r, 20))
        l->connection_count_max = between(r, 1, 4);
    if (percent(r, 20))
        l->rcpt_count_max = between(r, 1, PLAN_RCPTS_MAX);
    if (percent(r, 20))
        l->message_bytes_max = between(r, 4, 64) * KiB;
}

static void draw_config(struct plan *p, struct random *r, bool fair)
{
    struct config *c = &p->config;
    p->worker_count = between(r, 1, PLAN_WORKERS_MAX);
    for (int i = CONFIG_TOP; i < CONFIG_SECTION_COUNT; i++)
        if (!config_sections[i].has_title)
            config_section_defaults((enum config_section)i,
                                    config_section_base(c, (enum config_section)i));
    config_section_defaults(CONFIG_DOMAIN, &c->limits.fallback);
    snprintf(c->hostname, sizeof(c->hostname), "mail.example.net");
    snprintf(c->delivery.helo, sizeof(c->delivery.helo), "mail.example.net");
    c->worker_count = p->worker_count;
    c->listener_count = between(r, 1, 2);
    draw_listener(&c->listeners[0], r, "unix:/submit.sock", fair);
    draw_listener(&c->listeners[1], r, "127.0.0.1:2525", fair);
    c->limits.sites = &p->provider;
    c->limits.site_count = p->provider.mx.count > 0;
    c->limits.rules = p->rules;
    c->limits.rule_count = p->domain_count;
    c->delivery.connect_us_max = between(r, 1, 30) * PLAN_SECOND;
    c->delivery.idle_us_max = percent(r, 30) ? 0 : between(r, 1, 3000) * 1000;
    c->delivery.spread_above = percent(r, 60) ? between(r, 1, 20) : 1000;
    if (fair)
        return;
    if (percent(r, 20))
        c->delivery.connection_count_max = between(r, 1, 5);
    if (percent(r, 20))
        c->resolver.query_count_max = between(r, 1, 4);
    p->memory_is_short = percent(r, 20);
    if (p->memory_is_short) // then 452
        c->memory_bytes_max = between(r, 16, 400) * KiB * p->worker_count;
}

// --- who sends

static void draw_load(struct plan *p, struct random *r, uint32_t nth)
{
    struct load_plan *l = &p->loads[nth];
    *l = (struct load_plan){
        .worker = nth,
        .worker_count = p->load_count,
        .message_count = p->message_count / p->load_count,
        .duration_us = UINT64_MAX,
        .session_count = percent(r, 30) ? 1 : between(r, 1, 12),
        .ramp_us = percent(r, 50) ? 0 : between(r, 1, 2000000),
        .messages_per_session = percent(r, 50) ? UINT64_MAX : between(r, 1, 20),
        .window = percent(r, 50) ? 1 : (uint16_t)between(r, 1, 8),
        .reply_us_max = 600 * PLAN_SECOND,
        .give_up_us = 86400 * PLAN_SECOND,
        .rcpt_count = percent(r, 40) ? 1 : between(r, 1, PLAN_RCPTS_MAX),
        .helo = SLICE("client.example.org"),
        .from = percent(r, 80) ? SLICE(PLAN_SENDER) : SLICE_EMPTY,
        .seed = p->seed,
    };
    if (percent(r, 30))
        l->rate_per_s = between(r, 5, 500);
    else if (percent(r, 10)) { // so slowly that domains are forgotten in between
        l->rate_per_s = 1.0 / between(r, 1, 60);
        if (l->message_count > 40)
            l->message_count = 40;
    }
    if (percent(r, 20))
        l->ignore |= SMTP_PIPELINING;
    if (percent(r, 20))
        l->ignore |= SMTP_CHUNKING;
}

static void draw_loads(struct plan *p, struct random *r)
{
    p->load_count = between(r, 1, PLAN_LOADS_MAX);
    p->message_count = percent(r, 80) ? between(r, 1, 120) : between(r, 100, 300);
    p->message_count += p->load_count - p->message_count % p->load_count;
    for (uint32_t i = 0; i < p->load_count; i++)
        draw_load(p, r, i);
    p->content_from_files = percent(r, 40);
    p->content_bytes_min = between(r, 300, 600);
    p->content_bytes_max = p->content_bytes_min + between(r, 0, 1500);
    // Large ones cost time: only where there are few, and they are not cut into bytes.
    if (p->message_count <= 20 && !p->world.pipe_bytes_max && p->world.cut_mode != WORLD_CUT_DICE)
        p->content_bytes_max = between(r, 1, 100) * KiB;
}

// Whoever sends is there to be told of failures.
static void draw_sender(struct plan *p, struct random *r, bool fair)
{
    struct plan_site *s = &p->sites[p->site_count];
    struct limits_rule *rule = &p->rules[p->domain_count]; // in their order
    p->sender_site = p->site_count++;
    p->sender_sink = p->sink_count++;
    draw_sink(p, r, p->sender_sink, true);
    s->sink = p->sender_sink;
    s->host_count = 1;
    draw_host(s, r, p->sender_site, 0, true);
    draw_limits(&s->limits, r, 5 * 86400 * PLAN_SECOND);
    allow(s, &s->limits);
    snprintf(rule->domain, sizeof(rule->domain), PLAN_SENDER_DOMAIN);
    rule->limits = s->limits;
    p->config.limits.rule_count++;
    p->events_only = !fair && percent(r, 15);
    p->verp = percent(r, 20);
    for (uint32_t i = 0; i < p->config.listener_count; i++) {
        p->config.listeners[i].bounces = p->events_only ? BOUNCES_EVENT : BOUNCES_MESSAGE;
        p->config.listeners[i].verp = p->verp;
    }
}

// Some of the domains that have a site for themselves are found by a route instead, with dice of
// their own: all else stays as it was drawn.
static void draw_routes(struct plan *p)
{
    struct random r;
    random_init(&r, p->seed + 1);
    for (uint32_t i = 0; i < p->domain_count; i++) {
        struct plan_domain *d = &p->domains[i];
        const struct plan_site *s = &p->sites[d->site];
        struct route *route = &p->routes[i];
        if (d->kind != DOMAIN_WITHOUT_MX || percent(&r, 50))
            continue;
        d->kind = DOMAIN_BY_ROUTE;
        config_section_defaults(CONFIG_ROUTE, route);
        route->kind = ROUTE_HOSTS;
        route->hosts.count = s->host_count;
        for (uint32_t h = 0; h < s->host_count; h++)
            memcpy(route->hosts.items[h].name, s->hosts[h].name, sizeof(s->hosts[h].name));
        p->rules[i].limits.route = route;
    }
}

// With dice of its own: all else of a seed's plan stays as it is.
static void draw_orders(struct plan *p)
{
    static const struct slice priorities[] = {
        SLICE_EMPTY, SLICE("transactional"), SLICE("normal"), SLICE("bulk"), SLICE("-9"),
    };
    struct random r;
    random_init(&r, p->seed ^ ORDERS_SEED);
    for (uint32_t i = 0; i < p->load_count; i++) {
        p->loads[i].priority = priorities[random_below(&r, COUNT_OF(priorities))];
        p->loads[i].campaign_count = percent(&r, 50) ? between(&r, 1, 8) : 0;
    }
    for (uint32_t i = 0; i < p->config.listener_count; i++)
        p->config.listeners[i].priority = (int32_t)between(&r, 0, 18) - 9;
}

// Clients prove who they are: on the unix socket, where that needs no TLS; life_begin() has the
// users. With dice of its own, too.
static void draw_login(struct plan *p)
{
    struct random r;
    random_init(&r, p->seed ^ LOGIN_SEED);
    if (p->config.listener_count > 1 || percent(&r, 70))
        return;
    snprintf(p->config.users_file, sizeof(p->config.users_file), "/users");
    p->config.listeners[0].auth = CONFIG_AUTH_REQUIRE;
    for (uint32_t i = 0; i < p->load_count; i++) {
        p->loads[i].auth_user = SLICE("joe");
        p->loads[i].auth_password = SLICE("secret");
    }
}

// The senders' mail is signed; life_begin() has the key.
static void draw_dkim(struct plan *p)
{
    config_section_defaults(CONFIG_DKIM, &p->dkim);
    config_dkim_usual(&p->dkim);
    snprintf(p->dkim.domain, sizeof(p->dkim.domain), "example.org");
    p->dkim.subdomains = true;
    p->config.dkim = &p->dkim;
    p->config.dkim_count = 1;
}

// Campaigns' mail has fields of its own, for each recipient or for all.
static void draw_lists(struct plan *p)
{
    static const char *const uris[] = {"<https://x.example/{campaign}?{recipient}>",
                                       "<mailto:x-{id}@x.example>"};
    struct random r;
    random_init(&r, p->seed ^ LISTS_SEED);
    if (percent(&r, 50))
        return;
    p->list = (struct list_rule){.campaign = "*"};
    snprintf(p->list.fields.uris, sizeof(p->list.fields.uris), "%s",
             uris[random_below(&r, COUNT_OF(uris))]);
    p->config.lists = (struct list_table){.count = 1, .rules = &p->list};
}

void plan_draw(struct plan *p, uint64_t seed, bool fair)
{
    struct random r;
    random_init(&r, seed);
    *p = (struct plan){.seed = seed};
    draw_world(p, &r, fair);
    p->sink_count = between(&r, 1, SINKS_FIRST_MAX);
    draw_domains(p, &r, fair);
    draw_provider(p, &r);
    for (uint32_t i = 0; i < p->sink_count; i++)
        draw_sink(p, &r, i, fair);
    draw_config(p, &r, fair);
    draw_loads(p, &r);
    draw_moves(p, &r, fair);
    draw_sender(p, &r, fair);
    plan_draw_journal(p, &r, fair);
    if (!fair && percent(&r, 30))
        p->end = percent(&r, 50) ? END_STOPPED : END_CUT_OFF;
    draw_orders(p);
    draw_login(p);
    p->stop_after_messages = between(&r, 0, p->message_count);
    draw_routes(p);
    plan_draw_sources(p);
    draw_lists(p);
    p->cut_off_after_us = percent(&r, 30) ? 0 : between(&r, 0, 3000000);
    p->operates = !fair && percent(&r, 40);
    p->purges = percent(&r, 50);
    p->bounces = percent(&r, 50);
    p->retries = percent(&r, 50);
    if (percent(&r, 40))
        draw_dkim(p);
    plan_draw_tls(p, fair);
}

struct io_address plan_io_address(const struct plan_address *a)
{
    struct io_address address;
    CHECK(io_address_parse(slice_of_text(a->text), PLAN_PORT, &address));
    return address;
}

const struct plan_site *plan_site_at(const struct plan *p, struct slice text)
{
    struct io_address address;
    CHECK(io_address_parse(text, 0, &address));
    for (uint32_t s = 0; s < p->site_count; s++)
        for (uint32_t h = 0; h < p->sites[s].host_count; h++)
            for (uint32_t a = 0; a < p->sites[s].hosts[h].address_count; a++) {
                struct io_address here = plan_io_address(&p->sites[s].hosts[h].addresses[a]);
                if (io_address_equal(&here, &address))
                    return &p->sites[s];
            }
    return NULL;
}
