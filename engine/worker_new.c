// Birth and death of a worker: its parts, with the options that each has.

#include "engine/base/check.h"
#include "engine/worker_parts.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define SESSIONS_MAX 100000u
#define TLS_SESSIONS_KEPT 4096u // to be resumed
#define DOMAIN_IDLE_US (UINT64_C(300) * 1000 * 1000)

// What its deliveries go under TLS with. The anchors were looked at by secrets_read().
static struct tls_context *tls_client_of(const struct config *c)
{
    const char *why;
    struct tls_client_options o = {
        .trusted_pem = slice_make(c->tls.trusted_pem, c->tls.trusted_bytes),
        .session_count = TLS_SESSIONS_KEPT,
    };
    return tls_context_new_client(&o, &why);
}

// A limit of the whole engine, dealt to its workers; none gets nothing.
static uint32_t share_of(uint32_t limit, uint32_t worker_count)
{
    return limit > worker_count ? limit / worker_count : 1;
}

static struct home_options home_options_of(const struct worker *w)
{
    struct shared *s = w->shared;
    const struct config *c = s->config;
    bool durable = s->journal_fd >= 0;
    return (struct home_options){
        .memory_bytes_max = c->memory_bytes_max / s->worker_count,
        .worker_count = s->worker_count,
        .keys = s->keys,
        .key_count = s->key_count,
        .table = durable ? &s->segments : NULL,
        .segment_bytes = c->segment_bytes,
        .dir_fd = durable ? s->journal_fds[w->number] : -1,
        .io_owner_storage = OWNER_STORAGE,
        .io_owner_mover = OWNER_MOVER,
        .io_owner_notices = OWNER_NOTICES,
        .hostname = slice_of_text(c->hostname),
        .delay_report_us = c->delivery.delay_report_us,
        .limits = &c->limits,
        .found = durable ? &s->found[w->number] : NULL,
        .suppress = {.list = &s->suppression,
                     .add = c->suppression.add,
                     .for_us = c->suppression.for_us},
    };
}

static struct resolver_options resolver_options_of(const struct worker *w)
{
    const struct config *c = w->shared->config;
    return (struct resolver_options){
        .servers = c->resolver.servers.items,
        .server_count = c->resolver.servers.count,
        .io_owner = OWNER_RESOLVER,
        .query_count_max = c->resolver.query_count_max,
        .timeout_us = c->resolver.timeout_us,
        .try_count = c->resolver.try_count,
        .cache_count_max = c->resolver.cache_count_max,
        .trusted = c->resolver.trusted,
    };
}

static struct deliver_options deliver_options_of(struct worker *w)
{
    const struct config *c = w->shared->config;
    return (struct deliver_options){
        .io = w->io,
        .wheel = &w->wheel,
        .resolver = w->resolver,
        .sts = w->sts,
        .tally = w->shared->tls.tally,
        .post = &w->post,
        .domains = w->shared->domains,
        .epochs = &w->shared->epochs,
        .blocks = &w->home.blocks,
        .segments = &w->shared->segments,
        .limits = w->shared->limits,
        .holds = w->shared->holds,
        .suppression = &w->shared->suppression,
        .dkim = w->shared->dkim,
        .lists = &c->lists,
        .rules = c->reply_rules,
        .tls = w->tls_client,
        .rate_memory = w->shared->rate_memory,
        .helo_name = slice_of_text(c->delivery.helo),
        .worker = w->number,
        .io_owner = OWNER_DELIVER,
        .port = (uint16_t)c->delivery.port,
        .private_targets = c->delivery.private_targets,
        .conn_count_max = share_of(c->delivery.connection_count_max, w->shared->worker_count),
        .connect_timeout_us = c->delivery.connect_us_max,
        .tls_timeout_us = c->delivery.tls_us_max,
        .idle_us = c->delivery.idle_us_max,
        .spread_above = c->delivery.spread_above,
        .reports_delays = c->delivery.delay_reports == DELAYS_ALL,
        .domain_idle_us = DOMAIN_IDLE_US,
    };
}

