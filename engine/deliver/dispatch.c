// Work, permission and connection come together here. Each decision belongs to policy/ or site.c;
// this file carries them out.
//
//   site dirty -> idle connections take ready jobs -> more connections are opened while the limits
//   allow and jobs wait -> every address rests, or there is none: the ready jobs end with that.

#include "engine/base/check.h"
#include "engine/deliver/parts.h"

#include <errno.h>

#define CONN_LOOKS_MAX 16  // for the connection with the fewest messages
#define HELD_JOBS_MAX 256u // sent home in one turn of a site

// Jobs behind the first one that are looked at for one whose message is in memory. Now and then, at
// all of them: what these keep in memory may be what the first one waits for.
#define LOOKS_NEAR 16u

// --- which sites dispatch looks at

void dispatch_site(struct deliver *d, struct site *s)
{
    if (s->dirty)
        return;
    s->dirty = true;
    s->dirty_next = d->dirty_sites;
    d->dirty_sites = s;
}

static void site_starves(struct deliver *d, struct site *s, enum reason_kind of)
{
    s->starved_of = of;
    if (s->starved)
        return;
    struct starved_queue *q = &d->starved[s->is_prompt ? STARVED_PROMPT : STARVED_OTHERS];
    s->starved = true;
    s->starved_next = NULL;
    if (q->last)
        q->last->starved_next = s;
    else
        q->first = s;
    q->last = s;
}

static void wake_starved(struct deliver *d, struct starved_queue *q, uint32_t count_max)
{
    for (; q->first && count_max > 0; count_max--) {
        struct site *s = q->first;
        q->first = s->starved_next;
        if (!q->first)
            q->last = NULL;
        s->starved = false;
        dispatch_site(d, s);
    }
}

void dispatch_starved(struct deliver *d, uint32_t count_max)
{
    for (int rank = 0; rank < STARVED_RANKS; rank++)
        wake_starved(d, &d->starved[rank], count_max);
}

// --- jobs for connections

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
    const struct spread *s = entry_spread(first->entry);
    uint32_t count = s ? s->job_count : 1;
    uint32_t at = entry_job_of_rcpt(first->entry, first->rcpt_first);
    for (uint32_t seen = 1; seen < count && seen <= TRANSACTION_SIBLINGS_SEEN_MAX; seen++) {
        struct job *j = s->jobs[(at + seen) % count];
        if (tx->rcpt_count == limit || tx->rcpt_count == tx->rcpt_room)
            return;
        if (!job_is_ours(d, j) || job_target(j)->site != site || !job_target(j)->in_ring ||
            job_is_held(d, j, first->message) || !conn_takes_domain(c, domain_name(j->domain)))
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
    uint32_t limit = j->message->verp ? 1
                                      : conn_rcpts_max(c, c->site->limits.rcpts_per_transaction);
    transaction_start(tx, j, limit);
    transaction_add(tx, j, limit);
    add_siblings(d, c, tx, j, limit);
    transaction_seal(tx);
    tx->began_us = io_now_us(d->io);
    allowance_message_begins(&c->site->allowance, tx->began_us);
    group_message_begins(d, c->site);
    d->counters.transactions++;
    d->counters.connections_reused += c->started_count > 0;
    d->counters.transactions_ahead += c->tx_first != NULL;
    c->moved |= c->state == CONN_IDLE;
    conn_add_transaction(c, tx); // gives it its tag
    smtp_client_start(&c->client, &tx->smtp);
    conn_enter(d, c, CONN_BUSY);
    conn_speaks(d, c);
    attempt_events(d, c, SLICE_EMPTY); // what the machine can tell without asking the server
}

void dispatch_not_prepared(struct deliver *d, struct site *s, struct job *j,
                           const struct failure *why)
{
    struct target *t = job_target(j);
    CHECK(s->fetch_count > 0);
    s->fetch_count--;
    dispatch_site(d, s);
    outbox_whole_job(d, j, VERDICT_LATER, why, NULL);
    target_job_left(d, t);
}

