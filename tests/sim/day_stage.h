// tests/sim/day_stage.h: an engine, who feeds it, and the exchangers of many sites with tempers of
// their own, in one simulated world: for scenarios that ask how well all are served, not what is
// lost when things break (that is engine_world.h).
#ifndef POSTHASTE_TESTS_SIM_DAY_STAGE_H
#define POSTHASTE_TESTS_SIM_DAY_STAGE_H

#include "bench/load/worker.h"
#include "engine/base/histogram.h"
#include "tests/sim/day_rates.h"
#include "tests/sim/engine_life.h"
#include "tests/sim/hosts.h"

#define DAY_LOADS 2
#define DAY_RCPTS_PER_MESSAGE 10
#define DAY_SECOND UINT64_C(1000000)
#define DAY_HOUR (3600 * DAY_SECOND)

// What becomes of one recipient, as the engine tells it.
struct day_rcpt {
    uint8_t delivered, failed, deferred; // events
    uint32_t domain;
    uint64_t latency_us; // from acceptance to its last event
    uint64_t end_us;     // of the world
};

struct day_domain {
    uint32_t site; // DAY_NO_SITE: it does not exist
    uint64_t rcpts, delivered, failed;
    uint64_t last_us; // since the world began
};
#define DAY_NO_SITE UINT32_MAX

struct day_load {
    struct io *io;
    struct load_plan plan;
    struct load_worker *worker;
    struct load_domains *domains;
    bool done;
};

struct day_stage {
    // The caller's:
    const char *name; // for complaints
    uint64_t seed;
    uint32_t worker_count;
    bool durable;
    uint32_t connection_count_max; // of the engine
    uint32_t domain_count, site_count;
    struct day_domain *domains;
    struct host_site *sites;
    uint32_t *site_connections_max; // what may be seen at each
    const struct limits *rated;     // the rates of the first rated_count sites; NULL: none
    uint32_t rated_count;
    struct limits fallback;
    struct limits_rule *rules; // sorted
    uint32_t rule_count;
    struct load_plan loads[DAY_LOADS];     // message_count 0: not there
    uint32_t load_domain_count[DAY_LOADS]; // to the first ones only; 0: to all
    uint64_t load_after_us[DAY_LOADS];     // since the world began
    // The stage's:
    uint32_t complaint_count;
    struct world *world;
    struct io *keeper;
    struct config config;
    struct life life;
    struct io_address addresses[LIFE_ADDRESSES_MAX];
    struct load_content *content;
    struct day_load feeders[DAY_LOADS];
    struct hosts hosts;
    bool hosts_done;
    uint64_t message_count; // numbers go up to this
    uint64_t rcpt_count;
    struct day_rcpt *rcpts;
    uint64_t loaded_us, drained_us, began_us;
    struct counters sum;
    struct day_rates_seen rates;
};

// Plays it to its end, and reads what was told: rcpts, domains. All that must hold of any scenario
// is looked at: complaint_count.
void day_play(struct day_stage *s);
void day_release(struct day_stage *s);
void day_complain(struct day_stage *s, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
// Of delivered recipients in domains below `domain_count`.
uint64_t day_latency_us(const struct day_stage *s, uint32_t domain_count, uint32_t per_million);

#endif
