// posthaste-load: sends mail to an SMTP server and measures how it takes it.
//
// The main thread reads the options, starts the workers, draws the bar, writes the CSV file, and
// prints the summary. See worker.h for what a worker does.
#include "bench/clock.h"
#include "bench/load/crew.h"
#include "bench/load/options.h"
#include "bench/load/report.h"
#include "bench/progress.h"
#include "bench/values.h"
#include "engine/base/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#define PROGRAM "posthaste-load"
#define DESCRIPTORS_SPARE 256
#define EXIT_INTERRUPTED 130

// What the main thread does while the workers work.
struct watch {
    const struct load_options *options;
    struct crew *crew;
    struct progress progress;
    FILE *csv;
    uint64_t start_us;
    uint64_t csv_us; // when the last line was written
    struct load_counters csv_counters;
    bool interrupted;
};

static bool open_files(struct load_options *o, FILE **ret_csv)
{
    if (o->ledger_path) {
        o->plan.ledger_fd = open(o->ledger_path,
                                 O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0644);
        if (o->plan.ledger_fd < 0) {
            fprintf(stderr, PROGRAM ": %s: %s\n", o->ledger_path, strerror(errno));
            return false;
        }
    }
    if (o->csv_path) {
        *ret_csv = fopen(o->csv_path, "we");
        if (!*ret_csv) {
            fprintf(stderr, PROGRAM ": %s: %s\n", o->csv_path, strerror(errno));
            return false;
        }
        load_csv_head(*ret_csv);
    }
    return true;
}

static void warn_of_descriptors(const struct load_options *o)
{
    uint64_t wanted = (uint64_t)o->plan.session_count + DESCRIPTORS_SPARE;
    uint64_t got = process_raise_descriptors(wanted);
    if (got < wanted)
        fprintf(stderr,
                PROGRAM ": only %llu descriptors are allowed: some of %u connections will fail "
                        "(ulimit -n)\n",
                (unsigned long long)got, o->plan.session_count);
}

static void draw(struct watch *v, const struct load_counters *c)
{
    const struct load_plan *plan = &v->options->plan;
    uint64_t done = load_messages_ended(c), at_us = clock_now_us();
    bool counted = plan->message_count != UINT64_MAX;
    double share = counted ? (double)done / (double)plan->message_count
                           : (double)(at_us - v->start_us) / (double)plan->duration_us;
    progress_draw(&v->progress, at_us, done, counted ? plan->message_count : 0, share);
}

static void write_csv(struct watch *v, const struct load_counters *c, bool last)
{
    uint64_t at_us = clock_now_us();
    if (!v->csv || (!last && at_us - v->csv_us < 1000000))
        return;
    struct histogram latency;
    crew_take_interval(v->crew, &latency);
    load_csv_line(v->csv, at_us - v->start_us, c, &v->csv_counters, &latency);
    v->csv_us += (at_us - v->csv_us) / 1000000 * 1000000;
    v->csv_counters = *c;
}

// Until all workers are over. A signal ends the run in an orderly way, a second SIGINT at once:
// that is a person. (timeout(1) sends its signal twice, to the process and to its group.)
static void watch_crew(struct watch *v, const sigset_t *signals)
{
    const struct timespec interval = {.tv_nsec = CREW_INTERVAL_US / 2 * 1000};
    struct load_counters counters;
    while (crew_look(v->crew, &counters)) {
        draw(v, &counters);
        write_csv(v, &counters, false);
        int number = sigtimedwait(signals, NULL, &interval);
        if (number < 0)
            continue;
        if (number == SIGINT && v->interrupted)
            _exit(EXIT_INTERRUPTED);
        v->interrupted = true;
        crew_stop(v->crew);
    }
    write_csv(v, &counters, true);
    progress_clear(&v->progress);
}

// Says what the machine could not do. True when it did something.
static bool machine_failed(const struct crew *c)
{
    for (uint32_t i = 0; i < c->member_count; i++) {
        const struct crew_member *m = &c->members[i];
        if (m->ring_error)
            fprintf(stderr, PROGRAM ": %s\n", io_new_explain(m->ring_error));
        else if (m->error)
            fprintf(stderr, PROGRAM ": worker %u: %s\n", i, strerror(-m->error));
        if (m->ring_error || m->error)
            return true;
    }
    return false;
}

static int summarise(const struct watch *v)
{
    const struct crew *c = v->crew;
    const struct load_options *o = v->options;
    struct load_report report = {.peer = o->peer_text,
                                 .stats = &c->stats,
                                 .cpu_us = process_cpu_us(),
                                 .interrupted = v->interrupted};
    uint64_t first_us = UINT64_MAX, last_us = 0;
    for (uint32_t i = 0; i < c->member_count; i++) {
        const struct crew_member *m = &c->members[i];
        report.gave_up = report.gave_up || m->gave_up;
        report.overdue += m->overdue;
        first_us = m->start_us < first_us ? m->start_us : first_us;
        last_us = m->verdict_us > last_us ? m->verdict_us : last_us;
    }
    report.start_us = first_us;
    report.elapsed_us = last_us > first_us ? last_us - first_us : 0;
    if (o->json)
        load_report_json(&report, stdout);
    else
        load_report_print(&report, stdout);
    if (v->interrupted)
        return EXIT_INTERRUPTED;
    if (report.gave_up)
        return EXIT_GAVE_UP;
    return load_error_share(&c->stats.counters) > o->error_share_max ? EXIT_TOO_MANY_ERRORS : 0;
}

static int run(struct load_options *o, FILE *csv)
{
    struct watch v = {.options = o, .csv = csv};
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &signals, NULL); // the workers inherit it
    signal(SIGPIPE, SIG_IGN);
    warn_of_descriptors(o);
    int error = crew_new(&v.crew, &o->plan, csv != NULL);
    if (!error)
        error = crew_start(v.crew);
    if (error) {
        fprintf(stderr, PROGRAM ": %s\n", strerror(-error));
        crew_free(v.crew);
        return EXIT_MACHINE;
    }
    v.start_us = v.csv_us = clock_now_us();
    progress_init(&v.progress, o->progress, v.start_us);
    watch_crew(&v, &signals);
    int exit_code = machine_failed(v.crew) ? EXIT_MACHINE : summarise(&v);
    crew_free(v.crew);
    return exit_code;
}

int main(int argc, char **argv)
{
    int exit_code;
    FILE *csv = NULL;
    struct load_options *o = calloc(1, sizeof(*o));
    if (!o)
        return EXIT_MACHINE;
    if (load_options_read(o, argc, argv, &exit_code))
        exit_code = open_files(o, &csv) ? run(o, csv) : EXIT_MACHINE;
    if (csv)
        fclose(csv);
    load_options_release(o);
    free(o);
    return exit_code;
}
