// tests/day_test.c: a day in the life of an engine, in a simulated world: very many recipients at
// domains that are as domains are: few large providers and many small hosts, some greylist, one
// provider turns everybody away for two hours, one domain is dead until its mail expires. The large
// providers limit rates, of messages in two windows and of connections: each that begins is
// counted.
//
//     POSTHASTE_DAY=1000000 day_test    so many recipients (20,000 when not said), at a fiftieth of
//                                       as many domains
//     POSTHASTE_TARPITS=10000 day_test tarpits    hosts that say a byte every ten seconds (300)
#include "engine/base/check.h"
#include "engine/config_settings.h"
#include "tests/sim/day_stage.h"
#include "tests/suite.h"

#include <inttypes.h>
#include <stdlib.h>
#include <urcu/urcu-qsbr.h>

#define RCPTS_DEFAULT 20000
#define RCPTS_PER_DOMAIN 50
#define PROVIDERS 4         // sites, each of a twelfth of the domains
#define DOMAINS_PER_SITE 10 // of the others
#define GREYLIST_EVERY 5    // of the other sites
#define DEAD_SITE PROVIDERS // of one domain
#define DEAD_LIFE_US (6 * DAY_HOUR)
#define BLOCKED_FROM_US DAY_SECOND
#define BLOCKED_UNTIL_US (BLOCKED_FROM_US + 2 * DAY_HOUR)
// How long mail may take where nothing stands in its way but other mail, and where it has to come
// again, up to an hour later each time.
#define FAIR_US (600 * DAY_SECOND)
#define AGAIN_US (2 * DAY_HOUR)

#define TARPITS_DEFAULT 300
#define TARPIT_LIFE_US (600 * DAY_SECOND)
#define GOOD_HOSTS 50
#define GOOD_MESSAGES 6000

static uint64_t count_of(const char *name, uint64_t usual)
{
    const char *text = getenv(name);
    return text ? strtoull(text, NULL, 10) : usual;
}

static struct io_address address_of(uint32_t site)
{
    char text[32];
    struct io_address a;
    snprintf(text, sizeof(text), "5.%u.%u.%u", site / 62500, site / 250 % 250, site % 250 + 1);
    CHECK(io_address_parse(slice_of_text(text), HOSTS_PORT, &a));
    return a;
}

static void make_room(struct day_stage *s)
{
    s->domains = calloc(s->domain_count, sizeof(*s->domains));
    s->sites = calloc(s->site_count, sizeof(*s->sites));
    s->site_connections_max = calloc(s->site_count, sizeof(*s->site_connections_max));
    s->rules = calloc(s->domain_count, sizeof(*s->rules));
    CHECK(s->domains && s->sites && s->site_connections_max && s->rules);
    config_section_defaults(CONFIG_DOMAIN, &s->fallback);
    for (uint32_t i = 0; i < s->site_count; i++) {
        s->sites[i] = (struct host_site){.address = address_of(i),
                                         .messages_max = s->fallback.messages_per_connection,
                                         .rcpts_max = s->fallback.rcpts_per_transaction};
        s->site_connections_max[i] = s->fallback.connections;
    }
}

static void give_back(struct day_stage *s)
{
    day_release(s);
    free(s->domains);
    free(s->sites);
    free(s->site_connections_max);
    free(s->rules);
}

static int compare_rules(const void *a, const void *b)
{
    const struct limits_rule *left = a, *right = b;
    return strcmp(left->domain, right->domain);
}

static void add_rule(struct day_stage *s, uint32_t domain, const struct limits *l)
{
    struct limits_rule *r = &s->rules[s->rule_count++];
    snprintf(r->domain, sizeof(r->domain), "d%04u.example", domain + 1);
    r->limits = *l;
}

// --- the day

// In two windows: a thousandth of the recipients in a second, and two thirds of that over a minute.
// The connections that it takes, twice as many.
static struct limits provider_limits(const struct day_stage *s, uint64_t rcpts)
{
    struct limits l = s->fallback;
    uint32_t per_s = (uint32_t)(rcpts / 1000);
    l.connections = 8;
    l.messages_per_connection = 50;
    l.rcpts_per_transaction = 5;
    l.rates = (struct rate_limits){2, {{per_s, DAY_SECOND}, {per_s * 40, 60 * DAY_SECOND}}};
    l.connection_rates = (struct rate_limits){1, {{per_s / 2 + 8, 10 * DAY_SECOND}}};
    return l;
}

