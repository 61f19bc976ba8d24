// A site that is too hot for one worker is served by several. Its owner lends: a lease gives
// another worker a part of the site's connections, and loans, a batch of its ready jobs each. The
// borrower has a site of its own for them, as if the part were all that is allowed. It gives each
// loan back when all of its jobs have ended, or could not be begun; the lease when its last
// connection has been closed. Until then the owner does without that part, so that the limits hold
// for the site.
//
//   owner: site is hot -> lease (when so many connections are unused) -> loans, some at a time
//   borrower: LETTER_LOAN -> jobs begin, and end -> LETTER_LOAN_BACK
//   owner: ended jobs leave their domain, others are ready again
//   borrower: no job, no connection left -> LETTER_LEASE_OVER
//
// A borrowed job is the borrower's to write, and its domain the owner's. Only jobs whose messages
// are in memory, and need nothing done to them any more, are lent. The two kinds of letters may
// cross: a lease that is over while a loan is under way goes on with that one, and is over again
// later.

#include "engine/base/check.h"
#include "engine/deliver/parts.h"

#include <stdlib.h>

struct loan_item {
    struct job *job; // NULL: it has ended
    struct target *target;
};

struct loan {
    struct letter letter;
    struct lease *lease;
    struct loan *next; // of the borrower's site: those with jobs that have not begun
    struct limits limits;
    uint32_t item_count;
    uint32_t begun_count;
    uint32_t open_count; // neither ended nor given back
    bool refused;        // the borrower has no site for it, and no connection
    bool only_7bit;      // he has met a host of the site that takes nothing else
    uint8_t rank;        // enum priority_class: of all of them
    struct loan_item items[LOAN_JOBS_MAX];
};

struct lease {
    struct letter letter;
    struct lease *next; // of the owner's site
    struct site *site;  // the owner's
    uint32_t owner;     // worker
    uint32_t borrower;  // worker
    uint32_t connections;
    uint32_t loan_count; // under way: the owner's to count
};

// --- the owner

static struct lease *lease_with(const struct site *s, uint32_t worker)
{
    struct lease *l = s->lease_first;
    while (l && l->borrower != worker)
        l = l->next;
    return l;
}

static struct lease *lease_begin(struct deliver *d, struct site *s, uint32_t worker,
                                 uint32_t connections)
{
    struct lease *l = calloc(1, sizeof(*l));
    CHECK(l);
    *l = (struct lease){.site = s,
                        .next = s->lease_first,
                        .owner = d->o.worker,
                        .borrower = worker,
                        .connections = connections};
    s->lease_first = l;
    s->lent_count += connections;
    d->lease_count++;
    return l;
}

static void lease_end(struct deliver *d, struct lease *l)
{
    struct site *s = l->site;
    struct lease **at = &s->lease_first;
    while (*at != l)
        at = &(*at)->next;
    *at = l->next;
    s->lent_count -= l->connections;
    if (s->group) // it came to it since: sisters.c
        s->group->open_count -= l->connections;
    d->lease_count--;
    free(l);
    dispatch_site(d, s);
}

static bool may_be_lent(const struct deliver *d, const struct site *s, const struct job *j)
{
    const struct message *m = j ? entry_message(j->entry) : NULL;
    return m && !dress_wanted(d, m) && !(m->is_8bit && site_is_7bit(s, io_now_us(d->io)));
}

// Loans under way: twice what the borrower's connections can take at once, since a loan comes back
// only when the last of its jobs has ended.
static uint32_t loans_max(const struct site *s, const struct lease *l)
{
    uint64_t jobs = (uint64_t)l->connections * s->limits.window * 2;
    return (uint32_t)(jobs / LOAN_JOBS_MAX) + 2;
}

// Few urgent jobs stay with the owner, who begins them next; many go out in front of the others.
static enum priority_class class_to_lend(const struct site *s)
{
    int most = 0;
    for (int rank = 0; rank < PRIORITY_CLASSES; rank++) {
        if (s->rings[rank].job_count >= LOAN_JOBS_MAX)
            return (enum priority_class)rank;
        if (s->rings[rank].job_count > s->rings[most].job_count)
            most = rank;
    }
    return (enum priority_class)most;
}

