// tests/ready_test.c: in which order the jobs of one domain go.
#include "engine/base/check.h"
#include "engine/base/random.h"
#include "queue/ready.h"
#include "tests/suite.h"

#include <stdlib.h>

#define JOBS_MAX 200

struct stage {
    struct ready ready;
    struct job jobs[JOBS_MAX];
    uint32_t count;
};

static struct job *job_new(struct stage *s, char campaign, int8_t priority)
{
    CHECK(s->count < JOBS_MAX);
    struct job *j = &s->jobs[s->count];
    j->index = s->count++;
    j->entry = &j->own_entry;
    j->own_entry.campaign = (uint16_t)campaign;
    j->own_entry.priority = priority;
    return j;
}

// Each letter is a job of that campaign; those of one class come out as `want` has them.
static const struct {
    const char *name, *come, *want;
} turns[] = {
    {"nothing", "", ""},
    {"one campaign goes as it came", "aaa", "aaa"},
    {"two take turns", "aaaabb", "ababaa"},
    {"whoever comes late does not wait for who came first", "aaaaaaaaaab", "abaaaaaaaaa"},
    {"three take turns", "aaabbbccc", "abcabcabc"},
    {"one with few is through with them soon", "aaaaabbbbbc", "abcabababab"},
    {"mixed", "abcabcaaa", "abcabcaaa"},
};

static void campaigns_take_turns(void)
{
    for (size_t i = 0; i < COUNT_OF(turns); i++) {
        struct stage *s = calloc(1, sizeof(*s));
        CHECK(s);
        char got[JOBS_MAX + 1] = "";
        uint32_t last[128] = {0}; // of each campaign, by the order in which its jobs came
        for (const char *c = turns[i].come; *c; c++)
            ready_add(&s->ready, job_new(s, *c, 0));
        size_t count = s->ready.count;
        CU_ASSERT_EQUAL(count, strlen(turns[i].come));
        for (size_t n = 0; n < count; n++) {
            struct job *j = ready_take(&s->ready, PRIORITY_NORMAL);
            CU_ASSERT_PTR_NOT_NULL_FATAL(j);
            got[n] = (char)j->own_entry.campaign;
            CU_ASSERT(j->index + 1 > last[(int)got[n]]);
            last[(int)got[n]] = j->index + 1;
        }
        if (strncmp(got, turns[i].want, count) != 0) {
            fprintf(stderr, "\n  %s: got %s, want %s", turns[i].name, got, turns[i].want);
            CU_FAIL("order");
        }
        CU_ASSERT_PTR_NULL(ready_take_any(&s->ready));
        ready_release(&s->ready);
        free(s);
    }
}

static void classes_are_apart(void)
{
    struct stage *s = calloc(1, sizeof(*s));
    CHECK(s);
    struct job *bulk = job_new(s, 'a', -4), *normal = job_new(s, 'a', 0);
    struct job *urgent = job_new(s, 'a', 9), *more = job_new(s, 'b', 1);
    ready_add(&s->ready, bulk);
    ready_add(&s->ready, normal);
    ready_add(&s->ready, urgent);
    ready_add(&s->ready, more);
    CU_ASSERT(s->ready.counts[PRIORITY_BULK] == 1 && s->ready.counts[PRIORITY_NORMAL] == 1 &&
              s->ready.counts[PRIORITY_TRANSACTIONAL] == 2 && s->ready.count == 4);
    CU_ASSERT_PTR_EQUAL(ready_first(&s->ready, PRIORITY_BULK), bulk);
    CU_ASSERT_PTR_EQUAL(ready_take_any(&s->ready), urgent);
    CU_ASSERT_PTR_EQUAL(ready_take(&s->ready, PRIORITY_BULK), bulk);
    CU_ASSERT_PTR_NULL(ready_take(&s->ready, PRIORITY_BULK));
    CU_ASSERT_PTR_EQUAL(ready_take_any(&s->ready), more);
    CU_ASSERT_PTR_EQUAL(ready_take_any(&s->ready), normal);
    ready_release(&s->ready);
    free(s);
}

static void what_was_interrupted_is_next(void)
{
    struct stage *s = calloc(1, sizeof(*s));
    CHECK(s);
    for (int i = 0; i < 3; i++)
        for (char c = 'a'; c <= 'c'; c++)
            ready_add(&s->ready, job_new(s, c, -1));
    struct job *first = ready_take(&s->ready, PRIORITY_BULK);
    CU_ASSERT_EQUAL(first->own_entry.campaign, 'a');
    ready_add_front(&s->ready, first);
    CU_ASSERT_PTR_EQUAL(ready_first(&s->ready, PRIORITY_BULK), first);
    CU_ASSERT_PTR_EQUAL(ready_take(&s->ready, PRIORITY_BULK), first);
    CU_ASSERT_EQUAL(ready_take(&s->ready, PRIORITY_BULK)->own_entry.campaign, 'b');
    ready_release(&s->ready);
    free(s);
}

