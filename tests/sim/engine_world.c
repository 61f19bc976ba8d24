#include "tests/sim/engine_world.h"

#include "engine/base/check.h"
#include "tests/sim/engine_certificates.h"
#include "tests/sim/engine_fate.h"
#include "tests/sim/engine_operator.h"
#include "tests/sim/engine_rates.h"
#include "tests/sim/tls_dice.h"

#include <inttypes.h>
#include <stdlib.h>

#define HOUR_US (3600 * PLAN_SECOND)
#define PHASE_US_MAX (2 * HOUR_US) // of virtual time: longer, and something waits for ever
#define DRAINED_LOOK_TURNS 32

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
    if (life_has_turn(&s->life, io))
        return;
    if (s->keeper == io)
        io_wait(s->keeper, fate_due_us(s));
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
        io_wake(s->keeper, s->loads[i].io);
    }
    bool at_once = s->plan->end == END_CUT_OFF && s->plan->cut_off_after_us == 0;
    life_tell(&s->life, at_once ? STOP_AT_ONCE : STOP_GRACEFULLY);
}

static void stop_sinks(struct scene *s)
{
    enter(s, PHASE_CLOSING);
    for (uint32_t i = 0; i < s->plan->sink_count; i++) {
        sink_worker_stop(s->sinks[i].worker);
        io_wake(s->keeper, s->sinks[i].io);
    }
}

static void look_while_loading(struct scene *s)
{
    uint64_t count = acknowledged(s);
    bool done = loads_done(s);
    if (done && s->loads_us == 0)
        s->loads_us = world_now_us(s->world);
    cast_move_domains(s, count);
    if (s->plan->end == END_DRAINED && done && fate_is_fulfilled(s)) {
        cast_heal(s);
        enter(s, PHASE_DRAINING);
        operator_lets_go(s);
    } else if (s->plan->end != END_DRAINED && s->life.state == LIFE_SERVING &&
               ((done && fate_is_fulfilled(s)) || count >= s->plan->stop_after_messages)) {
        stop_engine(s);
    }
}

static void look_while_stopping(struct scene *s)
{
    uint64_t since_us = world_now_us(s->world) - s->phase_us;
    if (s->life.state == LIFE_NONE && loads_done(s))
        stop_sinks(s);
    else if (s->plan->end == END_CUT_OFF && since_us >= s->plan->cut_off_after_us &&
             s->life.state == LIFE_SERVING && atomic_load(&s->life.shared.stop) != STOP_AT_ONCE)
        life_tell(&s->life, STOP_AT_ONCE);
}

