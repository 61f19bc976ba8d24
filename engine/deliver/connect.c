// Connections for jobs: more are opened while the limits allow and jobs wait. When every address
// rests, or there is none, the ready jobs end with that.

#include "engine/base/check.h"
#include "engine/deliver/parts.h"

#include <errno.h>
#include <stdio.h>

#define FAMILY_US (UINT64_C(1) * 1000 * 1000)

// --- what limits them

struct site_load connect_load(struct deliver *d, struct site *s)
{
    uint64_t now_us = io_now_us(d->io);
    uint32_t learned = throttle_connections(&s->allowance.throttle, now_us);
    uint32_t shared = group_connections(d, s), leaving = sources_connections(d, s);
    if (shared < learned)
        learned = shared;
    if (leaving < learned)
        learned = leaving;
    uint32_t may_have = lend_connections_max(d, s), may_begin = dispatch_may_begin(d, s);
    uint32_t ready = s->ready_count + s->fetched_count + s->fetch_count;
    return (struct site_load){
        .ready_count = ready < may_begin ? ready : may_begin,
        .open_count = s->open_count,
        .spare_count = sources_spare(d, s),
        .spare_jobs = s->pace.window,
        .connections_now = may_have < learned ? may_have : learned,
        .opening_count = s->opening_count,
        .proven = s->proven,
        .failing = s->failure_count > 0,
    };
}

static bool site_wants_connection(struct deliver *d, struct site *s)
{
    struct site_load load = connect_load(d, s);
    return !d->stopping && !d->paused && limits_may_connect(&s->limits, &load) &&
           allowance_connections(&s->allowance, io_now_us(d->io)) > 0;
}

// --- one more

// It was not even asked for. True: another address may be tried.
static bool connection_fails(struct deliver *d, struct site *s, const struct conn *c, int error)
{
    if (error == -EMFILE || error == -ENFILE || error == -ENOMEM || error == -ENOBUFS) {
        site_starves(d, s, REASON_GLOBAL_CONNECTIONS);
        return false;
    }
    if (c->local && error == -EADDRNOTAVAIL) {
        source_fails(d, s, c->source, error);
        return true;
    }
    failure_set(&s->failure, 0, (struct enhanced_code){4, 4, 1}, slice_of_text(strerror(-error)));
    s->failure_host = c->host;
    s->failure_peer = c->peer;
    site_rest_address(s, &s->failure_peer, io_now_us(d->io) + retry_address_us(&s->limits.retry));
    return true;
}

static void connection_opens(struct deliver *d, struct conn *c)
{
    struct site *s = c->site;
    crowd_opened(d, s);
    allowance_connection_opens(&s->allowance, io_now_us(d->io));
    group_connection_opens(d, s);
    source_connection_opens(d, c);
    s->conn_count++;
    s->open_count++;
    s->spare_count++;
    s->opening_count++;
    d->counters.connections_opened++;
    if (++d->counters.connections > d->counters.connections_peak)
        d->counters.connections_peak = d->counters.connections;
}

// What the machine is told at its start.
static struct smtp_client_options client_options(const struct deliver *d, const struct conn *c)
{
    const struct source *source = conn_source(c);
    const struct pace *pace = &c->site->pace;
    return (struct smtp_client_options){
        .helo_name = source && source->hostname[0] ? slice_of_text(source->hostname)
                                                   : d->o.helo_name,
        .window = pace->window,
        .decisions_only = true,
        .ignore = pace_is_lockstep(pace, io_now_us(d->io)) ? SMTP_PIPELINING : 0,
    };
}

