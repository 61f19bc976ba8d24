// The crossing between workers, one step at a time: what a producer does in two steps (take the
// queue's end, link to it) is done here with anything in between.

#include "engine/base/check.h"
#include "queue/domain.h"
#include "queue/post.h"
#include "tests/suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <urcu/uatomic.h>
#include <urcu/urcu-qsbr.h>

#define WORKERS 4

static struct domain_table *new_table(void)
{
    struct domain_table *t = domain_table_new(sizeof(struct domain) + 100, WORKERS);
    CU_ASSERT_PTR_NOT_NULL_FATAL(t);
    return t;
}

// The first half of an enqueue. Returns what the second half has to link.
static struct cds_wfcq_node *half_enqueue(struct cds_wfcq_tail *tail, struct cds_wfcq_node *node)
{
    node->next = NULL;
    return uatomic_xchg(&tail->p, node);
}

static void letters_come_in_order(void)
{
    struct inbox i;
    struct letter letters[5] = {0};
    inbox_init(&i);
    CU_ASSERT_PTR_NULL(inbox_pop(&i));
    for (int l = 0; l < 5; l++)
        CU_ASSERT(!inbox_push(&i, &letters[l])); // nobody sleeps
    for (int l = 0; l < 5; l++)
        CU_ASSERT_PTR_EQUAL(inbox_pop(&i), &letters[l]);
    CU_ASSERT_PTR_NULL(inbox_pop(&i));
}

static void one_sender_wakes(void)
{
    struct inbox i;
    struct letter letters[2] = {0};
    inbox_init(&i);
    CU_ASSERT(inbox_sleep(&i));
    CU_ASSERT(inbox_push(&i, &letters[0]));
    CU_ASSERT(!inbox_push(&i, &letters[1])); // the first one does it
    inbox_wake(&i);
    CU_ASSERT(!inbox_sleep(&i)); // there are letters
    CU_ASSERT_PTR_NOT_NULL(inbox_pop(&i));
    CU_ASSERT(!inbox_sleep(&i));
    CU_ASSERT_PTR_NOT_NULL(inbox_pop(&i));
    CU_ASSERT(inbox_sleep(&i));
    inbox_wake(&i); // by something else
    CU_ASSERT(!inbox_push(&i, &letters[0]));
    CU_ASSERT_PTR_NOT_NULL(inbox_pop(&i));
}

static void nobody_sleeps_over_half_a_letter(void)
{
    struct inbox i;
    struct letter letters[2] = {[0].under_way = true};
    inbox_init(&i);
    struct cds_wfcq_node *before = half_enqueue(&i.tail, &letters[0].node);
    CU_ASSERT(!inbox_push(&i, &letters[1]));
    CU_ASSERT_PTR_NULL(inbox_pop(&i));
    CU_ASSERT(!inbox_sleep(&i));
    before->next = &letters[0].node;
    CU_ASSERT_PTR_EQUAL(inbox_pop(&i), &letters[0]);
    CU_ASSERT_PTR_EQUAL(inbox_pop(&i), &letters[1]);
    CU_ASSERT(inbox_sleep(&i));
}

static void a_dirty_letter_is_under_way_once(void)
{
    struct inbox a, b;
    struct letter dirty = {.kind = LETTER_DOMAIN_DIRTY};
    inbox_init(&a);
    inbox_init(&b);
    CU_ASSERT(inbox_sleep(&b));
    inbox_push(&a, &dirty);
    inbox_push(&a, &dirty);
    CU_ASSERT(!inbox_push(&b, &dirty));
    CU_ASSERT_PTR_EQUAL(inbox_pop(&a), &dirty);
    CU_ASSERT_PTR_NULL(inbox_pop(&a));
    CU_ASSERT_PTR_NULL(inbox_pop(&b));
    CU_ASSERT(inbox_push(&b, &dirty)); // passed on
    CU_ASSERT_PTR_EQUAL(inbox_pop(&b), &dirty);
}

