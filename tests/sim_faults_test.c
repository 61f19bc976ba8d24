// tests/sim_faults_test.c: one small scenario of the whole engine, again and again: each operation
// on the disk fails once, and each is the first of many that fail.
//
// The scenario has messages that are delivered, deferred and refused, several small segments, a
// limit of space that makes it move messages, a kill, and a second life with more workers. Whatever
// fails: nothing that was acknowledged is lost, nothing comes twice without a reason, nobody waits
// for ever, and mail is taken again when the disk is good again.
//
//     sim_faults_test                     all of it
//     sim_faults_test NTH RESULT [TRACE]  operation NTH fails with RESULT (-errno, or 1..4: short),
//                                         from then on if RESULT ends in '+'
#include "engine/base/check.h"
#include "engine/smtp/client.h"
#include "tests/sim/engine_world.h"
#include "tests/sim/world_disk.h"
#include "tests/suite.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>
#include <urcu/urcu-qsbr.h>

#define SEED 20 // of a fair plan with few domains, and without TLS
#define MESSAGES 30
#define RATE_PER_S 10.0
#define FAILS_US 600000
#define RESUMES_US 1500000 // segments whose reading failed are emptied first
#define RUNS_MAX 5000      // of one kind of failure

static uint64_t nth_now; // for who looks at a crash
static int result_now;
static bool from_then_on_now;

