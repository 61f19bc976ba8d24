// tests/bench_sim_test.c: posthaste-load against posthaste-sink in the simulator: whatever the
// network does, both come to their end with nothing left behind, and what was acknowledged has
// arrived, unchanged.
#include "bench/load/worker.h"
#include "bench/sink/worker.h"
#include "engine/base/check.h"
#include "engine/tls/certificate.h"
#include "engine/tls/tls.h"
#include "tests/sim/world.h"
#include "tests/suite.h"

#include <errno.h>
#include <stdlib.h>

#define SEEDS 300
#define SEEDS_UNDER_TLS 60 // handshakes take their time
#define LINES_MAX 4096

struct scene {
    struct world *world;
    bool faulty;
    bool secure; // all of it under TLS, some of it with AUTH
    struct buffer certificate_pem, key_pem;
    struct load_content *content;
    struct load_domains *domains;
    struct io_address address;
    struct io *sink_io;
    struct sink_plan sink_plan;
    struct sink_listeners listeners;
    struct sink_worker *sink;
    bool sink_done;
    struct io *load_io;
    struct load_plan load_plan;
    struct load_worker *load;
    bool load_done;
};

struct outcome {
    struct load_counters load;
    struct sink_stats sink;
    uint64_t trace;
    int load_error, sink_error;
};

static uint32_t one_of(struct random *dice, const uint32_t *values, uint32_t count)
{
    return values[random_below(dice, count)];
}
#define ONE_OF(dice, ...)                                                                          \
    one_of(dice, (const uint32_t[]){__VA_ARGS__}, COUNT_OF(((const uint32_t[]){__VA_ARGS__})))

static void add_rules(struct sink_script *script, struct random *dice)
{
    static const char *const rules[] = {
        "RCPT 10% 450 4.2.1 later", "MAIL 5% 451 4.3.0 no",    ". 5% 554 5.7.1 no",
        "DATA 5% 452 4.3.1 full",   "EHLO 20% delay 50ms",     "EHLO 10% 502 5.5.1 what",
        ". 10% delay 300ms",        "RCPT 10% 251 2.1.5 else", "CONNECT 10% 421 4.3.2 busy",
        "CONNECT 5% disconnect",    "DATA 3% disconnect",      ". 3% accept-disconnect",
        ". 3% delay 1s disconnect", "MAIL 2% 421 4.7.0 bye",   "RCPT 2% 421 4.7.0 bye",
        ". 2% 421 4.7.0 not this",  "CONNECT 10% delay 1s",    "DATA 5% delay 100ms 552 5.3.4 x",
        "QUIT 20% disconnect",      "CONNECT 3% 554 5.3.2 no", "RSET 2% disconnect",
        "STARTTLS 10% 454 4.7.0 x", "STARTTLS 10% delay 1s",   "STARTTLS 5% inject 250 x",
        "TLS 5% disconnect",        "TLS 3% silence",          "AUTH 10% 454 4.7.0 later",
    };
    const char *why;
    for (size_t i = 0; i < COUNT_OF(rules); i++)
        if (random_below(dice, 4) == 0)
            CHECK(sink_script_add(script, slice_of_text(rules[i]), &why));
}

static struct world_options world_of(uint64_t seed, bool faulty, struct random *dice)
{
    struct world_options o = {.seed = seed,
                              .pipe_bytes_max = ONE_OF(dice, 0, 100, 3000),
                              .receive_buffers_max = ONE_OF(dice, 0, 2, 16)};
    if (!faulty)
        return o;
    o.faults = (struct world_faults){
        .reset = ONE_OF(dice, 0, 0, 1000, 20000),
        .connect_failure = ONE_OF(dice, 0, 100000),
        .accept_failure = ONE_OF(dice, 0, 100000),
        .early_end = ONE_OF(dice, 0, 50000),
        .append_failure = ONE_OF(dice, 0, 0, 0, 20000, 200000),
        .stall = ONE_OF(dice, 0, 10000),
    };
    return o;
}

