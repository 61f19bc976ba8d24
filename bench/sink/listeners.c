#include "bench/sink/listeners.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#define PORT_TRIES_MAX 20 // a port that the kernel gave may be taken at the next address

void sink_listeners_release(struct sink_listeners *l)
{
    free(l->items);
    *l = (struct sink_listeners){0};
}

static bool add_one(struct sink_listeners *l, const struct io_address *address, bool is_pop3)
{
    struct sink_listener *more = l->count < SINK_LISTENERS_MAX
                                     ? reallocarray(l->items, (size_t)l->count + 1,
                                                    sizeof(*l->items))
                                     : NULL;
    if (!more)
        return false;
    l->items = more;
    l->items[l->count++] = (struct sink_listener){
        .address = *address, .range = l->ranges, .is_pop3 = is_pop3, .fd = -1};
    return true;
}

// "127.1.0.1-127.1.0.250:2525": IPv4 only. False when the text is no range.
static bool read_range(struct slice text, uint16_t port, struct io_address *ret_low,
                       uint32_t *ret_count)
{
    struct slice rest = text;
    struct slice low = slice_cut(&rest, '-');
    struct io_address first, last;
    if (slice_starts(text, SLICE("unix:")) || slice_find(low, ':') < low.len ||
        !io_address_parse(low, 0, &first) || !io_address_parse(rest, port, &last) ||
        first.as.any.sa_family != AF_INET || last.as.any.sa_family != AF_INET)
        return false;
    uint32_t from = ntohl(first.as.in.sin_addr.s_addr), to = ntohl(last.as.in.sin_addr.s_addr);
    if (to < from)
        return false;
    first.as.in.sin_port = last.as.in.sin_port;
    *ret_low = first;
    *ret_count = to - from < SINK_LISTENERS_MAX ? to - from + 1 : SINK_LISTENERS_MAX + 1;
    return true;
}

bool sink_listeners_add(struct sink_listeners *l, struct slice text, bool is_pop3,
                        char why[RESOLVE_WHY_BYTES])
{
    struct io_address address;
    uint32_t count = 1;
    uint16_t port = is_pop3 ? SINK_POP3_PORT_DEFAULT : SINK_PORT_DEFAULT;
    if (!read_range(text, port, &address, &count) && !resolve_address(text, port, &address, why))
        return false;
    for (uint32_t i = 0; i < count; i++) {
        if (!add_one(l, &address, is_pop3)) {
            snprintf(why, RESOLVE_WHY_BYTES, "is more than %d listeners", SINK_LISTENERS_MAX);
            return false;
        }
        if (count > 1)
            address.as.in.sin_addr.s_addr = htonl(ntohl(address.as.in.sin_addr.s_addr) + 1);
    }
    l->ranges++;
    return true;
}

int sink_listeners_copy(struct sink_listeners *ret_copy, const struct sink_listeners *l)
{
    struct sink_listeners copy = {.count = l->count, .ranges = l->ranges};
    copy.items = calloc(l->count, sizeof(*copy.items));
    if (!copy.items)
        return -ENOMEM;
    for (uint32_t i = 0; i < l->count; i++) {
        copy.items[i] = l->items[i];
        copy.items[i].fd = -1;
        if (io_address_is_unix(&l->items[i].address))
            copy.items[i].fd = fcntl(l->items[i].fd, F_DUPFD_CLOEXEC, 0);
    }
    *ret_copy = copy;
    return 0;
}

static void close_from(struct sink_listeners *l, struct io *io, uint32_t from, uint32_t to)
{
    for (uint32_t i = from; i < to; i++) {
        if (l->items[i].fd >= 0)
            io_close(io, l->items[i].fd);
        l->items[i].fd = -1;
    }
}

static void set_port(struct io_address *a, uint16_t port)
{
    if (a->as.any.sa_family == AF_INET)
        a->as.in.sin_port = htons(port);
}

// Opens the range [from, to). On an error nothing of it is open.
static int open_range(struct sink_listeners *l, struct io *io, const struct io_listen_options *o,
                      uint32_t from, uint32_t to, uint32_t *ret_failed)
{
    uint16_t port = io_address_port(&l->items[from].address);
    for (uint32_t i = from; i < to; i++) {
        struct sink_listener *item = &l->items[i];
        if (item->fd >= 0)
            continue;
        if (i > from)
            set_port(&item->address, port);
        int fd = io_listen(io, &item->address, o);
        if (fd < 0) {
            close_from(l, io, from, i);
            *ret_failed = i;
            return fd;
        }
        item->fd = fd;
        if (i == from)
            port = io_address_port(&item->address);
    }
    return 0;
}

int sink_listeners_open(struct sink_listeners *l, struct io *io, bool shared_port,
                        uint32_t *ret_failed)
{
    const struct io_listen_options options = {.shared_port = shared_port};
    for (uint32_t from = 0, to; from < l->count; from = to) {
        to = from + 1;
        while (to < l->count && l->items[to].range == l->items[from].range)
            to++;
        bool may_choose = io_address_port(&l->items[from].address) == 0;
        int error, tries = 0;
        do {
            if (may_choose && to > from + 1)
                set_port(&l->items[from].address, 0);
            error = open_range(l, io, &options, from, to, ret_failed);
        } while (error == -EADDRINUSE && may_choose && ++tries < PORT_TRIES_MAX);
        if (error) {
            close_from(l, io, 0, from);
            return error;
        }
    }
    return 0;
}
