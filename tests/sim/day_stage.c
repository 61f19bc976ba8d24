#include "tests/sim/day_stage.h"

#include "engine/base/check.h"
#include "engine/config_settings.h"
#include "queue/message_id.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>

#define COMPLAINTS_TOLD_MAX 10
#define LOOK_TURNS 256
#define PATIENCE_US (10 * 24 * DAY_HOUR) // of virtual time: longer, and something waits for ever
#define WORLD_WALL_START_S 1767225600u   // the clock of every world begins then

static const struct io_options io_options = {.receive_buffer_count = 1024,
                                             .receive_buffer_bytes = 2048};

void day_complain(struct day_stage *s, const char *format, ...)
{
    va_list arguments;
    if (++s->complaint_count > COMPLAINTS_TOLD_MAX)
        return;
    fprintf(stderr, "\n  %s: ", s->name);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
}

// --- the beginning

static void furnish(struct day_stage *s)
{
    char domain[32], host[32], address[IO_ADDRESS_TEXT_BYTES];
    for (uint32_t i = 0; i < s->site_count; i++) {
        snprintf(host, sizeof(host), "mx.site%u.example", i);
        io_address_print_host(&s->sites[i].address, address);
        world_dns_add_address(s->world, host, address);
        world_count_connections(s->world, &s->sites[i].address, i);
    }
    for (uint32_t i = 0; i < s->domain_count; i++) {
        snprintf(domain, sizeof(domain), "d%04u.example", i + 1);
        snprintf(host, sizeof(host), "mx.site%u.example", s->domains[i].site);
        if (s->domains[i].site != DAY_NO_SITE)
            world_dns_add_mx(s->world, domain, 10, host);
    }
    world_dns_set_ttl(s->world, 3600);
}

static void configure(struct day_stage *s)
{
    struct config *c = &s->config;
    for (int i = CONFIG_TOP; i < CONFIG_SECTION_COUNT; i++)
        if (!config_sections[i].has_title)
            config_section_defaults((enum config_section)i,
                                    config_section_base(c, (enum config_section)i));
    snprintf(c->hostname, sizeof(c->hostname), "mail.example.net");
    snprintf(c->delivery.helo, sizeof(c->delivery.helo), "mail.example.net");
    c->limits.fallback = s->fallback;
    c->limits.rules = s->rules;
    c->limits.rule_count = s->rule_count;
    c->listener_count = 1;
    config_section_defaults(CONFIG_LISTEN, &c->listeners[0]);
    CHECK(io_address_parse(SLICE("unix:/submit.sock"), 0, &c->listeners[0].address));
    c->listeners[0].bounces = BOUNCES_EVENT; // who sends a newsletter reads the events
    c->durable = s->durable;
    c->segment_bytes = 1024 * 1024;
    c->delivery.connection_count_max = s->connection_count_max;
}

static void start_load(struct day_stage *s, uint32_t nth)
{
    struct day_load *l = &s->feeders[nth];
    l->plan = s->loads[nth];
    uint32_t domains = s->load_domain_count[nth];
    CHECK(load_domains_number(&l->domains, domains ? domains : s->domain_count) == 0);
    CHECK(io_new(&l->io, &io_options) == 0);
    world_is_elsewhere(l->io);
    l->plan.worker = nth;
    l->plan.worker_count = DAY_LOADS;
    l->plan.duration_us = l->plan.messages_per_session = UINT64_MAX;
    l->plan.window = 1;
    l->plan.reply_us_max = l->plan.give_up_us = 10 * DAY_HOUR;
    l->plan.helo = SLICE("client.example.org");
    l->plan.from = SLICE("news@example.org");
    l->plan.seed = s->seed;
    l->plan.peers = s->addresses;
    l->plan.peer_count = 1;
    l->plan.content = s->content;
    l->plan.domains = l->domains;
    l->plan.ledger_fd = -1;
    CHECK(load_worker_new(&l->worker, l->io, &l->plan) == 0);
    io_wait(l->io, load_worker_due_us(l->worker));
}

