#include "engine/engine.h"

#include "dns/sts.h"
#include "engine/base/check.h"
#include "engine/base/json.h"
#include "engine/base/log.h"
#include "engine/base/process.h"
#include "engine/notify.h"
#include "engine/pickup_owner.h"
#include "engine/recovery.h"
#include "engine/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include <urcu-qsbr.h>

#define SUMMARY_BYTES_MAX 16384u
#define DESCRIPTORS_WANTED 1000000u
#define LISTEN_TRIES 20 // a second in all

struct thread {
    struct engine *engine;
    uint32_t number;
    pthread_t id;
    struct io *io;
    struct worker *worker;
    struct counters counters; // once it has ended
    struct histogram commit_us;
};

struct engine {
    const struct config *config;
    struct shared shared;
    struct io_address addresses[CONFIG_LISTENERS_MAX];
    struct thread *threads; // shared.worker_count; the first is the caller's own
    struct recovery *recovery;
    int pickup_lock_fds[CONFIG_PICKUPS_MAX]; // of the first shared.pickup_count
    int signal_fd;
    pthread_barrier_t barrier;
    pthread_mutex_t gate; // guards the next two
    int error;            // the last that a worker met while it started
    bool no_ring;         // it was io_new() that said so
};

// A process that was killed a moment ago holds its addresses until the kernel has taken its rings
// down. The state directory is locked by now, so that it can only be that one, or a stranger.
static int listen_patiently(struct io_address *address, uint32_t mode)
{
    int fd = -EADDRINUSE;
    for (int tries = 0; fd == -EADDRINUSE && tries < LISTEN_TRIES; tries++) {
        if (tries > 0)
            nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
        fd = io_listen(NULL, address, &(struct io_listen_options){.mode = mode});
    }
    return fd;
}

static bool listen_all(struct engine *e, struct refusal *why)
{
    for (uint32_t i = 0; i < e->config->listener_count; i++) {
        const struct config_listener *l = &e->config->listeners[i];
        char text[IO_ADDRESS_TEXT_BYTES];
        e->addresses[i] = l->address;
        int fd = listen_patiently(&e->addresses[i], l->mode);
        if (fd < 0) {
            refuse(why, "cannot listen on %s: %s%s", io_address_print(&l->address, text),
                   strerror(-fd),
                   fd == -EADDRINUSE ? "; another program has it: stop that one, or choose "
                                       "another address for this listener"
                                     : "");
            return false;
        }
        e->shared.listen_fds[i] = fd;
    }
    return true;
}

static bool listen_for_operator(const struct io_address *address, uint32_t mode, int *ret_fd,
                                struct refusal *why)
{
    char text[IO_ADDRESS_TEXT_BYTES];
    struct io_address a = *address;
    if (a.len == 0)
        return true;
    int fd = listen_patiently(&a, mode);
    if (fd < 0)
        return refuse(why, "cannot listen on %s: %s", io_address_print(address, text),
                      strerror(-fd));
    *ret_fd = fd;
    return true;
}

struct engine *engine_new(const struct config *config, const struct dkim_table *dkim,
                          struct refusal *why)
{
    struct engine *e = calloc(1, sizeof(*e));
    struct thread *threads = calloc(config->worker_count, sizeof(*threads));
    if (!e || !threads || shared_init(&e->shared, config, config->worker_count) < 0) {
        refuse(why, "not enough memory");
        free(threads);
        free(e);
        return NULL;
    }
    e->config = config;
    e->shared.dkim = dkim;
    e->threads = threads;
    pthread_mutex_init(&e->gate, NULL);
    for (uint32_t i = 0; i < config->worker_count; i++)
        threads[i] = (struct thread){.engine = e, .number = i};
    process_raise_descriptors(DESCRIPTORS_WANTED);
    if (!listen_all(e, why) ||
        !listen_for_operator(&config->control_address, 0600, &e->shared.control_fd, why) ||
        !listen_for_operator(&config->metrics_address, 0, &e->shared.metrics_fd, why)) {
        engine_free(e);
        return NULL;
    }
    return e;
}

bool engine_disk_failed(const struct engine *e)
{
    return atomic_load(&e->shared.broken);
}

