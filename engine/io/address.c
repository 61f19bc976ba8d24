#include "engine/io/address.h"

#include "engine/base/check.h"

#include <arpa/inet.h>
#include <stddef.h>
#include <stdio.h>

#define UNIX_PREFIX SLICE("unix:")

static bool parse_unix(struct slice path, struct io_address *ret)
{
    struct io_address a = {.len = sizeof(a.as.un), .as.un.sun_family = AF_UNIX};
    if (path.len == 0 || path.len >= sizeof(a.as.un.sun_path) || slice_find(path, 0) < path.len)
        return false;
    memcpy(a.as.un.sun_path, path.data, path.len);
    *ret = a;
    return true;
}

static bool parse_number(struct slice text, int family, uint16_t port, struct io_address *ret)
{
    char name[INET6_ADDRSTRLEN];
    uint8_t bytes[16];
    if (text.len >= sizeof(name) || slice_find(text, 0) < text.len)
        return false;
    memcpy(name, text.data, text.len);
    name[text.len] = 0;
    if (inet_pton(family, name, bytes) != 1)
        return false;
    *ret = io_address_from_bytes(bytes, family == AF_INET ? 4 : 16, port);
    return true;
}

// "" or ":25".
static bool parse_port(struct slice text, uint16_t port_default, uint16_t *ret_port)
{
    uint64_t port = port_default;
    if (text.len > 0 &&
        (text.data[0] != ':' || !slice_to_u64(slice_skip(text, 1), UINT16_MAX, &port)))
        return false;
    *ret_port = (uint16_t)port;
    return true;
}

bool io_address_parse(struct slice text, uint16_t port_default, struct io_address *ret)
{
    uint16_t port;
    if (slice_starts(text, UNIX_PREFIX))
        return parse_unix(slice_skip(text, UNIX_PREFIX.len), ret);
    if (parse_number(text, AF_INET6, port_default, ret)) // without brackets there is no port
        return true;
    bool bracketed = slice_starts(text, SLICE("["));
    text = slice_skip(text, bracketed ? 1 : 0);
    size_t host_len = slice_find(text, bracketed ? ']' : ':');
    struct slice host = slice_take(text, host_len);
    if (bracketed && host_len == text.len)
        return false;
    return parse_port(slice_skip(text, host_len + (bracketed ? 1 : 0)), port_default, &port) &&
           parse_number(host, bracketed ? AF_INET6 : AF_INET, port, ret);
}

struct io_address io_address_from_bytes(const void *bytes, size_t len, uint16_t port)
{
    struct io_address a = {0};
    CHECK(len == 4 || len == 16);
    if (len == 4) {
        a.len = sizeof(a.as.in);
        a.as.in.sin_family = AF_INET;
        a.as.in.sin_port = htons(port);
        memcpy(&a.as.in.sin_addr, bytes, 4);
    } else {
        a.len = sizeof(a.as.in6);
        a.as.in6.sin6_family = AF_INET6;
        a.as.in6.sin6_port = htons(port);
        memcpy(&a.as.in6.sin6_addr, bytes, 16);
    }
    return a;
}

// The path of a unix socket; empty for a client's that has no name.
static struct slice unix_path(const struct io_address *a)
{
    size_t room = a->len > offsetof(struct sockaddr_un, sun_path)
                      ? a->len - offsetof(struct sockaddr_un, sun_path)
                      : 0;
    return slice_make(a->as.un.sun_path, strnlen(a->as.un.sun_path, room));
}

const char *io_address_print(const struct io_address *a, char text[IO_ADDRESS_TEXT_BYTES])
{
    char host[IO_ADDRESS_TEXT_BYTES];
    if (io_address_is_unix(a))
        return io_address_print_host(a, text);
    io_address_print_host(a, host);
    snprintf(text, IO_ADDRESS_TEXT_BYTES,
             a->as.any.sa_family == AF_INET6 ? "[%.64s]:%u" : "%.64s:%u", host, io_address_port(a));
    return text;
}

const char *io_address_print_host(const struct io_address *a, char text[IO_ADDRESS_TEXT_BYTES])
{
    text[0] = 0;
    switch (a->as.any.sa_family) {
    case AF_INET: inet_ntop(AF_INET, &a->as.in.sin_addr, text, IO_ADDRESS_TEXT_BYTES); break;
    case AF_INET6: inet_ntop(AF_INET6, &a->as.in6.sin6_addr, text, IO_ADDRESS_TEXT_BYTES); break;
    case AF_UNIX:
        snprintf(text, IO_ADDRESS_TEXT_BYTES, "unix:%.*s", SLICE_ARG(unix_path(a)));
        break;
    }
    return text;
}

