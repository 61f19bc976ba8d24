#include "tests/sim/engine_world.h"

#include "engine/base/check.h"
#include "tests/sim/engine_cast.h"

#include <inttypes.h>
#include <stdlib.h>

#define HOUR_US (3600 * PLAN_SECOND)
#define PHASE_US_MAX (2 * HOUR_US) // of virtual time: longer, and something waits for ever
#define DRAINED_LOOK_TURNS 32

// --- the engine as a whole

static struct counters engine_counters(const struct scene *s)
{
    struct counters sum = {0};
    for (uint32_t i = 0; i < s->plan->worker_count; i++) {
        struct counters c = worker_counters(s->workers[i].worker);
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

// A letter without a wake-up would wait for whatever comes by next, and nobody would ever know.
static void check_nobody_sleeps_over_a_letter(struct scene *s)
{
    for (uint32_t i = 0; i < s->plan->worker_count; i++) {
        struct inbox *inbox = &s->shared.inboxes[i];
        if (!s->workers[i].finished && !world_is_awake(s->workers[i].io) &&
            !cds_wfcq_empty(&inbox->head, &inbox->tail))
            books_complain(&s->books, "worker %u sleeps over a letter", i);
    }
}

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
    check_nobody_sleeps_over_a_letter(s);
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
    cast_move_domains(s, count);
    if (s->plan->end == END_DRAINED && done) {
        cast_heal(s);
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
    struct counters sum = engine_counters(s);
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

typedef void read_file(struct books *b, struct slice text);

static void read_files(struct scene *s, const char *word, uint32_t count, read_file *read,
                       FILE *trace)
{
    char name[16];
    for (uint32_t i = 0; i < count; i++) {
        cast_file_name(name, word, i);
        struct slice text = world_file(s->world, name);
        if (trace)
            fprintf(trace, "--- %s\n%.*s", name, SLICE_ARG(text));
        read(&s->books, text);
    }
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
    for (uint32_t i = 0; i < p->load_count; i++)
        result.unanswered += s->loads[i].worker->stats.counters.messages_lost;
    result.trace = world_trace(s->world);
    result.us = world_now_us(s->world);
    cast_free(s);
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
    cast_start(s);
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
