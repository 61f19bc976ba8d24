#include "engine/deliver/deliver.h"

#include "engine/base/check.h"
#include "engine/deliver/parts.h"

#include <errno.h>
#include <stdlib.h>

#define ROUNDS_MAX 8 // of dispatch in one turn
#define SWEEP_US (UINT64_C(5) * 1000 * 1000)

size_t deliver_domain_bytes(void)
{
    return sizeof(struct target);
}

int deliver_new(struct deliver **ret, const struct deliver_options *options)
{
    CHECK(options->tls); // without it nothing could be kept from going in the clear
    struct deliver *d = calloc(1, sizeof(*d));
    if (!d)
        return -ENOMEM;
    d->o = *options;
    d->io = options->io;
    d->pages = calloc(options->post->worker_count, sizeof(*d->pages));
    if (!d->pages || !groups_init(d) || !rules_reader_init(&d->rules, options->rules)) {
        groups_release(d);
        free(d->pages);
        free(d);
        return -ENOMEM;
    }
    random_init(&d->dice, io_seed(d->io));
    d->wall_ahead_us = io_wall_us(d->io) - io_now_us(d->io);
    slab_init(&d->conns, sizeof(struct conn), options->conn_count_max);
    slab_init(&d->transactions, sizeof(struct transaction), TRANSACTIONS_MAX);
    slab_init(&d->sites, sizeof(struct site), SITES_MAX);
    slab_init(&d->questions, sizeof(struct question), QUESTIONS_MAX);
    slab_init(&d->fetches, sizeof(struct fetch), FETCHES_MAX);
    slab_init(&d->sisters, (uint32_t)sisters_bytes(), SITES_MAX);
    buffer_init(&d->plain, TLS_RECORD_BYTES_MAX);
    if (!dress_init(d)) {
        dress_release(d);
        free(d->pages);
        free(d);
        return -ENOMEM;
    }
    // Its op says that no connection is meant.
    struct io_token sweep = {0, 0, options->io_owner, DELIVER_OP_SWEEP};
    memcpy(&d->sweep_timer.owner, &sweep, sizeof(sweep));
    wheel_arm(options->wheel, &d->sweep_timer, io_now_us(d->io) + SWEEP_US);
    *ret = d;
    return 0;
}

void deliver_free(struct deliver *d)
{
    if (!d)
        return;
    wheel_disarm(d->o.wheel, &d->sweep_timer);
    CHECK(d->conns.item_count == 0 && d->fetches.item_count == 0);
    slab_release(&d->conns);
    slab_release(&d->transactions);
    slab_release(&d->fetches);
    dress_release(d);
    for (uint32_t i = slab_next(&d->sites, 0); i != SLAB_NONE; i = slab_next(&d->sites, i + 1)) {
        struct site *s = slab_at(&d->sites, i);
        CHECK(!s->fetched_first);
        wheel_disarm(d->o.wheel, &s->timer);
        sources_release(d, s);
        site_release(s);
    }
    slab_release(&d->sites);
    sisters_release(d);
    buffer_release(&d->plain);
    groups_release(d);
    targets_stop_asking(d);
    slab_release(&d->questions);
    setbacks_release(d);
    targets_release(d);
    for (uint32_t home = 0; home < d->o.post->worker_count; home++)
        free(d->pages[home]);
    free(d->pages);
    rules_reader_release(&d->rules);
    while (d->free_pages) {
        struct result_page *p = d->free_pages;
        d->free_pages = p->next;
        free(p);
    }
    free(d);
}

