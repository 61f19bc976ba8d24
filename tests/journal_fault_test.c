// The journal when anything may go wrong: each single operation fails once, in every way; all
// orders of completions, sizes, faults and crashes, by seed. After each crash what a start would
// find is held against what was promised (journal_stage_crash.c).
#include "engine/base/check.h"
#include "tests/journal_stage.h"
#include "tests/suite.h"

#include <errno.h>
#include <stdlib.h>
#include <urcu/urcu-qsbr.h>

#ifdef POSTHASTE_DCHECK
#define SEEDS 40u // sanitizers take their time
#define OPS_STEP 5u
#else
#define SEEDS 200u
#define OPS_STEP 1u
#endif
#define STEPS 300u

// --- by seed

static uint32_t some_open(struct stage *s, uint32_t *ret_rcpt)
{
    for (uint32_t tries = 0; s->letter_count > 0 && tries < 20; tries++) {
        uint32_t letter = random_below(&s->dice, s->letter_count);
        *ret_rcpt = random_below(&s->dice, STAGE_RCPTS_MAX);
        if (stage_open_rcpt(s, letter, *ret_rcpt))
            return letter;
    }
    return UINT32_MAX;
}

// A file system's errors in the measure of `per_1000`; else good, or short.
static int32_t write_ends(struct stage *s, uint32_t per_1000)
{
    static const int32_t errors[] = {-EIO, -ENOSPC, -EDQUOT, -EROFS, 0};
    if (random_below(&s->dice, 1000) < per_1000)
        return errors[random_below(&s->dice, COUNT_OF(errors))];
    switch (random_below(&s->dice, 8)) {
    case 0: return random_below(&s->dice, 2) ? -EINTR : -EAGAIN;
    case 1: return (int32_t)(1 + random_below(&s->dice, (uint32_t)s->flight_bytes));
    default: return (int32_t)s->flight_bytes;
    }
}

static bool linked_to_the_write(const struct stage *s)
{
    return s->syncing && s->sync_linked && s->writing && s->write.kind == JOURNAL_WRITE_AND_SYNC;
}

static void end_something(struct stage *s, uint32_t per_1000)
{
    bool linked = linked_to_the_write(s);
    if (linked && random_below(&s->dice, 6) == 0) { // parted, or about to be: it may come first
        int32_t result = random_below(&s->dice, 2) ? (int32_t)s->flight_bytes : -EINTR;
        stage_synced(s, -ECANCELED);
        if (random_below(&s->dice, 2))
            stage_ask(s);
        stage_wrote(s, result);
    } else if (s->writing && (linked || random_below(&s->dice, 2))) {
        stage_wrote(s, write_ends(s, per_1000));
    } else if (s->syncing) {
        bool fails = random_below(&s->dice, 1000) < per_1000;
        if (s->sync_linked && (s->sync_parted || random_below(&s->dice, 10) == 0))
            stage_synced(s, -ECANCELED);
        else
            stage_synced(s, fails ? -EIO : 0);
    }
}

static void prepare_something(struct stage *s, uint32_t per_1000)
{
    if (s->task.kind == SEGMENTS_NOTHING)
        stage_prepare_begin(s);
    else if (random_below(&s->dice, 1000) >= per_1000)
        stage_prepare_end(s, 0);
    else
        stage_prepare_end(s, s->task.kind == SEGMENTS_MAKE ? -ENOSPC : -EIO);
}

static void come_in(struct stage *s)
{
    enum journal_fate fate;
    uint32_t rcpt, letter;
    switch (random_below(&s->dice, 8)) {
    case 0:
    case 1:
    case 2:
        if (journal_accepts(&s->journal, &fate) && s->letter_count < STAGE_LETTERS_MAX)
            stage_append(s, 1 + random_below(&s->dice, STAGE_RCPTS_MAX),
                         random_below(&s->dice, random_below(&s->dice, 30) ? 12000 : 100000));
        return;
    case 3:
        if ((letter = some_open(s, &rcpt)) != UINT32_MAX && !s->letters[letter].moving &&
            !journal_troubled(&s->journal))
            stage_move(s, letter);
        return;
    case 4:
        if ((letter = some_open(s, &rcpt)) != UINT32_MAX)
            stage_attempt(s, letter, entry_job_of_rcpt(s->letters[letter].entry, rcpt));
        return;
    default:
        if ((letter = some_open(s, &rcpt)) != UINT32_MAX && s->result_count < STAGE_RESULTS_MAX)
            stage_result(s, letter, rcpt,
                         random_below(&s->dice, 3)   ? RESULT_DELIVERED
                         : random_below(&s->dice, 2) ? RESULT_FAILED
                                                     : RESULT_DEFERRED,
                         60);
        return;
    }
}

