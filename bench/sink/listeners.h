// bench/sink/listeners.h: where the sink listens.
//
// "127.0.0.1:2525", "[::1]:2525", "unix:/run/sink.sock", or a range "127.1.0.1-127.1.0.250:2525".
// Port 0 lets the kernel choose; the addresses of one range then share what it chose.
#ifndef POSTHASTE_BENCH_SINK_LISTENERS_H
#define POSTHASTE_BENCH_SINK_LISTENERS_H

#include "bench/resolve.h"
#include "engine/io/io.h"

#define SINK_LISTENERS_MAX 16384
#define SINK_PORT_DEFAULT 2525
#define SINK_POP3_PORT_DEFAULT 1110

struct sink_listener {
    struct io_address address; // with the port in force once it is open
    uint32_t range;            // which argument it comes from
    bool is_pop3;
    bool is_idle; // nobody accepts there now: the worker will again
    int fd;       // -1: not open
};

struct sink_listeners {
    struct sink_listener *items;
    uint32_t count;
    uint32_t ranges;
};

void sink_listeners_release(struct sink_listeners *l); // of memory; descriptors stay open

// Adds what one argument names. False: `why` says what is wrong.
bool sink_listeners_add(struct sink_listeners *l, struct slice text, bool is_pop3,
                        char why[RESOLVE_WHY_BYTES]);
// A second set for another worker: same addresses; a unix socket's descriptor is duplicated,
// the rest is to be opened. -errno.
int sink_listeners_copy(struct sink_listeners *ret_copy, const struct sink_listeners *l);

// Opens what is not open yet. -errno: nothing of it is open, *ret_failed is who could not be.
int sink_listeners_open(struct sink_listeners *l, struct io *io, bool shared_port,
                        uint32_t *ret_failed);

#endif
