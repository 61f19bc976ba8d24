// bench/sink/limits.h: how many sessions there are at a time, and may be: in all, at each listener,
// from each client address. And how many messages may begin in a second.
//
// Shared by all workers, under a lock of its own: it is taken once when a session opens and once
// when it closes; for a message only where these are limited.
#ifndef POSTHASTE_BENCH_SINK_LIMITS_H
#define POSTHASTE_BENCH_SINK_LIMITS_H

#include "engine/io/address.h"

struct sink_limits;

// 0: no limit.
struct sink_limits_options {
    uint32_t sessions_max;
    uint32_t sessions_per_listener_max;
    uint32_t sessions_per_client_max;
    uint32_t messages_per_s_max; // a million at most
    uint32_t listener_count;
};
#define SINK_MESSAGES_PER_S_MAX 1000000u

int sink_limits_new(struct sink_limits **ret_limits, const struct sink_limits_options *options);
void sink_limits_free(struct sink_limits *l);

static inline bool sink_limits_by_client(const struct sink_limits_options *options)
{
    return options->sessions_per_client_max > 0;
}

// Counts one more session. NULL, or which limit forbids it ("sessions", for people). `client` may
// be NULL unless sink_limits_by_client(); unix sockets are one client.
const char *sink_limits_enter(struct sink_limits *l, uint32_t listener,
                              const struct io_address *client);
void sink_limits_leave(struct sink_limits *l, uint32_t listener, const struct io_address *client);

// May one more message begin? Never more than the limit within a second, wherever that begins.
bool sink_limits_message(struct sink_limits *l, uint64_t now_us);

// `change` more (or fewer) sessions are inside a transaction.
void sink_limits_transactions(struct sink_limits *l, int32_t change);

struct sink_peaks {
    uint32_t sessions;
    uint32_t transactions;
};
struct sink_peaks sink_limits_peaks(struct sink_limits *l);

#endif