struct sums {
    uint64_t committed, refused, broken, failed, moved, emptied, crashes, results;
};

static uint64_t seed_now; // for whoever wants to see it again

static void walk(uint64_t seed, struct sums *sums)
{
    seed_now = seed;
    uint64_t segments = seed % 3 ? 40 : 8; // now and then there is no room
    struct stage *s = stage_new(STAGE_SEGMENT_BYTES, segments * STAGE_SEGMENT_BYTES);
    random_init(&s->dice, seed);
    uint32_t per_1000 = seed % 4 ? random_below(&s->dice, 40) : 0;
    for (uint32_t step = 0; step < STEPS; step++) {
        for (uint32_t i = random_below(&s->dice, 4); i > 0; i--)
            come_in(s);
        for (uint32_t i = random_below(&s->dice, 3); i > 0; i--)
            end_something(s, per_1000);
        // As in a worker's turn: what the journal wants, then what the segments want.
        stage_ask(s);
        if (!journal_broken(&s->journal))
            prepare_something(s, per_1000);
        if (random_below(&s->dice, 4) == 0)
            s->now_us += random_below(&s->dice, 2 * JOURNAL_RESULTS_US_MAX);
        if (random_below(&s->dice, 20) == 0) {
            stage_check_crash(s, (enum stage_loss)random_below(&s->dice, 3), &s->dice);
            sums->crashes++;
        }
    }
    // Faults are over, and there is room: it comes to rest, and everybody has an answer.
    s->table.bytes_max = UINT64_MAX / 2;
    stage_settle(s);
    CU_ASSERT_EQUAL(s->settled_count, s->letter_count);
    stage_check_crash(s, LOSE_ALL, &s->dice);
    if (!journal_broken(&s->journal))
        for (uint32_t i = 0; i < s->result_count; i++)
            CU_ASSERT(s->results[i].durable);
    sums->committed += s->committed_count;
    sums->refused += s->refused_count;
    sums->broken += journal_broken(&s->journal);
    sums->failed += s->journal.counters.segments_failed;
    sums->emptied += s->segments.emptied_count;
    sums->results += s->result_count;
    stage_free(s);
}

static void whatever_happens_promises_are_kept(void)
{
    struct sums sums = {0};
    for (uint64_t seed = 1; seed <= SEEDS && CU_get_number_of_failures() == 0; seed++)
        walk(seed, &sums);
    printf(
        "\n    %lu committed, %lu refused, %lu results, %lu segments failed, %lu journals broken,\n"
        "    %lu segments emptied, %lu crashes ",
        sums.committed, sums.refused, sums.results, sums.failed, sums.broken, sums.emptied,
        sums.crashes);
    CU_ASSERT(sums.committed > SEEDS * 10 && sums.refused > SEEDS && sums.failed > SEEDS / 2);
    CU_ASSERT(sums.broken > SEEDS / 20 && sums.emptied > SEEDS && sums.results > SEEDS * 20);
}

// --- each operation once

enum fault {
    FAULT_EIO,
    FAULT_ENOSPC,
    FAULT_EINTR,
    FAULT_EAGAIN,
    FAULT_CANCELED,
    FAULT_SHORT_0,
    FAULT_SHORT_1,
    FAULT_SHORT_HALF,
    FAULT_SHORT_LAST,
    FAULT_COUNT,
};

// Which operations fail, counted from 1, and how; 0: none.
struct faults {
    uint32_t first, second;
    enum fault kind;
    uint32_t op; // that ended last
};

static bool fails_now(struct faults *f)
{
    f->op++;
    return f->op == f->first || f->op == f->second;
}

static int32_t write_result(struct stage *s, struct faults *f)
{
    int32_t whole = (int32_t)s->flight_bytes;
    if (!fails_now(f))
        return whole;
    switch (f->kind) {
    case FAULT_EIO: return -EIO;
    case FAULT_ENOSPC: return -ENOSPC;
    case FAULT_EINTR: return -EINTR;
    case FAULT_EAGAIN: return -EAGAIN;
    case FAULT_CANCELED: return -ECANCELED;
    case FAULT_SHORT_0: return 0;
    case FAULT_SHORT_1: return 1;
    case FAULT_SHORT_HALF: return whole / 2 ? whole / 2 : 1;
    case FAULT_SHORT_LAST: return whole > 1 ? whole - 1 : 1;
    case FAULT_COUNT: break;
    }
    CHECK(false);
}