static void place_domains(struct day_stage *s, const struct limits *provider)
{
    struct limits dead = s->fallback;
    dead.retry.lifetime_us = DEAD_LIFE_US;
    for (uint32_t i = 0; i < s->domain_count; i++) {
        uint32_t others = s->site_count - PROVIDERS - 1;
        s->domains[i].site = PROVIDERS + 1 + i % others;
        if (i % 12 < PROVIDERS) {
            s->domains[i].site = i % 12;
            add_rule(s, i, provider);
        } else if (i == PROVIDERS) {
            s->domains[i].site = DEAD_SITE;
            add_rule(s, i, &dead);
        } else if (i == PROVIDERS + 1) {
            s->domains[i].site = DAY_NO_SITE;
        }
    }
    qsort(s->rules, s->rule_count, sizeof(*s->rules), compare_rules);
    for (uint32_t i = 0; i < PROVIDERS; i++) {
        s->site_connections_max[i] = provider->connections;
        s->sites[i].messages_max = provider->messages_per_connection;
        s->sites[i].rcpts_max = provider->rcpts_per_transaction;
    }
}

static void temper_sites(struct day_stage *s)
{
    s->sites[0].temper = HOST_BLOCKS;
    s->sites[0].from_us = s->sites[0].until_us = UINT64_C(1000) * DAY_SECOND; // the world's start
    s->sites[0].from_us += BLOCKED_FROM_US;
    s->sites[0].until_us += BLOCKED_UNTIL_US;
    s->sites[DEAD_SITE].temper = HOST_DEAD;
    for (uint32_t i = DEAD_SITE + 1; i < s->site_count; i += GREYLIST_EVERY)
        s->sites[i].temper = HOST_GREYLISTS;
}

// Until when a domain's mail must have had its end.
static uint64_t patience_us(const struct day_stage *s, const struct day_domain *d)
{
    if (d->site == DEAD_SITE)
        return DEAD_LIFE_US + AGAIN_US;
    if (d->site == DAY_NO_SITE || s->sites[d->site].temper == HOST_SERVES)
        return s->loaded_us + FAIR_US;
    if (s->sites[d->site].temper == HOST_BLOCKS)
        return BLOCKED_UNTIL_US + AGAIN_US;
    return s->loaded_us + AGAIN_US;
}

static void check_domains(struct day_stage *s)
{
    for (uint32_t i = 0; i < s->domain_count; i++) {
        const struct day_domain *d = &s->domains[i];
        bool lost = d->site == DEAD_SITE || d->site == DAY_NO_SITE;
        if ((lost ? d->delivered : d->failed) > 0)
            day_complain(s, "domain %u: %" PRIu64 " delivered, %" PRIu64 " failed", i + 1,
                         d->delivered, d->failed);
        if (d->last_us > patience_us(s, d))
            day_complain(s, "domain %u starved: its last is %" PRIu64 " s after the start", i + 1,
                         d->last_us / DAY_SECOND);
    }
    CU_ASSERT(s->sites[0].refusals > 0); // it was asked while it turned everybody away
}

