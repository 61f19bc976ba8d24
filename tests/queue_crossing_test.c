// Four workers, each of them a thread of its own, send jobs to 1,000 domains, own these domains,
// hand them over to one another while jobs flow, forget them when they are idle, send results home
// and sleep when there is nothing to do. Each worker is the engine's in small: one turn after the
// other, everything that crosses goes through the queues under test.
//
// What must hold: each job is done once an attempt; the jobs of one worker reach a domain in the
// order in which it pushed them; nobody sleeps over a letter. The thread sanitizer sees to the rest
// (suite `tsan`), the address sanitizer to what is freed.

#include "engine/base/check.h"
#include "engine/base/random.h"
#include "queue/post.h"
#include "queue/result.h"
#include "tests/suite.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <urcu/urcu-qsbr.h>

#define WORKERS 4
#define DOMAINS 1000
#define JOBS 30000u     // that each worker sends
#define ATTEMPTS_MAX 3  // of one job
#define BURST_MAX 64    // jobs in one turn
#define LOST_AFTER_S 20 // a wake-up that has not come by then never will

struct test_job {
    struct job job; // first
    uint64_t sequence;
    uint32_t attempts_wanted;
};

// What the owner keeps behind a domain.
struct test_domain {
    struct domain domain; // first
    struct test_domain *next;
    struct epoch_mark mark;
    uint64_t sequence_seen[WORKERS]; // of each producer
    bool arriving;                   // handed over, its letter not yet taken out
    bool listed;                     // in its owner's list
    bool drain_again;
    bool unlinked;
    uint8_t epochs_passed;
};

struct counts {
    uint64_t done, crossed, handed_over, passed_on, early, half_way, forgotten, sleeps, wakes;
};

struct worker {
    uint32_t number;
    pthread_t thread;
    struct post post;
    _Atomic uint32_t wake_word; // futex
    struct random dice;
    struct shared *shared;
    struct test_job *jobs;
    uint32_t jobs_sent;
    uint32_t jobs_over;
    uint64_t sequences[DOMAINS];
    struct test_domain *domains; // that we own and have seen
    struct result_page *pages[WORKERS];
    struct result_page *free_pages;
    struct counts counts;
};

struct shared {
    struct domain_table *table;
    struct epochs epochs;
    _Atomic uint32_t workers_busy;
    _Atomic uint32_t failures;
    struct inbox inboxes[WORKERS];
    struct worker workers[WORKERS];
};