static void secure_sink(struct scene *s, struct random *dice)
{
    struct sink_plan *p = &s->sink_plan;
    buffer_init(&s->certificate_pem, TLS_PEM_BYTES_MAX);
    buffer_init(&s->key_pem, TLS_PEM_BYTES_MAX);
    CHECK(certificate_make(SLICE("sink.example"), &s->certificate_pem, &s->key_pem));
    p->certificate_pem = buffer_slice(&s->certificate_pem);
    p->key_pem = buffer_slice(&s->key_pem);
    p->tls = ONE_OF(dice, SINK_TLS_OFFERED, SINK_TLS_REQUIRED, SINK_TLS_IMPLICIT);
    p->smtp.starttls = p->tls != SINK_TLS_IMPLICIT;
    p->auth = p->smtp.auth = random_below(dice, 2) == 0;
    if (p->auth && random_below(dice, 2) == 0) {
        p->auth_user = SLICE("me");
        p->auth_password = SLICE("secret");
    }
}

static void secure_load(struct scene *s, struct random *dice)
{
    struct load_plan *p = &s->load_plan;
    p->tls = s->sink_plan.tls == SINK_TLS_IMPLICIT ? LOAD_TLS_IMPLICIT : LOAD_TLS_START;
    p->tls_name = SLICE("sink.example");
    p->tls_verify = random_below(dice, 2) == 0;
    p->tls_trusted_pem = s->sink_plan.certificate_pem;
    p->tls_resume = random_below(dice, 2) == 0;
    if (s->sink_plan.auth) {
        p->auth_user = SLICE("me");
        p->auth_password = SLICE("secret");
    }
}

static void open_sink(struct scene *s, struct random *dice)
{
    struct sink_plan *p = &s->sink_plan;
    char why[RESOLVE_WHY_BYTES];
    uint32_t failed;
    *p = (struct sink_plan){
        .smtp = {.hostname = SLICE("sink.example"),
                 .banner = SLICE("ESMTP"),
                 .pipelining = random_below(dice, 4) > 0,
                 .chunking = random_below(dice, 3) > 0,
                 .enhanced_codes = true},
        .latency_us = ONE_OF(dice, 0, 1000, 100000),
        .silence_us_max = 300000000,
        .seed = random_u64(dice),
        .limits_options = {.sessions_max = s->faulty ? ONE_OF(dice, 0, 3) : 0, .listener_count = 1},
        .ledger_fd = world_open_file(s->world, "sink"),
        .worker_count = 1,
    };
    if (s->faulty)
        add_rules(&p->script, dice);
    if (s->secure)
        secure_sink(s, dice);
    CHECK(io_new(&s->sink_io, NULL) == 0);
    CHECK(sink_limits_new(&p->limits, &p->limits_options) == 0);
    CHECK(sink_listeners_add(&s->listeners, SLICE("10.0.0.1:25"), false, why));
    CHECK(sink_listeners_open(&s->listeners, s->sink_io, false, &failed) == 0);
    s->address = s->listeners.items[0].address;
    CHECK(sink_worker_new(&s->sink, s->sink_io, p, &s->listeners, 0) == 0);
    io_wait(s->sink_io, sink_worker_due_us(s->sink));
}

static void open_load(struct scene *s, struct random *dice)
{
    CHECK(load_content_generate(&s->content, 300, 300 + ONE_OF(dice, 0, 3000, 30000)) == 0);
    CHECK(load_domains_number(&s->domains, 5) == 0);
    s->load_plan = (struct load_plan){
        .peers = &s->address,
        .peer_count = 1,
        .worker_count = 1,
        .message_count = ONE_OF(dice, 1, 20, 60),
        .duration_us = ONE_OF(dice, 1, 4) == 1 ? 20000000 : UINT64_MAX,
        .rate_per_s = ONE_OF(dice, 0, 0, 20),
        .session_count = ONE_OF(dice, 1, 3, 8),
        .ramp_us = ONE_OF(dice, 0, 500000),
        .messages_per_session = random_below(dice, 3) ? UINT64_MAX : 1 + random_below(dice, 5),
        .window = (uint16_t)ONE_OF(dice, 1, 2, 8, 32),
        .ignore = random_below(dice, 4) ? 0 : SMTP_CHUNKING,
        .reply_us_max = 20000000,
        .give_up_us = 60000000,
        .rcpt_count = ONE_OF(dice, 1, 1, 3, 50),
        .helo = SLICE("load.example"),
        .from = SLICE("load@load.example"),
        .seed = random_u64(dice),
        .content = s->content,
        .domains = s->domains,
        .ledger_fd = world_open_file(s->world, "load"),
    };
    if (s->secure)
        secure_load(s, dice);
    CHECK(io_new(&s->load_io, NULL) == 0);
    CHECK(load_worker_new(&s->load, s->load_io, &s->load_plan) == 0);
    io_wait(s->load_io, load_worker_due_us(s->load));
}

