#include "bench/sink/limits.h"

#include "engine/base/check.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#define CLIENTS_ROOM (1u << 17) // a power of two; also the most client addresses at a time

struct client {
    struct io_address address;
    uint32_t sessions; // 0: the place is free
};

struct sink_limits {
    pthread_mutex_t lock;
    struct sink_limits_options options;
    uint32_t sessions;
    uint32_t transactions;
    struct sink_peaks peaks;
    uint32_t *listeners; // sessions of each
    struct client *clients;
    uint32_t client_count;
    uint64_t *begun_us; // the last messages, as many as may begin in a second
    uint64_t begun_count;
};

int sink_limits_new(struct sink_limits **ret_limits, const struct sink_limits_options *options)
{
    struct sink_limits *l = calloc(1, sizeof(*l));
    if (!l)
        return -ENOMEM;
    pthread_mutex_init(&l->lock, NULL);
    l->options = *options;
    l->listeners = calloc(options->listener_count, sizeof(*l->listeners));
    if (sink_limits_by_client(options))
        l->clients = calloc(CLIENTS_ROOM, sizeof(*l->clients));
    if (options->messages_per_s_max > 0)
        l->begun_us = calloc(options->messages_per_s_max, sizeof(*l->begun_us));
    if (!l->listeners || (sink_limits_by_client(options) && !l->clients) ||
        (options->messages_per_s_max > 0 && !l->begun_us)) {
        sink_limits_free(l);
        return -ENOMEM;
    }
    *ret_limits = l;
    return 0;
}

void sink_limits_free(struct sink_limits *l)
{
    if (!l)
        return;
    pthread_mutex_destroy(&l->lock);
    free(l->listeners);
    free(l->clients);
    free(l->begun_us);
    free(l);
}

// A client is its host: the port is another one for each session.
static struct io_address host_of(const struct io_address *client)
{
    struct io_address host = *client;
    if (host.as.any.sa_family == AF_INET)
        host.as.in.sin_port = 0;
    else if (host.as.any.sa_family == AF_INET6)
        host.as.in6.sin6_port = 0;
    else
        host = (struct io_address){.len = sizeof(host.as.any), .as.any.sa_family = AF_UNIX};
    return host;
}

static uint32_t place_of(const struct io_address *host)
{
    struct slice bytes = slice_make(&host->as, host->len);
    return (uint32_t)slice_hash(bytes, 0) & (CLIENTS_ROOM - 1);
}

// Where the host stands, or the free place where it would.
static uint32_t client_find(const struct sink_limits *l, const struct io_address *host)
{
    uint32_t at = place_of(host);
    while (l->clients[at].sessions > 0 && !io_address_equal(&l->clients[at].address, host))
        at = (at + 1) & (CLIENTS_ROOM - 1);
    return at;
}

// Frees the place `hole` and moves up those behind that were only there because it was taken.
static void client_remove(struct sink_limits *l, uint32_t hole)
{
    uint32_t at = hole;
    l->client_count--;
    for (;;) {
        l->clients[hole].sessions = 0;
        uint32_t home;
        do {
            at = (at + 1) & (CLIENTS_ROOM - 1);
            if (l->clients[at].sessions == 0)
                return;
            home = place_of(&l->clients[at].address);
        } while (((at - home) & (CLIENTS_ROOM - 1)) < ((at - hole) & (CLIENTS_ROOM - 1)));
        l->clients[hole] = l->clients[at];
        hole = at;
    }
}

static const char *enter_client(struct sink_limits *l, const struct io_address *client)
{
    struct io_address host = host_of(client);
    struct client *c = &l->clients[client_find(l, &host)];
    if (c->sessions >= l->options.sessions_per_client_max)
        return "sessions from this address";
    if (c->sessions == 0) {
        if (l->client_count + 1 >= CLIENTS_ROOM)
            return "client addresses";
        l->client_count++;
        c->address = host;
    }
    c->sessions++;
    return NULL;
}

static bool reached(uint32_t count, uint32_t max)
{
    return max > 0 && count >= max;
}

static const char *enter(struct sink_limits *l, uint32_t listener, const struct io_address *client)
{
    if (reached(l->sessions, l->options.sessions_max))
        return "sessions";
    if (reached(l->listeners[listener], l->options.sessions_per_listener_max))
        return "sessions at this listener";
    const char *why = l->clients ? enter_client(l, client) : NULL;
    if (why)
        return why;
    l->listeners[listener]++;
    if (++l->sessions > l->peaks.sessions)
        l->peaks.sessions = l->sessions;
    return NULL;
}

const char *sink_limits_enter(struct sink_limits *l, uint32_t listener,
                              const struct io_address *client)
{
    pthread_mutex_lock(&l->lock);
    const char *why = enter(l, listener, client);
    pthread_mutex_unlock(&l->lock);
    return why;
}

void sink_limits_leave(struct sink_limits *l, uint32_t listener, const struct io_address *client)
{
    pthread_mutex_lock(&l->lock);
    CHECK(l->sessions > 0 && l->listeners[listener] > 0);
    l->sessions--;
    l->listeners[listener]--;
    if (l->clients) {
        struct io_address host = host_of(client);
        uint32_t at = client_find(l, &host);
        CHECK(l->clients[at].sessions > 0);
        if (l->clients[at].sessions > 1)
            l->clients[at].sessions--;
        else
            client_remove(l, at);
    }
    pthread_mutex_unlock(&l->lock);
}

bool sink_limits_message(struct sink_limits *l, uint64_t now_us)
{
    uint32_t max = l->options.messages_per_s_max;
    if (max == 0)
        return true;
    pthread_mutex_lock(&l->lock);
    uint64_t *oldest_us = &l->begun_us[l->begun_count % max];
    // Another worker's clock may be a little ahead of ours.
    bool may = l->begun_count < max || now_us >= *oldest_us + 1000000;
    if (may) {
        *oldest_us = now_us;
        l->begun_count++;
    }
    pthread_mutex_unlock(&l->lock);
    return may;
}

void sink_limits_transactions(struct sink_limits *l, int32_t change)
{
    pthread_mutex_lock(&l->lock);
    l->transactions += (uint32_t)change;
    if (l->transactions > l->peaks.transactions)
        l->peaks.transactions = l->transactions;
    pthread_mutex_unlock(&l->lock);
}

struct sink_peaks sink_limits_peaks(struct sink_limits *l)
{
    pthread_mutex_lock(&l->lock);
    struct sink_peaks peaks = l->peaks;
    pthread_mutex_unlock(&l->lock);
    return peaks;
}
