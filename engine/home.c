#include "engine/home.h"

#include "engine/base/check.h"

#define JOBS_MAX 20000000u
#define NO_DOMAIN_DELAY_S 60u

static uint32_t now_s(const struct home *h)
{
    return (uint32_t)(io_now_us(h->io) / 1000000);
}

void home_init(struct home *h, uint64_t memory_bytes_max)
{
    block_pool_init(&h->blocks, memory_bytes_max);
    journal_init(&h->journal);
    slab_init(&h->jobs, sizeof(struct job), JOBS_MAX);
    calendar_init(&h->calendar, now_s(h));
}

// What is still waiting, when we end before it is delivered.
static void free_messages(struct home *h)
{
    for (uint32_t i = slab_next(&h->jobs, 0); i != SLAB_NONE; i = slab_next(&h->jobs, i + 1)) {
        struct job *j = slab_at(&h->jobs, i);
        if (j->message->job_first != j)
            j->message = NULL; // the first of the ring frees it
    }
    for (uint32_t i = slab_next(&h->jobs, 0); i != SLAB_NONE; i = slab_next(&h->jobs, i + 1))
        message_free(&h->blocks, ((struct job *)slab_at(&h->jobs, i))->message);
}

void home_release(struct home *h)
{
    free_messages(h);
    slab_release(&h->jobs);
    block_pool_release(&h->blocks);
}

static void job_push(struct home *h, struct job *j)
{
    struct domain *d = j->domain;
    uint32_t owner = atomic_load_explicit(&d->owner, memory_order_relaxed);
    h->counters.jobs++;
    h->counters.jobs_crossed += owner != h->number;
    if (domain_push(d, j)) {
        // Read again: whoever hands the domain over passes on letters that came to him.
        owner = atomic_load_explicit(&d->owner, memory_order_acquire);
        post_leave(h->post, owner, &d->dirty_letter);
    }
}

// False where there is no room for one more domain: then the job waits in the calendar.
static bool job_find_domain(struct home *h, struct job *j)
{
    struct slice name = message_rcpt_domain(j->message, j->rcpt_first);
    j->domain = domain_find(h->domains, name);
    if (j->domain) {
        domain_ref(j->domain);
        return true;
    }
    j->due_s = now_s(h) + NO_DOMAIN_DELAY_S;
    calendar_add(&h->calendar, j);
    return false;
}

// Jobs learn their domains before the first of them is pushed, since its new owner may look at the
// others.
static void push_jobs(struct home *h, struct message *m)
{
    struct job *first = m->job_first, *j = first;
    h->counters.messages++;
    h->counters.recipients += m->rcpt_count;
    do {
        job_find_domain(h, j);
        j = j->sibling;
    } while (j != first);
    do {
        struct job *next = j->sibling;
        if (j->domain)
            job_push(h, j);
        j = next;
    } while (j != first);
}

struct message *home_next_committed(struct home *h)
{
    struct message *m = journal_committed(&h->journal);
    if (m)
        push_jobs(h, m);
    return m;
}

static void message_done(struct home *h, struct message *m)
{
    struct job *first = m->job_first, *j = first;
    do {
        struct job *next = j->sibling;
        slab_give(&h->jobs, j->index);
        j = next;
    } while (j != first);
    journal_forget(&h->journal, m);
    message_free(&h->blocks, m);
}

// An attempt has ended. What was deferred waits in the calendar; else the job is over. Its slot
// stays in the ring of the message's jobs until all are.
static void job_comes_home(struct home *h, struct job *j)
{
    struct message *m = j->message;
    bool waits = false;
    atomic_store_explicit(&j->place, JOB_HOME, memory_order_relaxed);
    for (uint32_t i = 0; i < j->rcpt_count; i++) {
        struct recipient *r = message_rcpt(m, j->rcpt_first + i);
        if (r->state == RECIPIENT_DEFERRED) {
            r->state = RECIPIENT_OPEN;
            waits = true;
        }
    }
    if (waits) {
        if (j->attempt_count < UINT16_MAX)
            j->attempt_count++;
        j->given_back = 0;
        calendar_add(&h->calendar, j);
        return;
    }
    domain_unref(j->domain);
    CHECK(m->job_count_open > 0);
    if (--m->job_count_open == 0)
        message_done(h, m);
}

void home_take_results(struct home *h, struct result_page *p)
{
    struct result r;
    uint32_t offset = 0;
    while (result_page_next(p, &offset, &r)) {
        CHECK(r.job->home == h->number);
        if (r.rcpt != RESULT_NO_RCPT) {
            journal_result(&h->journal, &r);
            events_result(h->events, &r);
        }
        if (r.job_comes_home)
            job_comes_home(h, r.job);
    }
    p->letter.kind = LETTER_PAGE_BACK;
    post_leave(h->post, p->from, &p->letter);
}

void home_push_due(struct home *h)
{
    if (calendar_next_s(&h->calendar) > now_s(h))
        return;
    struct job *j = calendar_take(&h->calendar, now_s(h));
    while (j) {
        struct job *next = j->next;
        h->counters.jobs_retried++;
        j->due_s = 0;
        if (j->domain || job_find_domain(h, j))
            job_push(h, j);
        j = next;
    }
}

uint64_t home_due_us(const struct home *h)
{
    uint32_t next_s = calendar_next_s(&h->calendar);
    return next_s == UINT32_MAX ? UINT64_MAX : (uint64_t)next_s * 1000000;
}

uint64_t home_messages_left(const struct home *h)
{
    return h->journal.message_count - h->journal.forgotten_count;
}