static struct submit_options submit_options_of(struct worker *w)
{
    const struct config *c = w->shared->config;
    return (struct submit_options){
        .io = w->io,
        .wheel = &w->wheel,
        .blocks = &w->home.blocks,
        .journal = &w->home.journal,
        .troubled = &w->shared->troubled,
        .draining = &w->shared->draining,
        .dkim = w->shared->dkim,
        .suppression = c->suppression.submission == SUPPRESSED_REFUSE ? &w->shared->suppression
                                                                      : NULL,
        .listeners = w->shared->listeners,
        .listener_count = c->listener_count,
        .worker = w->number,
        .io_owner = OWNER_SUBMIT,
        .session_count_max = SESSIONS_MAX,
        .watch = &w->shared->watch,
        .id_last = w->shared->id_last,
    };
}

static struct pickup_options pickup_options_of(struct worker *w)
{
    return (struct pickup_options){
        .io = w->io,
        .wheel = &w->wheel,
        .blocks = &w->home.blocks,
        .places = w->shared->pickups,
        .place_count = w->shared->pickup_count,
        .hostname = slice_of_text(w->shared->config->hostname),
        .dkim = w->shared->dkim,
        .last_id = submit_last_id(w->submit),
        .worker = w->number,
        .io_owner = OWNER_PICKUP,
        .room = submit_room(w->submit),
    };
}

static void open_place(struct worker *w)
{
    w->place = (struct order_place){
        .shared = w->shared,
        .worker = w,
        .number = w->number,
        .io = w->io,
        .post = &w->post,
        .home = &w->home,
        .deliver = w->deliver,
        .submit = w->submit,
        .events = &w->events,
        .suppressor = &w->suppressor,
    };
    peeks_init(&w->place.peeks, w->io, &w->home.blocks, &w->shared->segments, OWNER_PEEK);
    holds_file_init(&w->place.holds_file, w->io, w->shared->holds_fd, OWNER_HOLDS);
}

static int open_control(struct worker *w)
{
    struct control_options control = {
        .io = w->io,
        .wheel = &w->wheel,
        .post = &w->post,
        .kinds = order_kinds,
        .place = &w->place,
        .listen_fd = w->shared->control_fd,
        .metrics_fd = w->shared->metrics_fd,
        .uid = (uint32_t)geteuid(),
        .io_owner = OWNER_CONTROL,
    };
    return control_new(&w->control, &control);
}

static int open_doors(struct worker *w)
{
    struct shared *s = w->shared;
    submit_set_users(w->submit, s->users);
    if (w->number == 0) // before anybody is asked who he is
        for (int i = 0; i < 2; i++)
            s->watch.key[i] = io_seed(w->io);
    return doors_open(&s->doors, w->submit) ? 0 : -ENOMEM;
}

static int open_sts(struct worker *w)
{
    const struct config *c = w->shared->config;
    struct sts_options options = {
        .io = w->io,
        .resolver = w->resolver,
        .store = w->shared->tls.policies,
        .io_owner = OWNER_STS,
        .private_targets = c->delivery.private_targets,
        .port = (uint16_t)c->mta_sts.port,
        .trusted_file = c->tls.trusted_file[0] ? c->tls.trusted_file : NULL,
    };
    return sts_new(&w->sts, &options);
}

static int worker_open(struct worker *w)
{
    struct resolver_options resolver = resolver_options_of(w);
    int error = resolver_new(&w->resolver, w->io, &resolver);
    if (error < 0)
        return error;
    w->tls_client = tls_client_of(w->shared->config);
    if (!w->tls_client)
        return -ENOMEM;
    if (w->shared->tls.policies)
        error = open_sts(w);
    if (error < 0)
        return error;
    struct deliver_options deliver = deliver_options_of(w);
    error = deliver_new(&w->deliver, &deliver);
    if (error < 0)
        return error;
    struct submit_options submit = submit_options_of(w);
    error = submit_new(&w->submit, &submit);
    if (error == 0)
        error = open_doors(w);
    if (error == 0)
        home_number_by(&w->home, submit_last_id(w->submit));
    if (error < 0 || w->number != 0)
        return error;
    error = open_control(w);
    if (error < 0 || w->shared->pickup_count == 0)
        return error;
    struct pickup_options pickup = pickup_options_of(w);
    return pickup_new(&w->pickup, &pickup);
}

