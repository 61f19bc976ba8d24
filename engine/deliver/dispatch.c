// Work, permission and connection come together here. Each decision belongs to policy/ or site.c;
// this file carries them out.
//
//   site dirty -> idle connections take ready jobs (prepare.c) -> more connections are opened while
//   the limits allow and jobs wait (connect.c).

#include "engine/base/check.h"
#include "engine/deliver/parts.h"
#include "engine/message/recode.h"

#define CONN_LOOKS_MAX 16  // for the connection with the fewest messages
#define HELD_JOBS_MAX 256u // sent home in one turn of a site

void dispatch_site(struct deliver *d, struct site *s)
{
    if (s->dirty)
        return;
    s->dirty = true;
    s->dirty_next = d->dirty_sites;
    d->dirty_sites = s;
}

uint32_t dispatch_may_begin(struct deliver *d, struct site *s)
{
    uint32_t own = allowance_messages(&s->allowance, s->transaction_count, io_now_us(d->io));
    uint32_t shared = group_messages(d, s), leaving = sources_messages(d, s);
    if (shared < own)
        own = shared;
    return own < leaving ? own : leaving;
}

struct reason dispatch_reason(struct deliver *d, struct site *s)
{
    struct site_load load = connect_load(d, s);
    uint64_t now_us = io_now_us(d->io);
    if (d->stopping)
        return (struct reason){REASON_DRAINING, 0};
    if (d->paused)
        return (struct reason){REASON_DISK, 0};
    if (s->starved)
        return (struct reason){s->starved_of, 0};
    if (s->rests_until_us > now_us)
        return (struct reason){site_failure_reason(s), s->rests_until_us};
    struct reason allowance = reason_binding(allowance_reason(&s->allowance, now_us),
                                             sources_reason(d, s));
    struct reason shared = group_reason(d, s);
    if (shared.kind != REASON_BEHIND_OTHERS || allowance.kind == REASON_NONE) // they wait for that
        allowance = reason_binding(allowance, shared);
    if (allowance.kind != REASON_NONE)
        return allowance;
    if (s->ask_count > 0 && s->open_count == 0)
        return (struct reason){REASON_DNS_ASKING, 0};
    return (struct reason){limits_connection_reason(&s->limits, &load), 0};
}

// --- a transaction begins

// READY is looked at first: whoever set it knows the domain. If that is
// ours, nobody but us ends it; if not, the domain is still not freed before our turn ends.
bool job_is_ours(const struct deliver *d, const struct job *j)
{
    if (atomic_load_explicit(&j->place, memory_order_acquire) != JOB_READY)
        return false;
    return atomic_load_explicit(&j->domain->owner, memory_order_acquire) == d->o.worker &&
           atomic_load_explicit(&j->place, memory_order_acquire) == JOB_READY;
}

// More jobs of this message whose domains belong to this site: they go in the same transaction.
static void add_siblings(struct deliver *d, struct conn *c, struct transaction *tx,
                         const struct job *first, uint32_t limit)
{
    const struct site *site = c->site;
    const struct spread *s = tx->sorts_rcpts ? NULL : entry_spread(first->entry);
    uint32_t count = s ? s->job_count : 1;
    uint32_t at = entry_job_of_rcpt(first->entry, first->rcpt_first);
    for (uint32_t seen = 1; seen < count && seen <= TRANSACTION_SIBLINGS_SEEN_MAX; seen++) {
        struct job *j = s->jobs[(at + seen) % count];
        if (tx->rcpt_count == limit || tx->rcpt_count == tx->rcpt_room)
            return;
        if (!job_is_ours(d, j) || job_target(j)->site != site || !job_target(j)->in_ring ||
            job_is_held(d, j, first->message) || job_has_suppressed(d, j, first->message) ||
            !conn_takes_domain(c, domain_name(j->domain)))
            continue;
        target_took(j);
        j->message = first->message;
        if (j->message != entry_message(j->entry)) // one that was read back
            j->message->loan_count++;
        transaction_add(tx, j, limit);
    }
}

static void conn_start_job(struct deliver *d, struct conn *c, struct transaction *tx, struct job *j)
{
    uint32_t limit = j->message->verp || j->message->is_for_one
                         ? 1
                         : conn_rcpts_max(c, c->site->limits.rcpts_per_transaction);
    transaction_start(tx, j, limit, conn_offers(c, SMTP_SMTPUTF8));
    transaction_add(tx, j, limit);
    add_siblings(d, c, tx, j, limit);
    transaction_seal(tx);
    tx->began_us = io_now_us(d->io);
    allowance_message_begins(&c->site->allowance, tx->began_us);
    group_message_begins(d, c->site);
    source_message_begins(d, c);
    d->counters.transactions++;
    d->counters.connections_reused += c->started_count > 0;
    d->counters.transactions_ahead += c->tx_first != NULL;
    c->moved |= c->state == CONN_IDLE;
    conn_add_transaction(c, tx); // gives it its tag
    tally_session(d, c, job_target(j));
    smtp_client_start(&c->client, &tx->smtp);
    conn_enter(d, c, CONN_BUSY);
    conn_speaks(d, c);
    attempt_events(d, c, SLICE_EMPTY); // what the machine can tell without asking the server
}

