#include "tests/sim/stage.h"

#include "engine/base/check.h"
#include "engine/config_settings.h"

#include <stdio.h>

static const struct io_options io_options = {.receive_buffer_count = 64,
                                             .receive_buffer_bytes = 2048};

static void configure(struct config *c)
{
    for (int i = CONFIG_TOP; i < CONFIG_SECTION_COUNT; i++)
        if (!config_sections[i].has_title)
            config_section_defaults((enum config_section)i,
                                    config_section_base(c, (enum config_section)i));
    config_section_defaults(CONFIG_DOMAIN, &c->limits.fallback);
    snprintf(c->hostname, sizeof(c->hostname), "mail.example.net");
    snprintf(c->delivery.helo, sizeof(c->delivery.helo), "mail.example.net");
    c->worker_count = 1;
    c->durable = false;
    c->limits.fallback.connections = 1;
    config_section_defaults(CONFIG_LISTEN, &c->listeners[0]);
    c->listener_count = 1;
    CHECK(io_address_parse(SLICE("127.0.0.1:2525"), 0, &c->listeners[0].address));
}

void stage_init(struct stage *s)
{
    *s = (struct stage){
        .has_first = true, .has_other = true, .knows_other = true, .worker_count = 1};
    configure(&s->config);
    // What a peer answers too early must have gone out whole, whatever the dice.
    s->options = (struct world_options){
        .seed = 1, .cut_mode = WORLD_CUT_NONE, .pipe_bytes_min = 65536};
    s->script = (struct peer_script){.pipelining = true};
    s->good_script = (struct peer_script){.pipelining = true};
    s->load_plan = (struct load_plan){
        .peers = s->engine_address,
        .peer_count = 1,
        .worker_count = 1,
        .message_count = 1,
        .duration_us = UINT64_MAX,
        .session_count = 1,
        .messages_per_session = UINT64_MAX,
        .window = 1,
        .reply_us_max = 600 * STAGE_SECOND,
        .give_up_us = 86400 * STAGE_SECOND,
        .rcpt_count = 1,
        .helo = SLICE("client.example.org"),
        .from = SLICE("sender@example.org"),
        .seed = 1,
        .ledger_fd = -1,
    };
}

static void add_exchangers(struct stage *s)
{
    struct io_address first;
    CHECK(io_address_parse(SLICE(STAGE_FIRST), 25, &first));
    world_dns_add_mx(s->world, "d0001.example", 10, "mx1.example");
    world_dns_add_address(s->world, "mx1.example", STAGE_FIRST);
    if (s->first_is_lost)
        world_black_hole(s->world, &first, true);
    if (s->has_first)
        s->first = peer_new(STAGE_FIRST, &s->script);
    if (s->knows_other) {
        world_dns_add_mx(s->world, "d0001.example", 20, "mx2.example");
        world_dns_add_address(s->world, "mx2.example", STAGE_OTHER);
    }
    if (s->has_other)
        s->other = peer_new(STAGE_OTHER, &s->good_script);
}

static void start_load(struct stage *s)
{
    CHECK(load_content_generate(&s->content, 400, 400) == 0);
    CHECK(load_domains_number(&s->domains, 1) == 0);
    s->load_plan.content = s->content;
    s->load_plan.domains = s->domains;
    CHECK(io_new(&s->load_io, &io_options) == 0);
    CHECK(load_worker_new(&s->load, s->load_io, &s->load_plan) == 0);
    io_wait(s->load_io, load_worker_due_us(s->load));
}

void stage_begin(struct stage *s)
{
    s->world = world_new(&s->options);
    s->began_us = world_now_us(s->world);
    CHECK(io_new(&s->keeper, &io_options) == 0);
    io_wait(s->keeper, UINT64_MAX);
    add_exchangers(s);
    life_begin(&s->life, s->world, s->keeper, &s->config, 0, s->worker_count, false,
               s->engine_address);
    start_load(s);
}

static void has_turn(struct stage *s, struct io *io)
{
    if (life_has_turn(&s->life, io))
        return;
    if (io == s->keeper) {
        io_wait(s->keeper, UINT64_MAX);
    } else if (io == s->load_io) {
        s->load_done = s->load_done || !load_worker_turn(s->load);
        io_wait(s->load_io, s->load_done ? UINT64_MAX : load_worker_due_us(s->load));
    } else {
        peer_turn(s->first && io == peer_io(s->first) ? s->first : s->other);
    }
}

uint64_t stage_now_us(const struct stage *s)
{
    return world_now_us(s->world) - s->began_us;
}

bool stage_until_it(struct stage *s, uint64_t us, bool (*says_so)(const struct stage *s))
{
    struct io *io;
    for (uint32_t turns = 0; stage_now_us(s) < us && world_next(s->world, &io); turns++) {
        has_turn(s, io);
        if (says_so && turns % 16 == 0 && says_so(s))
            return true;
    }
    return false;
}

void stage_until(struct stage *s, uint64_t us)
{
    stage_until_it(s, us, NULL);
}

void stage_end(struct stage *s)
{
    struct io *io;
    life_tell(&s->life, STOP_AT_ONCE);
    while (!life_finished(&s->life) && world_next(s->world, &io))
        has_turn(s, io);
    life_end(&s->life);
    CHECK(!s->life.complaint[0]);
    load_worker_free(s->load);
    peer_free(s->first);
    peer_free(s->other);
    io_free(s->load_io);
    io_free(s->keeper);
    load_content_free(s->content);
    load_domains_free(s->domains);
    world_free(s->world);
}

struct slice stage_event(const struct stage *s, const char *recipient, uint32_t nth)
{
    char key[64];
    struct slice text = world_file(s->world, "events-0.0");
    int len = snprintf(key, sizeof(key), "\"recipient\":\"%s", recipient);
    while (slice_find(text, '\n') < text.len) {
        struct slice line = slice_cut(&text, '\n');
        if (memmem(line.data, line.len, key, (size_t)len) && nth-- == 0)
            return line;
    }
    return SLICE_EMPTY;
}

bool stage_has(struct slice line, const char *text)
{
    return memmem(line.data, line.len, text, strlen(text)) != NULL;
}

uint64_t stage_number(struct slice line, const char *name)
{
    char key[32];
    uint64_t number = 0;
    int len = snprintf(key, sizeof(key), "\"%s\":", name);
    const char *at = memmem(line.data, line.len, key, (size_t)len);
    struct slice rest = at ? slice_skip(line, (size_t)(at - line.data) + (size_t)len) : SLICE_EMPTY;
    size_t end = 0;
    while (end < rest.len && rest.data[end] >= '0' && rest.data[end] <= '9')
        end++;
    slice_to_u64(slice_take(rest, end), UINT64_MAX, &number);
    return number;
}

uint32_t stage_arrivals(const struct peer *p, const char *recipient)
{
    uint32_t count = 0;
    for (uint32_t i = 0; p && i < peer_arrival_count(p); i++)
        count += slice_starts_nocase(peer_arrival(p, i), slice_of_text(recipient));
    return count;
}
