// What must hold of a scenario, when all of it is in the books.
#include "engine/base/check.h"
#include "tests/sim/engine_books.h"

#include <inttypes.h>

// Times in ledgers and events are cut off to milliseconds.
#define TIME_STEP_US 1000

// --- one life

static bool has_all_events(const struct books_life *l)
{
    return l->orderly && !l->cut_off;
}

// Of one recipient, at most one arrival is without a word of it: the last, when the life ended
// there. A first copy without a word of it would be a second one later.
static void audit_life(struct books *b, const struct books_rcpt *r, uint32_t life)
{
    const struct books_rcpt_life *l = &r->lives[life];
    uint32_t told = (uint32_t)l->delivered + l->in_doubt;
    uint32_t most = has_all_events(&b->lives[life]) ? told : l->in_doubt + 1u;
    if (l->arrivals > most)
        books_complain(b, "%s: arrived %u times in life %u; %u delivered, %u in doubt", r->address,
                       l->arrivals, life, l->delivered, l->in_doubt);
    if (l->delivered > l->arrivals)
        books_complain(b, "%s: is told to be delivered in life %u, and never arrived", r->address,
                       life);
}

// --- from one life to the next

// All lives after it must leave that recipient alone. On disk it counts; what was told of must be
// there, unless the life ended just then.
static bool is_over(const struct books *b, const struct books_rcpt *r, uint32_t life)
{
    const struct books_rcpt_life *l = &r->lives[life];
    const struct books_life *all = &b->lives[life];
    if (l->over)
        return true;
    if (!b->plan->durable || l->delivered + l->failed == 0 || all->broken)
        return false;
    return all->orderly || l->final_us + all->grace_us < all->end_us;
}

static uint64_t delay_in_doubt_us(const struct plan *p, const struct books_rcpt *r)
{
    struct slice domain = slice_of_text(r->address);
    slice_cut(&domain, '@');
    return limits_of_domain(&p->config.limits, domain)->retry.delay_us_in_doubt;
}

// An attempt was under way, and nobody knows what came of it: it is not repeated soon after the
// life that made it.
static void audit_doubt(struct books *b, const struct books_rcpt *r, uint32_t life)
{
    for (uint32_t earlier = 0; earlier < life; earlier++)
        if (r->lives[earlier].doubt == r->lives[life].doubt)
            return;
    uint64_t due_us = b->lives[life].end_us + delay_in_doubt_us(b->plan, r);
    for (uint32_t later = life + 1; later < b->life_count; later++) {
        uint64_t first_us = r->lives[later].first_us;
        if (first_us > 0 && first_us + TIME_STEP_US < due_us)
            books_complain(
                b, "%s: in doubt since life %u, tried again after %" PRIu64 " ms, not %" PRIu64,
                r->address, life, (first_us - b->lives[life].end_us) / 1000,
                delay_in_doubt_us(b->plan, r) / 1000);
    }
}

static void audit_end_of_life(struct books *b, const struct books_rcpt *r, uint32_t life)
{
    const struct books_rcpt_life *l = &r->lives[life];
    const struct books_life *all = &b->lives[life];
    uint32_t told = (uint32_t)l->delivered + l->in_doubt;
    bool over = is_over(b, r, life);
    for (uint32_t later = life + 1; over && later < b->life_count; later++)
        if (r->lives[later].first_us > 0)
            books_complain(b, "%s: was over in life %u, and comes back in life %u", r->address,
                           life, later);
    // An operator may have it tried again at once, or end it.
    if (l->doubt &&
        !(b->plan->operates && (b->plan->retries || b->plan->purges || b->plan->bounces)))
        audit_doubt(b, r, life);
    if (b->plan->durable && !over && !l->doubt && l->arrivals > told &&
        l->last_arrival_us + all->grace_us < all->end_us)
        books_complain(b,
                       "%s: arrived before life %u ended, and nothing on the disk says that its "
                       "content had left",
                       r->address, life);
}

// --- the end

static bool named(const struct books *b, const struct books_rcpt *r)
{
    for (uint32_t life = 0; life < b->life_count; life++)
        if (r->lives[life].named)
            return true;
    return false;
}

// What arrived has come to its end, even when nobody could tell of it any more.
static bool ended(const struct books *b, const struct books_rcpt *r)
{
    if (b->life_count > 1 && r->arrivals > 0)
        return true;
    for (uint32_t life = 0; life < b->life_count; life++)
        if (r->lives[life].seems_over)
            return true;
    return r->delivered + r->failed + b->unread_failed > 0;
}

// A message is accepted for all its recipients, or none; the client may not have heard of it.
static bool accepted(const struct books *b, const struct books_message *m,
                     const struct books_rcpt *r)
{
    if (m->acknowledged)
        return r->acknowledged;
    return r->attempts > 0 || r->arrivals > 0 || (m->known && named(b, r));
}

// Everything has come to its end: delivered or failed, for all recipients that were accepted.
static void audit_drained(struct books *b, const struct books_message *m,
                          const struct books_rcpt *r)
{
    bool is_accepted = accepted(b, m, r);
    if (is_accepted && !ended(b, r))
        books_complain(b, "%s: accepted, and then neither delivered nor failed", r->address);
    if (b->life_count == 1 && b->unread == 0 && is_accepted && r->delivered + r->failed != 1)
        books_complain(b, "%s: %u times delivered, %u times failed", r->address, r->delivered,
                       r->failed);
    if (!is_accepted && r->attempts + r->arrivals > 0)
        books_complain(b, "%s: tried though refused", r->address);
}

