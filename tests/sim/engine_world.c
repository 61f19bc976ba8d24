#include "tests/sim/engine_world.h"

#include "bench/load/worker.h"
#include "bench/sink/worker.h"
#include "engine/base/check.h"

#include <inttypes.h>
#include <stdlib.h>

#define HOUR_US (3600 * PLAN_SECOND)
#define PHASE_US_MAX (2 * HOUR_US) // of virtual time: longer, and something waits for ever
#define DRAINED_LOOK_TURNS 32

static const struct io_options io_options = {.receive_buffer_count = 64,
                                             .receive_buffer_bytes = 2048};

enum phase { PHASE_LOADING, PHASE_DRAINING, PHASE_STOPPING, PHASE_CLOSING, PHASE_OVER };

struct scene_worker {
    struct io *io;
    struct worker *worker;
    int events_fd; // of its own: each appends in pieces
    bool finished;
};

struct scene_load {
    struct io *io;
    struct load_plan plan;
    struct load_worker *worker;
    uint64_t seen; // messages that the books know
    bool done;
};

struct scene_sink {
    struct io *io;
    struct sink_plan plan;
    struct sink_listeners listeners;
    struct sink_worker *worker;
    bool done;
};

struct scene {
    const struct plan *plan;
    struct world *world;
    struct books books;
    enum phase phase;
    uint64_t phase_us; // when it began
    uint64_t turns;
    uint32_t moves_done;

    struct config config;
    struct shared shared;
    struct scene_worker workers[PLAN_WORKERS_MAX];

    struct io_address engine_addresses[2];
    struct load_content *content;
    struct load_domains *domains;
    struct load_file files[PLAN_FILES];
    struct scene_load loads[PLAN_LOADS_MAX];
    struct scene_sink sinks[PLAN_SINKS_MAX];
};

// --- the world's furniture

static void add_mx_set(struct scene *s, const char *domain, const struct plan_site *site)
{
    for (uint32_t h = 0; h < site->host_count; h++)
        world_dns_add_mx(s->world, domain, site->hosts[h].preference, site->hosts[h].name);
}

static void add_records(struct scene *s, const struct plan_domain *d)
{
    const struct plan_site *site = &s->plan->sites[d->site];
    if (d->kind == DOMAIN_WITH_MX)
        add_mx_set(s, d->name, site);
    if (d->kind == DOMAIN_NULL_MX)
        world_dns_add_mx(s->world, d->name, 0, ".");
    for (uint32_t h = 0; h < site->host_count && d->kind == DOMAIN_WITHOUT_MX; h++)
        for (uint32_t a = 0; a < site->hosts[h].address_count; a++)
            world_dns_add_address(s->world, d->name, site->hosts[h].addresses[a].text);
}

static void add_host(struct scene *s, uint32_t site, const struct plan_host *host)
{
    for (uint32_t i = 0; i < host->address_count; i++) {
        const struct plan_address *a = &host->addresses[i];
        struct io_address address = plan_io_address(a);
        world_dns_add_address(s->world, host->name, a->text);
        world_count_connections(s->world, &address, site);
        if (a->kind == ADDRESS_BLACK_HOLE)
            world_black_hole(s->world, &address, true);
    }
}

static void furnish(struct scene *s)
{
    const struct plan *p = s->plan;
    for (uint32_t i = 0; i < p->site_count; i++)
        for (uint32_t h = 0; h < p->sites[i].host_count; h++)
            add_host(s, i, &p->sites[i].hosts[h]);
    for (uint32_t i = 0; i < p->domain_count; i++)
        add_records(s, &p->domains[i]);
    world_dns_set_ttl(s->world, p->dns_ttl_s);
}

static void move_domains(struct scene *s, uint64_t acknowledged)
{
    for (; s->moves_done < s->plan->move_count; s->moves_done++) {
        const struct plan_move *m = &s->plan->moves[s->moves_done];
        if (m->after_messages > acknowledged)
            return;
        world_dns_remove(s->world, s->plan->domains[m->domain].name);
        add_mx_set(s, s->plan->domains[m->domain].name, &s->plan->sites[m->site]);
    }
}