// Both until both are done; the sink is asked to stop when the load is.
static void play(struct scene *s)
{
    struct io *io;
    while (!s->sink_done && world_next(s->world, &io)) {
        if (io == s->load_io) {
            s->load_done = s->load_done || !load_worker_turn(s->load);
            io_wait(io, s->load_done ? UINT64_MAX : load_worker_due_us(s->load));
        } else {
            s->sink_done = !sink_worker_turn(s->sink);
            io_wait(io, s->sink_done ? UINT64_MAX : sink_worker_due_us(s->sink));
        }
        // A sink whose ledger has failed is stopped too, some turns later.
        if (s->load_done ||
            (sink_worker_error(s->sink) && random_below(world_dice(s->world), 50) == 0)) {
            load_worker_stop(s->load);
            bool stopping = s->sink->stop_us > 0;
            sink_worker_stop(s->sink);
            if (!stopping)
                io_wait(s->sink_io, 0);
        }
    }
    while (!s->load_done && world_next(s->world, &io)) {
        s->load_done = !load_worker_turn(s->load);
        io_wait(s->load_io, s->load_done ? UINT64_MAX : load_worker_due_us(s->load));
    }
    CHECK(s->sink_done && s->load_done);
}

// The first three columns of each line. A disk that fails may leave half a line at the end.
static unsigned read_ledger(const struct world *w, const char *name, struct slice *ret_lines)
{
    struct slice rest = world_file(w, name);
    unsigned count = 0;
    while (slice_find(rest, '\n') < rest.len && count < LINES_MAX) {
        struct slice line = slice_cut(&rest, '\n'), columns = line;
        for (unsigned i = 0; i < 3; i++)
            slice_cut(&columns, '\t');
        size_t len = columns.len ? (size_t)(columns.data - line.data) - 1 : line.len;
        ret_lines[count++] = slice_take(line, len);
    }
    return count;
}

static int compare_lines(const void *a, const void *b)
{
    const struct slice *x = a, *y = b;
    int order = memcmp(x->data, y->data, x->len < y->len ? x->len : y->len);
    return order ? order : (x->len > y->len) - (x->len < y->len);
}

static void compare_ledgers(const struct scene *s, const struct outcome *o)
{
    static struct slice sent[LINES_MAX], kept[LINES_MAX];
    unsigned sent_count = read_ledger(s->world, "load", sent);
    unsigned kept_count = read_ledger(s->world, "sink", kept);
    bool written = o->load_error == 0 && o->sink_error == 0;
    qsort(kept, kept_count, sizeof(kept[0]), compare_lines);
    if (written) {
        CU_ASSERT_EQUAL(sent_count, o->load.recipients_accepted);
        CU_ASSERT_EQUAL(kept_count, o->sink.recipients);
    }
    if (o->sink_error == 0)
        for (unsigned i = 1; i < kept_count; i++)
            CU_ASSERT(compare_lines(&kept[i - 1], &kept[i]) < 0);
    for (unsigned i = 0; i < sent_count; i++) // even with a ledger that fails: it comes first
        CU_ASSERT_PTR_NOT_NULL(bsearch(&sent[i], kept, kept_count, sizeof(kept[0]), compare_lines));
    if (!s->faulty)
        CU_ASSERT_EQUAL(sent_count, kept_count);
}

