#include "tests/sim/engine_life.h"

#include "engine/base/check.h"
#include "engine/rates_file.h"
#include "tests/sim/engine_certificates.h"
#include "tests/sim/engine_memory.h"

#include <stdarg.h>
#include <stdlib.h>

static const struct io_options io_options = {
    .receive_buffer_count = 64, .receive_buffer_bytes = 2048, .offload_threads = 3};

// --- what it says

static FILE *log_file;

void life_log_to(FILE *trace)
{
    log_file = trace;
}

void __wrap_log_line(int level, const char *format, ...) __attribute__((format(printf, 2, 3)));
void __wrap_log_line(int level, const char *format, ...)
{
    va_list arguments;
    if (!log_file)
        return;
    fprintf(log_file, "log %d: ", level);
    va_start(arguments, format);
    vfprintf(log_file, format, arguments);
    va_end(arguments);
    fputc('\n', log_file);
}

static void tell_beginning(const struct life *l)
{
    const struct recovery_report *r = &l->report;
    if (log_file)
        fprintf(log_file,
                "life %u serves: %llu segments (%llu torn, %llu damaged, %llu unknown), %llu "
                "messages, %llu done with, %llu jobs in doubt\n",
                l->number, (unsigned long long)r->segments, (unsigned long long)r->torn,
                (unsigned long long)r->damaged, (unsigned long long)r->unknown,
                (unsigned long long)r->counters.messages, (unsigned long long)r->counters.done,
                (unsigned long long)r->counters.in_doubt);
}

static void tell_end(const struct life *l, const char *how)
{
    if (log_file)
        fprintf(log_file, "life %u %s\n", l->number, how);
}

static void complain(struct life *l, const char *what, uint32_t worker)
{
    if (!l->complaint[0])
        snprintf(l->complaint, sizeof(l->complaint), "life %u, worker %u: %s", l->number, worker,
                 what);
}

// --- its beginning

void life_events_name(char name[24], uint32_t number, uint32_t worker)
{
    snprintf(name, 24, "events-%u.%u", number, worker);
}

static void start_worker(struct life *l, uint32_t nth)
{
    struct life_worker *k = &l->workers[nth];
    char name[24];
    life_events_name(name, l->number, nth);
    k->events_fd = world_open_file(l->world, name);
    l->shared.events_fd = k->events_fd; // which the new worker keeps
    CHECK(worker_new(&k->worker, &l->shared, nth, k->io) == 0);
}

static void serve(struct life *l)
{
    for (uint32_t i = 0; i < l->worker_count; i++)
        CHECK(io_new(&l->workers[i].io, &io_options) == 0);
    for (uint32_t i = 0; i < l->worker_count; i++)
        start_worker(l, i);
    for (uint32_t i = 0; i < l->worker_count; i++)
        io_wait(l->workers[i].io, worker_sleeps(l->workers[i].worker));
    recovery_free(l->recovery);
    io_free(l->recovery_io);
    l->recovery = NULL;
    l->recovery_io = NULL;
    l->state = LIFE_SERVING;
    tell_beginning(l);
}

static void recovered(struct life *l)
{
    struct refusal why;
    if (!recovery_result(l->recovery, &l->report, &why)) {
        if (log_file)
            fprintf(log_file, "refused: %s\n", why.text);
        l->state = LIFE_REFUSED;
        return;
    }
    l->shared.keys = recovery_keys(l->recovery, &l->shared.key_count);
    l->shared.id_last = l->report.id_last;
    l->shared.cursor_fd = recovery_take_cursor(l->recovery);
    l->cursorless = l->shared.cursor_fd < 0;
    l->shared.cursor_base = atomic_load(&l->shared.segments.turn);
    serve(l);
}

static void recover(struct life *l)
{
    char name[24];
    CHECK(io_new(&l->recovery_io, &io_options) == 0);
    life_events_name(name, l->number, PLAN_WORKERS_MAX);
    l->replay_fd = world_open_file(l->world, name);
    struct recovery_options options = {
        .io = l->recovery_io,
        .dir_fd = l->shared.journal_fd,
        .events_fd = l->replay_fd,
        .table = &l->shared.segments,
        .domains = l->shared.domains,
        .limits = &l->config.limits,
        .home_count = l->worker_count,
        .found = l->shared.found,
    };
    l->state = LIFE_RECOVERING;
    l->recovery = recovery_new(&options);
    CHECK(l->recovery);
    io_wait(l->recovery_io, UINT64_MAX);
    if (recovery_finished(l->recovery))
        recovered(l);
}