static bool site_connect(struct deliver *d, struct site *s, uint8_t host, uint8_t address)
{
    struct io_address peer = s->hosts[host].addresses[address].address;
    uint32_t index, source = sources_choose(d, s, &peer);
    if (source == SOURCES_MAX)
        return false;
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
    c->peer = peer;
    c->source = (uint8_t)source;
    c->local = source_address(conn_source(c), &c->peer);
    struct io_token timer = {index, c->generation, d->o.io_owner, CONN_OP_TIMER};
    memcpy(&c->timer.owner, &timer, sizeof(timer));
    struct smtp_client_options options = client_options(d, c);
    secure_plan(d, c, &options);
    int error = conn_open(c, d->io, &options);
    if (error < 0) {
        bool may_go_on = connection_fails(d, s, c, error);
        slab_give(&d->conns, index);
        return may_go_on;
    }
    connection_opens(d, c);
    c->moved = true;
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

void connect_on_address(struct deliver *d, struct site *s, uint8_t host,
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
    dane_begin(s, host, a);
    dispatch_site(d, s);
}

// --- none

// Nobody can be asked to take them: every ready job of the site ends with this.
static void site_end_ready(struct deliver *d, struct site *s, enum verdict v,
                           const struct failure *why, const struct attempt *at)
{
    struct job *j;
    struct loan *loan;
    uint32_t item;
    while ((j = prepare_take(s))) {
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

// DANE or MTA-STS lets mail go to none of its hosts.
static void site_is_barred(struct deliver *d, struct site *s, uint8_t host, enum tls_bar bar)
{
    const struct tls_consequence means = tls_bar_means(bar);
    const struct mx_host *mx = &s->set->hosts[host];
    struct failure why;
    char text[SITE_TEXT_BYTES_MAX];
    if (s->open_count > 0)
        return; // what is open will serve
    snprintf(text, sizeof(text), "%.*s: %s", (int)mx->len, mx->name, means.text);
    failure_set(&why, 0, means.enhanced, slice_of_text(text));
    why.reason = means.reason;
    tally_barred(d, s, host, bar);
    site_end_ready(d, s, VERDICT_LATER, &why, NULL);
}

static void site_unreachable(struct deliver *d, struct site *s, enum site_choice choice,
                             bool temporary)
{
    if (s->open_count > 0)
        return; // what is open will serve
    if (choice == SITE_RESTING) {
        lesson_unreachable(d, s);
        const struct mx_host *host = &s->set->hosts[s->failure_host];
        char address[IO_ADDRESS_TEXT_BYTES];
        struct attempt at = {.host = slice_make(host->name, host->len),
                             .address = slice_of_text(io_address_print(&s->failure_peer, address))};
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

// None of its sources is wanted there: what is ready is deferred until one is again, with what the
// site has said.
static void site_is_unwanted(struct deliver *d, struct site *s)
{
    struct suspension first = sources_suspension(d, s);
    CHECK(first.why);
    struct failure why = *first.why;
    why.reason = REASON_SOURCE_SUSPENDED;
    why.not_before_us = first.until_us;
    site_end_ready(d, s, VERDICT_LATER, &why, NULL);
}

// --- as many as it takes

// An address that some source may go to now. SITE_WAIT, too, where those that could are busy, or
// not wanted: that one is looked at again in a moment.
static enum site_choice site_choose_address(struct deliver *d, struct site *s, uint8_t *ret_host,
                                            uint8_t *ret_address, bool *ret_temporary,
                                            enum tls_bar *ret_bar)
{
    struct source_sum sum = sources_sum(d, s);
    uint64_t now_us = io_now_us(d->io);
    enum site_choice choice = site_choose(s, sum.families_now, now_us, &d->dice, ret_host,
                                          ret_address, ret_temporary, ret_bar);
    bool is_found = choice != SITE_RESTING && choice != SITE_NO_ADDRESS && choice != SITE_BARRED;
    if (!is_found && sum.families_now != sum.families)
        choice = site_choose(s, sum.families, now_us, &d->dice, ret_host, ret_address,
                             ret_temporary, ret_bar);
    if (!is_found && choice == SITE_CONNECT) {
        wheel_arm(d->o.wheel, &s->timer, now_us + FAMILY_US);
        return SITE_WAIT;
    }
    *ret_temporary |= sum.families != SOURCE_ANY; // it is we who cannot go there
    return choice;
}

void connect_site(struct deliver *d, struct site *s)
{
    uint8_t host, address;
    bool temporary = false;
    enum tls_bar bar = TLS_BAR_NONE;
    if (sources_are_suspended(d, s) && s->open_count == 0 && !d->stopping && !d->paused)
        site_is_unwanted(d, s);
    while (site_wants_connection(d, s)) {
        enum site_choice choice = site_choose_address(d, s, &host, &address, &temporary, &bar);
        switch (choice) {
        case SITE_CONNECT:
            if (!site_connect(d, s, host, address))
                return;
            break;
        case SITE_ASK:
            if (!site_ask(d, s, host))
                return;
            break;
        case SITE_ASK_DANE:
            if (!dane_ask(d, s, host))
                return;
            break;
        case SITE_WAIT: return;
        case SITE_BARRED: site_is_barred(d, s, host, bar); return;
        case SITE_RESTING:
        case SITE_NO_ADDRESS: site_unreachable(d, s, choice, temporary); return;
        }
    }
}
