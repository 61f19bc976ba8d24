// bench/micro_engine.c: how the engine scales over its workers, without sessions, name server or
// exchangers: each worker is fed in its own turns (micro_feed.h), and all domains are discarded.
//
// One worker and two in turn, each run in a process of its own, so that whatever else the machine
// does meets both alike. What is compared are medians.
#include "bench/micro_feed.h"
#include "engine/base/check.h"
#include "engine/base/units.h"
#include "engine/io/io.h"
#include "engine/recovery.h"
#include "engine/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <urcu-qsbr.h>

#define RUNS_MAX 101u
#define WORKERS_MAX 2u
#define WANTED_THROUGHPUT 1.7 // of two workers, by that of one
#define WANTED_CPU 1.18
#define EXIT_MISSED 1
#define EXIT_TROUBLE 2
#define EXIT_USAGE 64

struct settings {
    struct feed_plan plan;
    uint32_t run_count;
    uint64_t workers;    // 0: one and two in turn
    const char *journal; // NULL: the null journal
};

// What one run has come to.
struct outcome {
    double per_s;
    double cpu_us; // of a message
    double crossed_percent;
    double wakes_per_1000; // messages
    double turns_per_1000;
    double heap_calls_per_1000;
};

// --- one run

struct thread {
    struct crew *crew;
    uint32_t number;
    pthread_t id;
    struct io *io;
    struct worker *worker;
    struct counters counters;
    uint64_t cpu_us;
};

struct crew {
    struct shared shared;
    struct recovery *recovery;
    struct thread threads[WORKERS_MAX];
    pthread_barrier_t barrier;
    uint64_t began_us;
};

static _Noreturn void fail(const char *what, int error)
{
    fprintf(stderr, "micro_engine: cannot %s: %s\n", what, strerrordesc_np(error));
    exit(EXIT_TROUBLE);
}

static uint64_t thread_cpu_us(void)
{
    struct rusage r;
    CHECK(getrusage(RUSAGE_THREAD, &r) == 0);
    return (uint64_t)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) * 1000000 +
           (uint64_t)(r.ru_utime.tv_usec + r.ru_stime.tv_usec);
}

static uint64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

// As engine.c does it, without signals and listeners.
static void *serve(void *argument)
{
    struct thread *t = argument;
    struct crew *c = t->crew;
    urcu_qsbr_register_thread();
    int error = io_new(&t->io, &(struct io_options){0});
    if (error < 0)
        fail("make a ring", -error);
    error = worker_new(&t->worker, &c->shared, t->number, t->io);
    if (error < 0)
        fail("make a worker", -error);
    pthread_barrier_wait(&c->barrier);
    if (t->number == 0)
        c->began_us = now_us();
    uint64_t before_us = thread_cpu_us();
    while (!worker_finished(t->worker)) {
        worker_turn(t->worker);
        uint64_t due_us = worker_sleeps(t->worker);
        urcu_qsbr_thread_offline();
        io_wait(t->io, due_us);
        urcu_qsbr_thread_online();
        worker_wakes(t->worker);
    }
    t->cpu_us = thread_cpu_us() - before_us;
    t->counters = worker_counters(t->worker);
    pthread_barrier_wait(&c->barrier); // jobs and pages of one lie in the queues of others
    worker_free(t->worker);
    io_free(t->io);
    urcu_qsbr_unregister_thread();
    return NULL;
}