// It was stopped: what has not come to its end waits on the disk.
static void audit_stopped(struct books *b, const struct books_message *m,
                          const struct books_rcpt *r)
{
    if (m->acknowledged && r->acknowledged && !ended(b, r) && !r->lives[b->life_count - 1].named)
        books_complain(b, "%s: acknowledged, and neither at its end nor on the disk", r->address);
}

// --- reports

static bool has_failed(const struct books *b, const struct books_rcpt *r)
{
    for (uint32_t life = 0; life < b->life_count; life++)
        if (r->lives[life].failed > 0 || r->lives[life].has_failed)
            return true;
    return false;
}

// A recipient has failed, for good, if and only if his sender is told so, once. Until all is over
// the report may be on its way; and what says that he has failed may be lost with a life.
static void audit_report(struct books *b, const struct books_message *m, const struct books_rcpt *r)
{
    bool due = m->has_sender && !b->plan->events_only;
    if (r->reports > 0 && !due)
        books_complain(b, "%s: a report that nobody wants", r->address);
    if (r->reports > 0 && b->life_count == 1 && b->unread == 0 && !has_failed(b, r) &&
        has_all_events(&b->lives[0]))
        books_complain(b, "%s: is reported to have failed, and has not", r->address);
    bool purged = b->plan->operates && b->plan->purges; // maybe: of that nobody is told
    if (r->reports == 0 && due && !purged && b->plan->end == END_DRAINED && has_failed(b, r))
        books_complain(b, "%s: has failed, and its sender was not told", r->address);
}

static bool any_was_cursorless(const struct books *b)
{
    for (uint32_t i = 0; i < b->life_count; i++)
        if (b->lives[i].cursorless)
            return true;
    return false;
}

// What is over on the disk was told of, by the life that did it or by a later one.
static void audit_told(struct books *b, const struct books_rcpt *r, uint32_t life)
{
    if (r->lives[life].over && r->delivered + r->failed == 0 && b->unread == 0 &&
        has_all_events(&b->lives[b->life_count - 1]) && !any_was_cursorless(b))
        books_complain(b, "%s: was over in life %u, and no event says so", r->address, life);
}

static void audit_rcpt(struct books *b, const struct books_message *m, const struct books_rcpt *r)
{
    for (uint32_t life = 0; life < b->life_count; life++) {
        audit_told(b, r, life);
        audit_life(b, r, life);
        audit_end_of_life(b, r, life);
    }
    audit_report(b, m, r);
    if (b->plan->end == END_DRAINED)
        audit_drained(b, m, r);
    else if (b->plan->durable)
        audit_stopped(b, m, r);
}

struct tally {
    uint64_t delivered, failed;
    uint64_t done;    // acknowledged messages all of whose recipients have come to an end
    uint64_t unknown; // messages that the client heard nothing of, and the engine told of
};

static void audit_message(struct books *b, const struct books_message *m, struct tally *t)
{
    bool done = m->acknowledged;
    for (uint32_t i = 0; i < m->rcpt_count; i++) {
        const struct books_rcpt *r = &m->rcpts[i];
        audit_rcpt(b, m, r);
        t->delivered += r->delivered;
        t->failed += r->failed;
        done &= !r->acknowledged || r->delivered + r->failed > 0;
    }
    t->done += done;
    t->unknown += m->known && !m->acknowledged;
}

// --- the counters, where one life saw all of it

static void audit_events(struct books *b, const struct counters *sum, const struct tally *t)
{
    uint64_t reports_over = b->reports_delivered + b->reports_failed;
    if (sum->deliver.delivered != t->delivered + b->reports_delivered ||
        sum->deliver.failed != t->failed + b->reports_failed ||
        sum->deliver.in_doubt != b->in_doubt)
        books_complain(b, "counters and events differ");
    // Accepted is accepted: what has not come to its end is left, and counted.
    uint64_t over = sum->messages - sum->messages_left - reports_over;
    if (over < t->done || over > t->done + t->unknown)
        books_complain(b,
                       "%" PRIu64 " messages are left of %" PRIu64 ", but %" PRIu64 " to %" PRIu64
                       " have come to their end",
                       sum->messages_left, sum->messages, t->done, t->done + t->unknown);
}

static void audit_counters(struct books *b, const struct counters *sum, const struct tally *t)
{
    uint64_t ends = sum->deliver.delivered + sum->deliver.failed;
    if (has_all_events(&b->lives[0]) && b->unread == 0)
        audit_events(b, sum, t);
    if (b->arrivals > sum->deliver.delivered + sum->deliver.in_doubt ||
        sum->deliver.delivered > b->arrivals)
        books_complain(b, "%" PRIu64 " arrivals, %" PRIu64 " delivered, %" PRIu64 " in doubt",
                       b->arrivals, sum->deliver.delivered, sum->deliver.in_doubt);
    if (b->plan->end == END_DRAINED && sum->recipients != ends)
        books_complain(b, "%" PRIu64 " recipients accepted, %" PRIu64 " came to their end",
                       sum->recipients, ends);
    if ((sum->recipients == ends) != (sum->messages_left == 0))
        books_complain(b, "%" PRIu64 " messages left, recipients say otherwise",
                       sum->messages_left);
}

void books_audit(struct books *b, const struct counters *sum)
{
    struct tally t = {0};
    CHECK(b->life_count > 0);
    for (uint32_t i = 1; i <= b->plan->message_count; i++)
        audit_message(b, &b->messages[i], &t);
    if (b->life_count == 1)
        audit_counters(b, sum, &t);
    if (b->plan->end == END_DRAINED && sum->messages_left > 0)
        books_complain(b, "%" PRIu64 " messages are left", sum->messages_left);
    if (has_all_events(&b->lives[b->life_count - 1]) && sum->events_dropped > 0)
        books_complain(b, "%" PRIu64 " events are lost", sum->events_dropped);
}
