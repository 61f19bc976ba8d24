// tests/moving_test.c: a domain moves while its mail is on the way: it is given another route while
// the old one breaks down; or other exchangers again and again, which are another worker's.
#include "engine/base/check.h"
#include "engine/config_settings.h"
#include "tests/sim/stage.h"
#include "tests/suite.h"

#include <stdlib.h>
#include <urcu/urcu-qsbr.h>

#define MESSAGES 40
#define SEEDS 60

static struct route relay = {.name = "relay",
                             .kind = ROUTE_HOSTS,
                             .hosts = {1, {{.name = "[" STAGE_OTHER "]", .port = 25}}}};

// Mail is signed, so that jobs wait for that off their domain's list; and everything takes long, so
// that the seed decides what comes first.
static struct stage *begin(uint64_t seed, struct config_dkim *dkim)
{
    struct stage *s = calloc(1, sizeof(*s));
    CHECK(s);
    stage_init(s);
    config_section_defaults(CONFIG_ROUTE, &relay);
    s->knows_other = false;
    s->options.seed = seed;
    s->options.latency_us_max = 4 * STAGE_SECOND;
    s->options.work_latency_us_max = 60 * STAGE_SECOND;
    s->load_plan.message_count = MESSAGES;
    s->load_plan.window = 4;
    s->config.routes = &relay;
    s->config.route_count = 1;
    config_section_defaults(CONFIG_DKIM, dkim);
    config_dkim_usual(dkim);
    snprintf(dkim->domain, sizeof(dkim->domain), "example.org");
    s->config.dkim = dkim;
    s->config.dkim_count = 1;
    stage_begin(s);
    return s;
}

// With one of the two exchangers.
static void each_has_arrived_once(const struct stage *s)
{
    for (uint32_t m = 1; m <= MESSAGES; m++) {
        char name[8];
        snprintf(name, sizeof(name), "r%u@", m);
        CU_ASSERT_EQUAL(stage_arrivals(s->first, name) + stage_arrivals(s->other, name), 1);
    }
}

// The old exchanger has hung up on its first connection.
static bool has_hung_up(const struct stage *s)
{
    return peer_connection_count(s->first) > 0 && peer_open_count(s->first) == 0;
}

static void test_the_old_one_breaks_down(void)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct config_dkim dkim = {.domain = ""};
        struct stage *s = begin(seed, &dkim);
        s->script.step = SLICE("MAIL");
        s->script.closes = true;
        CU_ASSERT(stage_until_it(s, 600 * STAGE_SECOND, has_hung_up));
        life_ask(&s->life, "reroute domain=d0001.example via=relay");
        s->script.step = SLICE("greeting");
        s->script.say = SLICE("421 4.3.2 gone fishing\r\n");
        stage_until(s, 6 * 3600 * STAGE_SECOND);
        each_has_arrived_once(s);
        stage_end(s);
        free(s);
    }
}

// --- to and fro between workers

static uint32_t owner_of(const char *host)
{
    struct mx_set *set = calloc(1, sizeof(*set) + sizeof(set->hosts[0]));
    CHECK(set);
    set->count = 1;
    set->hosts[0].preference = 10;
    set->hosts[0].len = (uint8_t)strlen(host);
    memcpy(set->hosts[0].name, host, strlen(host));
    uint32_t owner = (uint32_t)(mx_set_hash(set, 0) % 2);
    free(set);
    return owner;
}

// A host that is that worker's.
static void name_host(uint32_t owner, char host[32])
{
    uint32_t number = 10;
    do
        snprintf(host, 32, "mx%u.example", number++);
    while (owner_of(host) != owner);
}

static struct stage *begin_to_and_fro(uint64_t seed)
{
    struct stage *s = calloc(1, sizeof(*s));
    CHECK(s);
    stage_init(s);
    s->worker_count = 2;
    s->knows_other = false;
    s->options.seed = seed;
    s->options.latency_us_max = 2 * STAGE_SECOND;
    s->options.dns_latency_us_max = 4 * STAGE_SECOND;
    s->load_plan.message_count = MESSAGES;
    s->load_plan.rate_per_s = 0.4;
    s->load_plan.window = 4;
    stage_begin(s);
    world_dns_set_ttl(s->world, 1);
    return s;
}

// A domain goes over to another worker when no job of it is in a transaction; an answer that it
// waits for at that moment would come to the old one.
static void test_to_and_fro(void)
{
    char hosts[2][32];
    for (uint32_t i = 0; i < 2; i++)
        name_host(i, hosts[i]);
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct stage *s = begin_to_and_fro(seed);
        world_dns_add_address(s->world, hosts[0], STAGE_FIRST);
        world_dns_add_address(s->world, hosts[1], STAGE_OTHER);
        for (uint32_t i = 0; i < 60; i++) {
            world_dns_remove(s->world, "d0001.example");
            world_dns_add_mx(s->world, "d0001.example", 10, hosts[i % 2]);
            stage_until(s, (i + 1) * 5 * STAGE_SECOND);
        }
        stage_until(s, 6 * 3600 * STAGE_SECOND);
        each_has_arrived_once(s);
        stage_end(s);
        free(s);
    }
}

static const struct suite_test tests[] = {
    {"the old exchanger breaks down", test_the_old_one_breaks_down},
    {"to and fro", test_to_and_fro},
};

int main(int argc, char **argv)
{
    urcu_qsbr_register_thread();
    int result = suite_main("moving", tests, COUNT_OF(tests), argc, argv);
    urcu_qsbr_unregister_thread();
    return result;
}