static void heal(struct scene *s)
{
    const struct plan *p = s->plan;
    world_heal(s->world);
    for (uint32_t i = 0; i < p->sink_count; i++) {
        s->sinks[i].plan.script = (struct sink_script){0};
        s->sinks[i].plan.silence_us_max = PLAN_PATIENCE_US;
    }
    for (uint32_t i = 0; i < p->site_count; i++)
        for (uint32_t h = 0; h < p->sites[i].host_count; h++)
            for (uint32_t a = 0; a < p->sites[i].hosts[h].address_count; a++) {
                struct io_address address = plan_io_address(&p->sites[i].hosts[h].addresses[a]);
                world_black_hole(s->world, &address, false);
            }
}

// --- exchangers

static void listen_for(struct scene_sink *k, const struct plan_address *a)
{
    struct sink_listeners *l = &k->listeners;
    l->items = reallocarray(l->items, l->count + 1u, sizeof(*l->items));
    CHECK(l->items);
    l->items[l->count] = (struct sink_listener){
        .address = plan_io_address(a), .range = l->ranges++, .fd = -1};
    l->count++;
}

static void file_name(char name[16], const char *word, uint32_t nth)
{
    snprintf(name, 16, "%s-%u", word, nth);
}

static void start_sink(struct scene *s, uint32_t nth)
{
    const struct plan *p = s->plan;
    struct scene_sink *k = &s->sinks[nth];
    char name[16];
    uint32_t failed;
    k->plan = p->sinks[nth];
    CHECK(io_new(&k->io, &io_options) == 0);
    for (uint32_t i = 0; i < p->site_count; i++)
        for (uint32_t h = 0; h < p->sites[i].host_count && p->sites[i].sink == nth; h++)
            for (uint32_t a = 0; a < p->sites[i].hosts[h].address_count; a++)
                if (p->sites[i].hosts[h].addresses[a].kind == ADDRESS_SERVES)
                    listen_for(k, &p->sites[i].hosts[h].addresses[a]);
    CHECK(sink_listeners_open(&k->listeners, k->io, false, &failed) == 0);
    k->plan.limits_options.listener_count = k->listeners.count + 1;
    CHECK(sink_limits_new(&k->plan.limits, &k->plan.limits_options) == 0);
    file_name(name, "sink", nth);
    k->plan.ledger_fd = world_open_file(s->world, name);
    CHECK(sink_worker_new(&k->worker, k->io, &k->plan, &k->listeners, 0) == 0);
    io_wait(k->io, sink_worker_due_us(k->worker));
}

static void free_sink(struct scene *s, uint32_t nth)
{
    struct scene_sink *k = &s->sinks[nth];
    io_close(k->io, k->plan.ledger_fd);
    sink_worker_free(k->worker);
    sink_limits_free(k->plan.limits);
    sink_listeners_release(&k->listeners);
}

// --- clients

// Four messages that hold what generated text does not: lines that begin with dots, 8-bit bytes.
static void write_files(struct scene *s)
{
    static const char *const texts[PLAN_FILES] = {
        "Subject: none\r\n\r\n",
        "Subject: dots\r\nDate: Thu, 1 Jan 2026 00:00:00 +0000\r\n\r\n.\r\n..\r\n.x\r\n\r\n.\r\n",
        "Subject: gr\xc3\xbc\xc3\x9f\r\n\r\n\xff\xfe latin or not\r\n",
        "Subject: folded\r\n line\r\n\r\nbody without much\r\n",
    };
    static const bool has_dots[PLAN_FILES] = {[1] = true}, has_8bit[PLAN_FILES] = {[2] = true};
    for (uint32_t i = 0; i < PLAN_FILES; i++)
        s->files[i] = (struct load_file){.bytes = slice_of_text(texts[i]),
                                         .has_date = strstr(texts[i], "Date:") != NULL,
                                         .has_dot_lines = has_dots[i],
                                         .has_8bit = has_8bit[i]};
}

static void write_content(struct scene *s)
{
    const struct plan *p = s->plan;
    CHECK(load_content_generate(&s->content, p->content_bytes_min, p->content_bytes_max) == 0);
    CHECK(load_domains_number(&s->domains, p->domain_count) == 0);
    write_files(s);
    if (!p->content_from_files)
        return;
    s->content->file_count = PLAN_FILES;
    s->content->files = s->files;
}

static void free_content(struct scene *s)
{
    s->content->file_count = 0;
    s->content->files = NULL;
    load_content_free(s->content);
    load_domains_free(s->domains);
}

