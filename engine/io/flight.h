// engine/io/flight.h: the requests in flight, found by token and by descriptor.
//
// Behind ring.c. The kernel can cancel all requests on a descriptor, too, but walks through every
// request of the ring to find them: 400 us for each close beside 8,000 standing receives. By
// token it looks into a table, and we know the tokens.
#ifndef POSTHASTE_IO_FLIGHT_H
#define POSTHASTE_IO_FLIGHT_H

#include "engine/base/slab.h"

#define FLIGHT_COUNT_MAX (1u << 20)

enum flight_kind {
    FLIGHT_PLAIN,
    FLIGHT_BRINGS_FD, // a good result is a new descriptor
    FLIGHT_FAILED,    // the result is `value`, whatever the kernel says
    FLIGHT_WATCH,     // `value` is its inotify descriptor, ours
};

struct flight_request {
    uint64_t token;
    int32_t fd;
    uint32_t index;         // of this request
    uint32_t next_by_token; // in its chain, or SLAB_NONE
    uint32_t next_by_fd;
    int32_t value;  // this and those below are the caller's to set; flight_add() makes them 0
    uint8_t kind;   // enum flight_kind
    bool cancelled; // it has been asked to end
};
_Static_assert(sizeof(struct flight_request) <= 32, "65,536 of them in a chunk");

struct flight {
    struct slab requests; // struct flight_request
    uint32_t *by_token;   // first of each chain, or SLAB_NONE
    uint32_t *by_fd;
};

bool flight_init(struct flight *f); // false without memory
void flight_release(struct flight *f);

// CHECKs that no request in flight has this token. Valid until it is removed.
struct flight_request *flight_add(struct flight *f, uint64_t token, int fd);
void flight_remove(struct flight *f, uint64_t token); // which is in flight
bool flight_has(const struct flight *f, uint64_t token);
struct flight_request *flight_find(const struct flight *f, uint64_t token); // or NULL
uint32_t flight_count(const struct flight *f);

// Walk the requests, all or those on fd: *cursor starts as 0. False when there are no more. No
// request may be added or removed meanwhile.
bool flight_next(const struct flight *f, uint32_t *cursor, uint64_t *ret_token);
bool flight_next_on(const struct flight *f, int fd, uint32_t *cursor, uint64_t *ret_token);

#endif
