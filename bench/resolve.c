#include "bench/resolve.h"

#include <netdb.h>
#include <stdio.h>

#define HOST_BYTES_MAX 255

bool resolve_address(struct slice text, uint16_t port_default, struct io_address *ret_address,
                     char why[RESOLVE_WHY_BYTES])
{
    if (io_address_parse(text, port_default, ret_address))
        return true;
    struct slice rest = text;
    struct slice host = slice_cut(&rest, ':');
    uint64_t port = port_default;
    if (host.len == 0 || host.len > HOST_BYTES_MAX || host.data[0] == '[' ||
        slice_equal(host, SLICE("unix")) || (rest.len > 0 && !slice_to_u64(rest, 65535, &port))) {
        snprintf(why, RESOLVE_WHY_BYTES, "is no address; say host:port or unix:/path");
        return false;
    }
    char name[HOST_BYTES_MAX + 1];
    memcpy(name, host.data, host.len);
    name[host.len] = 0;
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
    struct addrinfo *found = NULL;
    int error = getaddrinfo(name, NULL, &hints, &found);
    if (error) {
        snprintf(why, RESOLVE_WHY_BYTES, "is not known: %s", gai_strerror(error));
        return false;
    }
    ret_address->len = found->ai_addrlen;
    memcpy(&ret_address->as.any, found->ai_addr, found->ai_addrlen);
    if (found->ai_family == AF_INET6)
        ret_address->as.in6.sin6_port = htons((uint16_t)port);
    else
        ret_address->as.in.sin_port = htons((uint16_t)port);
    freeaddrinfo(found);
    return true;
}