void deliver_on_letter(struct deliver *d, struct letter *l)
{
    switch ((enum letter_kind)l->kind) {
    case LETTER_DOMAIN_DIRTY:
        target_dirty(d, target_of(CONTAINER_OF(l, struct domain, dirty_letter)));
        break;
    case LETTER_DOMAIN_HANDOVER:
        target_handed_over(d, target_of(CONTAINER_OF(l, struct domain, handover_letter)));
        break;
    case LETTER_PAGE_BACK: outbox_page_back(d, CONTAINER_OF(l, struct result_page, letter)); break;
    case LETTER_LOAN: lend_loan(d, l); break;
    case LETTER_LOAN_BACK: lend_loan_back(d, l); break;
    case LETTER_LEASE_OVER: lend_lease_over(d, l); break;
    case LETTER_RECALL: recall(d, l); break;
    case LETTER_RECALL_BACK:
    case LETTER_ORDER:
    case LETTER_ORDER_BACK:
    case LETTER_RESULTS:
    case LETTER_CONNECTION:
    case LETTER_KEYED:
    case LETTER_KEYED_BACK:
    case LETTER_SUPPRESS: CHECK(false);
    }
}

void deliver_on_done(struct deliver *d, const struct io_done *done)
{
    if (done->token.op == DELIVER_OP_FETCH)
        fetch_on_done(d, done);
    else if (done->token.op == DELIVER_OP_DRESS)
        dress_on_done(d, done);
    else
        attempt_on_done(d, done);
}

void deliver_on_timer(struct deliver *d, struct wheel_timer *t)
{
    struct io_token token;
    memcpy(&token, &t->owner, sizeof(token));
    if (token.op == DELIVER_OP_SWEEP) {
        targets_expire(d, io_now_us(d->io));
        targets_sweep(d, io_now_us(d->io));
        crowd_sweep(d, io_now_us(d->io));
        sources_sweep(d);
        starved_wake(d, UINT32_MAX);
        d->looks_far = true;
        wheel_arm(d->o.wheel, t, io_now_us(d->io) + SWEEP_US);
        return;
    }
    if (token.op == DELIVER_OP_GROUP)
        group_next(d, d->groups[token.index]);
    else if (token.op == DELIVER_OP_SISTERS)
        group_next(d, slab_at(&d->sisters, token.index));
    else if (token.op == DELIVER_OP_SITE)
        dispatch_site(d, slab_at(&d->sites, token.index));
    else
        attempt_on_timer(d, slab_at(&d->conns, token.index));
}

static uint64_t tag_of(const struct dns_answer *a)
{
    switch (a->kind) {
    case DNS_ANSWER_MX: return a->mx.tag;
    case DNS_ANSWER_ADDRESS: return a->address.tag;
    default: return a->record.tag;
    }
}

static void take_answer(struct deliver *d, const struct dns_answer *a)
{
    uint64_t tag = tag_of(a);
    if (tag & STS_TAG) {
        sts_on_answer(d->o.sts, a);
        return;
    }
    struct question q = *(struct question *)slab_at(&d->questions, (uint32_t)tag);
    slab_give(&d->questions, (uint32_t)tag);
    switch ((enum question_kind)q.kind) {
    case QUESTION_MX: target_on_mx(d, q.target, &a->mx); break;
    case QUESTION_ADDRESS: connect_on_address(d, q.site, q.host, &a->address); break;
    case QUESTION_RECORDS: dane_on_records(d, q.site, q.host, &a->record); break;
    case QUESTION_STS: CHECK(false); // the resolver was not asked that
    }
}

static void take_answers(struct deliver *d)
{
    struct sts_answer policy;
    bool more = true;
    while (more) {
        for (struct dns_answer a; (a = resolver_next(d->o.resolver)).kind != DNS_ANSWER_NONE;)
            take_answer(d, &a);
        more = d->o.sts && sts_next(d->o.sts, &policy);
        if (more)
            target_on_sts(d, &policy);
    }
}

// What was read back for connections that will not come. Their jobs are left where they are: they
// are others' memory, and theirs for as long as we have not said that we have stopped.
static void forget_fetched(struct deliver *d)
{
    for (uint32_t i = slab_next(&d->sites, 0); i != SLAB_NONE; i = slab_next(&d->sites, i + 1)) {
        struct site *s = slab_at(&d->sites, i);
        for (struct job *j = s->fetched_first; j; j = j->next) {
            target_forget_next(job_target(j)); // it will not move any more
            outbox_forget_message(d, j);
        }
        s->fetched_first = s->fetched_last = NULL;
        s->fetched_count = 0;
    }
}