void dispatch_prepared(struct deliver *d, struct site *s, struct job *j)
{
    CHECK(s->fetch_count > 0);
    s->fetch_count--;
    dispatch_site(d, s);
    j->next = NULL;
    if (s->fetched_last)
        s->fetched_last->next = j;
    else
        s->fetched_first = j;
    s->fetched_last = j;
    s->fetched_count++;
}

static struct job *site_take_fetched(struct site *s)
{
    struct job *j = s->fetched_first;
    if (!j)
        return NULL;
    s->fetched_first = j->next;
    if (!s->fetched_first)
        s->fetched_last = NULL;
    s->fetched_count--;
    return j;
}

// Must it be read back or signed, and is there no memory for that now?
static bool job_starves(const struct deliver *d, const struct job *j)
{
    return !sign_has_room(d) || (!entry_message(j->entry) && !fetch_has_room(d, j));
}

uint32_t dispatch_may_begin(struct deliver *d, struct site *s)
{
    uint32_t own = allowance_messages(&s->allowance, s->transaction_count, io_now_us(d->io));
    uint32_t shared = group_messages(d, s);
    return own < shared ? own : shared;
}

// How many more messages its connections can take, those that are being opened too, unless they
// have waited for long.
static uint32_t site_room(struct deliver *d, struct site *s)
{
    uint64_t room = (uint64_t)(s->open_count - s->stuck_count) * s->pace.window;
    uint32_t may_begin = dispatch_may_begin(d, s);
    room = room > s->transaction_count ? room - s->transaction_count : 0;
    return room < may_begin ? (uint32_t)room : may_begin;
}

// Asks for what the job that was taken lacks: its message, or that one's signature. It comes back
// by dispatch_prepared(). False: no memory now.
static bool job_prepare(struct deliver *d, struct site *s, struct job *j, bool *ret_ready)
{
    struct failure why;
    *ret_ready = job_is_held(d, j, j->message); // nothing is done for that in vain
    if (*ret_ready)
        return true;
    if (!j->message) {
        bool asked = fetch_ask(d, j, FETCH_TO_DELIVER);
        s->fetch_count += asked;
        return asked;
    }
    s->fetch_count++;
    switch (sign_job(d, j, &why)) {
    case SIGN_NOT_WANTED:
        s->fetch_count--;
        *ret_ready = true;
        break;
    case SIGN_ASKED: break;
    case SIGN_FAILED: dispatch_not_prepared(d, s, j, &why); break;
    }
    return true;
}

// The next job whose message is in memory, and signed if need be. What others lack is asked for: of
// as many as there is room for.
static struct job *site_next_job(struct deliver *d, struct site *s, struct loan **ret_loan,
                                 uint32_t *ret_item)
{
    struct job *j = site_take_fetched(s);
    if (!j)
        j = lend_take_job(s, ret_loan, ret_item);
    while (!j && s->fetch_count + s->fetched_count < site_room(d, s) && target_first(s)) {
        bool ready, starves = job_starves(d, target_first(s));
        if (starves)
            site_starves(d, s, REASON_MEMORY); // until some is given back
        j = starves ? target_take_in_memory(s, d->looks_far ? UINT32_MAX : LOOKS_NEAR)
                    : target_take(s);
        if (!j)
            return NULL;
        if (!job_prepare(d, s, j, &ready)) {
            target_requeue(d, job_target(j), j);
            site_starves(d, s, REASON_MEMORY);
            return NULL;
        }
        if (!ready)
            j = NULL;
    }
    return j;
}

// --- connections for jobs