static void start_load(struct scene *s, uint32_t nth)
{
    struct scene_load *l = &s->loads[nth];
    char name[16];
    CHECK(io_new(&l->io, &io_options) == 0);
    file_name(name, "load", nth);
    l->plan = s->plan->loads[nth];
    l->plan.peers = s->engine_addresses;
    l->plan.peer_count = s->config.listener_count;
    l->plan.content = s->content;
    l->plan.domains = s->domains;
    l->plan.ledger_fd = world_open_file(s->world, name);
    CHECK(load_worker_new(&l->worker, l->io, &l->plan) == 0);
    io_wait(l->io, load_worker_due_us(l->worker));
}

static void free_load(struct scene_load *l)
{
    io_close(l->io, l->plan.ledger_fd);
    load_worker_free(l->worker);
}

// Messages that were started in this turn are still under way, but for those that are too large for
// the engine to be told of them.
static void note_started(struct scene *s, struct scene_load *l)
{
    struct slab *slab = &l->worker->messages;
    if (l->seen == l->worker->stats.counters.messages_started)
        return;
    l->seen = l->worker->stats.counters.messages_started;
    for (uint32_t i = slab_next(slab, 0); i != SLAB_NONE; i = slab_next(slab, i + 1)) {
        const struct load_message *m = slab_at(slab, i);
        if (!books_has(&s->books, m->number))
            books_started(&s->books, m, &l->worker->author);
    }
}

// --- the engine

static void start_worker(struct scene *s, uint32_t nth)
{
    struct scene_worker *k = &s->workers[nth];
    char name[16];
    file_name(name, "events", nth);
    k->events_fd = world_open_file(s->world, name);
    s->shared.events_fd = k->events_fd; // which the new worker keeps
    CHECK(worker_new(&k->worker, &s->shared, nth, k->io) == 0);
}

static void start_engine(struct scene *s)
{
    const struct plan *p = s->plan;
    s->config = p->config;
    CHECK(shared_init(&s->shared, &s->config, p->worker_count) == 0);
    for (uint32_t i = 0; i < p->worker_count; i++)
        CHECK(io_new(&s->workers[i].io, &io_options) == 0);
    for (uint32_t i = 0; i < s->config.listener_count; i++) {
        s->engine_addresses[i] = s->config.listeners[i].address;
        s->shared.listen_fds[i] = io_listen(s->workers[0].io, &s->engine_addresses[i], NULL);
        CHECK(s->shared.listen_fds[i] >= 0);
    }
    for (uint32_t i = 0; i < p->worker_count; i++)
        start_worker(s, i);
    for (uint32_t i = 0; i < p->worker_count; i++)
        io_wait(s->workers[i].io, worker_sleeps(s->workers[i].worker));
}

static struct worker_counters engine_counters(const struct scene *s)
{
    struct worker_counters sum = {0};
    for (uint32_t i = 0; i < s->plan->worker_count; i++) {
        struct worker_counters c = worker_counters(s->workers[i].worker);
        sum.messages += c.messages;
        sum.recipients += c.recipients;
        sum.jobs += c.jobs;
        sum.jobs_crossed += c.jobs_crossed;
        sum.messages_left += c.messages_left;
        sum.events_dropped += c.events_dropped;
        sum.deliver.delivered += c.deliver.delivered;
        sum.deliver.deferred += c.deliver.deferred;
        sum.deliver.failed += c.deliver.failed;
        sum.deliver.in_doubt += c.deliver.in_doubt;
        sum.deliver.connections_opened += c.deliver.connections_opened;
        sum.deliver.connections += c.deliver.connections;
    }
    return sum;
}

static void tell_engine(struct scene *s, enum stop_stage stage)
{
    struct io *io = s->workers[0].io;
    atomic_store(&s->shared.stop, (uint8_t)stage);
    for (uint32_t i = 0; i < s->plan->worker_count; i++)
        io_wake(io, s->workers[i].io);
}

// --- turns

// One that has finished has no turn any more: whatever still comes to it is lost.
static void worker_has_turn(struct scene *s, struct scene_worker *k)
{
    uint64_t due_us = UINT64_MAX;
    if (k->finished) {
        struct io_done done;
        if (io_next(k->io, &done))
            books_complain(&s->books, "a completion for a worker that had finished");
    } else {
        worker_wakes(k->worker);
        worker_turn(k->worker);
        due_us = worker_sleeps(k->worker);
        k->finished = worker_finished(k->worker);
    }
    io_wait(k->io, k->finished ? UINT64_MAX : due_us);
}

static void load_has_turn(struct scene *s, struct scene_load *l)
{
    if (!l->done) {
        l->done = !load_worker_turn(l->worker);
        note_started(s, l);
    }
    io_wait(l->io, l->done ? UINT64_MAX : load_worker_due_us(l->worker));
}

