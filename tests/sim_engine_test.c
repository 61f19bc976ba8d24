// tests/sim_engine_test.c: the whole engine between its clients and their recipients' exchangers,
// in a simulated world, many seeds: whatever goes wrong, what was acknowledged reaches an end,
// nothing arrives twice without a doubt, nothing is changed, no limit is passed, no mail is said to
// an exchanger in the clear, or to one that did not prove who he is, where its domain forbids that,
// and nothing is left over.
//
// In a third of the worlds exchangers offer TLS, by real OpenSSL (tests/sim/engine_plan_tls.h).
//
//     sim_engine_test                 POSTHASTE_SEEDS scenarios (POSTHASTE_LONG: 20 times as many)
//     sim_engine_test SEED [TRACE]    one scenario; a trace of it goes to the file TRACE
#include "engine/base/check.h"
#include "tests/sim/engine_world.h"
#include "tests/suite.h"

#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>
#include <urcu/urcu-qsbr.h>

#define SEEDS_DEFAULT 1000
#define SEEDS_LONG_FACTOR 20
#define FAIR_EVERY 10   // of the seeds, one has fair weather
#define TWICE_EVERY 100 // is played twice

static volatile uint64_t seed_now; // for who looks at a crash

static void on_abort(int signal_number)
{
    char text[48];
    int len = snprintf(text, sizeof(text), "\n  at seed %" PRIu64 "\n", seed_now);
    (void)!write(STDERR_FILENO, text, (size_t)len);
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

static uint64_t seed_count(void)
{
    const char *text = getenv("POSTHASTE_SEEDS");
    uint64_t count = text ? strtoull(text, NULL, 10) : SEEDS_DEFAULT;
    return getenv("POSTHASTE_LONG") ? count * SEEDS_LONG_FACTOR : count;
}

static struct scene_result play(uint64_t seed, FILE *trace)
{
    static struct plan p;
    seed_now = seed;
    plan_draw(&p, seed, seed % FAIR_EVERY == 0);
    return scene_play(&p, trace);
}

static void add(struct scene_result *sum, const struct scene_result *r)
{
    sum->arrivals += r->arrivals;
    sum->reports += r->reports;
    sum->duplicates += r->duplicates;
    sum->in_doubt += r->in_doubt;
    sum->left_in_doubt += r->left_in_doubt;
    sum->lives += r->lives;
    sum->moved += r->moved;
    sum->at_rate += r->at_rate;
    sum->secrecy.verified += r->secrecy.verified;
    sum->secrecy.encrypted += r->secrecy.encrypted;
    sum->secrecy.sealed += r->secrecy.sealed;
    sum->secrecy.fallen_back += r->secrecy.fallen_back;
    sum->handshakes += r->handshakes;
    sum->handshakes_resumed += r->handshakes_resumed;
    sum->handshakes_failed += r->handshakes_failed;
    sum->us += r->us;
    sum->sum.messages += r->sum.messages;
    sum->sum.messages_left += r->sum.messages_left;
    sum->sum.jobs += r->sum.jobs;
    sum->sum.jobs_crossed += r->sum.jobs_crossed;
    sum->sum.deliver.deferred += r->sum.deliver.deferred;
    sum->sum.deliver.failed += r->sum.deliver.failed;
    sum->sum.deliver.lent += r->sum.deliver.lent;
    sum->sum.deliver.signatures += r->sum.deliver.signatures;
    sum->sum.deliver.encoded += r->sum.deliver.encoded;
    sum->sum.deliver.transactions_ahead += r->sum.deliver.transactions_ahead;
    sum->sum.deliver.connections_opened += r->sum.deliver.connections_opened;
}

static void print(const struct scene_result *r)
{
    printf("\n  %" PRIu64 " messages, %" PRIu64 " left; %" PRIu64 " arrivals, %" PRIu64
           " of them again; %" PRIu64 " times deferred, %" PRIu64 " failed, %" PRIu64
           " in doubt; %" PRIu64 " jobs, %" PRIu64 " crossed; %" PRIu64
           " began ahead of replies; %" PRIu64 " lent; %" PRIu64 " signed, %" PRIu64
           " encoded; %" PRIu64 " connections; %u lives, %" PRIu64
           " recipients in doubt after them, %" PRIu64 " messages moved, %" PRIu64
           " reports to senders; %" PRIu64 " times at a rate's limit\n",
           r->sum.messages, r->sum.messages_left, r->arrivals, r->duplicates,
           r->sum.deliver.deferred, r->sum.deliver.failed, r->in_doubt, r->sum.jobs,
           r->sum.jobs_crossed, r->sum.deliver.transactions_ahead, r->sum.deliver.lent,
           r->sum.deliver.signatures, r->sum.deliver.encoded, r->sum.deliver.connections_opened,
           r->lives, r->left_in_doubt, r->moved, r->reports, r->at_rate);
    printf("  %" PRIu64 " handshakes, %" PRIu64 " resumed, %" PRIu64
           " failed; recipients told to exchangers: %" PRIu64 " verified, %" PRIu64
           " encrypted, %" PRIu64 " encrypted since they could be, %" PRIu64
           " in the clear since they could not\n",
           r->handshakes, r->handshakes_resumed, r->handshakes_failed, r->secrecy.verified,
           r->secrecy.encrypted, r->secrecy.sealed, r->secrecy.fallen_back);
}

// All that can become of TLS did.
static bool tls_was_foul(const struct scene_result *r)
{
    return r->handshakes_resumed > 0 && r->handshakes_failed > 0 && r->secrecy.verified > 0 &&
           r->secrecy.encrypted > 0 && r->secrecy.sealed > 0 && r->secrecy.fallen_back > 0;
}

static bool went_well(const struct scene_result *r)
{
    return r->in_doubt == 0 && r->unanswered == 0 && r->sum.deliver.deferred == 0 &&
           r->sum.messages_left == 0;
}

static void test_seeds(void)
{
    struct scene_result sum = {0};
    uint64_t count = seed_count();
    for (uint64_t seed = 1; seed <= count; seed++) {
        struct scene_result r = play(seed, NULL);
        CU_ASSERT_EQUAL(r.complaint_count, 0);
        if (seed % FAIR_EVERY == 0 && !went_well(&r)) {
            fprintf(stderr, "  seed %" PRIu64 ": not all was delivered at once\n", seed);
            CU_FAIL("fair weather");
        }
        if (seed % TWICE_EVERY == 1)
            CU_ASSERT_EQUAL(r.trace, play(seed, NULL).trace);
        add(&sum, &r);
    }
    print(&sum);
    // The weather was foul: all of what can happen did.
    CU_ASSERT(count < 100 ||
              (sum.duplicates > 0 && sum.sum.messages_left > 0 && sum.sum.deliver.deferred > 0 &&
               sum.sum.jobs_crossed > 0 && sum.sum.deliver.transactions_ahead > 0 &&
               sum.sum.deliver.lent > 0 && sum.reports > 0 && sum.sum.deliver.signatures > 0 &&
               sum.sum.deliver.encoded > 0 && sum.at_rate > 0 && tls_was_foul(&sum)));
}

static int replay(const char *seed, const char *trace_path)
{
    FILE *trace = trace_path ? fopen(trace_path, "we") : NULL;
    if (trace_path && !trace) {
        perror(trace_path);
        return 2;
    }
    struct scene_result r = play(strtoull(seed, NULL, 10), trace);
    print(&r);
    printf("  trace %016" PRIx64 ", %" PRIu64 " s of virtual time, %u complaints\n", r.trace,
           r.us / 1000000, r.complaint_count);
    if (trace)
        fclose(trace);
    return r.complaint_count > 0;
}

static const struct suite_test tests[] = {
    {"many seeds", test_seeds},
};

int main(int argc, char **argv)
{
    signal(SIGABRT, on_abort);
    urcu_qsbr_register_thread();
    int result = argc > 1 && argv[1][0] >= '0' && argv[1][0] <= '9'
                     ? replay(argv[1], argc > 2 ? argv[2] : NULL)
                     : suite_main("sim_engine", tests, COUNT_OF(tests), argc, argv);
    urcu_qsbr_unregister_thread();
    return result;
}