static bool site_connect(struct deliver *d, struct site *s, uint8_t host, uint8_t address)
{
    uint32_t index;
    struct conn *c = crowd_may_connect(d, s) ? slab_take(&d->conns, &index) : NULL;
    if (!c) {
        site_starves(d, s, REASON_GLOBAL_CONNECTIONS);
        return false;
    }
    c->index = index;
    c->generation = slab_generation(&d->conns, index);
    c->io_owner = d->o.io_owner;
    c->site = s;
    c->host = host;
    c->peer = s->hosts[host].addresses[address].address;
    struct io_token timer = {index, c->generation, d->o.io_owner, CONN_OP_TIMER};
    memcpy(&c->timer.owner, &timer, sizeof(timer));
    struct smtp_client_options options = {
        .helo_name = d->o.helo_name,
        .window = s->pace.window,
        .decisions_only = true,
        .ignore = pace_is_lockstep(&s->pace, io_now_us(d->io)) ? SMTP_PIPELINING : 0,
    };
    int error = conn_open(c, d->io, &options);
    if (error < 0) {
        slab_give(&d->conns, index);
        if (error == -EMFILE || error == -ENFILE || error == -ENOMEM || error == -ENOBUFS) {
            site_starves(d, s, REASON_GLOBAL_CONNECTIONS);
            return false;
        }
        failure_set(&s->failure, 0, (struct enhanced_code){4, 4, 1},
                    slice_of_text(strerror(-error)));
        s->failure_host = host;
        s->failure_peer = s->hosts[host].addresses[address].address;
        site_rest_address(s, &s->failure_peer,
                          io_now_us(d->io) + retry_address_us(&s->limits.retry));
        return true;
    }
    crowd_opened(d, s);
    allowance_connection_opens(&s->allowance, io_now_us(d->io));
    group_connection_opens(d, s);
    s->conn_count++;
    s->open_count++;
    s->spare_count++;
    s->opening_count++;
    c->moved = true;
    d->counters.connections_opened++;
    if (++d->counters.connections > d->counters.connections_peak)
        d->counters.connections_peak = d->counters.connections;
    conn_speaks(d, c); // arms its timer
    return true;
}

static bool site_ask(struct deliver *d, struct site *s, uint8_t host)
{
    uint32_t index;
    const struct mx_host *name = &s->set->hosts[host];
    struct question *q = slab_take(&d->questions, &index);
    if (!q || !resolver_ask_address(d->o.resolver, slice_make(name->name, name->len), index)) {
        if (q)
            slab_give(&d->questions, index);
        site_starves(d, s, REASON_DNS_ASKING);
        return false;
    }
    *q = (struct question){.kind = QUESTION_ADDRESS, .site = s, .host = host};
    s->ask_count++;
    s->hosts[host].state = HOST_ASKED;
    return true;
}

void dispatch_on_address(struct deliver *d, struct site *s, uint8_t host,
                         const struct dns_address_answer *a)
{
    CHECK(s->ask_count > 0);
    s->ask_count--;
    uint64_t kept_us = io_now_us(d->io) + SITE_ADDRESSES_KEPT_US;
    const struct mx_host *named = &s->set->hosts[host];
    site_learn_addresses(s, host, a, d->o.private_targets || named->configured,
                         named->port ? named->port : d->o.port);
    if (s->hosts[host].expires_us < kept_us)
        s->hosts[host].expires_us = kept_us;
    dispatch_site(d, s);
}

// Nobody can be asked to take them: every ready job of the site ends with this.
static void site_end_ready(struct deliver *d, struct site *s, enum verdict v,
                           const struct failure *why, const struct attempt *at)
{
    struct job *j;
    struct loan *loan;
    uint32_t item;
    while ((j = site_take_fetched(s))) {
        struct target *t = job_target(j);
        outbox_whole_job(d, j, v, why, at);
        target_job_left(d, t);
    }
    while ((j = lend_take_job(s, &loan, &item))) {
        outbox_whole_job(d, j, v, why, at);
        lend_job_ended(d, loan, item);
    }
    for (struct target *t; (t = target_of_site(s));)
        target_end_ready(d, t, v, why, at);
}