void engine_free(struct engine *e)
{
    if (!e)
        return;
    for (uint32_t i = 0; i < e->config->listener_count; i++)
        if (e->shared.listen_fds[i] >= 0 && io_address_is_unix(&e->addresses[i]))
            unlink(e->addresses[i].as.un.sun_path);
    if (e->shared.control_fd >= 0)
        unlink(e->config->control_address.as.un.sun_path);
    recovery_free(e->recovery);
    while (e->shared.configs) {
        struct config_kept *kept = e->shared.configs;
        e->shared.configs = kept->next;
        config_free(kept->config);
        free(kept);
    }
    for (uint32_t i = 0; i < e->shared.pickup_count; i++) {
        pickup_close(&e->shared.pickups[i]);
        if (e->pickup_lock_fds[i] >= 0)
            close(e->pickup_lock_fds[i]);
    }
    shared_release(&e->shared);
    pthread_mutex_destroy(&e->gate);
    free(e->threads);
    free(e);
}

// --- one worker's thread

// All have come this far. False: one of them brought an error, nobody goes on.
static bool meet(struct engine *e, int error, bool no_ring)
{
    pthread_mutex_lock(&e->gate);
    if (error < 0)
        e->error = error;
    e->no_ring |= no_ring;
    pthread_mutex_unlock(&e->gate);
    pthread_barrier_wait(&e->barrier);
    return e->error == 0;
}

static void tell_listeners(const struct engine *e)
{
    char text[IO_ADDRESS_TEXT_BYTES];
    for (uint32_t i = 0; i < e->config->listener_count; i++)
        log_line(LOG_LEVEL_INFO, "listening on %s", io_address_print(&e->addresses[i], text));
    for (uint32_t i = 0; i < e->config->pickup_count; i++)
        log_line(LOG_LEVEL_INFO, "picking up from %s", e->config->pickups[i].dir);
    if (e->shared.control_fd >= 0)
        log_line(LOG_LEVEL_INFO, "control socket %s", e->config->control_address.as.un.sun_path);
    if (!e->config->durable)
        log_line(LOG_LEVEL_WARNING,
                 "accepted mail is kept in memory only: journal { durable = no }");
}

// --- before the workers: what the journal holds

static void tell_recovery(const struct recovery_report *r, uint64_t took_us)
{
    const struct recover_counters *c = &r->counters;
    if (r->segments == 0)
        return;
    log_line(LOG_LEVEL_INFO,
             "journal: %llu messages for %llu recipients are waiting (%llu MiB in %llu segments "
             "read in %.1f s)",
             (unsigned long long)c->messages, (unsigned long long)c->recipients,
             (unsigned long long)(r->bytes >> 20), (unsigned long long)r->segments,
             (double)took_us / 1e6);
    if (r->events.told > 0)
        log_line(LOG_LEVEL_INFO, "events: %llu of the run before were not written, and are now",
                 (unsigned long long)r->events.told);
    if (r->events.dropped > 0)
        log_line(LOG_LEVEL_WARNING, "events: %llu of the run before are lost: they are too many",
                 (unsigned long long)r->events.dropped);
    if (c->in_doubt > 0)
        log_line(LOG_LEVEL_WARNING,
                 "journal: %llu deliveries were under way and may have arrived; they are tried "
                 "again later (retry-in-doubt)",
                 (unsigned long long)c->in_doubt);
    if (r->damaged + r->unknown + c->malformed > 0)
        log_line(LOG_LEVEL_ERROR,
                 "journal: %llu segments damaged, %llu unknown, %llu records "
                 "malformed",
                 (unsigned long long)r->damaged, (unsigned long long)r->unknown,
                 (unsigned long long)c->malformed);
}

static bool recover(struct engine *e, struct io *io, struct refusal *why)
{
    struct recovery_options options = {
        .io = io,
        .dir_fd = e->shared.journal_fd,
        .events_fd = atomic_load(&e->shared.events_fd),
        .table = &e->shared.segments,
        .domains = e->shared.domains,
        .limits = &e->config->limits,
        .home_count = e->shared.worker_count,
        .found = e->shared.found,
        .setbacks = e->shared.setbacks,
    };
    struct recovery_report report;
    uint64_t began_us = io_now_us(io);
    struct recovery *r = recovery_new(&options);
    if (!r)
        return refuse(why, "not enough memory");
    while (!recovery_finished(r)) {
        struct io_done done;
        io_wait(io, UINT64_MAX);
        while (io_next(io, &done))
            recovery_on_done(r, &done);
    }
    e->recovery = r; // its keys are for the workers
    if (!recovery_result(r, &report, why))
        return false;
    e->shared.keys = recovery_keys(r, &e->shared.key_count);
    e->shared.id_last = report.id_last;
    e->shared.cursor_fd = recovery_take_cursor(r);
    e->shared.cursor_base = atomic_load(&e->shared.segments.turn);
    tell_recovery(&report, io_now_us(io) - began_us);
    return true;
}