static struct outcome run(uint64_t seed, bool faulty, bool secure)
{
    struct random dice;
    random_init(&dice, seed);
    struct scene s = {.faulty = faulty, .secure = secure};
    struct world_options options = world_of(seed, faulty, &dice);
    s.world = world_new(&options);
    open_sink(&s, &dice);
    open_load(&s, &dice);
    play(&s);
    struct outcome o = {.load = s.load->stats.counters,
                        .sink = s.sink->stats,
                        .trace = world_trace(s.world),
                        .load_error = s.load->error,
                        .sink_error = sink_worker_error(s.sink)};
    CU_ASSERT_EQUAL(world_requests_in_flight(s.world), 0);
    CU_ASSERT_EQUAL(world_buffers_lent(s.world), 0);
    CU_ASSERT_EQUAL(s.load->messages.item_count, 0);
    CU_ASSERT_EQUAL(s.sink->transactions, 0);
    CU_ASSERT_EQUAL(o.load.sessions_open, 0);
    CU_ASSERT_EQUAL(o.sink.sessions_open, 0);
    io_close(s.load_io, s.load_plan.ledger_fd);
    io_close(s.sink_io, s.sink_plan.ledger_fd);
    CU_ASSERT_EQUAL(world_descriptors_open(s.world), 0);
    compare_ledgers(&s, &o);
    sink_worker_free(s.sink);
    load_worker_free(s.load);
    sink_limits_free(s.sink_plan.limits);
    sink_listeners_release(&s.listeners);
    buffer_release(&s.certificate_pem);
    buffer_release(&s.key_pem);
    load_content_free(s.content);
    load_domains_free(s.domains);
    io_free(s.load_io);
    io_free(s.sink_io);
    world_free(s.world);
    return o;
}

static void good_weather(uint64_t seeds, bool secure)
{
    for (uint64_t seed = 1; seed <= seeds; seed++) {
        struct outcome o = run(seed, false, secure);
        CU_ASSERT_EQUAL(o.load.messages_accepted, o.load.messages_started);
        CU_ASSERT_EQUAL(o.load.messages_accepted, o.sink.messages);
        CU_ASSERT_EQUAL(o.load.sessions_failed + o.load.sessions_broken, 0);
        CU_ASSERT_EQUAL(o.sink.handshakes > 0, secure);
        CU_ASSERT_EQUAL(o.sink.handshakes_failed, 0);
    }
}

static struct load_counters bad_weather(uint64_t seeds, bool secure)
{
    struct load_counters sum = {0};
    for (uint64_t seed = 1; seed <= seeds; seed++) {
        struct outcome o = run(seed, true, secure);
        CU_ASSERT_EQUAL(load_messages_ended(&o.load), o.load.messages_started);
        load_counters_merge(&sum, &o.load);
    }
    // The weather was bad indeed, and yet work was done.
    CU_ASSERT(sum.messages_accepted > 3 * seeds && sum.messages_refused > seeds / 3);
    CU_ASSERT(sum.messages_lost > seeds / 3 && sum.sessions_failed > seeds / 3 &&
              sum.sessions_broken > seeds / 3);
    return sum;
}

static void test_good_weather(void)
{
    good_weather(SEEDS, false);
}

static void test_bad_weather(void)
{
    bad_weather(SEEDS, false);
}

static void test_good_weather_under_tls(void)
{
    good_weather(SEEDS_UNDER_TLS, true);
}

static void test_bad_weather_under_tls(void)
{
    struct load_counters sum = bad_weather(SEEDS_UNDER_TLS, true);
    CU_ASSERT(sum.handshakes > 200 && sum.handshakes_resumed > 20);
}

static void test_a_seed_is_a_story(void)
{
    for (uint64_t seed = 1; seed <= 20; seed++)
        CU_ASSERT_EQUAL(run(seed, true, false).trace, run(seed, true, false).trace);
}

static const struct suite_test tests[] = {
    {"good weather", test_good_weather},
    {"bad weather", test_bad_weather},
    {"good weather, under TLS", test_good_weather_under_tls},
    {"bad weather, under TLS", test_bad_weather_under_tls},
    {"a seed is a story", test_a_seed_is_a_story},
};

SUITE_MAIN("bench_sim", tests)