static void a_turns_letters_come_at_once(void)
{
    struct inbox inboxes[2];
    struct post post, others;
    struct letter dirty[3] = {0}, result = {.kind = LETTER_RESULTS}, own = result;
    for (int i = 0; i < 2; i++)
        inbox_init(&inboxes[i]);
    post_init(&post, inboxes, 2, 0);
    post_init(&others, inboxes, 2, 1);
    for (int i = 0; i < 3; i++) {
        dirty[i].kind = LETTER_DOMAIN_DIRTY;
        post_leave(&post, 1, &dirty[i]);
    }
    post_leave(&post, 1, &dirty[0]); // is under way already
    post_leave(&post, 0, &own);
    CU_ASSERT(!post_sleep(&post)); // over a letter of his own
    CU_ASSERT_PTR_EQUAL(post_take(&post), &own);
    CU_ASSERT_PTR_NULL(post_take(&post));
    CU_ASSERT(post_sleep(&others)); // for nobody has heard of a domain yet
    post_flush(&post);
    CU_ASSERT_EQUAL(post.wake, 1u << 1);
    post_leave(&post, 1, &result); // such a one waits for nothing
    for (int i = 0; i < 3; i++)
        CU_ASSERT_PTR_EQUAL(post_take(&others), &dirty[i]);
    CU_ASSERT_PTR_EQUAL(post_take(&others), &result);
    CU_ASSERT_PTR_NULL(post_take(&others));
    post_leave(&post, 1, &dirty[1]); // once more
    post_flush(&post);
    CU_ASSERT_PTR_EQUAL(post_take(&others), &dirty[1]);
    CU_ASSERT(post_sleep(&others));
}

static void names_find_their_domain(void)
{
    struct domain_table *t = new_table();
    struct domain *a = domain_find(t, SLICE("a.example"));
    struct domain *b = domain_find(t, SLICE("b.example"));
    CU_ASSERT_PTR_NOT_NULL_FATAL(a);
    CU_ASSERT_PTR_NOT_EQUAL(a, b);
    CU_ASSERT_PTR_EQUAL(domain_find(t, SLICE("a.example")), a);
    CU_ASSERT(slice_equal(domain_name(a), SLICE("a.example")));
    CU_ASSERT_EQUAL((uintptr_t)a % 64, 0);
    CU_ASSERT_EQUAL(domain_count(t), 2);
    CU_ASSERT(domain_queue_empty(a) && domain_unused(a));
    CU_ASSERT_EQUAL(((char *)a)[sizeof(*a) + 99], 0); // the part behind is ours, and zeroed
    domain_table_free(t);
}

static void a_name_too_long_is_no_domain(void)
{
    struct domain_table *t = new_table();
    char name[DOMAIN_NAME_BYTES];
    memset(name, 'a', sizeof(name));
    CU_ASSERT_PTR_NULL(domain_find(t, slice_make(name, sizeof(name))));
    CU_ASSERT_EQUAL(domain_count(t), 0);
    struct domain *d = domain_find(t, slice_make(name, sizeof(name) - 1));
    CU_ASSERT_PTR_NOT_NULL_FATAL(d);
    CU_ASSERT_EQUAL(domain_name(d).len, sizeof(name) - 1);
    domain_table_free(t);
}

static void owners_are_spread_and_the_same_in_every_run(void)
{
    struct domain_table *t = new_table(), *again = new_table();
    uint32_t count[WORKERS] = {0};
    for (int i = 0; i < 4000; i++) {
        char name[32];
        struct slice s = slice_make(name, (size_t)snprintf(name, sizeof(name), "d%d.example", i));
        struct domain *d = domain_find(t, s);
        CU_ASSERT_FATAL(d && d->owner < WORKERS);
        CU_ASSERT_EQUAL(domain_find(again, s)->owner, d->owner);
        count[d->owner]++;
    }
    for (int w = 0; w < WORKERS; w++)
        CU_ASSERT(count[w] > 800 && count[w] < 1200);
    CU_ASSERT_EQUAL(domain_count(t), 4000);
    domain_table_free(t);
    domain_table_free(again);
}