static int32_t sync_result(struct stage *s, struct faults *f)
{
    if (s->sync_linked && s->sync_parted)
        return -ECANCELED;
    if (!fails_now(f))
        return 0;
    if (f->kind == FAULT_CANCELED)
        return s->sync_linked ? -ECANCELED : -EIO;
    return -EIO; // whatever it is: a sync is not repeated
}

static void turn(struct stage *s, struct faults *f)
{
    if (s->writing)
        stage_wrote(s, write_result(s, f));
    else if (s->syncing)
        stage_synced(s, sync_result(s, f));
    stage_ask(s);
    if (!journal_broken(&s->journal) && stage_prepare_begin(s))
        stage_prepare_end(s, fails_now(f) ? -EIO : 0);
    s->now_us += JOURNAL_RESULTS_US_MAX / 3;
}

// Three segments and a large message; what is old is delivered, some of it moved before.
static void scenario(struct faults *f)
{
    struct stage *s = stage_new(STAGE_SEGMENT_BYTES, 64 * STAGE_SEGMENT_BYTES);
    f->op = 0;
    for (uint32_t round = 0; round < 24; round++) {
        stage_append(s, 1 + round % 3, round == 11 ? 70000 : 4000 + round * 300);
        turn(s, f);
        if (round >= 4 && stage_open_rcpt(s, round - 4, 0)) {
            stage_attempt(s, round - 4, 0);
            stage_result(s, round - 4, 0, RESULT_DELIVERED, 0);
        }
        if (round >= 6 && stage_open_rcpt(s, round - 6, 1))
            stage_result(s, round - 6, 1, round % 2 ? RESULT_FAILED : RESULT_DEFERRED, 60);
        if (round % 8 == 7 && stage_open_rcpt(s, round - 3, 0) && !journal_troubled(&s->journal))
            stage_move(s, round - 3);
        turn(s, f);
        turn(s, f);
        if (f->first && f->op >= f->first && f->op <= f->first + 1)
            stage_check_crash(s, LOSE_SOME, &s->dice);
    }
    stage_settle(s);
    CU_ASSERT_EQUAL(s->settled_count, s->letter_count);
    stage_check_crash(s, LOSE_ALL, &s->dice);
    stage_check_crash(s, LOSE_NONE, &s->dice);
    for (uint32_t i = 0; !journal_broken(&s->journal) && i < s->result_count; i++)
        CU_ASSERT(s->results[i].durable);
    // One fault is got over; a short write, or one that was not tried, is nobody's loss.
    if (!f->second)
        CU_ASSERT(!journal_broken(&s->journal) && !journal_troubled(&s->journal));
    if (f->first == 0)
        CU_ASSERT_EQUAL(s->committed_count, s->letter_count);
    stage_free(s);
}

static void each_operation_fails_once(void)
{
    struct faults f = {0};
    scenario(&f);
    uint32_t count = f.op;
    CU_ASSERT(count > 50);
    for (f.kind = 0; f.kind < FAULT_COUNT; f.kind++)
        for (f.first = 1; f.first <= count; f.first += OPS_STEP)
            scenario(&f);
    printf("\n    %u operations, %u ways ", count, FAULT_COUNT);
}

static void each_two_that_follow_one_another_fail(void)
{
    struct faults f = {.kind = FAULT_EIO};
    scenario(&f);
    uint32_t count = f.op;
    for (f.first = 1; f.first <= count; f.first += OPS_STEP)
        for (f.second = f.first + 1; f.second <= f.first + 6; f.second++)
            scenario(&f);
}

static const struct suite_test tests[] = {
    {"each operation fails once", each_operation_fails_once},
    {"each two that follow one another fail", each_two_that_follow_one_another_fail},
    {"whatever happens promises are kept", whatever_happens_promises_are_kept},
};

int main(int argc, char **argv)
{
    urcu_qsbr_register_thread();
    int result = suite_main("journal_fault", tests, COUNT_OF(tests), argc, argv);
    if (result != 0)
        printf("the last seed was %lu\n", seed_now);
    urcu_qsbr_unregister_thread();
    return result;
}