static bool recover_first(struct engine *e, struct refusal *why)
{
    struct io *io;
    if (e->shared.journal_fd < 0)
        return true;
    int error = io_new(&io, &(struct io_options){0});
    if (error < 0)
        return refuse(why, "%s", io_new_explain(error));
    urcu_qsbr_register_thread();
    bool good = recover(e, io, why);
    urcu_qsbr_unregister_thread();
    io_free(io);
    return good;
}

static bool open_pickups(struct engine *e, struct refusal *why)
{
    struct shared *s = &e->shared;
    for (uint32_t i = 0; i < e->config->pickup_count; i++) {
        const struct config_pickup *c = &e->config->pickups[i];
        int error = pickup_open(&s->pickups[i], c->dir);
        if (error < 0)
            return refuse(why, "pickup \"%s\": %s", c->dir, strerrordesc_np(-error));
        s->pickups[i].rules = (struct pickup_rules){
            .recipients_from_header = c->recipients_from_header,
            .priority = (int8_t)c->priority,
            .message_bytes_max = c->message_bytes_max,
            .rcpt_count_max = c->rcpt_count_max,
            .events_only = c->bounces == BOUNCES_EVENT,
            .verp = c->verp};
        s->pickup_count++;
        e->pickup_lock_fds[i] = pickup_owner_take(s->pickups[i].taken_fd, c->dir, s->journal_fd,
                                                  why);
        if (e->pickup_lock_fds[i] < 0)
            return false;
    }
    return true;
}

// --- one worker's turns

static void serve(struct thread *t)
{
    while (!worker_finished(t->worker)) {
        worker_turn(t->worker);
        uint64_t due_us = worker_sleeps(t->worker);
        urcu_qsbr_thread_offline();
        io_wait(t->io, due_us);
        urcu_qsbr_thread_online();
        worker_wakes(t->worker);
    }
}

// Twice what each core could do, since the site that has the work may be one worker's.
static unsigned offload_threads(const struct engine *e)
{
    uint32_t workers = e->shared.worker_count;
    uint32_t count = (2 * process_core_count() + workers - 1) / workers;
    if (e->config->mta_sts.use)
        count += STS_FETCHES_MAX; // so many may wait for the web, and hold up nobody
    return count < IO_OFFLOAD_THREADS_MAX ? count : IO_OFFLOAD_THREADS_MAX;
}

static void *thread_main(void *argument)
{
    struct thread *t = argument;
    struct engine *e = t->engine;
    bool no_ring = false;
    urcu_qsbr_register_thread();
    int error = io_new(&t->io, &(struct io_options){.offload_threads = offload_threads(e)});
    if (error < 0)
        no_ring = true;
    else
        error = worker_new(&t->worker, &e->shared, t->number, t->io);
    // Nobody serves before all are made: wake-ups need every worker's ring.
    if (meet(e, error, no_ring)) {
        if (t->number == 0) {
            recovery_free(e->recovery);
            e->recovery = NULL;
            doors_release(&e->shared.doors);
            worker_hear_signals(t->worker, e->signal_fd);
            tell_listeners(e);
            notify_say("READY=1");
        }
        serve(t);
        t->counters = worker_counters(t->worker);
        t->commit_us = *worker_commit_us(t->worker);
    }
    // Jobs and pages of one worker lie in the queues of others: all leave together.
    meet(e, 0, false);
    worker_free(t->worker);
    io_free(t->io);
    urcu_qsbr_unregister_thread();
    return NULL;
}

// --- the summary

static void print_commits(struct engine *e, struct json *j)
{
    struct histogram *sum = &e->threads[0].commit_us;
    for (uint32_t i = 1; i < e->shared.worker_count; i++)
        histogram_merge(sum, &e->threads[i].commit_us);
    json_u64(j, "commit-p50-us", histogram_quantile(sum, 500000));
    json_u64(j, "commit-p99-us", histogram_quantile(sum, 990000));
    json_u64(j, "commit-p999-us", histogram_quantile(sum, 999000));
}