static void make_jobs(struct job *jobs, int count)
{
    for (int i = 0; i < count; i++)
        jobs[i].entry = &jobs[i].own_entry;
}

static void jobs_are_drained_in_order(void)
{
    struct domain_table *t = new_table();
    struct domain *d = domain_find(t, SLICE("a.example"));
    struct job jobs[6] = {0};
    make_jobs(jobs, 6);
    CU_ASSERT(domain_drain(d)); // nothing there is no harm
    CU_ASSERT(domain_push(d, &jobs[0]));
    CU_ASSERT_EQUAL(jobs[0].place, JOB_QUEUED);
    for (int i = 1; i < 4; i++)
        CU_ASSERT(!domain_push(d, &jobs[i])); // somebody has told the owner
    CU_ASSERT(!domain_queue_empty(d) && !domain_unused(d));
    CU_ASSERT(domain_drain(d));
    CU_ASSERT(domain_queue_empty(d) && !domain_unused(d));
    CU_ASSERT(domain_push(d, &jobs[4])); // empty again: the next letter
    CU_ASSERT(!domain_push(d, &jobs[5]));
    CU_ASSERT(domain_drain(d));
    CU_ASSERT_EQUAL(d->ready.count, 6);
    for (int i = 0; i < 6; i++) {
        struct job *j = ready_take_any(&d->ready);
        CU_ASSERT_PTR_EQUAL(j, &jobs[i]);
        CU_ASSERT_EQUAL(j->place, JOB_READY);
    }
    CU_ASSERT(domain_unused(d));
    domain_table_free(t);
}

// The producer of job `half` stops between its two steps, with two whole ones before it and two
// behind: what stands before comes at once, all else after he went on, in order.
static void a_producer_half_way(void)
{
    for (int half = 0; half < 5; half++) {
        struct domain_table *t = new_table();
        struct domain *d = domain_find(t, SLICE("a.example"));
        struct job jobs[5] = {0};
        make_jobs(jobs, 5);
        struct cds_wfcq_node *before = NULL;
        for (int i = 0; i < 5; i++)
            if (i == half)
                before = half_enqueue(&d->tail, &jobs[i].link);
            else
                CU_ASSERT_EQUAL(domain_push(d, &jobs[i]), i == 0);
        for (int turn = 0; turn < 3; turn++) {
            CU_ASSERT(!domain_drain(d));
            // The job before the gap cannot leave either: the producer still writes to it.
            CU_ASSERT_EQUAL(d->ready.count, half > 0 ? half - 1u : 0u);
            CU_ASSERT(!domain_queue_empty(d));
        }
        struct job late = {0};
        make_jobs(&late, 1);
        CU_ASSERT(!domain_push(d, &late)); // not empty: the owner knows, no second letter
        before->next = &jobs[half].link;
        CU_ASSERT(domain_drain(d));
        CU_ASSERT_EQUAL(d->ready.count, 6);
        for (int i = 0; i < 5; i++)
            CU_ASSERT_PTR_EQUAL(ready_take_any(&d->ready), &jobs[i]);
        CU_ASSERT_PTR_EQUAL(ready_take_any(&d->ready), &late);
        domain_table_free(t);
    }
}

static void one_domain_does_not_take_the_whole_turn(void)
{
    enum { COUNT = 2 * DOMAIN_DRAIN_MAX + 1 };
    struct domain_table *t = new_table();
    struct domain *d = domain_find(t, SLICE("a.example"));
    struct job *jobs = calloc(COUNT, sizeof(*jobs));
    CU_ASSERT_PTR_NOT_NULL_FATAL(jobs);
    make_jobs(jobs, COUNT);
    for (int i = 0; i < COUNT; i++)
        domain_push(d, &jobs[i]);
    CU_ASSERT(!domain_drain(d));
    CU_ASSERT_EQUAL(d->ready.count, DOMAIN_DRAIN_MAX);
    CU_ASSERT(!domain_drain(d));
    CU_ASSERT(domain_drain(d));
    CU_ASSERT_EQUAL(d->ready.count, COUNT);
    domain_table_free(t);
    free(jobs);
}