// RFC 8463's: the cheaper algorithm.
static void take_key(struct life *l)
{
    static const char pem[] = "-----BEGIN PRIVATE KEY-----\n"
                              "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n"
                              "-----END PRIVATE KEY-----\n";
    const struct config_dkim *c = l->config.dkim;
    const char *why;
    struct dkim_key *key = dkim_key_read(slice_of_text(pem), &why);
    l->dkim = dkim_table_new(1);
    CHECK(key && l->dkim);
    struct dkim_domain *d = &l->dkim->domains[0];
    strcpy(d->name, c->domain);
    d->subdomains = c->subdomains;
    d->names = c->fields;
    dkim_domain_add(d, "brisbane", key);
    dkim_table_sort(l->dkim);
    l->shared.dkim = l->dkim;
}

// Joe's password is "secret", by the cheapest hash that is taken.
static void take_users(struct life *l)
{
    uint32_t line;
    const char *why;
    l->shared.users = users_parse(
        SLICE("joe:$6$rounds=1000$saltsalt$LAV5VE5Y7w1d73x1mFNspYWUpazfmwv2SoepNXNKJ/"
              "otop/Zok96Hr8Q13LEv0DRY/x8v0/crpIjl8NJSAqXV/:rate=1000000/s\n"),
        &line, &why);
    CHECK(l->shared.users);
}

// What rates_file_load() does, from the simulated disk.
static void remember_rates(struct life *l)
{
    struct rate_clock clock = {io_now_us(l->keeper), io_wall_us(l->keeper)};
    struct rate_memory *m = rate_memory_new();
    CHECK(m);
    l->shared.rates_fd = world_folder(l->world, RATES_FOLDER);
    const char *name;
    for (uint32_t i = 0; (name = world_disk_name(l->world, RATES_FOLDER, WORLD_CACHED, i)); i++) {
        char path[64];
        uint64_t bytes = 0;
        snprintf(path, sizeof(path), RATES_FOLDER "/%s", name);
        CHECK(world_disk_size(l->world, path, WORLD_CACHED, &bytes));
        char *text = calloc(1, bytes + 1);
        CHECK(text);
        size_t len = world_disk_read(l->world, path, WORLD_CACHED, 0, text, bytes);
        bool is_whole = rate_memory_read(m, slice_make(text, len), &clock);
        if (log_file)
            fprintf(log_file, "rates: %s, %zu bytes, %s\n", name, len,
                    is_whole ? "whole" : "not whole");
        free(text);
    }
    rate_memory_sort(m);
    l->shared.rate_memory = l->rate_memory = m;
}

void life_begin(struct life *l, struct world *w, struct io *keeper, const struct config *config,
                uint32_t number, uint32_t worker_count, bool rates_survive,
                struct io_address *addresses)
{
    *l = (struct life){.world = w,
                       .keeper = keeper,
                       .config = *config,
                       .number = number,
                       .worker_count = worker_count,
                       .replay_fd = -1,
                       .began_us = world_now_us(w)};
    l->config.tls.trusted_pem = certificates_anchor; // the system's take most of a scenario's time
    l->config.tls.trusted_bytes = strlen(certificates_anchor);
    l->config.worker_count = worker_count;
    memory_enter();
    CHECK(shared_init(&l->shared, &l->config, worker_count) == 0);
    if (l->config.dkim_count > 0)
        take_key(l);
    if (l->config.users_file[0])
        take_users(l);
    if (rates_survive)
        remember_rates(l);
    for (uint32_t i = 0; i < l->config.listener_count; i++) {
        addresses[i] = l->config.listeners[i].address;
        l->shared.listen_fds[i] = io_listen(NULL, &addresses[i], NULL);
        CHECK(l->shared.listen_fds[i] >= 0);
    }
    if (l->config.durable) {
        l->shared.journal_fd = world_folder(w, PLAN_FOLDER);
        for (uint32_t i = 0; i < worker_count; i++)
            l->shared.journal_fds[i] = world_folder(w, PLAN_FOLDER);
        recover(l);
    } else {
        serve(l);
    }
    memory_leave();
}

// --- its turns

static void recovery_has_turn(struct life *l)
{
    struct io_done done;
    while (io_next(l->recovery_io, &done))
        recovery_on_done(l->recovery, &done);
    io_wait(l->recovery_io, UINT64_MAX);
    if (l->state == LIFE_RECOVERING && recovery_finished(l->recovery))
        recovered(l);
}

// A letter without a wake-up would wait for whatever comes by next, and nobody would ever know.
static void check_nobody_sleeps_over_a_letter(struct life *l)
{
    for (uint32_t i = 0; i < l->worker_count; i++) {
        struct inbox *inbox = &l->shared.inboxes[i];
        if (!l->workers[i].finished && !world_is_awake(l->workers[i].io) &&
            !cds_wfcq_empty(&inbox->head, &inbox->tail))
            complain(l, "sleeps over a letter", i);
    }
}