// An empty folder gives each home what it begins with.
static void open_journal(struct crew *c, const struct config *config, const char *path)
{
    struct recovery_report report;
    struct refusal why;
    struct io_done done;
    struct io *io;
    c->shared.journal_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (c->shared.journal_fd < 0)
        fail("open the journal's folder", errno);
    for (uint32_t i = 0; i < c->shared.worker_count; i++)
        c->shared.journal_fds[i] = openat(c->shared.journal_fd, ".", O_RDONLY | O_DIRECTORY);
    int error = io_new(&io, &(struct io_options){0});
    if (error < 0)
        fail("make a ring", -error);
    urcu_qsbr_register_thread();
    c->recovery = recovery_new(&(struct recovery_options){.io = io,
                                                          .dir_fd = c->shared.journal_fd,
                                                          .events_fd = -1,
                                                          .table = &c->shared.segments,
                                                          .domains = c->shared.domains,
                                                          .limits = &config->limits,
                                                          .home_count = c->shared.worker_count,
                                                          .found = c->shared.found});
    if (!c->recovery)
        fail("recover", ENOMEM);
    while (!recovery_finished(c->recovery)) {
        io_wait(io, UINT64_MAX);
        while (io_next(io, &done))
            recovery_on_done(c->recovery, &done);
    }
    if (!recovery_result(c->recovery, &report, &why) || report.counters.messages > 0)
        fail("begin with an empty journal", EEXIST);
    urcu_qsbr_unregister_thread();
    io_free(io);
    c->shared.keys = recovery_keys(c->recovery, &c->shared.key_count);
}

static struct config *configure(const struct settings *s, uint32_t worker_count)
{
    struct config_place place = {
        .core_count = worker_count, .hostname = "bench.example", .home = "/tmp"};
    struct refusal why;
    struct config *c = config_load(NULL, &place, &why);
    if (!c)
        fail("configure", EINVAL);
    c->listener_count = 0;
    c->durable = s->journal != NULL;
    c->limits.fallback.route = &route_null;
    return c;
}

static struct outcome measure(const struct settings *s, uint32_t worker_count, const char *folder)
{
    static struct crew c;
    struct counters sum = {0};
    uint64_t cpu_us = 0;
    struct config *config = configure(s, worker_count);
    int error = shared_init(&c.shared, config, worker_count);
    if (error < 0)
        fail("start", -error);
    if (folder)
        open_journal(&c, config, folder);
    feed_prepare(&s->plan, &c.shared);
    pthread_barrier_init(&c.barrier, NULL, worker_count);
    for (uint32_t i = 0; i < worker_count; i++) {
        c.threads[i] = (struct thread){.crew = &c, .number = i};
        error = pthread_create(&c.threads[i].id, NULL, serve, &c.threads[i]);
        if (error)
            fail("start a thread", error);
    }
    for (uint32_t i = 0; i < worker_count; i++) {
        pthread_join(c.threads[i].id, NULL);
        counters_add(&sum, &c.threads[i].counters);
        cpu_us += c.threads[i].cpu_us;
    }
    CHECK(sum.deliver.delivered == s->plan.message_count && sum.messages_left == 0);
    double count = (double)s->plan.message_count;
    return (struct outcome){
        .per_s = count / ((double)(feed_ended_us() - c.began_us) / 1e6),
        .cpu_us = (double)cpu_us / count,
        .crossed_percent = (double)sum.jobs_crossed / (double)sum.jobs * 100,
        .wakes_per_1000 = (double)sum.wakes / count * 1000,
        .turns_per_1000 = (double)sum.turns / count * 1000,
        .heap_calls_per_1000 = (double)sum.block_heap_calls / count * 1000,
    };
}

// --- each run in a process of its own

static void make_folder(const struct settings *s, char path[4096])
{
    if ((size_t)snprintf(path, 4096, "%s/micro_engine-XXXXXX", s->journal) >= 4096 ||
        !mkdtemp(path))
        fail("make a folder for the journal", errno);
}

static void remove_folder(const char *path)
{
    char inner[4400];
    struct io_names *names;
    const char *name;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || io_names_open(NULL, fd, &names) < 0)
        fail("remove the journal", errno);
    while ((name = io_names_next(names))) {
        snprintf(inner, sizeof(inner), "%s/%s", path, name);
        unlink(inner);
    }
    io_names_close(names);
    close(fd);
    rmdir(path);
}