void deliver_turn(struct deliver *d)
{
    targets_drain_again(d);
    // An answer may come at once, when the cache knows it: look again after each round of asking.
    take_answers(d);
    for (int round = 0; d->dirty_sites && round < ROUNDS_MAX; round++) {
        dispatch_sites(d);
        take_answers(d);
    }
    d->looks_far = false;
    say_all(d);
    outbox_flush(d);
    if (deliver_stopped(d))
        forget_fetched(d);
}

bool deliver_busy(const struct deliver *d)
{
    return d->dirty_sites || d->again_first;
}

uint64_t deliver_news_count(const struct deliver *d)
{
    return d->counters.transactions + d->counters.connections_opened + d->rest_count;
}

bool deliver_print_counted(struct deliver *d, struct buffer *out, const struct rate_clock *clock)
{
    bool is_ok = true;
    for (uint32_t i = 0; i < d->group_count && is_ok; i++)
        is_ok = allowance_print(&d->groups[i]->allowance, out, clock) &&
                source_book_print(&d->groups[i]->sources, out, clock);
    for (uint32_t i = slab_next(&d->sites, 0); i != SLAB_NONE && is_ok;
         i = slab_next(&d->sites, i + 1)) {
        struct site *s = slab_at(&d->sites, i);
        is_ok = allowance_print(&s->allowance, out, clock) &&
                source_book_print(&s->own_sources, out, clock);
    }
    return is_ok && sisters_print_counted(d, out, clock);
}

void deliver_pause(struct deliver *d, bool paused)
{
    if (d->paused && !paused)
        for (uint32_t i = slab_next(&d->sites, 0); i != SLAB_NONE; i = slab_next(&d->sites, i + 1))
            dispatch_site(d, slab_at(&d->sites, i));
    d->paused = paused;
}

void deliver_set_holds(struct deliver *d, const struct holds *holds)
{
    outbox_flush(d);
    d->o.holds = holds;
}

void deliver_set_limits(struct deliver *d, const struct limits_table *limits)
{
    d->o.limits = limits;
    targets_take_limits(d);
}

void deliver_try_now(struct deliver *d)
{
    for (uint32_t i = slab_next(&d->sites, 0); i != SLAB_NONE; i = slab_next(&d->sites, i + 1))
        site_try_now(slab_at(&d->sites, i));
}

void deliver_stop(struct deliver *d)
{
    d->stopping = true;
    for (uint32_t i = slab_next(&d->conns, 0); i != SLAB_NONE; i = slab_next(&d->conns, i + 1)) {
        struct conn *c = slab_at(&d->conns, i);
        if (c->state == CONN_IDLE)
            attempt_quit(d, c);
        else if (c->state < CONN_IDLE)
            attempt_close(d, c, SLICE("shutting down"));
    }
    for (uint32_t i = slab_next(&d->sites, 0); i != SLAB_NONE; i = slab_next(&d->sites, i + 1))
        lend_give_back_all(d, slab_at(&d->sites, i));
}

bool deliver_stopped(const struct deliver *d)
{
    return d->stopping && d->conns.item_count == 0 && d->fetches.item_count == 0 &&
           d->dressings.item_count == 0 && d->lease_count == 0 && d->borrowed_site_count == 0 &&
           d->borrowed_count == 0;
}

void deliver_abandon(struct deliver *d)
{
    for (uint32_t i = slab_next(&d->conns, 0); i != SLAB_NONE; i = slab_next(&d->conns, i + 1))
        attempt_close(d, slab_at(&d->conns, i), SLICE("shutting down"));
}

struct deliver_counters deliver_counters(const struct deliver *d)
{
    struct deliver_counters c = d->counters;
    c.sites = d->sites.item_count;
    c.sources_suspended = sources_suspended_count(d);
    return c;
}
