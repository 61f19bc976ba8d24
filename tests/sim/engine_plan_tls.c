// Which exchangers offer TLS, what goes wrong with it, and which domains insist on it: with dice of
// their own, so that all else of a seed's plan stays as it is.
#include "tests/sim/engine_plan_tls.h"

#include "engine/base/check.h"
#include "tests/sim/engine_plan.h"
#include "tests/sim/engine_plan_dice.h"

#define TLS_SEED UINT64_C(0x746c7321)
#define SHARE_OF_WORLDS 33 // handshakes cost time

// --- exchangers

static void add_rules(struct sink_script *script, struct random *r)
{
    static const struct {
        const char *step, *deed;
    } rules[] = {
        {"STARTTLS", "454 4.7.0 not now"},
        {"STARTTLS", "502 5.5.1 never"},
        {"STARTTLS", "421 4.3.2 busy"},
        {"STARTTLS", "inject 250 2.0.0 injected"},
        {"STARTTLS", "delay 2s"},
        {"STARTTLS", "disconnect"},
        {"STARTTLS", "tear"},
        {"TLS", "disconnect"},
        {"TLS", "tear"},
        {"TLS", "silence"},
        {"EHLO", "tear"},
        {"MAIL", "tear"},
        {"RCPT", "tear"},
        {"DATA", "tear"},
        {".", "tear"},
        {"RSET", "tear"},
        {"QUIT", "tear"},
    };
    char text[80];
    const char *why;
    uint32_t share = between(r, 3, 40);
    for (size_t i = 0; i < COUNT_OF(rules); i++) {
        if (!percent(r, share))
            continue;
        snprintf(text, sizeof(text), "%s %u%% %s", rules[i].step, between(r, 1, 20), rules[i].deed);
        CHECK(sink_script_add(script, slice_of_text(text), &why));
    }
}

static enum plan_certificate draw_certificate(struct random *r)
{
    return percent(r, 60) ? CERTIFICATE_GOOD
                          : (enum plan_certificate)between(r, 0, CERTIFICATE_COUNT - 1);
}

static void draw_sink_tls(struct plan *p, struct random *r, uint32_t nth, bool fair)
{
    struct plan_sink_tls *t = &p->sink_tls[nth];
    bool heals = !fair && percent(r, 70);
    t->first = (struct plan_sink_tls_state){percent(r, 85), draw_certificate(r)};
    t->later = t->end = t->first;
    t->breaks = !heals && percent(r, 15);
    if (fair)
        return;
    if (heals)
        t->end = (struct plan_sink_tls_state){true, CERTIFICATE_GOOD};
    t->is_required = percent(r, 10);
    if (percent(r, 30)) {
        t->later_us = UINT64_C(1) << between(r, 14, 25);
        t->later = (struct plan_sink_tls_state){percent(r, 50), draw_certificate(r)};
    }
    if (percent(r, 70))
        add_rules(&p->sinks[nth].script, r);
}

// Mail to it always finds its way.
static void draw_sender_tls(struct plan *p, struct random *r)
{
    struct plan_sink_tls *t = &p->sink_tls[p->sender_sink];
    t->first = (struct plan_sink_tls_state){percent(r, 70), CERTIFICATE_GOOD};
    t->later = t->end = t->first;
}

// --- domains

// What the exchanger of that site can be asked for in the end.
static enum tls_level most_of(const struct plan *p, uint32_t site, bool is_named)
{
    const struct plan_sink_tls *t = &p->sink_tls[p->sites[site].sink];
    if (!t->is_implicit && (!t->end.is_offered || t->breaks))
        return TLS_LEVEL_MAY;
    bool is_good = is_named && t->end.certificate == CERTIFICATE_GOOD;
    return is_good ? TLS_LEVEL_VERIFY : TLS_LEVEL_ENCRYPT;
}

static enum tls_level most_of_domain(const struct plan *p, uint32_t nth)
{
    const struct plan_domain *d = &p->domains[nth];
    bool is_host = d->kind == DOMAIN_WITHOUT_MX; // by its own name
    enum tls_level most = most_of(p, d->site, (is_host ? nth : d->site) < PLAN_NAMED_MAX);
    for (uint32_t i = 0; i < p->move_count; i++) {
        uint32_t site = p->moves[i].site;
        enum tls_level there = most_of(p, site, site < PLAN_NAMED_MAX);
        if (p->moves[i].domain == nth && there < most)
            most = there;
    }
    return most;
}

static enum tls_level draw_level(struct random *r, enum tls_level most)
{
    enum tls_level level = (enum tls_level)between(r, TLS_LEVEL_NONE, TLS_LEVEL_VERIFY);
    return level < most ? level : most;
}

static bool comes_to_provider(const struct plan *p, uint32_t nth)
{
    bool comes = p->sites[p->domains[nth].site].shared;
    for (uint32_t i = 0; i < p->move_count; i++)
        comes |= p->moves[i].domain == nth && p->sites[p->moves[i].site].shared;
    return comes;
}

// The domains of a provider's sites are of one level: where there are more, what each domain allows
// holds for those of one level alone (docs/delivery.md).
static void draw_levels(struct plan *p, struct random *r)
{
    enum tls_level most = TLS_LEVEL_VERIFY;
    for (uint32_t i = 0; i < p->domain_count; i++)
        if (comes_to_provider(p, i) && most_of_domain(p, i) < most)
            most = most_of_domain(p, i);
    enum tls_level level = draw_level(r, most);
    for (uint32_t i = 0; i < p->domain_count; i++)
        p->rules[i].limits.tls = comes_to_provider(p, i) ? level
                                                         : draw_level(r, most_of_domain(p, i));
}

// Some routes lead to hosts that speak TLS at once, and no mail of a domain without a route does.
static void draw_implicit(struct plan *p, struct random *r)
{
    uint32_t nth = p->sink_count;
    for (uint32_t i = 0; i < p->domain_count; i++) {
        struct plan_domain *d = &p->domains[i];
        if (d->kind != DOMAIN_BY_ROUTE || percent(r, 60))
            continue;
        if (p->sink_count == nth) {
            p->sinks[nth] = p->sinks[p->sites[d->site].sink];
            p->sink_tls[nth] = p->sink_tls[p->sites[d->site].sink];
            p->sink_tls[nth].is_implicit = true;
            p->sink_tls[nth].breaks = false;
            p->sink_count++;
        }
        p->sites[d->site].sink = nth;
        p->routes[i].tls_implicit = true;
    }
}

void plan_draw_tls(struct plan *p, bool fair)
{
    struct random r;
    random_init(&r, p->seed ^ TLS_SEED);
    p->has_tls = percent(&r, SHARE_OF_WORLDS);
    if (!p->has_tls)
        return;
    for (uint32_t i = 0; i < p->sink_count; i++)
        if (i != p->sender_sink)
            draw_sink_tls(p, &r, i, fair);
    draw_sender_tls(p, &r);
    draw_implicit(p, &r);
    draw_levels(p, &r);
    p->rules[p->domain_count].limits.tls = draw_level(
        &r, most_of(p, p->sender_site, p->sender_site < PLAN_NAMED_MAX));
}
