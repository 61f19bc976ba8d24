// tests/moving_test.c: a domain is given another route while its mail is on the way by the old one,
// which breaks down at the same time.
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
        for (uint32_t m = 1; m <= MESSAGES; m++) {
            char name[8];
            snprintf(name, sizeof(name), "r%u@", m);
            CU_ASSERT_EQUAL(stage_arrivals(s->first, name) + stage_arrivals(s->other, name), 1);
        }
        stage_end(s);
        free(s);
    }
}

static const struct suite_test tests[] = {
    {"the old exchanger breaks down", test_the_old_one_breaks_down},
};

int main(int argc, char **argv)
{
    urcu_qsbr_register_thread();
    int result = suite_main("moving", tests, COUNT_OF(tests), argc, argv);
    urcu_qsbr_unregister_thread();
    return result;
}
