// What a home remembers of a queued message, and what that costs.
#include "engine/base/check.h"
#include "queue/job.h"
#include "tests/suite.h"

#include <stdlib.h>

#define RECIPIENT_BYTES_MAX 96u // of memory for a queued one-recipient message

// Groups as lengths, ended by 0.
static const struct {
    const char *name;
    uint32_t groups[8];
} shapes[] = {
    {"one", {1}},
    {"two at one domain", {2}},
    {"two domains", {1, 1}},
    {"mixed", {3, 1, 2}},
    {"the last alone", {5, 1}},
    {"the first alone", {1, 5}},
    {"many", {9, 9, 9, 1}},
    {"seven domains", {1, 1, 1, 1, 1, 1, 1}},
};

static uint32_t rcpts_of(const uint32_t groups[8], struct message_rcpt *rcpts,
                         uint32_t *ret_job_count)
{
    uint32_t count = 0, jobs = 0;
    for (; jobs < 8 && groups[jobs]; jobs++)
        for (uint32_t i = 0; i < groups[jobs]; i++)
            rcpts[count++] = (struct message_rcpt){.starts_group = i == 0};
    *ret_job_count = jobs;
    return count;
}

static void jobs_are_as_the_groups(void)
{
    for (size_t i = 0; i < COUNT_OF(shapes); i++) {
        struct slab jobs;
        struct message_rcpt rcpts[64];
        uint32_t job_count;
        uint32_t count = rcpts_of(shapes[i].groups, rcpts, &job_count);
        slab_init(&jobs, sizeof(struct job), 100);
        struct entry *e = entry_new(&jobs, 5, rcpts, count, job_count);
        CU_ASSERT_PTR_NOT_NULL_FATAL(e);
        CU_ASSERT_EQUAL(e->place, PLACE_NONE);
        CU_ASSERT_EQUAL(entry_job_count(e), job_count);
        CU_ASSERT_EQUAL(entry_open_count(e), job_count);
        CU_ASSERT_EQUAL(jobs.item_count, job_count);
        CU_ASSERT_EQUAL(e->has_spread, count > 1);
        CU_ASSERT_EQUAL(entry_spread_bytes(e) > 0, count > 1);
        uint32_t first = 0;
        for (uint32_t k = 0; k < job_count; k++) {
            struct job *j = entry_job(e, k);
            CU_ASSERT_PTR_EQUAL(j->entry, e);
            CU_ASSERT_PTR_EQUAL(j, slab_at(&jobs, j->index));
            CU_ASSERT(j->home == 5 && j->rcpt_first == first &&
                      j->rcpt_count == shapes[i].groups[k]);
            CU_ASSERT_EQUAL(job_open_count(j), j->rcpt_count);
            for (uint32_t n = 0; n < j->rcpt_count; n++)
                CU_ASSERT_EQUAL(entry_job_of_rcpt(e, first + n), k);
            first += j->rcpt_count;
        }
        entry_free(&jobs, e);
        CU_ASSERT_EQUAL(jobs.item_count, 0);
        slab_release(&jobs);
    }
}

// Each recipient has a state of its own, whatever its neighbours have.
static void states_are_kept_apart(void)
{
    for (size_t i = 0; i < COUNT_OF(shapes); i++) {
        struct slab jobs;
        struct message_rcpt rcpts[64];
        uint32_t job_count;
        uint32_t count = rcpts_of(shapes[i].groups, rcpts, &job_count);
        slab_init(&jobs, sizeof(struct job), 100);
        struct entry *e = entry_new(&jobs, 0, rcpts, count, job_count);
        CU_ASSERT_PTR_NOT_NULL_FATAL(e);
        for (uint32_t changed = 0; changed < count; changed++)
            for (enum rcpt_state state = RCPT_DELIVERED; state <= RCPT_DEFERRED; state++) {
                struct job *j = entry_job(e, entry_job_of_rcpt(e, changed));
                job_set_rcpt_state(j, changed, state);
                for (uint32_t n = 0; n < count; n++)
                    CU_ASSERT_EQUAL(job_rcpt_state(entry_job(e, entry_job_of_rcpt(e, n)), n),
                                    n == changed ? state : RCPT_OPEN);
                CU_ASSERT_EQUAL(job_open_count(j), j->rcpt_count - 1u);
                job_set_rcpt_state(j, changed, RCPT_OPEN);
            }
        entry_free(&jobs, e);
        slab_release(&jobs);
    }
}

static void the_message_is_lent_either_way(void)
{
    for (uint32_t count = 1; count < 3; count++) {
        struct slab jobs;
        struct message m = {0};
        struct message_rcpt rcpts[2] = {{.starts_group = 1}, {0}};
        slab_init(&jobs, sizeof(struct job), 10);
        struct entry *e = entry_new(&jobs, 0, rcpts, count, 1);
        CU_ASSERT_PTR_NOT_NULL_FATAL(e);
        CU_ASSERT_PTR_NULL(entry_message(e));
        entry_set_message(e, &m);
        CU_ASSERT_PTR_EQUAL(entry_message(e), &m);
        CU_ASSERT_EQUAL(entry_job_count(e), 1);
        CU_ASSERT_EQUAL(entry_spread(e) != NULL, count > 1);
        entry_set_message(e, NULL);
        entry_free(&jobs, e);
        slab_release(&jobs);
    }
}

// At each limit of the slab: all of an entry, or nothing.
static void without_memory_nothing_is_left_behind(void)
{
    for (uint32_t limit = 0; limit < 4; limit++) {
        struct slab jobs;
        struct message_rcpt rcpts[3] = {
            {.starts_group = 1}, {.starts_group = 1}, {.starts_group = 1}};
        slab_init(&jobs, sizeof(struct job), limit);
        struct entry *e = entry_new(&jobs, 0, rcpts, 3, 3);
        CU_ASSERT_EQUAL(e != NULL, limit >= 3);
        CU_ASSERT_EQUAL(jobs.item_count, e ? 3 : 0);
        if (e)
            entry_free(&jobs, e);
        slab_release(&jobs);
    }
}

// What the slab holds for a million of them, down to its own overhead.
static void a_queued_message_costs_little(void)
{
    enum { COUNT = 1000000 };
    struct slab jobs;
    struct message_rcpt rcpt = {.starts_group = 1};
    slab_init(&jobs, sizeof(struct job), COUNT);
    for (int i = 0; i < COUNT; i++)
        CU_ASSERT_PTR_NOT_NULL_FATAL(entry_new(&jobs, 0, &rcpt, 1, 1));
    double bytes = (double)slab_bytes(&jobs) / COUNT;
    printf("\n    %.1f bytes for a queued message to one recipient ", bytes);
    CU_ASSERT(bytes <= RECIPIENT_BYTES_MAX);
    slab_release(&jobs);
}

static const struct suite_test tests[] = {
    {"jobs are as the groups", jobs_are_as_the_groups},
    {"states are kept apart", states_are_kept_apart},
    {"the message is lent either way", the_message_is_lent_either_way},
    {"without memory nothing is left behind", without_memory_nothing_is_left_behind},
    {"a queued message costs little", a_queued_message_costs_little},
};

SUITE_MAIN("entry", tests)