static void a_day_in_the_life(void)
{
    uint64_t rcpts = count_of("POSTHASTE_DAY", RCPTS_DEFAULT);
    struct day_stage *s = calloc(1, sizeof(*s));
    CHECK(s && rcpts >= RCPTS_PER_DOMAIN * 60);
    s->name = "day";
    s->seed = count_of("POSTHASTE_DAY_SEED", 1);
    s->worker_count = 2;
    s->durable = rcpts <= 200000; // the simulated disk keeps all that was ever written in memory
    s->connection_count_max = 2000;
    s->domain_count = (uint32_t)(rcpts / RCPTS_PER_DOMAIN);
    s->site_count = PROVIDERS + 1 + s->domain_count / DOMAINS_PER_SITE;
    make_room(s);
    struct limits provider = provider_limits(s, rcpts);
    s->rated = &provider;
    s->rated_count = PROVIDERS;
    place_domains(s, &provider);
    temper_sites(s);
    // A newsletter in ten campaigns, and single messages that somebody waits for.
    s->loads[0] = (struct load_plan){.message_count = rcpts / 10 * 9 / DAY_RCPTS_PER_MESSAGE,
                                     .session_count = 50,
                                     .rcpt_count = DAY_RCPTS_PER_MESSAGE,
                                     .priority = SLICE("bulk"),
                                     .campaign_count = 10};
    s->loads[1] = (struct load_plan){.message_count = rcpts / 10,
                                     .session_count = 5,
                                     .rcpt_count = 1,
                                     .priority = SLICE("transactional")};
    day_play(s);
    check_domains(s);
    CU_ASSERT_EQUAL(s->complaint_count, 0);
    CU_ASSERT(s->rates.at_limit > 100); // they were worth watching
    printf("\n    %" PRIu64 " recipients at %u domains, %u sites: handed over in %" PRIu64
           " s, all at their end after %" PRIu64 " s; %" PRIu64 " delivered, %" PRIu64
           " times deferred, %" PRIu64 " failed; %" PRIu64 " connections, %u at once; half within "
           "%" PRIu64 " ms, 99%% within %" PRIu64 " s ",
           rcpts, s->domain_count, s->site_count, s->loaded_us / DAY_SECOND,
           s->drained_us / DAY_SECOND, s->sum.deliver.delivered, s->sum.deliver.deferred,
           s->sum.deliver.failed, s->sum.deliver.connections_opened,
           s->sum.deliver.connections_peak, day_latency_us(s, s->domain_count, 500000) / 1000,
           day_latency_us(s, s->domain_count, 990000) / DAY_SECOND);
    give_back(s);
    free(s);
}

// --- tarpits

// The 99th percentile of what goes to hosts that are as they should be.
static uint64_t beside_others_us(uint64_t others, bool drip, struct counters *ret)
{
    struct day_stage *s = calloc(1, sizeof(*s));
    CHECK(s);
    s->name = drip ? "beside tarpits" : "beside good hosts";
    s->seed = 1;
    s->worker_count = 2;
    s->connection_count_max = (uint32_t)others;
    s->site_count = s->domain_count = GOOD_HOSTS + (uint32_t)others;
    make_room(s);
    s->fallback.retry.lifetime_us = TARPIT_LIFE_US;
    for (uint32_t i = 0; i < s->domain_count; i++) {
        s->domains[i].site = i;
        if (drip && i >= GOOD_HOSTS)
            s->sites[i].temper = HOST_DRIPS;
    }
    s->loads[0] = (struct load_plan){
        .message_count = GOOD_MESSAGES, .rate_per_s = 20, .session_count = 5, .rcpt_count = 1};
    s->load_domain_count[0] = GOOD_HOSTS;
    s->load_after_us[1] = 60 * DAY_SECOND; // when the good hosts are known
    s->loads[1] = (struct load_plan){.message_count = others * 3,
                                     .rate_per_s = (double)others / 5,
                                     .session_count = 20,
                                     .rcpt_count = 1};
    day_play(s);
    CU_ASSERT_EQUAL(s->complaint_count, 0);
    uint64_t us = day_latency_us(s, GOOD_HOSTS, 990000);
    *ret = s->sum;
    give_back(s);
    free(s);
    return us;
}

// There are half as many connections as the tarpits want at first.
static void tarpits_delay_nobody_else(void)
{
    uint64_t others = count_of("POSTHASTE_TARPITS", TARPITS_DEFAULT);
    struct counters good, bad;
    uint64_t good_us = beside_others_us(others, false, &good);
    uint64_t bad_us = beside_others_us(others, true, &bad);
    printf("\n    99%% of the mail to %u good hosts within %" PRIu64 " ms beside %" PRIu64
           " others, within %" PRIu64 " ms beside as many tarpits; %u connections at once, %" PRIu64
           " gave way ",
           GOOD_HOSTS, good_us / 1000, others, bad_us / 1000, bad.deliver.connections_peak,
           bad.deliver.gave_way);
    CU_ASSERT(bad.deliver.gave_way > 0);
    CU_ASSERT(bad_us <= good_us + good_us / 2);
}

static const struct suite_test tests[] = {
    {"tarpits delay nobody else", tarpits_delay_nobody_else},
    {"a day in the life", a_day_in_the_life},
};

int main(int argc, char **argv)
{
    urcu_qsbr_register_thread();
    int result = suite_main("day", tests, COUNT_OF(tests), argc, argv);
    urcu_qsbr_unregister_thread();
    return result;
}
