// bench/resolve.h: addresses as people type them. A name is looked up once, at start.
#ifndef POSTHASTE_BENCH_RESOLVE_H
#define POSTHASTE_BENCH_RESOLVE_H

#include "engine/io/address.h"

#define RESOLVE_WHY_BYTES 160

// What io_address_parse() reads, and "host:port" or "host". False: `why` says what is wrong.
bool resolve_address(struct slice text, uint16_t port_default, struct io_address *ret_address,
                     char why[RESOLVE_WHY_BYTES]);

#endif