static void a_domain_is_forgotten_and_made_again(void)
{
    struct domain_table *t = new_table();
    struct inbox i;
    struct job j = {0};
    make_jobs(&j, 1);
    struct domain *old = domain_find(t, SLICE("a.example"));
    inbox_init(&i);
    domain_unlink(t, old);
    struct domain *new = domain_find(t, SLICE("a.example"));
    CU_ASSERT_PTR_NOT_EQUAL(new, old);
    CU_ASSERT_EQUAL(domain_count(t), 2);
    // Somebody who had found it before still has a job for it: it must be served first.
    CU_ASSERT(domain_push(old, &j));
    CU_ASSERT(!domain_unused(old));
    inbox_push(&i, &old->dirty_letter);
    CU_ASSERT(domain_drain(old));
    CU_ASSERT_PTR_EQUAL(ready_take_any(&old->ready), &j);
    CU_ASSERT(!domain_unused(old)); // its letter is still under way
    inbox_pop(&i);
    CU_ASSERT(domain_unused(old));
    domain_ref(old); // a job of it waits at home
    CU_ASSERT(!domain_unused(old));
    domain_unref(old);
    domain_free(t, old);
    CU_ASSERT_EQUAL(domain_count(t), 1);
    domain_table_free(t);
}

static void epochs_wait_for_turns_that_were_on(void)
{
    struct epochs e;
    struct epoch_mark none, mark;
    epochs_init(&e, 3);
    epoch_mark(&e, &none);
    CU_ASSERT(epoch_passed(&e, &none)); // all sleep
    epoch_turn_begins(&e, 0);
    epoch_turn_begins(&e, 2);
    epoch_mark(&e, &mark);
    CU_ASSERT(epoch_passed(&e, &none));
    CU_ASSERT(!epoch_passed(&e, &mark));
    epoch_turn_ends(&e, 0);
    CU_ASSERT(!epoch_passed(&e, &mark));
    epoch_turn_begins(&e, 0); // its next turn does not matter
    epoch_turn_begins(&e, 1);
    CU_ASSERT(!epoch_passed(&e, &mark));
    epoch_turn_ends(&e, 2);
    CU_ASSERT(epoch_passed(&e, &mark));
    epoch_turn_begins(&e, 2);
    CU_ASSERT(epoch_passed(&e, &mark));
}

static const struct suite_test tests[] = {
    {"letters come in order", letters_come_in_order},
    {"one sender wakes", one_sender_wakes},
    {"nobody sleeps over half a letter", nobody_sleeps_over_half_a_letter},
    {"a dirty letter is under way once", a_dirty_letter_is_under_way_once},
    {"a turn's letters come at once", a_turns_letters_come_at_once},
    {"names find their domain", names_find_their_domain},
    {"a name too long is no domain", a_name_too_long_is_no_domain},
    {"owners are spread, and the same in every run", owners_are_spread_and_the_same_in_every_run},
    {"jobs are drained in order", jobs_are_drained_in_order},
    {"a producer half way", a_producer_half_way},
    {"one domain does not take the whole turn", one_domain_does_not_take_the_whole_turn},
    {"a domain is forgotten and made again", a_domain_is_forgotten_and_made_again},
    {"epochs wait for turns that were on", epochs_wait_for_turns_that_were_on},
};

int main(int argc, char **argv)
{
    urcu_qsbr_register_thread();
    int result = suite_main("queue_domain", tests, COUNT_OF(tests), argc, argv);
    urcu_qsbr_unregister_thread();
    return result;
}
