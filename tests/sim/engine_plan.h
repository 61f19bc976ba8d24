// tests/sim/engine_plan.h: one scenario for the whole engine, drawn from a seed: which domains
// there are and where their mail goes, who sends what, what goes wrong and how often, and how it
// ends.
//
// Swarm testing: a seed turns each kind of trouble on or off, at a rate of its own. Plain data: the
// same seed gives the same plan.
#ifndef POSTHASTE_TESTS_SIM_ENGINE_PLAN_H
#define POSTHASTE_TESTS_SIM_ENGINE_PLAN_H

#include "bench/load/content.h"
#include "bench/load/plan.h"
#include "bench/sink/plan.h"
#include "engine/config.h"
#include "tests/sim/engine_plan_tls.h"
#include "tests/sim/world.h"

#define PLAN_WORKERS_MAX 3
#define PLAN_LOADS_MAX 3
#define PLAN_SINKS_MAX 5
#define PLAN_DOMAINS_MAX 60
#define PLAN_SITES_MAX (2 * PLAN_DOMAINS_MAX + 1)
#define PLAN_SENDER "sender@example.org"
#define PLAN_SENDER_DOMAIN "example.org"
#define PLAN_HOSTS_MAX 4
#define PLAN_ADDRESSES_MAX 3
#define PLAN_RCPTS_MAX 8
#define PLAN_PORT 25 // of exchangers
#define PLAN_FILES 4
#define PLAN_MOVES_MAX 8
#define PLAN_DEATHS_MAX 4
#define PLAN_LIVES_MAX 20 // of the engine: those deaths, and ends that it finds by itself
#define PLAN_FOLDER "journal"
#define PLAN_PROVIDER PLAN_SITES_MAX // its connections are counted under this number
#define PLAN_RATES_MAX 2             // windows of one site
#define PLAN_RATE_COUNT_MAX 1000u
#define PLAN_SOURCES_MAX 3

#define PLAN_SECOND UINT64_C(1000000)
#define PLAN_PATIENCE_US (300 * PLAN_SECOND) // of an exchanger, when all is well

enum plan_address_kind {
    ADDRESS_SERVES,
    ADDRESS_REFUSES, // nobody listens there
    ADDRESS_BLACK_HOLE,
    ADDRESS_PRIVATE, // never to be connected to
};

struct plan_address {
    enum plan_address_kind kind;
    char text[48]; // without port
};

struct plan_host {
    uint16_t preference;
    uint32_t address_count;
    struct plan_address addresses[PLAN_ADDRESSES_MAX];
    char name[32];
};

// Hosts that belong to no other site.
struct plan_site {
    uint32_t sink;
    uint32_t host_count;
    struct plan_host hosts[PLAN_HOSTS_MAX];
    struct limits limits; // of the domains that begin there
    // What may be seen there: the loosest of all domains that ever come.
    uint32_t connections_max, messages_per_connection_max;
    bool rates_vary; // domains of other limits come: its rates are theirs, too
    bool shared;     // with others, in plan.provider
};

enum plan_domain_kind {
    DOMAIN_WITH_MX,
    DOMAIN_WITHOUT_MX, // its own address records count (RFC 5321 5.1); no other has its site
    DOMAIN_NULL_MX,
    DOMAIN_MISSING,
    DOMAIN_BY_ROUTE, // the DNS does not know it: a route leads to the hosts of a site of its own
};

struct plan_domain {
    enum plan_domain_kind kind;
    uint32_t site;
    char name[32]; // as load_domains_number() has it
};

// The domain's MX set becomes that of another site, when so many messages were acknowledged.
struct plan_move {
    uint32_t domain;
    uint32_t site;
    uint32_t after_messages;
};

// How a life of the engine ends before the end; another one follows on the same folder.
enum plan_death_kind {
    DEATH_KILLED,    // kill -9
    DEATH_POWER_CUT, // of its machine: clients and exchangers are elsewhere
    DEATH_STOPPED,   // gracefully, to be started again
    DEATH_COUNT,
};

struct plan_death {
    enum plan_death_kind kind;
    uint64_t after_us;     // since that life began; it begins with its recovery
    uint64_t pause_us;     // until the next one
    uint32_t worker_count; // of the next one
};

// What goes wrong with the disk beyond world_options.
struct plan_disk {
    uint64_t fail_nth; // an operation; 0: none
    int fail_result;   // as in world_fail_file_operation()
    bool fail_from_then_on;
    uint64_t fail_us; // then it is good again
    bool fills;       // now and then there is no space left, for a while
    uint64_t full_us_max, room_us_max;
};

enum plan_end {
    END_DRAINED, // all faults end, everything gets out, then a graceful stop
    END_STOPPED, // a graceful stop in the middle of it
    END_CUT_OFF, // the same, and then one at once
    END_COUNT,
};

struct plan {
    uint64_t seed;
    struct world_options world;
    uint32_t worker_count;
    struct config config;
    bool memory_is_short;
    struct limits_rule rules[PLAN_DOMAINS_MAX + 1];
    struct config_dkim dkim;     // where config.dkim_count is 1
    struct list_rule list;       // where config.lists.count is 1
    struct limits_site provider; // of those sites that are shared; its mx may be none
    char unix_path[32];

    uint32_t domain_count;
    struct plan_domain domains[PLAN_DOMAINS_MAX];
    uint32_t shared_site_count; // the first ones: others belong to one domain without MX each
    uint32_t site_count;
    struct plan_site sites[PLAN_SITES_MAX];
    // Where reports go: the last of the sites, with an exchanger for itself, which takes all mail.
    uint32_t sender_site, sender_sink;
    bool events_only;                      // there are none
    bool verp;                             // each goes to an address that names its recipient
    struct route routes[PLAN_DOMAINS_MAX]; // of the domains that have one
    uint32_t source_count;                 // 0: mail leaves from wherever it does
    struct source sources[PLAN_SOURCES_MAX];
    bool rates_survive; // what was counted is kept beyond the end of a life
    uint32_t dns_ttl_s;
    uint32_t move_count;
    struct plan_move moves[PLAN_MOVES_MAX];
    uint32_t sink_count;
    struct sink_plan sinks[PLAN_SINKS_MAX];
    bool has_tls; // else no exchanger offers it
    struct plan_sink_tls sink_tls[PLAN_SINKS_MAX];

    uint32_t message_count; // of all loads
    uint32_t load_count;
    struct load_plan loads[PLAN_LOADS_MAX]; // all but what points elsewhere
    uint64_t content_bytes_min, content_bytes_max;
    bool content_from_files;

    enum plan_end end;
    uint32_t stop_after_messages; // accepted ones; not for END_DRAINED
    uint64_t cut_off_after_us;    // since the graceful stop

    bool durable;
    uint32_t death_count;
    struct plan_death deaths[PLAN_DEATHS_MAX];
    struct plan_disk disk;

    bool operates; // an operator is at work,
    bool purges;   // drops mail,
    bool bounces;  // sends it back,
    bool retries;  // and has it tried again, also what is in doubt
};

// A fair one has no refusals, no dead host, and no faults but those that an owner of an io must
// take without loss (slow, short of buffers, standing requests that end): every message to a
// domain that exists is delivered at its first attempt, in the engine's one life.
void plan_draw(struct plan *p, uint64_t seed, bool fair);

struct io_address plan_io_address(const struct plan_address *a);
// The site that listens at this "address:port", or NULL.
const struct plan_site *plan_site_at(const struct plan *p, struct slice text);

#endif
