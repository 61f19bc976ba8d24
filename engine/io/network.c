#include "engine/io/network.h"

#include <arpa/inet.h>
#include <stdio.h>

// The first `prefix_bits` are equal.
static bool prefix_equal(const uint8_t *a, const uint8_t *b, uint8_t prefix_bits)
{
    size_t whole = prefix_bits / 8u;
    unsigned rest = prefix_bits % 8u;
    uint8_t mask = (uint8_t)(0xff00u >> rest);
    if (memcmp(a, b, whole) != 0)
        return false;
    return rest == 0 || ((a[whole] ^ b[whole]) & mask) == 0;
}

static bool prefix_is_all(const struct io_network *n)
{
    for (unsigned bit = n->prefix_bits; bit < n->byte_count * 8u; bit++)
        if (n->bytes[bit / 8] & (0x80u >> bit % 8))
            return false;
    return true;
}

bool io_network_parse(struct slice text, struct io_network *ret)
{
    struct io_network n = {.byte_count = 4};
    char host[INET6_ADDRSTRLEN];
    bool has_prefix = slice_find(text, '/') < text.len;
    struct slice address = slice_cut(&text, '/');
    if (address.len >= sizeof(host) || slice_find(address, '\0') < address.len)
        return false;
    memcpy(host, address.data, address.len);
    host[address.len] = '\0';
    if (inet_pton(AF_INET, host, n.bytes) != 1) {
        n.byte_count = 16;
        if (inet_pton(AF_INET6, host, n.bytes) != 1)
            return false;
    }
    uint64_t prefix_bits = n.byte_count * 8u;
    if (has_prefix && !slice_to_u64(text, prefix_bits, &prefix_bits))
        return false;
    n.prefix_bits = (uint8_t)prefix_bits;
    if (!prefix_is_all(&n))
        return false;
    *ret = n;
    return true;
}

const char *io_network_print(const struct io_network *n, char text[IO_NETWORK_TEXT_BYTES])
{
    char host[INET6_ADDRSTRLEN] = "";
    inet_ntop(n->byte_count == 4 ? AF_INET : AF_INET6, n->bytes, host, sizeof(host));
    if (n->prefix_bits == n->byte_count * 8u)
        snprintf(text, IO_NETWORK_TEXT_BYTES, "%s", host);
    else
        snprintf(text, IO_NETWORK_TEXT_BYTES, "%s/%u", host, n->prefix_bits);
    return text;
}

bool io_network_holds(const struct io_network *n, const struct io_address *a)
{
    const uint8_t *bytes;
    uint8_t byte_count;
    if (a->as.any.sa_family == AF_INET) {
        bytes = (const uint8_t *)&a->as.in.sin_addr;
        byte_count = 4;
    } else if (a->as.any.sa_family == AF_INET6) {
        bytes = a->as.in6.sin6_addr.s6_addr;
        byte_count = 16;
        if (IN6_IS_ADDR_V4MAPPED(&a->as.in6.sin6_addr)) {
            bytes += 12;
            byte_count = 4;
        }
    } else {
        return false;
    }
    return byte_count == n->byte_count && prefix_equal(bytes, n->bytes, n->prefix_bits);
}
