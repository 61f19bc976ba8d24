// engine/io/network.h: ranges of addresses, as people write them: "10.0.0.0/8", "2001:db8::/32",
// "192.0.2.1". Pure.
#ifndef POSTHASTE_IO_NETWORK_H
#define POSTHASTE_IO_NETWORK_H

#include "engine/io/address.h"

struct io_network {
    uint8_t bytes[16];  // in network order
    uint8_t byte_count; // 4 or 16
    uint8_t prefix_bits;
};

// False when the text is no network, or names bits behind its prefix ("10.1.0.0/8").
bool io_network_parse(struct slice text, struct io_network *ret);

#define IO_NETWORK_TEXT_BYTES 64
// The form that io_network_parse() reads. Writes into `text` and returns it.
const char *io_network_print(const struct io_network *n, char text[IO_NETWORK_TEXT_BYTES]);

// An IPv4 address that arrived on an IPv6 socket (::ffff:192.0.2.1) counts as IPv4.
bool io_network_holds(const struct io_network *n, const struct io_address *a);

#endif