// --- jobs for connections

// A connection is filled before the next one is used; but what is urgent goes where the fewest
// messages stand in front of it.
static struct conn *conn_with_fewest(struct deliver *d, struct conn *best, const struct job *j)
{
    uint32_t looks = 1;
    if (job_class(j) != PRIORITY_TRANSACTIONAL)
        return best;
    for (struct conn *c = best->next; c && looks < CONN_LOOKS_MAX; c = c->next, looks++)
        if (c->tx_count < best->tx_count && source_serves(d, c) &&
            conn_takes_domain(c, domain_name(j->domain)))
            best = c;
    return best;
}

// NULL: the server of each lets no more domains into a session. These are done with.
static struct conn *site_conn_for(struct deliver *d, struct site *s, const struct job *j)
{
    for (struct conn *c = s->willing_first, *next; c; c = next) {
        next = c->next;
        if (!source_serves(d, c))
            continue;
        if (conn_takes_domain(c, domain_name(j->domain)))
            return conn_with_fewest(d, c, j);
        c->spent = true;
        if (c->state == CONN_IDLE)
            attempt_quit(d, c);
        else
            conn_look_willing(d, c);
    }
    return NULL;
}

// What the server lacks may be known only now, and that the recipient whom it was made ready for
// gets no mail any more. False: the job is being made ready anew, waits for that, or has gone back
// to who has lent it.
static bool job_suits(struct deliver *d, struct conn *c, struct loan *loan, struct job *j)
{
    const struct message *m = j->message;
    if (m->is_for_one && job_rcpt_state(j, m->only_rcpt) != RCPT_OPEN) {
        job_waits_again(d, loan, j);
        return false;
    }
    if (!m->is_8bit || conn_offers(c, SMTP_8BITMIME))
        return true;
    if (!loan)
        return prepare_message(d, c->site, j, true);
    if (!recode_wanted(message_content(m)))
        return true;
    lend_learns_7bit(loan);
    job_waits_again(d, loan, j);
    return false;
}

static void site_starts_jobs(struct deliver *d, struct site *s)
{
    uint32_t held = 0;
    while (sources_may_start(d, s) && !d->stopping && !d->paused && dispatch_may_begin(d, s) > 0) {
        uint32_t index, item = 0;
        struct loan *loan = NULL;
        struct job *j = prepare_next_job(d, s, &loan, &item);
        if (!j)
            return;
        if (job_is_held(d, j, j->message)) {
            job_stays(d, loan, item, j);
            if (++held < HELD_JOBS_MAX)
                continue;
            dispatch_site(d, s); // the rest in a later turn
            return;
        }
        if (job_drops_suppressed(d, loan, item, j))
            continue;
        struct conn *c = site_conn_for(d, s, j);
        if (!c) {
            job_waits_again(d, loan, j);
            return;
        }
        if (!job_suits(d, c, loan, j))
            continue;
        struct transaction *tx = slab_take(&d->transactions, &index);
        if (!tx) {
            job_waits_again(d, loan, j);
            site_starves(d, s, REASON_MEMORY);
            return;
        }
        tx->index = index;
        tx->loan = loan;
        tx->loan_item = item;
        conn_start_job(d, c, tx, j);
    }
}

// --- the turn

// What holds it back passes with time: then it is looked at again.
static void site_waits(struct deliver *d, struct site *s)
{
    uint64_t now_us = io_now_us(d->io);
    if (s->ready_count + s->fetched_count == 0 || d->stopping)
        return;
    uint64_t due_us = allowance_messages_due_us(&s->allowance, now_us);
    if (due_us <= now_us && s->open_count == 0)
        due_us = allowance_connections_due_us(&s->allowance, now_us);
    uint64_t sources_us = sources_due_us(d, s);
    if (sources_us > due_us)
        due_us = sources_us;
    if (due_us > now_us)
        wheel_arm(d->o.wheel, &s->timer, due_us);
}

void dispatch_sites(struct deliver *d)
{
    // What is marked meanwhile, a site by its own turn perhaps (a job came back), is for the next
    // round.
    struct site *s = d->dirty_sites;
    d->dirty_sites = NULL;
    while (s) {
        struct site *next = s->dirty_next;
        s->dirty = false;
        s->has_dispatch = true; // its last domain may leave it
        sources_prune(d, s);
        site_starts_jobs(d, s);
        connect_site(d, s);
        site_waits(d, s);
        group_turn_ends(d, s);
        lend(d, s);
        lend_look_over(d, s);
        s->has_dispatch = false;
        site_free_unused(d, s);
        s = next;
    }
}
