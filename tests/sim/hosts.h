// tests/sim/hosts.h: the exchangers of many sites in one simulated world, each with a temper of its
// own, and what they have seen of every recipient.
//
// They speak by engine/smtp/server.h behind one io, and keep no content. A recipient is
// "rNUMBER@..." or "rNUMBER.NTH@...", as posthaste-load names them, and stands in `rcpts` at
// NUMBER * rcpts_per_message + NTH - 1.
#ifndef POSTHASTE_TESTS_SIM_HOSTS_H
#define POSTHASTE_TESTS_SIM_HOSTS_H

#include "engine/base/slab.h"
#include "engine/base/wheel.h"
#include "engine/smtp/server.h"
#include "tests/sim/world.h"

#define HOSTS_PORT 25

enum host_temper {
    HOST_SERVES,
    HOST_GREYLISTS, // takes a recipient that comes again after HOST_GREY_US
    HOST_BLOCKS,    // from from_us until until_us each session is turned away
    HOST_DRIPS,     // says a byte each HOST_DRIP_US
    HOST_DEAD,      // nobody listens
};
#define HOST_GREY_US (UINT64_C(300) * 1000000)
#define HOST_DRIP_US (UINT64_C(10) * 1000000)

struct host_site {
    enum host_temper temper;
    struct io_address address;
    uint64_t from_us, until_us;  // since the world began
    uint32_t messages_max;       // of one connection: beyond, it is a complaint
    uint32_t rcpts_max;          // of one transaction, the same
    uint64_t arrivals;           // recipients
    uint64_t last_us;            // the last of them
    uint64_t sessions, refusals; // of sessions
    int fd;
};

struct host_rcpt {
    uint64_t first_us; // it was named; 0: never
    uint64_t arrived_us;
    uint32_t arrivals;
};

struct hosts {
    struct io *io;
    struct host_site *sites;
    uint32_t site_count;
    struct host_rcpt *rcpts;
    uint64_t rcpt_count;
    uint32_t rcpts_per_message;
    uint32_t complaint_count;
    // hosts.c's:
    struct smtp_server_options smtp;
    struct slab sessions;
    struct wheel wheel;
    uint32_t accept_count; // standing
    bool stopping;
};

// The caller has filled what stands before hosts.c's. Listens, and waits for its first turn.
void hosts_start(struct hosts *h);
bool hosts_turn(struct hosts *h); // false: it was told to stop, and has
void hosts_stop(struct hosts *h); // wake its io
void hosts_free(struct hosts *h); // when it has stopped; the io stays

#endif