static void site_unreachable(struct deliver *d, struct site *s, enum site_choice choice,
                             bool temporary)
{
    if (s->open_count > 0)
        return; // what is open will serve
    if (choice == SITE_RESTING) {
        site_rest(s, io_now_us(d->io), &d->dice);
        const struct mx_host *host = &s->set->hosts[s->failure_host];
        char address[IO_ADDRESS_TEXT_BYTES];
        struct attempt at = {slice_make(host->name, host->len),
                             slice_of_text(io_address_print(&s->failure_peer, address)), false};
        s->failure.reason = site_failure_reason(s);
        site_end_ready(d, s, VERDICT_LATER, &s->failure, &at);
        return;
    }
    struct local_verdict v = s->set->hosts[0].configured ? verdict_of_lost_route()
                                                         : verdict_of_no_address(temporary);
    struct failure why;
    failure_set(&why, v.code, v.enhanced, slice_of_text(v.text));
    why.reason = v.reason;
    site_end_ready(d, s, v.verdict, &why, NULL);
}

static struct site_load load_of(struct deliver *d, struct site *s)
{
    uint64_t now_us = io_now_us(d->io);
    uint32_t learned = throttle_connections(&s->allowance.throttle, now_us);
    uint32_t shared = group_connections(d, s);
    if (shared < learned)
        learned = shared;
    uint32_t may_have = lend_connections_max(d, s), may_begin = dispatch_may_begin(d, s);
    uint32_t ready = s->ready_count + s->fetched_count + s->fetch_count;
    return (struct site_load){
        .ready_count = ready < may_begin ? ready : may_begin,
        .open_count = s->open_count,
        .spare_count = s->spare_count,
        .spare_jobs = s->pace.window,
        .connections_now = may_have < learned ? may_have : learned,
        .opening_count = s->opening_count,
        .proven = s->proven,
        .failing = s->failure_count > 0,
    };
}

static bool site_wants_connection(struct deliver *d, struct site *s)
{
    struct site_load load = load_of(d, s);
    return !d->stopping && !d->paused && limits_may_connect(&s->limits, &load) &&
           allowance_connections(&s->allowance, io_now_us(d->io)) > 0;
}

// What holds it back passes with time: then it is looked at again.
static void site_waits(struct deliver *d, struct site *s)
{
    uint64_t now_us = io_now_us(d->io);
    if (s->ready_count + s->fetched_count == 0 || d->stopping)
        return;
    uint64_t due_us = allowance_messages_due_us(&s->allowance, now_us);
    if (due_us <= now_us && s->open_count == 0)
        due_us = allowance_connections_due_us(&s->allowance, now_us);
    if (due_us > now_us)
        wheel_arm(d->o.wheel, &s->timer, due_us);
}

// A connection is filled before the next one is used; but what is urgent goes where the fewest
// messages stand in front of it.
static struct conn *conn_with_fewest(struct conn *best, const struct job *j)
{
    uint32_t looks = 1;
    if (job_class(j) != PRIORITY_TRANSACTIONAL)
        return best;
    for (struct conn *c = best->next; c && looks < CONN_LOOKS_MAX; c = c->next, looks++)
        if (c->tx_count < best->tx_count && conn_takes_domain(c, domain_name(j->domain)))
            best = c;
    return best;
}

// NULL: the server of each lets no more domains into a session. These are done with.
static struct conn *site_conn_for(struct deliver *d, struct site *s, const struct job *j)
{
    struct conn *c;
    while ((c = s->willing_first) && !conn_takes_domain(c, domain_name(j->domain))) {
        c->spent = true;
        if (c->state == CONN_IDLE)
            attempt_quit(d, c);
        else
            conn_look_willing(d, c);
    }
    return c ? conn_with_fewest(c, j) : NULL;
}

struct reason dispatch_reason(struct deliver *d, struct site *s)
{
    struct site_load load = load_of(d, s);
    uint64_t now_us = io_now_us(d->io);
    if (d->stopping)
        return (struct reason){REASON_DRAINING, 0};
    if (d->paused)
        return (struct reason){REASON_DISK, 0};
    if (s->starved)
        return (struct reason){s->starved_of, 0};
    if (s->rests_until_us > now_us)
        return (struct reason){site_failure_reason(s), s->rests_until_us};
    struct reason allowance = allowance_reason(&s->allowance, now_us);
    if (allowance.kind != REASON_NONE)
        return allowance;
    if (s->ask_count > 0 && s->open_count == 0)
        return (struct reason){REASON_DNS_ASKING, 0};
    return (struct reason){limits_connection_reason(&s->limits, &load), 0};
}

