// engine/shared.h: what all workers of an engine share. Made before they start, and left alone but
// for what is atomic, or says that it is for all.
#ifndef POSTHASTE_SHARED_H
#define POSTHASTE_SHARED_H

#include "engine/config.h"
#include "engine/doors.h"
#include "engine/home.h"
#include "engine/message/dkim_table.h"
#include "engine/policy/holds.h"
#include "engine/reroutes.h"
#include "engine/submit/pickup.h"
#include "engine/submit/submit.h"
#include "engine/tls_memory.h"
#include "queue/domain.h"
#include "queue/found_setbacks.h"
#include "queue/post.h"
#include "queue/suppression.h"

enum stop_stage { STOP_NOT, STOP_GRACEFULLY, STOP_AT_ONCE };

// Configurations that were reloaded stay until the end: what was read from them is copied or
// pointed to in many places.
struct config_kept {
    struct config_kept *next;
    struct config *config;
};

struct shared {
    const struct config *config;
    const struct dkim_table *dkim; // NULL: no mail is signed
    uint32_t worker_count;
    struct inbox *inboxes;        // one a worker
    struct io **ios;              // one a worker: for wake-ups
    struct domain_table *domains; // for all
    struct epochs epochs;         // for all
    struct submit_listener listeners[CONFIG_LISTENERS_MAX];
    _Atomic uint32_t session_counts[CONFIG_LISTENERS_MAX]; // for all
    int listen_fds[CONFIG_LISTENERS_MAX];
    struct doors doors;                 // of the listeners, until the workers have started
    struct users *users;                // NULL: none; an order changes them
    struct gate_watch watch;            // of guesses: for all, as it says
    _Atomic int events_fd;              // -1: none
    _Atomic uint32_t events_generation; // another file since: workers move to it one by one
    _Atomic uint32_t events_moved;      // of them, so far
    _Atomic int events_left_fd;         // the one before, for the last of them to close; -1: none
    int cursor_fd;                      // of the events (queue/cursor.h); -1: none
    uint64_t cursor_base;               // its base turn
    int journal_fd;                     // the folder; -1: the null journal
    // The same folder, a descriptor for each worker: the kernel tells an error once to each, so
    // that a sync of one that fails is not believed by another whose names it has lost.
    int journal_fds[POST_WORKERS_MAX];
    struct segment_table segments;    // for all, as it says
    struct home_found *found;         // one a worker, who takes it over
    struct found_setbacks *setbacks;  // why mail waits that was found
    const struct recovered_key *keys; // that were found, until the workers have started
    uint64_t key_count;
    uint64_t id_last;                                // of the messages that were found
    struct suppression suppression;                  // for all; worker 0 writes it
    int suppression_fd;                              // its folder; -1: none
    struct tls_memory tls;                           // for all
    _Atomic bool suppression_ready;                  // before it is, no mail is taken
    _Atomic uint32_t drained_count;                  // workers that have taken all results
    struct pickup_place pickups[CONFIG_PICKUPS_MAX]; // worker 0 serves them
    uint32_t pickup_count;                           // of these, open
    _Atomic uint32_t unopened;             // journals without a first segment: no delivery starts
    _Atomic uint32_t troubled;             // journals that cannot be written: nothing new starts
    _Atomic bool broken;                   // one of them for good: the engine ends
    _Atomic uint8_t stop;                  // enum stop_stage
    _Atomic bool draining;                 // no mail is taken; what is there is delivered
    uint64_t started_us;                   // monotonic
    bool reopen_wanted;                    // worker 0's: the file of the events was renamed
    int control_fd, metrics_fd;            // listeners of worker 0's; -1: none
    int holds_fd;                          // the file of holds; -1: they are kept in memory alone
    int rates_fd;                          // the folder of rates; -1: what was counted ends with us
    const struct rate_memory *rate_memory; // of the engine before; NULL: nothing
    struct config *(*reload)(void *context,
                             struct refusal *why); // engine.h; NULL: there is no file
    void *reload_context;
    struct config_kept *configs;       // that were in force at some time
    const struct config *config_now;   // what was read last
    const struct limits_table *limits; // what workers begin with: the configuration's, and reroutes
    struct reroutes reroutes;          // worker 0's
    struct holds *holds; // in force, once all workers have them; NULL: none. An order changes them
    _Atomic uint32_t quiet_count; // workers that have nothing under way any more
};

// Copies what workers need from the configuration. 0 or -errno. The configuration stays.
int shared_init(struct shared *s, const struct config *config, uint32_t worker_count);
void shared_release(struct shared *s);

#endif
