// engine/io/flight.h: the requests in flight, found by token and by descriptor.
//
// Behind ring.c. The kernel can cancel all requests on a descriptor, too, but walks through every
// request of the ring to find them: 400 us for each close beside 8,000 standing receives. By
// token it looks into a table, and we know the tokens.
#ifndef POSTHASTE_IO_FLIGHT_H
#define POSTHASTE_IO_FLIGHT_H

#include "engine/base/slab.h"

#define FLIGHT_COUNT_MAX (1u << 20)

struct flight {
    struct slab requests; // struct flight_request
    uint32_t *by_token;   // first of each chain, or SLAB_NONE
    uint32_t *by_fd;
};

bool flight_init(struct flight *f); // false without memory
void flight_release(struct flight *f);

// CHECKs that no request in flight has this token.
void flight_add(struct flight *f, uint64_t token, int fd);
void flight_remove(struct flight *f, uint64_t token); // which is in flight
bool flight_has(const struct flight *f, uint64_t token);
uint32_t flight_count(const struct flight *f);

// Walk the requests, all or those on fd: *cursor starts as 0. False when there are no more. No
// request may be added or removed meanwhile.
bool flight_next(const struct flight *f, uint32_t *cursor, uint64_t *ret_token);
bool flight_next_on(const struct flight *f, int fd, uint32_t *cursor, uint64_t *ret_token);

#endif