// However many campaigns there are: nothing is lost, each job comes once, and who is beyond the
// limit still gets out, in time.
static void beyond_the_limit_campaigns_share(void)
{
    struct stage *s = calloc(1, sizeof(*s));
    CHECK(s);
    bool seen[JOBS_MAX] = {false};
    for (uint32_t i = 0; i < JOBS_MAX; i++)
        ready_add(&s->ready, job_new(s, (char)(i % 100 + 1), (int8_t)(i % 3 - 1)));
    CU_ASSERT(s->ready.flow_count <= READY_FLOWS_MAX + PRIORITY_CLASSES);
    for (uint32_t i = 0; i < JOBS_MAX; i++) {
        struct job *j = ready_take(&s->ready, (enum priority_class)(i % 3));
        if (!j)
            j = ready_take_any(&s->ready);
        CU_ASSERT_PTR_NOT_NULL_FATAL(j);
        CHECK(j);
        CU_ASSERT(!seen[j->index]);
        seen[j->index] = true;
    }
    CU_ASSERT_EQUAL(s->ready.count, 0);
    ready_release(&s->ready);
    free(s);
}

// Any order of coming, going, and being taken out of the middle, beside a plain set.
static void any_order_of_steps(void)
{
    struct random dice;
    random_init(&dice, 1);
    for (int round = 0; round < 200; round++) {
        struct stage *s = calloc(1, sizeof(*s));
        CHECK(s);
        bool in[JOBS_MAX] = {false};
        uint32_t count = 0;
        for (uint32_t i = 0; i < JOBS_MAX; i++)
            job_new(s, (char)random_below(&dice, 1 + (uint32_t)round), (int8_t)(i % 19) - 9);
        for (int step = 0; step < 1000; step++) {
            struct job *j = &s->jobs[random_below(&dice, JOBS_MAX)];
            if (random_below(&dice, 4) == 0) {
                enum priority_class rank = (enum priority_class)random_below(&dice, 3);
                struct job *first = ready_first(&s->ready, rank);
                j = ready_take(&s->ready, rank);
                CU_ASSERT_PTR_EQUAL(j, first);
                CU_ASSERT(!j || (in[j->index] && job_class(j) == rank));
                if (j) {
                    in[j->index] = false;
                    count--;
                }
            } else if (in[j->index]) {
                ready_remove(&s->ready, j);
                in[j->index] = false;
                count--;
            } else {
                if (random_below(&dice, 2))
                    ready_add(&s->ready, j);
                else
                    ready_add_front(&s->ready, j);
                in[j->index] = true;
                count++;
            }
            CU_ASSERT_EQUAL(s->ready.count, count);
        }
        while (ready_take_any(&s->ready))
            count--;
        CU_ASSERT_EQUAL(count, 0);
        ready_release(&s->ready);
        free(s);
    }
}

// Each once, also when it goes at once.
static void all_are_walked_through(void)
{
    for (int removes = 0; removes < 2; removes++) {
        struct stage *s = calloc(1, sizeof(*s));
        CHECK(s);
        struct ready_walk w = {0};
        bool seen[JOBS_MAX] = {false};
        uint32_t count = 0;
        for (uint32_t i = 0; i < JOBS_MAX; i++)
            ready_add(&s->ready, job_new(s, (char)(i * i % 30), (int8_t)(i % 3 - 1)));
        for (struct job *j; (j = ready_walk_next(&s->ready, &w)); count++) {
            CU_ASSERT(!seen[j->index]);
            seen[j->index] = true;
            if (removes)
                ready_remove(&s->ready, j);
        }
        CU_ASSERT_EQUAL(count, JOBS_MAX);
        CU_ASSERT_EQUAL(s->ready.count, removes ? 0 : JOBS_MAX);
        w = (struct ready_walk){0};
        CU_ASSERT_EQUAL(ready_walk_next(&s->ready, &w) == NULL, removes);
        ready_release(&s->ready);
        free(s);
    }
}

static const struct suite_test tests[] = {
    {"all are walked through", all_are_walked_through},
    {"campaigns take turns", campaigns_take_turns},
    {"classes are apart", classes_are_apart},
    {"what was interrupted is next", what_was_interrupted_is_next},
    {"beyond the limit campaigns share", beyond_the_limit_campaigns_share},
    {"any order of steps", any_order_of_steps},
};

SUITE_MAIN("ready", tests)