static void site_starts_jobs(struct deliver *d, struct site *s)
{
    uint32_t held = 0;
    while (s->willing_first && !d->stopping && !d->paused && dispatch_may_begin(d, s) > 0) {
        uint32_t index, item = 0;
        struct loan *loan = NULL;
        struct job *j = site_next_job(d, s, &loan, &item);
        if (!j)
            return;
        if (job_is_held(d, j, j->message)) {
            job_stays(d, loan, item, j);
            if (++held < HELD_JOBS_MAX)
                continue;
            dispatch_site(d, s); // the rest in a later turn
            return;
        }
        struct conn *c = site_conn_for(d, s, j);
        if (!c) {
            job_waits_again(d, loan, j);
            return;
        }
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

static void site_turn(struct deliver *d, struct site *s)
{
    uint8_t host, address;
    bool temporary = false;
    site_starts_jobs(d, s);
    while (site_wants_connection(d, s)) {
        enum site_choice choice = site_choose(s, io_now_us(d->io), &d->dice, &host, &address,
                                              &temporary);
        switch (choice) {
        case SITE_CONNECT:
            if (!site_connect(d, s, host, address))
                return;
            break;
        case SITE_ASK:
            if (!site_ask(d, s, host))
                return;
            break;
        case SITE_WAIT: return;
        case SITE_RESTING:
        case SITE_NO_ADDRESS: site_unreachable(d, s, choice, temporary); return;
        }
    }
}

void dispatch_sites(struct deliver *d)
{
    // A turn of a site may mark it again (a job came back): that is for the next worker's turn,
    // but for sites that others marked meanwhile.
    struct site *s = d->dirty_sites;
    d->dirty_sites = NULL;
    while (s) {
        struct site *next = s->dirty_next;
        s->dirty = false;
        site_turn(d, s);
        site_waits(d, s);
        group_turn_ends(d, s);
        lend(d, s);
        lend_look_over(d, s);
        site_free_unused(d, s);
        s = next;
    }
}

static void tell_homes_of(struct deliver *d, struct transaction *tx)
{
    const struct job *last = NULL;
    tx->told = true;
    for (uint32_t i = 0; i < tx->rcpt_count; i++) {
        if (tx->rcpts[i].job != last)
            outbox_attempt(d, tx->rcpts[i].job);
        last = tx->rcpts[i].job;
    }
}

// From the moment when all of a message is on the wire it may arrive though its home never learns
// of it: that is written down.
static void tell_homes(struct deliver *d, struct conn *c)
{
    struct smtp_unfinished u;
    struct transaction *tx = c->tx_first;
    for (uint32_t i = 0; tx && smtp_client_unfinished(&c->client, i, &u); i++) {
        while (tx && tx->smtp.tag != u.tag)
            tx = tx->next;
        if (!tx || !u.written)
            return;
        if (!tx->told)
            tell_homes_of(d, tx);
    }
}

// Sends what there is to say. The deadline moves only when the session has: bytes that drip without
// ever making a reply, or being taken, do not keep it.
static void conn_say(struct deliver *d, struct conn *c)
{
    bool was_silent = wire_empty(&c->wire);
    conn_flush(c, d->io);
    tell_homes(d, c);
    if (!c->moved && !(was_silent && !wire_empty(&c->wire)))
        return;
    c->moved = false;
    crowd_moved(d, c);
    c->deadline_us = io_now_us(d->io) + conn_patience_us(c, d->o.connect_timeout_us, d->o.idle_us);
    if (!wheel_armed(&c->timer) || c->timer.due_us > c->deadline_us)
        wheel_arm(d->o.wheel, &c->timer, c->deadline_us);
}

void dispatch_flush(struct deliver *d)
{
    struct conn *c = d->send_first;
    d->send_first = NULL;
    while (c) {
        struct conn *next = c->send_next;
        c->want_send = false;
        if (c->gone) {
            attempt_gone(d, c);
        } else if (c->state != CONN_CLOSING) {
            conn_say(d, c);
        }
        c = next;
    }
}
