// engine/shared.h: what all workers of an engine share. Made before they start, and left alone but
// for what is atomic, or says that it is for all.
#ifndef POSTHASTE_SHARED_H
#define POSTHASTE_SHARED_H

#include "engine/config.h"
#include "engine/submit/submit.h"
#include "queue/domain.h"

enum stop_stage { STOP_NOT, STOP_GRACEFULLY, STOP_AT_ONCE };

struct shared {
    const struct config *config;
    uint32_t worker_count;
    struct inbox *inboxes;        // one a worker
    struct io **ios;              // one a worker: for wake-ups
    struct domain_table *domains; // for all
    struct epochs epochs;         // for all
    struct submit_listener listeners[CONFIG_LISTENERS_MAX];
    _Atomic uint32_t session_counts[CONFIG_LISTENERS_MAX]; // for all
    int listen_fds[CONFIG_LISTENERS_MAX];
    int events_fd;                // -1: none
    _Atomic uint8_t stop;         // enum stop_stage
    _Atomic uint32_t quiet_count; // workers that have nothing under way any more
};

// Copies what workers need from the configuration. 0 or -errno. The configuration stays.
int shared_init(struct shared *s, const struct config *config, uint32_t worker_count);
void shared_release(struct shared *s);

#endif
