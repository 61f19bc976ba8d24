#include "engine/shared.h"

#include "engine/base/check.h"
#include "engine/deliver/deliver.h"
#include "queue/post.h"

#include <errno.h>
#include <stdlib.h>

_Static_assert(CONFIG_WORKERS_MAX == POST_WORKERS_MAX && CONFIG_WORKERS_MAX == EPOCH_WORKERS_MAX &&
                   CONFIG_WORKERS_MAX == CURSOR_WORKERS_MAX,
               "what may be configured is what the queues can serve");

static struct submit_listener listener_of(const struct config *c, const struct config_listener *l)
{
    return (struct submit_listener){
        .server = {.hostname = slice_of_text(c->hostname),
                   .banner = SLICE("ESMTP posthaste"),
                   .message_bytes_max = l->message_bytes_max,
                   .rcpt_count_max = l->rcpt_count_max,
                   .pipelining = true,
                   .chunking = true,
                   .eightbitmime = true,
                   .smtputf8 = true,
                   .dsn = true,
                   .verp = true,
                   .enhanced_codes = true,
                   .mt_priority = true,
                   .starttls = l->tls == CONFIG_TLS_STARTTLS || l->tls == CONFIG_TLS_REQUIRE,
                   .auth = config_listener_asks(c, l)},
        .relay_from = l->relay_from.items,
        .relay_from_count = l->relay_from.count,
        .session_count_max = l->connection_count_max,
        .idle_us = l->idle_us_max,
        .events_only = l->bounces == BOUNCES_EVENT,
        .verp = l->verp,
        .priority = (int8_t)l->priority,
        .tls_implicit = l->tls == CONFIG_TLS_IMPLICIT,
        .tls_required = l->tls == CONFIG_TLS_REQUIRE,
        .auth_required = l->auth == CONFIG_AUTH_REQUIRE,
    };
}

// What the journal may take: as configured, and no more files than a start can take in.
static uint64_t journal_bytes_max(const struct config *c)
{
    uint64_t most = SEGMENTS_FOUND_MAX * c->segment_bytes;
    return c->journal_bytes_max < most ? c->journal_bytes_max : most;
}

int shared_init(struct shared *s, const struct config *config, uint32_t worker_count)
{
    CHECK(worker_count > 0 && worker_count <= POST_WORKERS_MAX);
    *s = (struct shared){.config = config,
                         .worker_count = worker_count,
                         .events_fd = -1,
                         .journal_fd = -1,
                         .control_fd = -1,
                         .metrics_fd = -1,
                         .holds_fd = -1,
                         .rates_fd = -1,
                         .suppression_fd = -1,
                         .tls = {-1, -1, NULL, NULL},
                         .events_left_fd = -1,
                         .cursor_fd = -1,
                         .config_now = config,
                         .limits = &config->limits};
    s->inboxes = aligned_alloc(64, worker_count * sizeof(*s->inboxes));
    s->ios = calloc(worker_count, sizeof(*s->ios));
    s->domains = domain_table_new(deliver_domain_bytes(), worker_count);
    s->found = calloc(worker_count, sizeof(*s->found));
    s->setbacks = found_setbacks_new();
    if (!s->inboxes || !s->ios || !s->domains || !s->found || !s->setbacks ||
        !segment_table_init(&s->segments, journal_bytes_max(config))) {
        shared_release(s);
        return -ENOMEM;
    }
    gate_watch_init(&s->watch);
    for (uint32_t i = 0; i < worker_count; i++)
        inbox_init(&s->inboxes[i]);
    epochs_init(&s->epochs, worker_count);
    for (uint32_t i = 0; i < config->listener_count; i++) {
        s->listeners[i] = listener_of(config, &config->listeners[i]);
        s->listeners[i].session_count = &s->session_counts[i];
        s->listen_fds[i] = -1;
    }
    return 0;
}

void shared_release(struct shared *s)
{
    domain_table_free(s->domains);
    free(s->inboxes);
    free(s->ios);
    for (uint32_t i = 0; s->found && i < s->worker_count; i++) {
        slab_release(&s->found[i].jobs);
        campaigns_release(&s->found[i].campaigns);
        free(s->found[i].segments);
    }
    free(s->found);
    found_setbacks_free(s->setbacks);
    segment_table_release(&s->segments);
    free(s->holds);
    suppression_release(&s->suppression);
    reroutes_release(&s->reroutes);
    doors_release(&s->doors);
    users_free(s->users);
    gate_watch_release(&s->watch);
    *s = (struct shared){.events_fd = -1, .journal_fd = -1, .events_left_fd = -1, .cursor_fd = -1};
}
