// engine/io/address.h: where a socket listens or connects to.
#ifndef POSTHASTE_IO_ADDRESS_H
#define POSTHASTE_IO_ADDRESS_H

#include "engine/base/slice.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

struct io_address {
    socklen_t len;
    union {
        struct sockaddr any;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
        struct sockaddr_un un;
    } as;
};

// "127.0.0.1:2525", "[::1]:25", "::1", "unix:/run/x.sock". Without ":port" the port is
// `port_default`; 0 asks the kernel for one. Names are not looked up. False when the text is none
// of these.
bool io_address_parse(struct slice text, uint16_t port_default, struct io_address *ret);
// From raw bytes in network order: 4 (A) or 16 (AAAA) of them, nothing else.
struct io_address io_address_from_bytes(const void *bytes, size_t len, uint16_t port);

#define IO_ADDRESS_TEXT_BYTES 128
// The form that io_address_parse() reads. Writes into `text` and returns it.
const char *io_address_print(const struct io_address *a, char text[IO_ADDRESS_TEXT_BYTES]);
// The same without the port: "127.0.0.1", "::1".
const char *io_address_print_host(const struct io_address *a, char text[IO_ADDRESS_TEXT_BYTES]);

uint16_t io_address_port(const struct io_address *a);
bool io_address_is_unix(const struct io_address *a);
bool io_address_is_loopback(const struct io_address *a); // unix sockets too
// Loopback, private, link-local, unspecified, multicast, documentation ...: no exchanger on the
// public Internet has such an address (RFC 6890). IPv4 inside IPv6 is judged as IPv4.
bool io_address_is_private(const struct io_address *a);
bool io_address_equal(const struct io_address *a, const struct io_address *b);

#endif