// The last line of the events: what this run has done.
static void sum_up(struct engine *e, int events_fd)
{
    struct counters sum = {0};
    struct buffer line;
    struct json j;
    struct timespec now;
    for (uint32_t i = 0; i < e->shared.worker_count; i++)
        counters_add(&sum, &e->threads[i].counters);
    clock_gettime(CLOCK_REALTIME, &now);
    buffer_init(&line, SUMMARY_BYTES_MAX);
    json_init(&j, &line);
    json_object(&j, NULL);
    json_time(&j, "time", (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000);
    json_text(&j, "event", SLICE("stopped"));
    json_u64(&j, "workers", e->shared.worker_count);
    counters_print(&sum, &j);
    print_commits(e, &j);
    json_end(&j);
    if (events_fd >= 0 && json_ok(&j) && buffer_append_byte(&line, '\n') &&
        write(events_fd, line.data, line.len) < 0)
        log_line(LOG_LEVEL_WARNING, "events: %s", strerror(errno));
    buffer_release(&line);
    if (sum.messages_left > 0 && !e->config->durable)
        log_line(
            LOG_LEVEL_WARNING,
            "%llu accepted messages were not delivered yet and are lost: accepted mail is kept "
            "in memory only",
            (unsigned long long)sum.messages_left);
}

static void close_journal_of_each(struct engine *e)
{
    for (uint32_t i = 0; i < e->shared.worker_count && e->shared.journal_fd >= 0; i++)
        if (e->shared.journal_fds[i] > 0)
            close(e->shared.journal_fds[i]);
}

static bool open_journal_for_each(struct engine *e, struct refusal *why)
{
    for (uint32_t i = 0; i < e->shared.worker_count && e->shared.journal_fd >= 0; i++) {
        int fd = openat(e->shared.journal_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        e->shared.journal_fds[i] = fd;
        if (fd < 0) {
            int error = errno;
            close_journal_of_each(e);
            return refuse(why, "cannot open the journal's folder: %s", strerror(error));
        }
    }
    return true;
}

static bool run(struct engine *e, struct refusal *why)
{
    uint32_t count = e->shared.worker_count, started = 1;
    e->shared.limits = reroutes_apply(&e->shared.reroutes, e->config);
    if (!e->shared.limits)
        return refuse(why, "not enough memory");
    if (!open_pickups(e, why) || !recover_first(e, why))
        return false;
    if (!open_journal_for_each(e, why))
        return false;
    pthread_barrier_init(&e->barrier, NULL, count);
    for (; started < count; started++) {
        // Without a thread there is no way on and none back: the others wait for it.
        CHECK(pthread_create(&e->threads[started].id, NULL, thread_main, &e->threads[started]) ==
              0);
    }
    thread_main(&e->threads[0]);
    for (uint32_t i = 1; i < count; i++)
        pthread_join(e->threads[i].id, NULL);
    pthread_barrier_destroy(&e->barrier);
    close_journal_of_each(e);
    if (e->error < 0) {
        if (e->no_ring)
            refuse(why, "%s", io_new_explain(e->error));
        else
            refuse(why, "cannot start the workers: %s", strerror(-e->error));
        return false;
    }
    sum_up(e, atomic_load(&e->shared.events_fd));
    if (atomic_load(&e->shared.broken))
        return refuse(why, "the journal could not be written: see above");
    return true;
}

static void close_above_stdout(int fd)
{
    if (fd > STDOUT_FILENO)
        close(fd);
}

bool engine_run(struct engine *e, const struct engine_files *files, struct refusal *why)
{
    e->signal_fd = files->signal_fd;
    atomic_store(&e->shared.events_fd, files->events_fd);
    e->shared.journal_fd = files->journal_fd;
    e->shared.suppression_fd = files->suppression_fd;
    e->shared.tls.policies_fd = files->mta_sts_fd;
    e->shared.tls.counts_fd = files->tls_report_fd;
    e->shared.holds_fd = files->holds_fd;
    e->shared.rates_fd = files->rates_fd;
    e->shared.rate_memory = files->rate_memory;
    e->shared.holds = *files->holds;
    *files->holds = NULL;
    e->shared.reroutes = *files->reroutes;
    *files->reroutes = (struct reroutes){0};
    e->shared.doors = *files->doors;
    *files->doors = (struct doors){.count = 0};
    e->shared.users = *files->users;
    *files->users = NULL;
    e->shared.reload = files->reload;
    e->shared.reload_context = files->reload_context;
    bool good = tls_memory_open(&e->shared.tls, e->config->mta_sts.use, why) && run(e, why);
    tls_memory_close(&e->shared.tls);
    close_above_stdout(atomic_load(&e->shared.events_fd));
    close_above_stdout(e->shared.events_left_fd);
    close_above_stdout(e->shared.cursor_fd);
    return good;
}