static void look(struct scene *s)
{
    switch (s->phase) {
    case PHASE_LOADING: look_while_loading(s); break;
    case PHASE_DRAINING:
        if (s->turns % DRAINED_LOOK_TURNS == 0 && s->life.state == LIFE_SERVING &&
            life_counters(&s->life).messages_left == 0)
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
    struct counters sum = life_counters(&s->life);
    fprintf(stderr,
            "\n  seed %" PRIu64 ": %s never ends: life %u, state %d, %" PRIu64
            " messages left, %u connections of the engine, finished:",
            s->plan->seed, words[s->phase], s->life.number, s->life.state, sum.messages_left,
            sum.deliver.connections);
    for (uint32_t i = 0; i < s->life.worker_count; i++)
        fprintf(stderr, " %d", s->life.workers[i].finished);
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
    struct rates_seen seen = rates_seen();
    if (seen.excess_count > 0)
        books_complain(&s->books, "%u times too fast: %s", seen.excess_count, seen.excess);
}

static void check_secrecy(struct scene *s, struct scene_result *r)
{
    r->secrecy = secrecy_seen();
    if (r->secrecy.breach_count > 0)
        books_complain(&s->books, "%u times too open: %s", r->secrecy.breach_count,
                       r->secrecy.breach);
    for (uint32_t i = 0; i < s->plan->sink_count; i++) {
        const struct sink_stats *stats = &s->sinks[i].worker->stats;
        r->handshakes += stats->handshakes;
        r->handshakes_resumed += stats->handshakes_resumed;
        r->handshakes_failed += stats->handshakes_failed;
    }
}

static struct slice file_text(struct scene *s, const char *name, FILE *trace)
{
    struct slice text = world_file(s->world, name);
    if (trace)
        fprintf(trace, "--- %s\n%.*s", name, SLICE_ARG(text));
    return text;
}

static void read_files(struct scene *s, FILE *trace)
{
    char name[24];
    for (uint32_t i = 0; i < s->plan->load_count; i++) {
        cast_file_name(name, "load", i);
        books_read_acknowledged(&s->books, file_text(s, name, trace));
    }
    for (uint32_t i = 0; i < s->plan->sink_count; i++) {
        cast_file_name(name, "sink", i);
        books_read_arrived(&s->books, file_text(s, name, trace), i);
    }
    for (uint32_t life = 0; life < s->books.life_count; life++) {
        for (uint32_t i = 0; i < PLAN_WORKERS_MAX; i++) {
            life_events_name(name, life, i);
            books_read_events(&s->books, file_text(s, name, trace), life);
        }
        life_events_name(name, life + 1, PLAN_WORKERS_MAX);
        books_read_replay(&s->books, file_text(s, name, trace));
    }
}

static void read_reports(struct scene *s)
{
    struct sink_mailbox *mailbox = s->sinks[s->plan->sender_sink].mailbox;
    struct sink_mail **mails;
    uint32_t count;
    CHECK(sink_mailbox_list(mailbox, SLICE_EMPTY, &mails, &count) == 0);
    for (uint32_t i = 0; i < count; i++) {
        books_read_report(&s->books, mails[i]->bytes);
        sink_mailbox_unref(mailbox, mails[i]);
    }
    free(mails);
}

static struct scene_result scene_end(struct scene *s, FILE *trace)
{
    const struct plan *p = s->plan;
    struct scene_result result = {.sum = s->sum};
    read_files(s, trace);
    read_reports(s);
    books_audit(&s->books, &result.sum);
    check_limits(s);
    check_secrecy(s, &result);
    for (uint32_t i = 0; i < p->load_count; i++)
        result.unanswered += s->loads[i].worker->stats.counters.messages_lost;
    result.trace = world_trace(s->world);
    result.us = world_now_us(s->world);
    result.file_operations = world_file_operation_count(s->world);
    result.file_failures = world_file_failure_count(s->world);
    tls_dice_init(p->seed, NULL);
    cast_free(s);
    result.complaint_count = s->books.complaint_count;
    result.arrivals = s->books.arrivals;
    result.reports = s->books.reports_delivered;
    result.duplicates = s->books.duplicates;
    result.in_doubt = s->books.in_doubt;
    result.moved = s->books.moved;
    result.left_in_doubt = s->books.left_in_doubt;
    result.lives = s->books.life_count;
    result.last_acknowledged = s->books.messages[p->message_count].acknowledged;
    result.disk_good_us = s->disk_good_us;
    result.last_life_us = s->life.began_us;
    result.loads_us = s->loads_us;
    result.at_rate = rates_seen().at_limit;
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
    s->trace = trace;
    books_init(&s->books, p);
    random_init(&s->operator_dice, p->seed);
    options.trace = trace;
    life_log_to(trace);
    s->world = world_new(&options);
    rates_watch(p, s->world);
    secrecy_watch(p);
    certificates_prepare();
    tls_dice_init(p->seed, s->world);
    cast_start(s);
    enter(s, PHASE_LOADING);
    while (s->phase != PHASE_OVER && world_next(s->world, &io)) {
        owner_has_turn(s, io);
        s->turns++;
        fate_look(s);
        cast_turn_tls(s);
        operator_look(s);
        look(s);
        if (world_now_us(s->world) - s->phase_us > PHASE_US_MAX)
            give_up(s);
    }
    CHECK(s->phase == PHASE_OVER);
    return scene_end(s, trace);
}