// The futex is called by number so that the thread sanitizer takes no order from it: a wake-up
// orders nothing, the queues must.
static void wake(struct worker *w)
{
    atomic_store_explicit(&w->wake_word, 1, memory_order_relaxed);
    syscall(SYS_futex, &w->wake_word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static void fail(struct worker *w, const char *what)
{
    if (atomic_fetch_add(&w->shared->failures, 1) == 0)
        fprintf(stderr, "worker %u: %s\n", w->number, what);
}

static void leave(struct worker *w, uint32_t to, struct letter *l)
{
    post_leave(&w->post, to, l);
}

static void wake_others(struct worker *w)
{
    for (; w->post.wake; w->post.wake &= w->post.wake - 1) {
        w->counts.wakes++;
        wake(&w->shared->workers[__builtin_ctzll(w->post.wake)]);
    }
}

static uint32_t owner_of(const struct domain *d)
{
    return atomic_load_explicit(&d->owner, memory_order_acquire);
}

// --- the producer

static void push(struct worker *w, struct test_job *j, uint32_t domain)
{
    j->sequence = ++w->sequences[domain];
    j->job.attempt_count++;
    struct domain *d = j->job.domain;
    if (domain_push(d, &j->job))
        leave(w, owner_of(d), &d->dirty_letter);
}

static void send_new(struct worker *w)
{
    uint32_t burst = random_below(&w->dice, BURST_MAX);
    for (; burst > 0 && w->jobs_sent < JOBS; burst--) {
        struct test_job *j = &w->jobs[w->jobs_sent++];
        char name[32];
        // Few domains get most: some queues stay busy, others come and go.
        uint32_t domain = random_below(&w->dice, 1 + random_below(&w->dice, DOMAINS));
        int len = snprintf(name, sizeof(name), "d%u.example", domain);
        struct domain *d = domain_find(w->shared->table, slice_make(name, (size_t)len));
        CHECK(d);
        domain_ref(d);
        j->job = (struct job){
            .home = (uint8_t)w->number, .index = domain, .domain = d, .entry = &j->job.own_entry};
        j->attempts_wanted = 1 + random_below(&w->dice, ATTEMPTS_MAX);
        w->counts.crossed += owner_of(d) != w->number;
        push(w, j, domain);
    }
}

static void on_results(struct worker *w, struct result_page *p)
{
    struct result r;
    for (uint32_t offset = 0; result_page_next(p, &offset, &r);) {
        struct test_job *j = (struct test_job *)(void *)r.job;
        if (j->job.home != w->number || j->job.place != JOB_SENDING)
            fail(w, "a job that is not ours, or that came home twice");
        j->job.place = JOB_HOME;
        w->counts.done++;
        if (j->job.attempt_count < j->attempts_wanted) {
            push(w, j, j->job.index); // its domain stays, found or not
            continue;
        }
        domain_unref(j->job.domain);
        j->job.domain = NULL;
        if (++w->jobs_over == JOBS && atomic_fetch_sub(&w->shared->workers_busy, 1) == 1)
            for (uint32_t i = 0; i < WORKERS; i++)
                wake(&w->shared->workers[i]);
    }
    p->letter.kind = LETTER_PAGE_BACK;
    leave(w, p->from, &p->letter);
}

// --- the owner

static void list_domain(struct worker *w, struct test_domain *t)
{
    if (t->listed)
        return;
    t->listed = true;
    t->next = w->domains;
    w->domains = t;
}

static void drain(struct worker *w, struct test_domain *t)
{
    t->drain_again = !domain_drain(&t->domain);
    w->counts.half_way += t->drain_again;
}

static void on_dirty(struct worker *w, struct test_domain *t)
{
    uint32_t owner = owner_of(&t->domain);
    if (owner != w->number) {
        w->counts.passed_on++;
        leave(w, owner, &t->domain.dirty_letter);
    } else if (t->arriving) {
        w->counts.early++;
    } else {
        drain(w, t);
        list_domain(w, t);
    }
}

static void on_handover(struct worker *w, struct test_domain *t)
{
    if (owner_of(&t->domain) != w->number || !t->arriving)
        fail(w, "a domain that was not sent to us");
    t->arriving = false;
    drain(w, t);
    list_domain(w, t);
}

static void hand_over(struct worker *w, struct test_domain *t)
{
    uint32_t to = (w->number + 1 + random_below(&w->dice, WORKERS - 1)) % WORKERS;
    t->arriving = true;
    t->listed = false;
    w->counts.handed_over++;
    atomic_store_explicit(&t->domain.owner, (uint16_t)to, memory_order_release);
    leave(w, to, &t->domain.handover_letter);
}

static void page_leaves(struct worker *w, uint32_t home)
{
    struct result_page *p = w->pages[home];
    w->pages[home] = NULL;
    p->letter.kind = LETTER_RESULTS;
    leave(w, home, &p->letter);
}

static void result(struct worker *w, struct job *j)
{
    struct result r = {.job = j, .kind = RESULT_DELIVERED, .text = SLICE("250 2.0.0 ok")};
    uint32_t home = j->home;
    if (w->pages[home] && result_page_add(w->pages[home], &r))
        return;
    if (w->pages[home])
        page_leaves(w, home);
    struct result_page *p = w->free_pages;
    if (p)
        w->free_pages = p->next;
    else
        p = malloc(sizeof(*p));
    CHECK(p);
    p->letter = (struct letter){0};
    p->from = (uint8_t)w->number;
    p->used_bytes = p->result_count = 0;
    w->pages[home] = p;
    CHECK(result_page_add(p, &r));
}

static void do_ready(struct worker *w, struct test_domain *t)
{
    struct job *j;
    while ((j = ready_take_any(&t->domain.ready))) {
        struct test_job *tj = (struct test_job *)(void *)j;
        if (tj->sequence <= t->sequence_seen[j->home])
            fail(w, "a job came twice, or out of order");
        t->sequence_seen[j->home] = tj->sequence;
        atomic_store_explicit(&j->place, JOB_SENDING, memory_order_relaxed);
        result(w, j);
    }
}

// False: the domain is gone.
static bool maybe_forget(struct worker *w, struct test_domain *t)
{
    struct shared *s = w->shared;
    if (!domain_unused(&t->domain)) {
        t->epochs_passed = 0;
        if (t->unlinked)
            epoch_mark(&s->epochs, &t->mark);
        return true;
    }
    if (!t->unlinked) {
        if (random_below(&w->dice, 4) == 0) {
            t->unlinked = true;
            domain_unlink(s->table, &t->domain);
            epoch_mark(&s->epochs, &t->mark);
        }
        return true;
    }
    if (!epoch_passed(&s->epochs, &t->mark))
        return true;
    if (++t->epochs_passed < DOMAIN_EPOCHS) {
        epoch_mark(&s->epochs, &t->mark);
        return true;
    }
    w->counts.forgotten++;
    domain_free(s->table, &t->domain);
    return false;
}

// True: something is left to do in the next turn.
static bool serve_domains(struct worker *w)
{
    bool more = false;
    struct test_domain *t = w->domains, *next;
    w->domains = NULL;
    for (; t; t = next) {
        next = t->next;
        t->listed = false;
        if (t->drain_again)
            drain(w, t);
        uint32_t what = random_below(&w->dice, 16);
        if (what > 3)
            do_ready(w, t);
        if (what % 4 == 0 && !t->unlinked && !t->drain_again) {
            hand_over(w, t);
        } else if (maybe_forget(w, t)) {
            more |= t->drain_again || t->domain.ready.count > 0;
            list_domain(w, t);
        }
    }
    return more;
}

// --- a worker

static void read_letters(struct worker *w)
{
    struct letter *l;
    while ((l = post_take(&w->post)))
        switch ((enum letter_kind)l->kind) {
        case LETTER_DOMAIN_DIRTY:
            on_dirty(w, CONTAINER_OF(l, struct test_domain, domain.dirty_letter));
            break;
        case LETTER_DOMAIN_HANDOVER:
            on_handover(w, CONTAINER_OF(l, struct test_domain, domain.handover_letter));
            break;
        case LETTER_RESULTS: on_results(w, CONTAINER_OF(l, struct result_page, letter)); break;
        case LETTER_PAGE_BACK: {
            struct result_page *p = CONTAINER_OF(l, struct result_page, letter);
            p->next = w->free_pages;
            w->free_pages = p;
            break;
        }
        case LETTER_LOAN:
        case LETTER_LOAN_BACK:
        case LETTER_LEASE_OVER:
        case LETTER_CONNECTION:
        case LETTER_KEYED:
        case LETTER_KEYED_BACK:
        case LETTER_ORDER:
        case LETTER_ORDER_BACK:
        case LETTER_RECALL:
        case LETTER_RECALL_BACK:
        case LETTER_SUPPRESS: fail(w, "a letter that nobody sends"); break;
        }
}

static bool all_over(struct shared *s)
{
    return atomic_load(&s->workers_busy) == 0 || atomic_load(&s->failures) > 0;
}

static void sleep_until_woken(struct worker *w)
{
    struct timespec timeout = {.tv_sec = LOST_AFTER_S};
    if (!post_sleep(&w->post))
        return;
    w->counts.sleeps++;
    while (atomic_exchange_explicit(&w->wake_word, 0, memory_order_relaxed) == 0 &&
           !all_over(w->shared))
        if (syscall(SYS_futex, &w->wake_word, FUTEX_WAIT_PRIVATE, 0, &timeout, NULL, 0) < 0 &&
            errno == ETIMEDOUT) {
            fail(w, "slept, and nobody came");
            break;
        }
    post_wakes(&w->post);
}

static void *worker_run(void *argument)
{
    struct worker *w = argument;
    urcu_qsbr_register_thread();
    while (!all_over(w->shared)) {
        epoch_turn_begins(&w->shared->epochs, w->number);
        read_letters(w);
        send_new(w);
        if (random_below(&w->dice, 2) == 0)
            post_flush(&w->post);
        bool more = serve_domains(w);
        for (uint32_t home = 0; home < WORKERS; home++)
            if (w->pages[home])
                page_leaves(w, home);
        post_flush(&w->post);
        wake_others(w);
        epoch_turn_ends(&w->shared->epochs, w->number);
        urcu_qsbr_quiescent_state();
        if (!more && (w->jobs_sent == JOBS || random_below(&w->dice, 8) == 0)) {
            urcu_qsbr_thread_offline();
            sleep_until_woken(w);
            urcu_qsbr_thread_online();
        }
    }
    urcu_qsbr_unregister_thread();
    return NULL;
}

static void worker_init(struct worker *w, struct shared *s, uint32_t number)
{
    w->number = number;
    w->shared = s;
    w->jobs = aligned_alloc(64, JOBS * sizeof(*w->jobs));
    CHECK(w->jobs);
    memset(w->jobs, 0, JOBS * sizeof(*w->jobs));
    inbox_init(&s->inboxes[number]);
    post_init(&w->post, s->inboxes, WORKERS, number);
    random_init(&w->dice, number + 1);
}

// After all threads have ended: what is still under way is given back.
static void worker_release(struct worker *w, struct counts *sum)
{
    const uint64_t *from = (const uint64_t *)&w->counts;
    uint64_t *to = (uint64_t *)sum;
    for (size_t i = 0; i < sizeof(w->counts) / sizeof(*from); i++)
        to[i] += from[i];
    struct letter *l;
    while ((l = post_take(&w->post)))
        if (l->kind == LETTER_RESULTS || l->kind == LETTER_PAGE_BACK)
            free(CONTAINER_OF(l, struct result_page, letter));
    for (struct result_page *p = w->free_pages, *next; p; p = next) {
        next = p->next;
        free(p);
    }
    for (struct test_domain *t = w->domains, *next; t; t = next) {
        next = t->next;
        if (t->unlinked)
            domain_free(w->shared->table, &t->domain);
    }
    free(w->jobs);
}

static void every_job_arrives_once_and_in_order(void)
{
    struct shared *s = aligned_alloc(64, (sizeof(*s) + 63) / 64 * 64);
    struct counts sum = {0};
    uint64_t attempts = 0;
    CU_ASSERT_PTR_NOT_NULL_FATAL(s);
    memset(s, 0, sizeof(*s));
    s->table = domain_table_new(sizeof(struct test_domain), WORKERS);
    CHECK(s->table);
    epochs_init(&s->epochs, WORKERS);
    atomic_init(&s->workers_busy, WORKERS);
    for (uint32_t i = 0; i < WORKERS; i++)
        worker_init(&s->workers[i], s, i);
    for (uint32_t i = 0; i < WORKERS; i++)
        CHECK(pthread_create(&s->workers[i].thread, NULL, worker_run, &s->workers[i]) == 0);
    for (uint32_t i = 0; i < WORKERS; i++)
        CHECK(pthread_join(s->workers[i].thread, NULL) == 0);

    CU_ASSERT_EQUAL(atomic_load(&s->failures), 0);
    for (uint32_t i = 0; i < WORKERS && s->failures == 0; i++)
        for (uint32_t j = 0; j < JOBS; j++) {
            const struct test_job *tj = &s->workers[i].jobs[j];
            CU_ASSERT_EQUAL(tj->job.attempt_count, tj->attempts_wanted);
            attempts += tj->attempts_wanted;
        }
    for (uint32_t i = 0; i < WORKERS && s->failures == 0; i++)
        worker_release(&s->workers[i], &sum);
    printf("\n    %lu attempts done, %lu jobs crossed at first; %lu domains handed over,\n"
           "    %lu letters passed on, %lu early, %lu drains ended early, %lu domains forgotten,\n"
           "    %lu sleeps, %lu wake-ups ",
           sum.done, sum.crossed, sum.handed_over, sum.passed_on, sum.early, sum.half_way,
           sum.forgotten, sum.sleeps, sum.wakes);
    CU_ASSERT_EQUAL(sum.done, attempts);
    // The run was worth something.
    CU_ASSERT(sum.crossed > WORKERS * JOBS / 2 && sum.handed_over > 1000);
    CU_ASSERT(sum.passed_on > 0 && sum.forgotten > 0 && sum.sleeps > 0 && sum.wakes > 0);
    if (s->failures == 0)
        domain_table_free(s->table);
    free(s);
}

// --- sleep and wake

#define BALLS 3
#define ROUNDS 20000u // that each ball is thrown by each player

struct player {
    struct worker w;
    struct player *other;
};

// Throws back every ball that comes and sleeps whenever there is none, so that sleep and letter
// meet as often as they can.
static void *player_run(void *argument)
{
    struct player *p = argument;
    for (uint32_t thrown = 0;
         thrown < BALLS * ROUNDS && atomic_load(&p->w.shared->failures) == 0;) {
        struct letter *ball = post_take(&p->w.post);
        if (!ball) {
            sleep_until_woken(&p->w);
            continue;
        }
        thrown++;
        if (inbox_push(&p->w.post.inboxes[p->other->w.number], ball))
            wake(&p->other->w);
    }
    return NULL;
}

static void nobody_sleeps_over_a_letter(void)
{
    struct letter balls[BALLS] = {0};
    struct shared *s = aligned_alloc(64, (sizeof(*s) + 63) / 64 * 64);
    struct player *players = calloc(2, sizeof(*players));
    CU_ASSERT_FATAL(s && players);
    memset(s, 0, sizeof(*s));
    atomic_init(&s->workers_busy, 2);
    for (uint32_t i = 0; i < 2; i++) {
        players[i].other = &players[1 - i];
        players[i].w.shared = s;
        players[i].w.number = i;
        inbox_init(&s->inboxes[i]);
        post_init(&players[i].w.post, s->inboxes, 2, i);
    }
    for (int i = 0; i < BALLS; i++)
        inbox_push(&s->inboxes[0], &balls[i]);
    for (int i = 0; i < 2; i++)
        CHECK(pthread_create(&players[i].w.thread, NULL, player_run, &players[i]) == 0);
    for (int i = 0; i < 2; i++)
        CHECK(pthread_join(players[i].w.thread, NULL) == 0);
    CU_ASSERT_EQUAL(atomic_load(&s->failures), 0);
    CU_ASSERT(players[0].w.counts.sleeps > 0);
    free(players);
    free(s);
}

static const struct suite_test tests[] = {
    {"every job arrives once and in order", every_job_arrives_once_and_in_order},
    {"nobody sleeps over a letter", nobody_sleeps_over_a_letter},
};

int main(int argc, char **argv)
{
    urcu_qsbr_register_thread(); // this thread makes and frees the table
    urcu_qsbr_thread_offline();
    int failed = suite_main("queue_crossing", tests, COUNT_OF(tests), argc, argv);
    urcu_qsbr_thread_online();
    urcu_qsbr_unregister_thread();
    return failed;
}