static void sink_has_turn(struct scene_sink *k)
{
    if (!k->done)
        k->done = !sink_worker_turn(k->worker);
    io_wait(k->io, k->done ? UINT64_MAX : sink_worker_due_us(k->worker));
}

static void owner_has_turn(struct scene *s, const struct io *io)
{
    for (uint32_t i = 0; i < s->plan->worker_count; i++)
        if (s->workers[i].io == io)
            worker_has_turn(s, &s->workers[i]);
    for (uint32_t i = 0; i < s->plan->load_count; i++)
        if (s->loads[i].io == io)
            load_has_turn(s, &s->loads[i]);
    for (uint32_t i = 0; i < s->plan->sink_count; i++)
        if (s->sinks[i].io == io)
            sink_has_turn(&s->sinks[i]);
}

// --- phases

static bool loads_done(const struct scene *s)
{
    for (uint32_t i = 0; i < s->plan->load_count; i++)
        if (!s->loads[i].done)
            return false;
    return true;
}

static uint64_t acknowledged(const struct scene *s)
{
    uint64_t count = 0;
    for (uint32_t i = 0; i < s->plan->load_count; i++)
        count += s->loads[i].worker->stats.counters.messages_accepted;
    return count;
}

static bool engine_finished(const struct scene *s)
{
    for (uint32_t i = 0; i < s->plan->worker_count; i++)
        if (!s->workers[i].finished)
            return false;
    return true;
}

static bool sinks_done(const struct scene *s)
{
    for (uint32_t i = 0; i < s->plan->sink_count; i++)
        if (!s->sinks[i].done)
            return false;
    return true;
}

static void enter(struct scene *s, enum phase phase)
{
    s->phase = phase;
    s->phase_us = world_now_us(s->world);
}

static void stop_engine(struct scene *s)
{
    enter(s, PHASE_STOPPING);
    for (uint32_t i = 0; i < s->plan->load_count; i++) {
        if (s->loads[i].done)
            continue;
        load_worker_stop(s->loads[i].worker);
        io_wake(s->workers[0].io, s->loads[i].io);
    }
    bool at_once = s->plan->end == END_CUT_OFF && s->plan->cut_off_after_us == 0;
    tell_engine(s, at_once ? STOP_AT_ONCE : STOP_GRACEFULLY);
}

static void stop_sinks(struct scene *s)
{
    enter(s, PHASE_CLOSING);
    for (uint32_t i = 0; i < s->plan->sink_count; i++) {
        sink_worker_stop(s->sinks[i].worker);
        io_wake(s->workers[0].io, s->sinks[i].io);
    }
}

static void look_while_loading(struct scene *s)
{
    uint64_t count = acknowledged(s);
    bool done = loads_done(s);
    move_domains(s, count);
    if (s->plan->end == END_DRAINED && done) {
        heal(s);
        enter(s, PHASE_DRAINING);
    } else if (s->plan->end != END_DRAINED && (done || count >= s->plan->stop_after_messages)) {
        stop_engine(s);
    }
}

static void look_while_stopping(struct scene *s)
{
    uint64_t since_us = world_now_us(s->world) - s->phase_us;
    if (engine_finished(s) && loads_done(s))
        stop_sinks(s);
    else if (s->plan->end == END_CUT_OFF && since_us >= s->plan->cut_off_after_us &&
             atomic_load(&s->shared.stop) != STOP_AT_ONCE)
        tell_engine(s, STOP_AT_ONCE);
}

static void look(struct scene *s)
{
    switch (s->phase) {
    case PHASE_LOADING: look_while_loading(s); break;
    case PHASE_DRAINING:
        if (s->turns % DRAINED_LOOK_TURNS == 0 && engine_counters(s).messages_left == 0)
            stop_engine(s);
        break;
    case PHASE_STOPPING: look_while_stopping(s); break;
    case PHASE_CLOSING:
        if (sinks_done(s))
            enter(s, PHASE_OVER);
        break;
    case PHASE_OVER: break;
    }
}

static _Noreturn void give_up(struct scene *s)
{
    static const char *const words[] = {"loading", "draining", "stopping", "closing", "over"};
    struct worker_counters sum = engine_counters(s);
    fprintf(stderr,
            "\n  seed %" PRIu64 ": %s never ends: %" PRIu64 " messages left, %u connections of the "
            "engine, finished:",
            s->plan->seed, words[s->phase], sum.messages_left, sum.deliver.connections);
    for (uint32_t i = 0; i < s->plan->worker_count; i++)
        fprintf(stderr, " %d", s->workers[i].finished);
    fprintf(stderr, "; loads done:");
    for (uint32_t i = 0; i < s->plan->load_count; i++)
        fprintf(stderr, " %d", s->loads[i].done);
    fprintf(stderr, "\n");
    exit(1);
}