// The list is this worker's to keep.
static int keep_suppression(struct worker *w)
{
    struct shared *s = w->shared;
    uint64_t seed[2] = {io_seed(w->io), io_seed(w->io)};
    if (!suppression_init(&s->suppression, seed))
        return -ENOMEM;
    suppressor_init(&w->suppressor, w->io, &s->suppression, &s->epochs, s->suppression_fd,
                    OWNER_SUPPRESSOR);
    return 0;
}

// What it needs before its parts: its home, and where events go.
static int open_home(struct worker *w)
{
    struct shared *s = w->shared;
    struct home_options options = home_options_of(w);
    w->home = (struct home){.io = w->io,
                            .post = &w->post,
                            .domains = s->domains,
                            .events = &w->events,
                            .number = w->number};
    int error = home_init(&w->home, &options);
    if (error == 0 && w->number == SUPPRESSION_KEEPER)
        error = keep_suppression(w);
    events_init(&w->events, w->io, atomic_load(&s->events_fd), OWNER_EVENTS, s->journal_fd >= 0);
    events_follow(&w->events, &w->home.journal, s->cursor_fd, w->number, s->cursor_base);
    return error;
}

int worker_new(struct worker **ret, struct shared *shared, uint32_t number, struct io *io)
{
    struct worker *w = calloc(1, sizeof(*w));
    if (!w)
        return -ENOMEM;
    w->shared = shared;
    w->number = number;
    w->io = io;
    post_init(&w->post, shared->inboxes, shared->worker_count, number);
    w->deal_next = number;
    wheel_init(&w->wheel, io_now_us(io));
    rates_file_init(&w->rates_file, io, shared->rates_fd, number, shared->rate_memory, OWNER_RATES);
    struct io_token accept = {0, 0, OWNER_LISTENER, 0};
    memcpy(&w->accept_timer.owner, &accept, sizeof(accept));
    int error = open_home(w);
    if (error == 0)
        error = worker_open(w);
    if (error < 0) {
        worker_free(w);
        return error;
    }
    open_place(w);
    if (number == 0)
        tls_tally_file_start(&w->tally_file, io, &w->wheel, shared->tls.counts_fd,
                             shared->tls.tally, (struct io_token){0, 0, OWNER_TLS_TALLY, 0});
    shared->ios[number] = io;
    if (number == 0)
        shared->started_us = io_now_us(io);
    home_start(&w->home);
    atomic_fetch_add(&shared->unopened, 1);
    epoch_turn_begins(&shared->epochs, number);
    *ret = w;
    return 0;
}

// Pages lie in inboxes until the end.
static void drain_inbox(struct worker *w)
{
    struct letter *l;
    while ((l = post_take(&w->post)))
        if (l->kind == LETTER_PAGE_BACK)
            deliver_on_letter(w->deliver, l);
        else if (l->kind == LETTER_SUPPRESS)
            suppressor_take(&w->suppressor, CONTAINER_OF(l, struct suppression_page, letter));
}

void worker_free(struct worker *w)
{
    if (!w)
        return;
    if (w->deliver)
        drain_inbox(w);
    control_free(w->control);
    if (w->place.io) {
        peeks_release(&w->place.peeks);
        holds_file_release(&w->place.holds_file);
    }
    pickup_free(w->pickup);
    submit_free(w->submit);
    deliver_free(w->deliver);
    tls_context_unref(w->tls_client);
    sts_free(w->sts);
    resolver_free(w->resolver);
    events_release(&w->events);
    if (w->broken || journal_troubled(&w->home.journal))
        worker_log_unrecorded(&w->home);
    suppressor_release(&w->suppressor);
    rates_file_release(&w->rates_file);
    home_release(&w->home);
    free(w);
}