// Is there so much that others should help, and of the kind that may be lent?
static bool site_has_loan(const struct deliver *d, const struct site *s)
{
    return s->ready_count > d->o.spread_above &&
           may_be_lent(d, s, target_first_of(s, class_to_lend(s)));
}

static void loan_send(struct deliver *d, struct site *s, struct lease *lease)
{
    enum priority_class rank = class_to_lend(s);
    struct loan *loan = calloc(1, sizeof(*loan));
    CHECK(loan); // a kilobyte, and few of them at a time
    loan->rank = (uint8_t)rank;
    while (loan->item_count < LOAN_JOBS_MAX && may_be_lent(d, s, target_first_of(s, rank))) {
        struct job *j = target_take_of(s, rank);
        loan->items[loan->item_count++] = (struct loan_item){j, job_target(j)};
    }
    loan->lease = lease;
    loan->limits = s->limits;
    loan->open_count = loan->item_count;
    loan->letter.kind = LETTER_LOAN;
    lease->loan_count++;
    d->counters.lent += loan->item_count;
    post_leave(d->o.post, lease->borrower, &loan->letter);
}

uint32_t lend_connections_max(const struct deliver *d, const struct site *s)
{
    uint32_t workers = d->o.post->worker_count;
    uint32_t meant = s->hot ? limits_part(&s->limits, workers) * (workers - 1) : 0;
    uint32_t away = meant > s->lent_count ? meant : s->lent_count;
    return s->limits.connections > away ? s->limits.connections - away : 0;
}

void lend(struct deliver *d, struct site *s)
{
    uint32_t workers = d->o.post->worker_count;
    uint32_t part = limits_part(&s->limits, workers);
    if (s->borrowed || d->stopping || d->paused)
        return;
    // What is counted in time, or with other sites, is counted in one place.
    s->hot = part > 0 && !s->group && !allowance_is_limited(&s->allowance, io_now_us(d->io)) &&
             !sources_are_limited(d, s) && site_has_loan(d, s);
    for (uint32_t i = 1; i < workers && s->hot; i++) {
        uint32_t worker = (d->o.worker + i) % workers;
        struct lease *l = lease_with(s, worker);
        bool fits = s->open_count + s->lent_count + part <= s->limits.connections;
        if (!l && fits && site_has_loan(d, s))
            l = lease_begin(d, s, worker, part);
        // One of another size was made by other limits: it runs out, and comes back.
        bool lasts = l && l->connections == part;
        while (lasts && l->loan_count < loans_max(s, l) && site_has_loan(d, s))
            loan_send(d, s, l);
    }
}

void lend_loan_back(struct deliver *d, struct letter *letter)
{
    struct loan *loan = CONTAINER_OF(letter, struct loan, letter);
    struct site *s = loan->lease->site;
    CHECK(loan->lease->owner == d->o.worker && loan->lease->loan_count > 0);
    loan->lease->loan_count--;
    for (uint32_t i = 0; i < loan->item_count; i++) {
        struct loan_item *item = &loan->items[i];
        if (item->job)
            target_requeue(d, item->target, item->job);
        else
            target_job_left(d, item->target);
    }
    if (loan->only_7bit)
        s->only_7bit_until_us = io_now_us(d->io) + SITE_7BIT_KEPT_US;
    if (loan->refused && loan->lease->loan_count == 0)
        lease_end(d, loan->lease);
    free(loan);
    dispatch_site(d, s); // it may lend again
}

void lend_lease_over(struct deliver *d, struct letter *letter)
{
    struct lease *l = CONTAINER_OF(letter, struct lease, letter);
    CHECK(l->owner == d->o.worker);
    if (l->loan_count == 0) // else the letters have crossed
        lease_end(d, l);
}

// --- the borrower

static struct site *borrowed_site(struct deliver *d, const struct lease *l)
{
    struct site *s = d->site_buckets[l->site->hash % SITE_BUCKETS];
    while (s && s->borrowed != l)
        s = s->bucket_next;
    return s;
}