uint16_t io_address_port(const struct io_address *a)
{
    switch (a->as.any.sa_family) {
    case AF_INET: return ntohs(a->as.in.sin_port);
    case AF_INET6: return ntohs(a->as.in6.sin6_port);
    }
    return 0;
}

bool io_address_is_unix(const struct io_address *a)
{
    return a->as.any.sa_family == AF_UNIX;
}

struct prefix {
    uint8_t bytes[16];
    uint8_t bits;
};

// RFC 6890's registries and multicast.
static const struct prefix private_v4[] = {
    {{0}, 8},             // "this network"
    {{10}, 8},            // private
    {{100, 64}, 10},      // carrier NAT
    {{127}, 8},           // loopback
    {{169, 254}, 16},     // link-local
    {{172, 16}, 12},      // private
    {{192, 0, 0}, 24},    // IETF protocols
    {{192, 0, 2}, 24},    // documentation
    {{192, 88, 99}, 24},  // 6to4 relay anycast
    {{192, 168}, 16},     // private
    {{198, 18}, 15},      // benchmarks
    {{198, 51, 100}, 24}, // documentation
    {{203, 0, 113}, 24},  // documentation
    {{224}, 3},           // multicast, reserved, broadcast
};
static const struct prefix private_v6[] = {
    {{0}, 96},                         // unspecified, loopback, the old "IPv4-compatible"
    {{0, 0x64, 0xff, 0x9b, 0, 1}, 48}, // local translation
    {{0x01, 0}, 64},                   // discard
    {{0x20, 0x01}, 23},                // IETF protocols, Teredo, benchmarks, ORCHID
    {{0x20, 0x01, 0x0d, 0xb8}, 32},    // documentation
    {{0x3f, 0xff}, 20},                // documentation
    {{0x5f, 0x00}, 16},                // segment routing
    {{0xfc}, 7},                       // unique local
    {{0xfe, 0x80}, 10},                // link-local
    {{0xfe, 0xc0}, 10},                // site-local
    {{0xff}, 8},                       // multicast
};
// Where IPv4 hides inside IPv6: behind `bits`.
static const struct prefix embedded_v4[] = {
    {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, 96}, // mapped: the kernel connects by IPv4
    {{0, 0x64, 0xff, 0x9b}, 96},                      // NAT64
    {{0x20, 0x02}, 16},                               // 6to4
};

static bool matches(const uint8_t *bytes, const struct prefix *p)
{
    unsigned whole = p->bits / 8;
    uint8_t mask = (uint8_t)(0xff00 >> p->bits % 8);
    return memcmp(bytes, p->bytes, whole) == 0 &&
           (p->bits % 8 == 0 || ((bytes[whole] ^ p->bytes[whole]) & mask) == 0);
}

static bool matches_any(const uint8_t *bytes, const struct prefix *p, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (matches(bytes, &p[i]))
            return true;
    return false;
}

// The four bytes of the IPv4 address that `a` is or holds, or NULL.
static const uint8_t *v4_bytes(const struct io_address *a)
{
    const uint8_t *bytes = (const uint8_t *)&a->as.in6.sin6_addr;
    if (a->as.any.sa_family == AF_INET)
        return (const uint8_t *)&a->as.in.sin_addr;
    if (a->as.any.sa_family == AF_INET6)
        for (size_t i = 0; i < COUNT_OF(embedded_v4); i++)
            if (matches(bytes, &embedded_v4[i]))
                return bytes + embedded_v4[i].bits / 8;
    return NULL;
}

bool io_address_is_loopback(const struct io_address *a)
{
    const uint8_t *v4 = v4_bytes(a);
    if (v4)
        return v4[0] == 127;
    return io_address_is_unix(a) ||
           (a->as.any.sa_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&a->as.in6.sin6_addr));
}

bool io_address_is_private(const struct io_address *a)
{
    const uint8_t *v4 = v4_bytes(a);
    if (v4)
        return matches_any(v4, private_v4, COUNT_OF(private_v4));
    return a->as.any.sa_family != AF_INET6 ||
           matches_any((const uint8_t *)&a->as.in6.sin6_addr, private_v6, COUNT_OF(private_v6));
}

bool io_address_equal(const struct io_address *a, const struct io_address *b)
{
    if (a->as.any.sa_family != b->as.any.sa_family || io_address_port(a) != io_address_port(b))
        return false;
    switch (a->as.any.sa_family) {
    case AF_INET: return a->as.in.sin_addr.s_addr == b->as.in.sin_addr.s_addr;
    case AF_INET6:
        return memcmp(&a->as.in6.sin6_addr, &b->as.in6.sin6_addr, 16) == 0 &&
               a->as.in6.sin6_scope_id == b->as.in6.sin6_scope_id;
    case AF_UNIX: return slice_equal(unix_path(a), unix_path(b));
    }
    return false;
}