// One that has finished has no turn any more: whatever still comes to it is lost.
static void worker_has_turn(struct life *l, uint32_t nth)
{
    struct life_worker *k = &l->workers[nth];
    uint64_t due_us = UINT64_MAX;
    if (k->finished) {
        struct io_done done;
        if (io_next(k->io, &done))
            complain(l, "a completion though it had finished", nth);
    } else {
        worker_wakes(k->worker);
        worker_turn(k->worker);
        due_us = worker_sleeps(k->worker);
        k->finished = worker_finished(k->worker);
    }
    io_wait(k->io, k->finished ? UINT64_MAX : due_us);
    check_nobody_sleeps_over_a_letter(l);
}

bool life_has_turn(struct life *l, const struct io *io)
{
    bool ours = l->recovery_io == io && l->recovery;
    memory_enter();
    if (ours)
        recovery_has_turn(l);
    for (uint32_t i = 0; l->state == LIFE_SERVING && !ours && i < l->worker_count; i++)
        if (l->workers[i].io == io) {
            worker_has_turn(l, i);
            ours = true;
        }
    memory_leave();
    return ours;
}

void life_tell(struct life *l, enum stop_stage stage)
{
    atomic_store(&l->shared.stop, (uint8_t)stage);
    for (uint32_t i = 0; l->state == LIFE_SERVING && i < l->worker_count; i++)
        io_wake(l->keeper, l->workers[i].io);
}

void life_ask(struct life *l, const char *request)
{
    if (l->state != LIFE_SERVING || l->workers[0].finished)
        return;
    if (log_file)
        fprintf(log_file, "operator: %s\n", request);
    memory_enter();
    worker_ask(l->workers[0].worker, request);
    memory_leave();
    io_wake(l->keeper, l->workers[0].io);
}

bool life_finished(const struct life *l)
{
    if (l->state != LIFE_SERVING)
        return false;
    for (uint32_t i = 0; i < l->worker_count; i++)
        if (!l->workers[i].finished)
            return false;
    return true;
}

bool life_broken(const struct life *l)
{
    return l->state == LIFE_SERVING && atomic_load(&l->shared.broken);
}

struct counters life_counters(const struct life *l)
{
    struct counters sum = {0};
    for (uint32_t i = 0; l->state == LIFE_SERVING && i < l->worker_count; i++) {
        struct counters c = worker_counters(l->workers[i].worker);
        counters_add(&sum, &c);
    }
    return sum;
}

// --- its end

static void free_ios(struct life *l)
{
    io_free(l->recovery_io);
    if (l->replay_fd >= 0)
        io_close(l->keeper, l->replay_fd);
    for (uint32_t i = 0; i < l->worker_count; i++) {
        if (l->workers[i].worker)
            io_close(l->keeper, l->workers[i].events_fd);
        io_free(l->workers[i].io);
    }
}

// Segments are open until the process ends.
static void close_journal(struct life *l)
{
    struct segment_table *t = &l->shared.segments;
    struct io *io = l->workers[0].io;
    if (l->shared.rates_fd >= 0)
        io_close(io, l->shared.rates_fd);
    if (l->shared.journal_fd < 0)
        return;
    io_close(io, l->shared.journal_fd);
    for (uint32_t i = 0; i < l->shared.worker_count; i++)
        io_close(io, l->shared.journal_fds[i]);
    if (l->shared.cursor_fd >= 0)
        io_close(io, l->shared.cursor_fd);
    for (uint32_t i = 0; i < t->count; i++)
        if (segment_at(t, i)->fd > 0)
            io_close(io, segment_at(t, i)->fd);
}

void life_end(struct life *l)
{
    CHECK(life_finished(l));
    memory_enter();
    for (uint32_t i = 0; i < l->worker_count; i++)
        worker_free(l->workers[i].worker); // CHECKs that all its memory is back
    close_journal(l);
    shared_release(&l->shared);
    dkim_table_free(l->dkim);
    rate_memory_free(l->rate_memory);
    memory_leave();
    if (memory_count() > 0)
        complain(l, "not all memory was given back", 0);
    memory_lose();
    free_ios(l);
    l->state = LIFE_NONE;
    tell_end(l, "ends");
}

void life_kill(struct life *l, bool power_cut)
{
    if (power_cut)
        world_power_cut(l->world);
    else
        world_process_killed(l->world);
    // The table is the one thing that others have allocated for it, in the library behind it.
    domain_table_free(l->shared.domains);
    memory_lose();
    free_ios(l);
    l->state = LIFE_NONE;
    tell_end(l, power_cut ? "ends in a power cut" : "is killed");
}