static void loan_item_over(struct deliver *d, struct loan *loan)
{
    CHECK(loan->open_count > 0);
    if (--loan->open_count > 0)
        return;
    loan->letter.kind = LETTER_LOAN_BACK;
    d->borrowed_count--;
    post_leave(d->o.post, loan->lease->owner, &loan->letter);
}

// Jobs that have not begun go back as they are.
static void loan_give_back_rest(struct deliver *d, struct site *s, struct loan *loan)
{
    uint32_t rest = loan->item_count - loan->begun_count;
    loan->begun_count = loan->item_count;
    s->ready_count -= rest;
    for (; rest > 0; rest--) // the last one makes it another's
        loan_item_over(d, loan);
}

void lend_loan(struct deliver *d, struct letter *letter)
{
    struct loan *loan = CONTAINER_OF(letter, struct loan, letter);
    struct lease *l = loan->lease;
    struct site *s = borrowed_site(d, l);
    if (!s && !d->stopping)
        s = site_make(d, l->site->set, l->site->hash, NULL, &loan->limits, &l->site->need);
    d->borrowed_count++;
    if (!s || d->stopping) {
        loan->refused = !s;
        loan->open_count = 1;
        loan_item_over(d, loan);
        return;
    }
    if (!s->borrowed) {
        s->borrowed = l;
        d->borrowed_site_count++;
    }
    s->limits = loan->limits;
    s->limits.connections = l->connections;
    struct site_loans *loans = &s->loans[loan->rank];
    loan->next = NULL;
    if (loans->last)
        loans->last->next = loan;
    else
        loans->first = loan;
    loans->last = loan;
    s->ready_count += loan->item_count;
    dispatch_site(d, s);
}

static uint32_t loans_waiting(const struct site *s)
{
    uint32_t waiting = 0;
    for (int rank = 0; rank < PRIORITY_CLASSES; rank++)
        waiting |= s->loans[rank].first ? 1u << rank : 0;
    return waiting;
}

struct job *lend_take_job(struct site *s, struct loan **ret_loan, uint32_t *ret_item)
{
    uint32_t waiting = loans_waiting(s);
    if (!waiting)
        return NULL;
    enum priority_class rank = turns_next(&s->turns, waiting);
    struct site_loans *loans = &s->loans[rank];
    struct loan *loan = loans->first;
    turns_went(&s->turns, rank, waiting);
    *ret_loan = loan;
    *ret_item = loan->begun_count++;
    s->ready_count--;
    if (loan->begun_count == loan->item_count) {
        loans->first = loan->next;
        if (!loans->first)
            loans->last = NULL;
    }
    return loan->items[*ret_item].job;
}

void lend_job_ended(struct deliver *d, struct loan *loan, uint32_t item)
{
    loan->items[item].job = NULL;
    loan_item_over(d, loan);
}

void lend_job_back(struct deliver *d, struct loan *loan)
{
    loan_item_over(d, loan);
}

void lend_learns_7bit(struct loan *loan)
{
    loan->only_7bit = true;
}

void lend_give_back_all(struct deliver *d, struct site *s)
{
    for (int rank = 0; rank < PRIORITY_CLASSES; rank++)
        while (s->loans[rank].first) {
            struct loan *loan = s->loans[rank].first;
            s->loans[rank].first = loan->next;
            if (!loan->next)
                s->loans[rank].last = NULL;
            loan_give_back_rest(d, s, loan);
        }
    if (s->borrowed)
        dispatch_site(d, s);
}

void lend_look_over(struct deliver *d, struct site *s)
{
    struct lease *l = s->borrowed;
    if (!l || s->conn_count > 0 || loans_waiting(s))
        return;
    if (atomic_load_explicit(&l->letter.under_way, memory_order_acquire)) {
        dispatch_site(d, s); // it was over before, and the owner has not heard of that yet
        return;
    }
    s->borrowed = NULL;
    d->borrowed_site_count--;
    l->letter.kind = LETTER_LEASE_OVER;
    post_leave(d->o.post, l->owner, &l->letter);
}