// --- the end

static void check_limits(struct scene *s)
{
    for (uint32_t i = 0; i < s->plan->site_count; i++) {
        uint32_t peak = world_connections_peak(s->world, i);
        if (peak > s->plan->sites[i].connections_max)
            books_complain(&s->books, "site %u: %u connections at a time, %u allowed", i, peak,
                           s->plan->sites[i].connections_max);
    }
}

static void check_nothing_left(struct scene *s)
{
    if (world_descriptors_open(s->world) > 0)
        books_complain(&s->books, "%u descriptors are left", world_descriptors_open(s->world));
    if (world_requests_in_flight(s->world) > 0)
        books_complain(&s->books, "%u requests are left", world_requests_in_flight(s->world));
    if (world_buffers_lent(s->world) > 0)
        books_complain(&s->books, "%u buffers are left", world_buffers_lent(s->world));
}

typedef void read_file(struct books *b, struct slice text);

static void read_files(struct scene *s, const char *word, uint32_t count, read_file *read,
                       FILE *trace)
{
    char name[16];
    for (uint32_t i = 0; i < count; i++) {
        file_name(name, word, i);
        struct slice text = world_file(s->world, name);
        if (trace)
            fprintf(trace, "--- %s\n%.*s", name, SLICE_ARG(text));
        read(&s->books, text);
    }
}

static void free_all(struct scene *s)
{
    const struct plan *p = s->plan;
    for (uint32_t i = 0; i < p->worker_count; i++)
        io_close(s->workers[i].io, s->workers[i].events_fd);
    for (uint32_t i = 0; i < p->worker_count; i++)
        worker_free(s->workers[i].worker); // CHECKs that all its memory is back
    shared_release(&s->shared);
    for (uint32_t i = 0; i < p->load_count; i++)
        free_load(&s->loads[i]);
    for (uint32_t i = 0; i < p->sink_count; i++)
        free_sink(s, i);
    free_content(s);
    check_nothing_left(s);
    for (uint32_t i = 0; i < p->worker_count; i++)
        io_free(s->workers[i].io);
    for (uint32_t i = 0; i < p->load_count; i++)
        io_free(s->loads[i].io);
    for (uint32_t i = 0; i < p->sink_count; i++)
        io_free(s->sinks[i].io);
    world_free(s->world);
}

static struct scene_result scene_end(struct scene *s, FILE *trace)
{
    const struct plan *p = s->plan;
    struct scene_result result = {.sum = engine_counters(s)};
    read_files(s, "load", p->load_count, books_read_acknowledged, trace);
    read_files(s, "sink", p->sink_count, books_read_arrived, trace);
    read_files(s, "events", p->worker_count, books_read_events, trace);
    books_audit(&s->books, &result.sum);
    check_limits(s);
    result.trace = world_trace(s->world);
    result.us = world_now_us(s->world);
    free_all(s);
    result.complaint_count = s->books.complaint_count;
    result.arrivals = s->books.arrivals;
    result.duplicates = s->books.duplicates;
    result.in_doubt = s->books.in_doubt;
    books_release(&s->books);
    free(s);
    return result;
}

struct scene_result scene_play(const struct plan *p, FILE *trace)
{
    struct scene *s = calloc(1, sizeof(*s));
    struct world_options options = p->world;
    struct io *io;
    CHECK(s);
    s->plan = p;
    books_init(&s->books, p);
    options.trace = trace;
    s->world = world_new(&options);
    furnish(s);
    start_engine(s);
    write_content(s);
    for (uint32_t i = 0; i < p->sink_count; i++)
        start_sink(s, i);
    for (uint32_t i = 0; i < p->load_count; i++)
        start_load(s, i);
    enter(s, PHASE_LOADING);
    while (s->phase != PHASE_OVER && world_next(s->world, &io)) {
        owner_has_turn(s, io);
        s->turns++;
        look(s);
        if (world_now_us(s->world) - s->phase_us > PHASE_US_MAX)
            give_up(s);
    }
    CHECK(s->phase == PHASE_OVER);
    return scene_end(s, trace);
}