static struct outcome run(const struct settings *s, uint32_t worker_count)
{
    struct outcome o;
    char folder[4096];
    int fds[2], status;
    if (s->journal)
        make_folder(s, folder);
    fflush(stdout);
    if (pipe2(fds, O_CLOEXEC) < 0)
        fail("make a pipe", errno);
    pid_t child = fork();
    if (child < 0)
        fail("start a process", errno);
    if (child == 0) {
        o = measure(s, worker_count, s->journal ? folder : NULL);
        _exit(write(fds[1], &o, sizeof(o)) == sizeof(o) ? 0 : EXIT_TROUBLE);
    }
    close(fds[1]);
    bool good = read(fds[0], &o, sizeof(o)) == sizeof(o);
    close(fds[0]);
    good &= waitpid(child, &status, 0) == child && status == 0;
    if (s->journal)
        remove_folder(folder);
    if (!good)
        exit(EXIT_TROUBLE); // it has said why
    return o;
}

// --- the report

static int order(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

struct range {
    double median, least, most;
};

// `offset`: of a double in struct outcome.
static struct range spread_of(const struct outcome *runs, uint32_t count, size_t offset)
{
    double values[RUNS_MAX];
    for (uint32_t i = 0; i < count; i++)
        memcpy(&values[i], (const char *)&runs[i] + offset, sizeof(values[i]));
    qsort(values, count, sizeof(values[0]), order);
    double median = count % 2 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
    return (struct range){median, values[0], values[count - 1]};
}

static void print_run(uint32_t workers, const struct outcome *o)
{
    printf("  %u worker%s %9.0f a second  %6.3f us  %4.1f %% crossed  %6.3f wake-ups, %6.2f turns, "
           "%.2f heap calls a thousand\n",
           workers, workers > 1 ? "s" : " ", o->per_s, o->cpu_us, o->crossed_percent,
           o->wakes_per_1000, o->turns_per_1000, o->heap_calls_per_1000);
}

static void print_median(uint32_t workers, const struct outcome *runs, uint32_t count)
{
    struct range rate = spread_of(runs, count, offsetof(struct outcome, per_s));
    struct range cpu = spread_of(runs, count, offsetof(struct outcome, cpu_us));
    struct range crossed = spread_of(runs, count, offsetof(struct outcome, crossed_percent));
    struct range wakes = spread_of(runs, count, offsetof(struct outcome, wakes_per_1000));
    printf("%u worker%s %9.0f messages a second (%.0f to %.0f), %.3f us CPU a message (%.3f to "
           "%.3f), %.1f %% crossed, %.3f wake-ups a thousand\n",
           workers, workers > 1 ? "s:" : ": ", rate.median, rate.least, rate.most, cpu.median,
           cpu.least, cpu.most, crossed.median, wakes.median);
}

static bool print_ratio(const char *what, struct outcome runs[WORKERS_MAX][RUNS_MAX],
                        uint32_t count, size_t offset, double wanted, bool wanted_least)
{
    double least = 0, most = 0;
    for (uint32_t i = 0; i < count; i++) {
        double ratio = spread_of(&runs[1][i], 1, offset).median /
                       spread_of(&runs[0][i], 1, offset).median;
        least = i == 0 || ratio < least ? ratio : least;
        most = i == 0 || ratio > most ? ratio : most;
    }
    double ratio = spread_of(runs[1], count, offset).median /
                   spread_of(runs[0], count, offset).median;
    bool reached = wanted_least ? ratio >= wanted : ratio <= wanted;
    printf("%s of two by that of one: %.2f (pair by pair %.2f to %.2f); wanted: at %s %.2f: %s\n",
           what, ratio, least, most, wanted_least ? "least" : "most", wanted,
           reached ? "reached" : "missed");
    return reached;
}

static int compare(const struct settings *s)
{
    static struct outcome runs[WORKERS_MAX][RUNS_MAX];
    for (uint32_t i = 0; i < s->run_count; i++)
        for (uint32_t workers = 1; workers <= WORKERS_MAX; workers++) {
            if (s->workers && s->workers != workers)
                continue;
            runs[workers - 1][i] = run(s, workers);
            print_run(workers, &runs[workers - 1][i]);
        }
    for (uint32_t workers = 1; workers <= WORKERS_MAX; workers++)
        if (!s->workers || s->workers == workers)
            print_median(workers, runs[workers - 1], s->run_count);
    if (s->workers)
        return 0;
    bool fast = print_ratio("throughput", runs, s->run_count, offsetof(struct outcome, per_s),
                            WANTED_THROUGHPUT, true);
    bool cheap = print_ratio("CPU a message", runs, s->run_count, offsetof(struct outcome, cpu_us),
                             WANTED_CPU, false);
    return fast && cheap ? 0 : EXIT_MISSED;
}

// --- the command line

static const char help[] =
    "usage: micro_engine [OPTION...]\n"
    "\n"
    "Feeds an engine with one worker and one with two, in turn, from inside of their workers;\n"
    "all domains are via = \"null\". Tells messages a second, CPU a message, jobs that crossed to\n"
    "the other worker, and what two workers are worth.\n"
    "\n"
    "  --messages N       in each run (1000000)\n"
    "  --runs N           of each kind, at most 101 (5)\n"
    "  --workers N        only 1, or only 2: no comparison, for a profile\n"
    "  --domains N        that the messages go to in turn (1000)\n"
    "  --size SIZE        of a content (2k)\n"
    "  --per-turn N       messages made in a turn of a worker, at most (64)\n"
    "  --in-flight N      of a worker, made and not done with, at most (1024; 16384 with --journal)\n"
    "  --journal FOLDER   a durable journal, in a folder made there; else it is the null journal\n"
    "\n"
    "Exits with 0 when two workers reach what is wanted of them, 1 when they do not, 2 when it\n"
    "could not be measured, 64 when the command line is wrong.\n";

static _Noreturn void refuse_usage(const char *option)
{
    fprintf(stderr, "micro_engine: %s is wrong; --help tells what there is\n", option);
    exit(EXIT_USAGE);
}

static uint64_t number(const char *option, uint64_t most)
{
    uint64_t value;
    if (!slice_to_u64(slice_of_text(optarg), most, &value) || value == 0)
        refuse_usage(option);
    return value;
}

static void parse(int argc, char **argv, struct settings *s)
{
    static const struct option options[] = {
        {"messages", required_argument, NULL, 'm'},
        {"runs", required_argument, NULL, 'r'},
        {"workers", required_argument, NULL, 'w'},
        {"domains", required_argument, NULL, 'd'},
        {"size", required_argument, NULL, 's'},
        {"per-turn", required_argument, NULL, 't'},
        {"in-flight", required_argument, NULL, 'f'},
        {"journal", required_argument, NULL, 'j'},
        {"help", no_argument, NULL, 'h'},
        {0},
    };
    uint64_t bytes;
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 'm': s->plan.message_count = number("--messages", UINT32_MAX); break;
        case 'r': s->run_count = (uint32_t)number("--runs", RUNS_MAX); break;
        case 'w': s->workers = number("--workers", WORKERS_MAX); break;
        case 'd': s->plan.domain_count = (uint32_t)number("--domains", FEED_DOMAINS_MAX); break;
        case 's':
            if (!units_parse_bytes(slice_of_text(optarg), &bytes) || bytes < 2 || bytes > 1u << 20)
                refuse_usage("--size");
            s->plan.content_bytes = (uint32_t)bytes;
            break;
        case 't': s->plan.turn_count_max = (uint32_t)number("--per-turn", 100000); break;
        case 'f': s->plan.flight_count_max = (uint32_t)number("--in-flight", 100000); break;
        case 'j': s->journal = optarg; break;
        case 'h': fputs(help, stdout); exit(0);
        default: exit(EXIT_USAGE);
        }
    }
    if (optind < argc)
        refuse_usage(argv[optind]);
}

int main(int argc, char **argv)
{
    struct settings s = {
        .plan = {.message_count = 1000000,
                 .domain_count = 1000,
                 .content_bytes = 2048,
                 .turn_count_max = 64},
        .run_count = 5,
    };
    parse(argc, argv, &s);
    if (s.plan.flight_count_max == 0) // what is in a sync is in flight
        s.plan.flight_count_max = s.journal ? 16384 : 1024;
    return compare(&s);
}
