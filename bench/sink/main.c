// posthaste-sink: a mail exchanger for tests. Takes all mail, fast, keeps a ledger of it, and
// misbehaves as its script says.
//
// The main thread reads the options, starts the workers, draws the bar, decides when to end, and
// prints the summary. See worker.h for what a worker does.
#include "bench/clock.h"
#include "bench/progress.h"
#include "bench/sink/crew.h"
#include "bench/sink/mailbox.h"
#include "bench/sink/maildir.h"
#include "bench/sink/options.h"
#include "bench/sink/report.h"
#include "bench/values.h"
#include "engine/base/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#define PROGRAM "posthaste-sink"
#define DESCRIPTORS_WANTED (1u << 20)

static bool say_error(const char *what, int error)
{
    fprintf(stderr, PROGRAM ": %s: %s\n", what, strerror(-error));
    return false;
}

static bool open_files(struct sink_options *o)
{
    struct sink_plan *plan = &o->plan;
    int error = sink_limits_new(&plan->limits, &plan->limits_options);
    if (error)
        return say_error("limits", error);
    if (o->ledger_path) {
        plan->ledger_fd = open(o->ledger_path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC,
                               0644);
        if (plan->ledger_fd < 0)
            return say_error(o->ledger_path, -errno);
    }
    if (o->maildir_path && (error = sink_maildir_open(&plan->maildir, o->maildir_path)) < 0)
        return say_error(o->maildir_path, error);
    if (o->wants_mailbox && (error = sink_mailbox_new(&plan->mailbox, o->mailbox_bytes_max)) < 0)
        return say_error("mailbox", error);
    return true;
}

static void release_files(struct sink_options *o)
{
    sink_limits_free(o->plan.limits);
    sink_mailbox_free(o->plan.mailbox);
    sink_maildir_close(o->plan.maildir);
    if (o->plan.ledger_fd >= 0)
        close(o->plan.ledger_fd);
}

// Says why the crew did not start, or ended.
static void say_failures(const struct crew *c)
{
    for (uint32_t i = 0; i < c->member_count; i++) {
        const struct crew_member *m = &c->members[i];
        char text[IO_ADDRESS_TEXT_BYTES];
        if (m->ring_error)
            fprintf(stderr, PROGRAM ": %s\n", io_new_explain(m->ring_error));
        else if (m->listen_error)
            say_error(io_address_print(&m->listeners.items[m->listen_failed].address, text),
                      m->listen_error);
        else if (m->error)
            say_error("worker", m->error);
    }
}

// Under its name only when complete: who waits for it never reads half of it.
static bool write_ports(const char *path, const struct sink_listeners *l)
{
    char path_new[4096], text[IO_ADDRESS_TEXT_BYTES];
    snprintf(path_new, sizeof(path_new), "%s.new", path);
    FILE *file = fopen(path_new, "we");
    if (!file)
        return say_error(path_new, -errno);
    for (uint32_t i = 0; i < l->count; i++)
        fprintf(file, "%s%s\n", l->items[i].is_pop3 ? "pop3 " : "",
                io_address_print(&l->items[i].address, text));
    bool written = ferror(file) == 0;
    if (fclose(file) != 0 || !written || rename(path_new, path) < 0)
        return say_error(path, -errno);
    return true;
}

static void say_listening(const struct sink_listeners *l)
{
    char text[IO_ADDRESS_TEXT_BYTES];
    fprintf(stderr, PROGRAM ": listening on %s", io_address_print(&l->items[0].address, text));
    if (l->count > 1)
        fprintf(stderr, " and %u more", l->count - 1);
    fputc('\n', stderr);
}

// Until all workers are over. A signal ends in an orderly way, a second SIGINT at once: that is a
// person. (timeout(1) sends its signal twice, to the process and to its group.)
static void watch_crew(struct crew *c, const struct sink_options *o, const sigset_t *signals)
{
    const struct timespec interval = {.tv_nsec = CREW_INTERVAL_US / 2 * 1000};
    struct progress progress;
    struct crew_view view;
    bool stopping = false;
    progress_init(&progress, o->progress > 0, clock_now_us());
    for (crew_look(c, &view); view.runs; crew_look(c, &view)) {
        uint64_t at_us = clock_now_us();
        progress_draw(&progress, at_us, view.stats.recipients, o->progress,
                      (double)view.stats.recipients / (double)o->progress);
        bool idle = view.heard_us > 0 && at_us > view.heard_us &&
                    at_us - view.heard_us >= o->idle_us_max;
        int number = sigtimedwait(signals, NULL, &interval);
        if (number == SIGINT && stopping)
            _exit(EXIT_MACHINE);
        stopping = stopping || number > 0;
        if (stopping || idle || view.failed || view.stats.recipients >= o->recipients)
            crew_stop(c);
    }
    progress_clear(&progress);
}

static void summarise(struct crew *c, const struct sink_options *o)
{
    struct crew_view view;
    crew_look(c, &view);
    const struct sink_report report = {
        .stats = &view.stats,
        .peaks = sink_limits_peaks(o->plan.limits),
        .last_us = view.last_us,
        .elapsed_us = view.last_us > view.first_us ? view.last_us - view.first_us : 0,
        .cpu_us = process_cpu_us(),
        .resident_bytes_peak = process_resident_bytes_peak(),
    };
    if (o->json)
        sink_report_json(&report, stdout);
    else
        sink_report_print(&report, stdout);
}

static void remove_unix_sockets(const struct sink_listeners *l)
{
    for (uint32_t i = 0; i < l->count; i++)
        if (io_address_is_unix(&l->items[i].address))
            unlink(l->items[i].address.as.un.sun_path);
}

static int run_crew(struct crew *c, const struct sink_options *o, const sigset_t *signals)
{
    const struct sink_listeners *l = &c->members[0].listeners;
    struct crew_view view;
    if (!crew_start(c)) {
        say_failures(c);
        return EXIT_MACHINE;
    }
    say_listening(l);
    if (o->ports_path && !write_ports(o->ports_path, l))
        return EXIT_MACHINE;
    watch_crew(c, o, signals);
    summarise(c, o);
    remove_unix_sockets(l);
    say_failures(c);
    crew_look(c, &view);
    return view.failed ? EXIT_MACHINE : 0;
}

static int run(struct sink_options *o)
{
    struct crew *c = NULL;
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &signals, NULL); // the workers inherit it
    signal(SIGPIPE, SIG_IGN);
    process_raise_descriptors(DESCRIPTORS_WANTED);
    int error = crew_new(&c, &o->plan, &o->listeners);
    if (error) {
        say_error("workers", error);
        return EXIT_MACHINE;
    }
    int exit_code = run_crew(c, o, &signals);
    crew_free(c);
    return exit_code;
}

int main(int argc, char **argv)
{
    int exit_code;
    struct sink_options *o = calloc(1, sizeof(*o));
    if (!o)
        return EXIT_MACHINE;
    if (sink_options_read(o, argc, argv, &exit_code)) {
        exit_code = open_files(o) ? run(o) : EXIT_MACHINE;
        release_files(o);
    }
    sink_options_release(o);
    free(o);
    return exit_code;
}
