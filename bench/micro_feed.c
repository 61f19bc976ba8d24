#include "bench/micro_feed.h"

#include "engine/base/check.h"
#include "engine/submit/pickup_parts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define SHARE 1024u // messages that a worker takes for itself at once
#define NAME_BYTES 32u

static struct {
    struct feed_plan plan;
    struct shared *shared;
    char *content;
    char (*domains)[NAME_BYTES];
    _Atomic uint64_t dealt_count;
    _Atomic uint32_t idle_count; // workers that have made their last, and seen the end of it
    uint64_t ended_us;           // the last one's
} feed;

struct submit {
    struct submit_options o;
    struct wheel_timer timer; // armed: there is more to make
    uint64_t made_count;
    uint64_t last_id;
    uint32_t share_left;
    uint32_t turn_left;
    uint32_t domain; // the next message's
    bool idle;
    bool stopping;
};

void feed_prepare(const struct feed_plan *plan, struct shared *shared)
{
    CHECK(plan->domain_count > 0 && plan->domain_count <= FEED_DOMAINS_MAX);
    feed.plan = *plan;
    feed.shared = shared;
    feed.content = malloc(plan->content_bytes);
    feed.domains = calloc(plan->domain_count, sizeof(*feed.domains));
    CHECK(feed.content && feed.domains);
    memset(feed.content, 'x', plan->content_bytes);
    for (uint32_t i = 0; i < plan->content_bytes; i += 64)
        memcpy(feed.content + i, "\r\n", plan->content_bytes - i < 2 ? 1 : 2);
    for (uint32_t i = 0; i < plan->domain_count; i++)
        snprintf(feed.domains[i], NAME_BYTES, "d%05u.example", i);
}

uint64_t feed_ended_us(void)
{
    return feed.ended_us;
}

int submit_new(struct submit **ret, const struct submit_options *options)
{
    struct submit *s = calloc(1, sizeof(*s));
    if (!s)
        return -ENOMEM;
    struct io_token token = {0, 0, options->io_owner, 0};
    memcpy(&s->timer.owner, &token, sizeof(token));
    s->o = *options;
    s->last_id = options->id_last;
    s->turn_left = feed.plan.turn_count_max;
    // Workers begin apart, so that they do not walk through the domains in step.
    s->domain = feed.plan.domain_count / feed.shared->worker_count * options->worker;
    wheel_arm(options->wheel, &s->timer, 0);
    *ret = s;
    return 0;
}

void submit_free(struct submit *s)
{
    if (s)
        wheel_disarm(s->o.wheel, &s->timer);
    free(s);
}

// --- making messages

static bool has_share(struct submit *s)
{
    if (s->share_left > 0)
        return true;
    if (s->idle)
        return false;
    uint64_t dealt = atomic_fetch_add_explicit(&feed.dealt_count, SHARE, memory_order_relaxed);
    if (dealt < feed.plan.message_count) {
        uint64_t left = feed.plan.message_count - dealt;
        s->share_left = left < SHARE ? (uint32_t)left : SHARE;
    }
    return s->share_left > 0;
}

static uint64_t in_flight(const struct submit *s)
{
    return s->made_count - s->o.journal->counters.forgotten;
}

static bool may_make(struct submit *s)
{
    enum journal_fate fate;
    return !s->stopping && in_flight(s) < feed.plan.flight_count_max && has_share(s) &&
           journal_accepts(s->o.journal, &fate);
}

// As a session's commands make it, one after the other.
static struct message *make(struct submit *s)
{
    struct block_pool *blocks = s->o.blocks;
    char address[NAME_BYTES + sizeof("someone@")];
    struct slice domain = slice_of_text(feed.domains[s->domain]);
    memcpy(address, "someone@", 8);
    memcpy(address + 8, domain.data, domain.len);
    s->domain = (s->domain + 1) % feed.plan.domain_count;
    struct message *m = message_new(blocks, SLICE("newsletter-4711@example.net"), SLICE_EMPTY, 0);
    CHECK(m &&
          message_add_rcpt(blocks, &m, slice_make(address, 8 + domain.len), SLICE_EMPTY, domain));
    CHECK(message_seal_envelope(blocks, &m));
    CHECK(message_add_content(blocks, &m, slice_make(feed.content, feed.plan.content_bytes)));
    m->received_wall_us = io_wall_us(s->o.io);
    m->arrived_us = io_now_us(s->o.io);
    m->id = message_id_make(m->received_wall_us, s->o.worker, &s->last_id);
    return m;
}

struct message *submit_next_message(struct submit *s)
{
    if (s->turn_left == 0 || !may_make(s))
        return NULL;
    s->turn_left--;
    s->share_left--;
    s->made_count++;
    return make(s);
}

void submit_verdict(struct submit *s, const struct message *m, enum journal_fate fate)
{
    (void)s, (void)m;
    CHECK(fate == JOURNAL_COMMITTED); // else what is measured is not what is said
}

// --- its end

static void tell_idle(struct submit *s)
{
    struct shared *shared = feed.shared;
    s->idle = true;
    if (atomic_fetch_add(&feed.idle_count, 1) + 1 < shared->worker_count)
        return;
    feed.ended_us = io_now_us(s->o.io);
    atomic_store(&shared->stop, STOP_GRACEFULLY);
    for (uint32_t i = 0; i < shared->worker_count; i++)
        io_wake(s->o.io, shared->ios[i]);
}

// The end of the turn. While there is more to make the next one begins at once.
void submit_flush(struct submit *s)
{
    s->turn_left = feed.plan.turn_count_max;
    if (may_make(s))
        wheel_arm(s->o.wheel, &s->timer, 0);
    else if (!s->idle && in_flight(s) == 0 && !has_share(s))
        tell_idle(s);
}

void submit_on_timer(struct submit *s, struct wheel_timer *t)
{
    (void)s, (void)t;
}

void submit_stop(struct submit *s)
{
    s->stopping = true;
}

bool submit_stopped(const struct submit *s)
{
    return s->stopping;
}

// --- what no client asks for

void submit_serve(struct submit *s, int fd, uint32_t listener)
{
    (void)s, (void)fd, (void)listener;
    CHECK(false);
}

void submit_on_done(struct submit *s, const struct io_done *done)
{
    (void)s, (void)done;
    CHECK(false);
}

void submit_abandon(struct submit *s)
{
    (void)s;
}

struct session_room *submit_room(struct submit *s)
{
    (void)s;
    return NULL;
}

uint64_t *submit_last_id(struct submit *s)
{
    return &s->last_id;
}

bool pickup_submit(struct pickup *p, struct message **m)
{
    (void)p, (void)m;
    CHECK(false);
}

// Nobody listens here.
bool submit_set_certificates(struct submit *s, uint32_t listener,
                             const struct tls_server_options *certificates, const char **ret_why)
{
    (void)s, (void)listener, (void)certificates, (void)ret_why;
    return true;
}

void submit_set_users(struct submit *s, struct users *users)
{
    (void)s, (void)users;
}

struct submit_counters submit_counters(const struct submit *s)
{
    return (struct submit_counters){.messages = s->made_count};
}
