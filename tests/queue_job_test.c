#include "engine/base/check.h"
#include "engine/base/random.h"
#include "queue/job.h"
#include "tests/suite.h"

#include <stdlib.h>

static void the_empty_calendar(void)
{
    struct calendar c;
    calendar_init(&c, 100);
    CU_ASSERT_EQUAL(calendar_next_s(&c), UINT32_MAX);
    CU_ASSERT_PTR_NULL(calendar_take(&c, 100));
    CU_ASSERT_PTR_NULL(calendar_take(&c, 3000000000u)); // at once, whatever the distance
    CU_ASSERT_EQUAL(calendar_next_s(&c), UINT32_MAX);
}

static void one_job_at_any_distance(void)
{
    static const uint32_t distances[] = {0,    1,    2,    62,   63,   64,   65,    4031,  4032,
                                         4094, 4095, 4096, 4097, 8191, 8192, 12345, 432000};
    static const uint32_t starts[] = {0, 1, 63, 64, 4095, 4096, 1000000007};
    for (size_t s = 0; s < COUNT_OF(starts); s++)
        for (size_t d = 0; d < COUNT_OF(distances); d++) {
            struct calendar c;
            struct job j = {.due_s = starts[s] + distances[d]};
            calendar_init(&c, starts[s]);
            calendar_add(&c, &j);
            uint32_t looks = 0;
            for (;;) { // wakes only when the calendar says so
                uint32_t next_s = calendar_next_s(&c);
                CU_ASSERT_FATAL(next_s >= starts[s] && next_s <= j.due_s);
                struct job *taken = calendar_take(&c, next_s);
                looks++;
                CU_ASSERT_EQUAL(taken != NULL, next_s == j.due_s);
                if (taken)
                    break;
            }
            CU_ASSERT(looks <= 1 + distances[d] / CALENDAR_SLOTS);
            CU_ASSERT_EQUAL(c.count, 0);
            CU_ASSERT_EQUAL(calendar_next_s(&c), UINT32_MAX);
        }
}

static void what_is_past_is_due_at_once(void)
{
    struct calendar c;
    struct job past = {.due_s = 5}, now = {.due_s = 100}, later = {.due_s = 101};
    calendar_init(&c, 100);
    calendar_add(&c, &later);
    CU_ASSERT_EQUAL(calendar_next_s(&c), 101);
    calendar_add(&c, &past);
    calendar_add(&c, &now);
    CU_ASSERT_EQUAL(calendar_next_s(&c), 100);
    struct job *j = calendar_take(&c, 100);
    CU_ASSERT(j && j->next && !j->next->next);
    CU_ASSERT_EQUAL(c.count, 1);
    CU_ASSERT_EQUAL(calendar_next_s(&c), 101);
    CU_ASSERT_PTR_EQUAL(calendar_take(&c, 101), &later);
}

// A slot that holds jobs of three laps gives each in its own.
static void laps_share_a_slot(void)
{
    struct calendar c;
    struct job jobs[3] = {
        {.due_s = 50 + 2 * CALENDAR_SLOTS}, {.due_s = 50}, {.due_s = 50 + CALENDAR_SLOTS}};
    calendar_init(&c, 10);
    for (int i = 0; i < 3; i++)
        calendar_add(&c, &jobs[i]);
    CU_ASSERT_PTR_EQUAL(calendar_take(&c, 50), &jobs[1]);
    CU_ASSERT_PTR_NULL(jobs[1].next);
    CU_ASSERT_EQUAL(calendar_next_s(&c), 50 + CALENDAR_SLOTS);
    CU_ASSERT_PTR_EQUAL(calendar_take(&c, 50 + CALENDAR_SLOTS), &jobs[2]);
    CU_ASSERT_PTR_EQUAL(calendar_take(&c, UINT32_MAX), &jobs[0]);
}

// Against a plain array, with steps from one second to several laps.
static void behaves_as_an_array_would(void)
{
    enum { JOBS = 2000, STEPS = 20000 };
    struct job *jobs = calloc(JOBS, sizeof(*jobs));
    bool *waits = calloc(JOBS, sizeof(*waits));
    struct calendar c;
    struct random dice;
    uint32_t now_s = 77, waiting = 0;
    CU_ASSERT_FATAL(jobs && waits);
    random_init(&dice, 1);
    calendar_init(&c, now_s);
    for (int step = 0; step < STEPS; step++) {
        uint32_t i = random_below(&dice, JOBS);
        if (!waits[i]) {
            jobs[i].due_s = now_s + random_below(&dice, random_below(&dice, 2) ? 100 : 20000);
            calendar_add(&c, &jobs[i]);
            waits[i] = true;
            waiting++;
        } else if (random_below(&dice, 3) == 0) {
            calendar_remove(&c, &jobs[i]);
            waits[i] = false;
            waiting--;
        }
        if (random_below(&dice, 4) > 0)
            continue;
        now_s += random_below(&dice, random_below(&dice, 50) ? 10 : 9000);
        for (struct job *j = calendar_take(&c, now_s), *next; j; j = next) {
            next = j->next;
            CU_ASSERT_FATAL(waits[j - jobs] && j->due_s <= now_s);
            waits[j - jobs] = false;
            waiting--;
        }
        CU_ASSERT_EQUAL_FATAL(c.count, waiting);
        uint32_t first_s = UINT32_MAX;
        for (i = 0; i < JOBS; i++)
            if (waits[i] && jobs[i].due_s < first_s)
                first_s = jobs[i].due_s;
        CU_ASSERT_FATAL(first_s > now_s); // nothing due was left behind
        CU_ASSERT_FATAL(calendar_next_s(&c) <= first_s);
        CU_ASSERT_FATAL(calendar_next_s(&c) > now_s);
    }
    free(waits);
    free(jobs);
}

static const struct suite_test tests[] = {
    {"the empty calendar", the_empty_calendar},
    {"one job at any distance", one_job_at_any_distance},
    {"what is past is due at once", what_is_past_is_due_at_once},
    {"laps share a slot", laps_share_a_slot},
    {"behaves as an array would", behaves_as_an_array_would},
};

SUITE_MAIN("queue_job", tests)