static void on_abort(int signal_number)
{
    char text[80];
    int len = snprintf(text, sizeof(text), "\n  at operation %" PRIu64 ", %d%s\n", nth_now,
                       result_now, from_then_on_now ? "+" : "");
    (void)!write(STDERR_FILENO, text, (size_t)len);
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

// But for the sender's: a report that he refuses tells him nothing.
static void add_rule(struct plan *p, const char *rule)
{
    const char *why;
    for (uint32_t i = 0; i < p->sink_count; i++)
        if (i != p->sender_sink)
            CHECK(sink_script_add(&p->sinks[i].script, slice_of_text(rule), &why));
}

static void plan_small(struct plan *p)
{
    plan_draw(p, SEED, true);
    CHECK(!p->has_tls); // the same would take longer
    p->world = (struct world_options){.seed = SEED, .cut_mode = WORLD_CUT_NONE};
    p->worker_count = 1;
    p->load_count = 1;
    p->message_count = MESSAGES;
    p->loads[0].worker_count = 1;
    p->loads[0].message_count = MESSAGES;
    p->loads[0].session_count = 3;
    p->loads[0].ramp_us = 0;
    p->loads[0].rate_per_s = RATE_PER_S;
    p->loads[0].rcpt_count = 3;
    p->content_from_files = false;
    p->content_bytes_min = 1000;
    p->content_bytes_max = 6000;
    add_rule(p, "RCPT 20% 450 4.2.1 later");
    add_rule(p, "RCPT 5% 550 5.1.1 no such user");
    add_rule(p, ". 10% 451 4.3.0 later");
    p->durable = p->config.durable = true;
    p->config.segment_bytes = FORMAT_SEGMENT_BYTES_MIN;
    p->config.journal_bytes_max = 24 * FORMAT_SEGMENT_BYTES_MIN;
    p->death_count = 1;
    p->deaths[0] = (struct plan_death){
        .kind = DEATH_KILLED, .after_us = 1500000, .pause_us = 1000, .worker_count = 2};
    p->end = END_DRAINED;
}

static struct scene_result play(uint64_t nth, int result, bool from_then_on, FILE *trace)
{
    static struct plan p;
    plan_small(&p);
    p.disk = (struct plan_disk){.fail_nth = nth,
                                .fail_result = result,
                                .fail_from_then_on = from_then_on,
                                .fail_us = FAILS_US};
    nth_now = nth;
    result_now = result;
    from_then_on_now = from_then_on;
    return scene_play(&p, trace);
}

struct tally {
    uint64_t runs, operations, lives, arrivals, duplicates;
};

// From when on there was no reason to refuse mail: the disk was good, and the engine there. (One
// that has ended is started again only when its last deliveries have come to their end.)
static uint64_t good_us(const struct scene_result *r)
{
    return r->disk_good_us > r->last_life_us ? r->disk_good_us : r->last_life_us;
}

// Each operation, until so late a one that the scenario ends before it.
static void fail_each(int result, bool from_then_on, struct tally *t)
{
    // The first of many failures: each of them in long runs, else every fourth.
    uint64_t step = from_then_on && !getenv("POSTHASTE_LONG") ? 4 : 1;
    for (uint64_t nth = 1;; nth += step) {
        struct scene_result r = play(nth, result, from_then_on, NULL);
        if (r.file_failures == 0 && nth > r.file_operations)
            return;
        CU_ASSERT_FATAL(nth < RUNS_MAX);
        CU_ASSERT_EQUAL(r.complaint_count, 0);
        if (r.complaint_count > 0)
            printf("\n  operation %" PRIu64 ", %d%s\n", nth, result, from_then_on ? "+" : "");
        bool resumed = r.last_acknowledged || r.loads_us < good_us(&r) + RESUMES_US;
        CU_ASSERT(resumed);
        if (!resumed)
            printf("\n  operation %" PRIu64 ", %d%s: no mail is taken any more, %" PRIu64
                   " us after it could be\n",
                   nth, result, from_then_on ? "+" : "", r.loads_us - good_us(&r));
        t->runs++;
        t->operations += r.file_operations;
        t->lives += r.lives;
        t->arrivals += r.arrivals;
        t->duplicates += r.duplicates;
    }
}

static void fail_each_way(int result, bool from_then_on)
{
    static const char *const shorts[] = {
        [WORLD_SHORT_NOTHING] = "nothing",
        [WORLD_SHORT_ONE] = "one byte",
        [WORLD_SHORT_HALF] = "half of it",
        [WORLD_SHORT_ALL_BUT_ONE] = "all but one byte",
    };
    struct tally t = {0};
    fail_each(result, from_then_on, &t);
    printf("\n  %s%s: %" PRIu64 " runs, %" PRIu64 " operations on the disk, %" PRIu64
           " lives, %" PRIu64 " arrivals, %" PRIu64 " of them again",
           result < 0 ? strerrorname_np(-result) : shorts[result],
           from_then_on ? " from then on" : "", t.runs, t.operations, t.lives, t.arrivals,
           t.duplicates);
}

static void fail_each_both_ways(int result)
{
    fail_each_way(result, false);
    fail_each_way(result, true);
}

// Without failures all parts of it are there.
static void test_itself(void)
{
    struct scene_result r = play(0, 0, false, NULL);
    CU_ASSERT_EQUAL(r.complaint_count, 0);
    CU_ASSERT_EQUAL(r.lives, 2);
    CU_ASSERT_EQUAL(r.sum.messages_left, 0);
    CU_ASSERT(r.last_acknowledged);
    CU_ASSERT(r.sum.deliver.deferred > 0);
    CU_ASSERT(r.moved > 0);
    printf("\n  %" PRIu64 " operations on the disk", r.file_operations);
}

static void test_eio(void)
{
    fail_each_both_ways(-EIO);
}

static void test_enospc(void)
{
    fail_each_both_ways(-ENOSPC);
}

// Nothing at all is read or written once; from then on it would be no disk any more. Half of one
// byte, or all but one, is nothing too.
static void test_others(void)
{
    static const int errors[] = {-EDQUOT, -EROFS, -EINTR, -EAGAIN, -ECANCELED, WORLD_SHORT_ONE};
    static const int once[] = {WORLD_SHORT_NOTHING, WORLD_SHORT_HALF, WORLD_SHORT_ALL_BUT_ONE};
    if (!getenv("POSTHASTE_LONG"))
        return;
    for (size_t i = 0; i < COUNT_OF(errors); i++)
        fail_each_both_ways(errors[i]);
    for (size_t i = 0; i < COUNT_OF(once); i++)
        fail_each_way(once[i], false);
}

static int replay(char **arguments)
{
    char *end;
    uint64_t nth = strtoull(arguments[0], NULL, 10);
    int result = (int)strtol(arguments[1], &end, 10);
    FILE *trace = arguments[2] ? fopen(arguments[2], "we") : NULL;
    struct scene_result r = play(nth, result, *end == '+', trace);
    printf("  %u lives, %" PRIu64 " arrivals, %" PRIu64 " again, %" PRIu64 " operations, %" PRIu64
           " failed, last acknowledged %d, %" PRIu64 " moved, %u complaints\n",
           r.lives, r.arrivals, r.duplicates, r.file_operations, r.file_failures,
           r.last_acknowledged, r.moved, r.complaint_count);
    if (trace)
        fclose(trace);
    return r.complaint_count > 0;
}

static const struct suite_test tests[] = {
    {"without failures", test_itself},
    {"EIO", test_eio},
    {"ENOSPC", test_enospc},
    {"others", test_others},
};

int main(int argc, char **argv)
{
    signal(SIGABRT, on_abort);
    urcu_qsbr_register_thread();
    int result = argc > 2 && argv[1][0] >= '0' && argv[1][0] <= '9'
                     ? replay(argv + 1)
                     : suite_main("sim_faults", tests, COUNT_OF(tests), argc, argv);
    urcu_qsbr_unregister_thread();
    return result;
}