// Those whose time has come.
static void start_loads(struct day_stage *s)
{
    uint64_t next_us = UINT64_MAX;
    for (uint32_t i = 0; i < DAY_LOADS; i++) {
        uint64_t at_us = s->began_us + s->load_after_us[i];
        s->feeders[i].done |= s->loads[i].message_count == 0;
        if (s->feeders[i].done || s->feeders[i].worker)
            continue;
        if (at_us <= world_now_us(s->world))
            start_load(s, i);
        else if (at_us < next_us)
            next_us = at_us;
    }
    io_wait(s->keeper, next_us);
}

static void start_hosts(struct day_stage *s)
{
    struct hosts *h = &s->hosts;
    for (uint32_t i = 0; i < DAY_LOADS; i++)
        if (s->loads[i].message_count * DAY_LOADS > s->message_count)
            s->message_count = s->loads[i].message_count * DAY_LOADS;
    s->rcpt_count = (s->message_count + DAY_LOADS + 1) * DAY_RCPTS_PER_MESSAGE;
    s->rcpts = calloc(s->rcpt_count, sizeof(*s->rcpts));
    h->rcpts = calloc(s->rcpt_count, sizeof(*h->rcpts));
    CHECK(s->rcpts && h->rcpts);
    h->rcpt_count = s->rcpt_count;
    h->rcpts_per_message = DAY_RCPTS_PER_MESSAGE;
    h->sites = s->sites;
    h->site_count = s->site_count;
    CHECK(io_new(&h->io, &io_options) == 0);
    hosts_start(h);
}

static void start(struct day_stage *s)
{
    const struct world_options options = {
        .seed = s->seed,
        .latency_us_max = 20000,
        .file_latency_us_max = 500,
        .cut_mode = WORLD_CUT_NONE,
        .pipe_bytes_min = 16384,
        .descriptors_max = 2000000,
    };
    s->world = world_new(&options);
    s->began_us = world_now_us(s->world);
    if (s->rated)
        day_rates_watch(s->rated, s->rated_count, s->world);
    furnish(s);
    configure(s);
    CHECK(io_new(&s->keeper, &io_options) == 0);
    world_is_elsewhere(s->keeper);
    io_wait(s->keeper, UINT64_MAX);
    life_begin(&s->life, s->world, s->keeper, &s->config, 0, s->worker_count, false, s->addresses);
    CHECK(load_content_generate(&s->content, 300, 600) == 0);
    start_hosts(s);
    start_loads(s);
}

// --- the turns

static void owner_has_turn(struct day_stage *s, const struct io *io)
{
    if (life_has_turn(&s->life, io))
        return;
    if (io == s->keeper)
        start_loads(s);
    if (io == s->hosts.io && !s->hosts_done)
        s->hosts_done = !hosts_turn(&s->hosts);
    for (uint32_t i = 0; i < DAY_LOADS; i++) {
        struct day_load *l = &s->feeders[i];
        if (l->io != io)
            continue;
        l->done = l->done || !load_worker_turn(l->worker);
        io_wait(l->io, l->done ? UINT64_MAX : load_worker_due_us(l->worker));
    }
}

static bool loads_done(const struct day_stage *s)
{
    bool done = true;
    for (uint32_t i = 0; i < DAY_LOADS; i++)
        done &= s->feeders[i].done;
    return done;
}

// True: it is over.
static bool look(struct day_stage *s)
{
    uint64_t now_us = world_now_us(s->world) - s->began_us;
    if (s->loaded_us == 0 && loads_done(s))
        s->loaded_us = now_us;
    if (s->loaded_us > 0 && s->drained_us == 0 && s->life.state == LIFE_SERVING &&
        life_counters(&s->life).messages_left == 0) {
        s->drained_us = now_us;
        life_tell(&s->life, STOP_GRACEFULLY);
    }
    if (s->drained_us > 0 && s->life.state == LIFE_SERVING && life_finished(&s->life)) {
        s->sum = life_counters(&s->life);
        if (s->life.complaint[0])
            day_complain(s, "%s", s->life.complaint);
        life_end(&s->life);
        hosts_stop(&s->hosts);
        io_wake(s->keeper, s->hosts.io);
    }
    if (now_us > PATIENCE_US) {
        day_complain(s, "never ends: %" PRIu64 " messages left",
                     life_counters(&s->life).messages_left);
        fputc('\n', stderr);
        exit(1); // there is no way to free it
    }
    return s->hosts_done;
}

// --- what was told

static struct slice member(struct slice line, const char *name)
{
    char key[32];
    size_t key_len = (size_t)snprintf(key, sizeof(key), "\"%s\":", name);
    const char *at = memmem(line.data, line.len, key, key_len);
    if (!at)
        return SLICE_EMPTY;
    struct slice rest = slice_trim(slice_skip(line, (size_t)(at - line.data) + key_len));
    if (rest.len > 0 && rest.data[0] == '"')
        rest = slice_skip(rest, 1);
    return slice_take(rest, slice_find(rest, '"'));
}

static uint64_t wall_us_of_id(struct slice text)
{
    static const char characters[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    uint64_t id = 0;
    for (size_t i = 0; i < text.len; i++)
        id = id << 5 | (uint64_t)(strchr(characters, text.data[i]) - characters);
    return message_id_wall_us(id);
}

// "2026-01-01T00:00:12.345Z"
static uint64_t wall_us_of_time(struct slice text)
{
    struct tm tm = {0};
    char copy[32];
    CHECK(text.len < sizeof(copy));
    memcpy(copy, text.data, text.len);
    copy[text.len] = 0;
    const char *rest = strptime(copy, "%Y-%m-%dT%H:%M:%S.", &tm);
    CHECK(rest);
    return (uint64_t)timegm(&tm) * 1000000 + strtoull(rest, NULL, 10) * 1000;
}

static void read_event(struct day_stage *s, struct slice line)
{
    struct slice what = member(line, "event"), rest = member(line, "recipient");
    uint64_t number, nth = 1, domain;
    if (rest.len == 0)
        return; // of the engine as a whole
    struct slice local = slice_cut(&rest, '@');
    local = slice_skip(local, 1);
    struct slice first = slice_cut(&local, '.');
    CHECK(slice_to_u64(first, s->message_count + DAY_LOADS, &number));
    CHECK(local.len == 0 || slice_to_u64(local, DAY_RCPTS_PER_MESSAGE, &nth));
    rest = slice_skip(rest, 1);
    CHECK(slice_to_u64(slice_cut(&rest, '.'), s->domain_count, &domain) && domain > 0);
    struct day_rcpt *r = &s->rcpts[number * DAY_RCPTS_PER_MESSAGE + nth - 1];
    struct day_domain *d = &s->domains[domain - 1];
    uint64_t time_us = wall_us_of_time(member(line, "time"));
    uint64_t id_us = wall_us_of_id(member(line, "id"));
    if (r->delivered + r->failed > 0)
        day_complain(s, "an event behind the last one: %.*s", SLICE_ARG(line));
    bool delivered = slice_equal(what, SLICE("delivered"));
    bool failed = slice_equal(what, SLICE("failed"));
    d->rcpts += r->delivered + r->failed + r->deferred == 0;
    r->domain = (uint32_t)domain - 1;
    r->delivered += delivered;
    r->failed += failed;
    if (!delivered && !failed && r->deferred < UINT8_MAX)
        r->deferred++;
    r->latency_us = time_us > id_us ? time_us - id_us : 0;
    r->end_us = time_us - WORLD_WALL_START_S * DAY_SECOND - s->began_us;
    d->delivered += delivered;
    d->failed += failed;
    if ((delivered || failed) && r->end_us > d->last_us)
        d->last_us = r->end_us;
}

static void read_events(struct day_stage *s)
{
    for (uint32_t i = 0; i < s->worker_count; i++) {
        char name[24];
        life_events_name(name, 0, i);
        struct slice events = world_file(s->world, name);
        while (events.len > 0)
            read_event(s, slice_cut(&events, '\n'));
    }
}

// One end for each, and what arrived is what was told.
static void check_rcpt(struct day_stage *s, uint64_t at)
{
    const struct day_rcpt *r = &s->rcpts[at];
    const struct host_rcpt *h = &s->hosts.rcpts[at];
    if (r->delivered + r->failed != 1)
        day_complain(s, "r%" PRIu64 ".%" PRIu64 " has %u ends", at / DAY_RCPTS_PER_MESSAGE,
                     at % DAY_RCPTS_PER_MESSAGE + 1, r->delivered + r->failed);
    if (h->arrivals != r->delivered)
        day_complain(s, "r%" PRIu64 ".%" PRIu64 " has arrived %u times, and was told of %u",
                     at / DAY_RCPTS_PER_MESSAGE, at % DAY_RCPTS_PER_MESSAGE + 1, h->arrivals,
                     r->delivered);
}

static void check_rcpts(struct day_stage *s)
{
    for (uint32_t l = 0; l < DAY_LOADS; l++) {
        const struct load_plan *p = &s->feeders[l].plan;
        if (p->message_count == 0)
            continue;
        uint64_t taken = s->feeders[l].worker->stats.counters.messages_accepted;
        if (taken != p->message_count)
            day_complain(s, "%" PRIu64 " messages were taken of %" PRIu64, taken, p->message_count);
    }
    uint64_t named = 0, wanted = 0;
    for (uint64_t at = 0; at < s->rcpt_count; at++) {
        const struct day_rcpt *r = &s->rcpts[at];
        if (r->delivered + r->failed + r->deferred == 0 && s->hosts.rcpts[at].first_us == 0)
            continue;
        named++;
        check_rcpt(s, at);
    }
    for (uint32_t l = 0; l < DAY_LOADS; l++)
        wanted += s->loads[l].message_count * s->loads[l].rcpt_count;
    if (named != wanted)
        day_complain(s, "%" PRIu64 " recipients were told of, %" PRIu64 " were given", named,
                     wanted);
}

static void check_limits(struct day_stage *s)
{
    for (uint32_t i = 0; i < s->site_count; i++) {
        uint32_t peak = world_connections_peak(s->world, i);
        if (peak > s->site_connections_max[i])
            day_complain(s, "site %u: %u connections at a time, %u allowed", i, peak,
                         s->site_connections_max[i]);
    }
    s->complaint_count += s->hosts.complaint_count;
    s->rates = day_rates_end();
    if (s->rates.excess_count > 0)
        day_complain(s, "%u times more than a rate allows: %s", s->rates.excess_count,
                     s->rates.excess);
}

// --- all of it

void day_play(struct day_stage *s)
{
    struct io *io;
    start(s);
    for (uint64_t turns = 0; world_next(s->world, &io); turns++) {
        owner_has_turn(s, io);
        bool late = s->drained_us > 0;
        if ((late || turns % LOOK_TURNS == 0) && look(s))
            break;
    }
    CHECK(s->hosts_done);
    read_events(s);
    check_rcpts(s);
    check_limits(s);
}

void day_release(struct day_stage *s)
{
    for (uint32_t i = 0; i < DAY_LOADS; i++) {
        if (s->feeders[i].worker)
            load_worker_free(s->feeders[i].worker);
        load_domains_free(s->feeders[i].domains);
    }
    hosts_free(&s->hosts);
    load_content_free(s->content);
    io_free(s->keeper);
    for (uint32_t i = 0; i < DAY_LOADS; i++)
        io_free(s->feeders[i].io);
    io_free(s->hosts.io);
    free(s->rcpts);
    free(s->hosts.rcpts);
    world_free(s->world);
}

uint64_t day_latency_us(const struct day_stage *s, uint32_t domain_count, uint32_t per_million)
{
    struct histogram *h = calloc(1, sizeof(*h));
    CHECK(h);
    for (uint64_t at = 0; at < s->rcpt_count; at++)
        if (s->rcpts[at].delivered && s->rcpts[at].domain < domain_count)
            histogram_add(h, s->rcpts[at].latency_us);
    uint64_t us = histogram_quantile(h, per_million);
    free(h);
    return us;
}
