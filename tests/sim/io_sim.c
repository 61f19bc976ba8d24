// tests/sim/io_sim.c: engine/io/io.h in a simulated world: what is asked, and what one owner sees.
// How requests end is in completions.c.
#include "tests/sim/sim.h"

#include <errno.h>
#include <stdlib.h>

#define POISON 0xdd
#define WALL_START_US (1767225600u * 1000000ull) // 2026-01-01

int io_new(struct io **ret_io, const struct io_options *options)
{
    struct world *w = sim_world();
    struct io_options o = options ? *options : (struct io_options){0};
    struct io *io = calloc(1, sizeof(*io));
    CHECK(io);
    io->world = w;
    io->number = w->io_count++;
    io->offload_threads = o.offload_threads ? o.offload_threads : 1;
    io->now_us = w->now_us;
    io->buffer_bytes = o.receive_buffer_bytes ? o.receive_buffer_bytes
                                              : IO_RECEIVE_BUFFER_BYTES_DEFAULT;
    io->buffer_count = o.receive_buffer_count ? o.receive_buffer_count
                                              : IO_RECEIVE_BUFFER_COUNT_DEFAULT;
    if (w->options.receive_buffers_max && io->buffer_count > w->options.receive_buffers_max)
        io->buffer_count = w->options.receive_buffers_max;
    io->buffers_free = io->buffer_count;
    io->buffers = calloc(io->buffer_count, sizeof(io->buffers[0]));
    CHECK(io->buffers);
    io->next = w->ios;
    w->ios = io;
    *ret_io = io;
    return 0;
}

const char *io_new_explain(int error)
{
    return strerrordesc_np(-error);
}

void sim_io_bury(struct io *io)
{
    struct io **link = &io->world->ios;
    while (*link != io)
        link = &(*link)->next;
    *link = io->next;
    for (unsigned i = 0; i < SIM_TOKEN_BUCKETS; i++)
        while (io->buckets[i]) {
            struct sim_request *r = io->buckets[i];
            if (sim_is_of_disk(r))
                sim_file_abandon(r);
            sim_drop(r);
        }
    // Descriptors that nobody has been told of.
    for (; io->arrived_count > 0; io->arrived_count--, io->arrived_first++) {
        const struct sim_arrived *a = &io->arrived[io->arrived_first];
        if (a->brings_descriptor)
            sim_socket_close(io->world, sim_socket_at(io->world, a->done.result));
    }
    io->is_dead = true;
}

void io_free(struct io *io)
{
    if (!io)
        return;
    if (!io->is_dead)
        sim_io_bury(io);
    for (uint32_t i = 0; i < io->buffer_count; i++)
        free(io->buffers[i].bytes);
    free(io->buffers);
    free(io->ready);
    free(io->arrived);
    free(io);
}

uint64_t io_now_us(const struct io *io)
{
    return io->now_us;
}

uint64_t io_wall_us(const struct io *io)
{
    return WALL_START_US + io->now_us;
}

uint64_t io_seed(struct io *io)
{
    return random_u64(&io->world->dice);
}

void io_wait(struct io *io, uint64_t due_us)
{
    if (io->is_dead)
        return;
    io->now_us = io->world->now_us;
    // Whoever has drained the completions of this turn is at its end. Else this may be a turn's
    // beginning, and what its owner does with them would come after: wait for a turn without any.
    io->waiting = io->drained || !io->has_reason;
    io->has_reason = io->drained = false;
    io->due_us = due_us;
}

bool io_next(struct io *io, struct io_done *ret_done)
{
    if (io->arrived_count == 0) {
        io->arrived_first = 0;
        io->drained = true;
        return false;
    }
    *ret_done = io->arrived[io->arrived_first++].done;
    io->arrived_count--;
    return true;
}

void io_wake(struct io *io, struct io *other)
{
    CHECK(io->world == other->world);
    other->woken = true;
}

// --- sockets

static bool takes_any_host(const struct io_address *a)
{
    return (a->as.any.sa_family == AF_INET && a->as.in.sin_addr.s_addr == INADDR_ANY) ||
           (a->as.any.sa_family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&a->as.in6.sin6_addr));
}

static void set_port(struct io_address *a, uint16_t port)
{
    if (a->as.any.sa_family == AF_INET)
        a->as.in.sin_port = htons(port);
    else if (a->as.any.sa_family == AF_INET6)
        a->as.in6.sin6_port = htons(port);
}

static uint16_t next_port(struct world *w)
{
    if (w->port_next == SIM_PORT_LAST)
        w->port_next = SIM_PORT_FIRST;
    return ++w->port_next;
}

static bool is_taken(const struct world *w, const struct io_address *address, bool shared_port)
{
    for (uint32_t i = 0; i < w->listener_count; i++) {
        const struct sim_socket *s = w->listeners[i];
        if (io_address_equal(&s->here, address) && !(shared_port && s->shared_port))
            return true;
    }
    return false;
}

int io_listen(struct io *io, struct io_address *address, const struct io_listen_options *options)
{
    if (io && io->is_dead)
        return -ECANCELED;
    struct world *w = io ? io->world : sim_world();
    struct sim_socket *s;
    bool shared_port = options && options->shared_port;
    if (!io_address_is_unix(address) && io_address_port(address) == 0)
        set_port(address, next_port(w));
    if (is_taken(w, address, shared_port))
        return -EADDRINUSE;
    int fd = sim_socket_new(w, SIM_LISTENER, true, &s);
    if (fd < 0)
        return fd;
    s->here = *address;
    s->shared_port = shared_port;
    s->is_elsewhere = io && io->is_elsewhere;
    return fd;
}

void io_accept(struct io *io, int listen_fd, struct io_token token)
{
    if (io->is_dead)
        return;
    struct sim_socket *s = sim_socket_at(io->world, listen_fd);
    CHECK(s->kind == SIM_LISTENER);
    s->is_elsewhere = io->is_elsewhere;
    struct sim_request *r = sim_ask(io, SIM_ACCEPT, s, token);
    if (s->backlog)
        sim_schedule(r);
}

static bool is_black_hole(const struct world *w, const struct io_address *peer)
{
    for (uint32_t i = 0; i < w->black_hole_count; i++) {
        struct io_address hole = w->black_holes[i];
        if (io_address_port(&hole) == 0)
            set_port(&hole, io_address_port(peer));
        if (io_address_equal(&hole, peer))
            return true;
    }
    return false;
}

static struct io_address source_address(struct world *w, const struct io_address *peer,
                                        const struct io_address *local)
{
    struct io_address a = *peer; // another process on the same host
    if (local && !takes_any_host(local))
        a = *local;
    if (io_address_port(&a) == 0 || !local)
        set_port(&a, next_port(w));
    return a;
}

int io_connect(struct io *io, const struct io_address *peer, const struct io_address *local,
               struct io_token token)
{
    if (io->is_dead)
        return -ECANCELED;
    struct world *w = io->world;
    struct sim_socket *s;
    int fd = sim_socket_new(w, SIM_STREAM, true, &s);
    if (fd < 0)
        return fd;
    s->is_elsewhere = io->is_elsewhere;
    s->there = *peer;
    s->here = source_address(w, peer, local);
    sim_count_connection(w, s);
    struct sim_request *r = sim_ask(io, SIM_CONNECT, s, token);
    if (is_black_hole(w, peer)) {
        r->decided = -ETIMEDOUT;
        sim_schedule_in(r, SIM_CONNECT_TIMEOUT_US);
    } else {
        sim_schedule(r);
    }
    return fd;
}

void io_receive(struct io *io, int fd, struct io_token token)
{
    if (io->is_dead)
        return;
    struct sim_socket *s = sim_socket_at(io->world, fd);
    CHECK(s->kind == SIM_STREAM);
    sim_schedule(sim_ask(io, SIM_RECEIVE, s, token));
}

void io_return(struct io *io, uint16_t lent)
{
    CHECK(lent < io->buffer_count && io->buffers[lent].lent);
    struct sim_buffer *b = &io->buffers[lent];
    memset(b->bytes, POISON, io->buffer_bytes);
    ASAN_POISON_MEMORY_REGION(b->bytes, io->buffer_bytes);
    b->lent = false;
    io->buffers_free++;
}

uint32_t io_receive_buffers_free(const struct io *io)
{
    return io->buffers_free;
}

void io_send(struct io *io, int fd, const struct iovec *pieces, unsigned count,
             struct io_token token)
{
    if (io->is_dead)
        return;
    struct sim_socket *s = sim_socket_at(io->world, fd);
    CHECK(s->kind == SIM_STREAM && count >= 1 && count <= IO_SEND_PIECES_MAX);
    struct sim_request *r = sim_ask(io, SIM_SEND, s, token);
    r->pieces = pieces;
    r->piece_count = count;
    r->checksum = sim_checksum(r);
    sim_schedule(r);
}

// What others read (a signalfd, c-ares's sockets) is not in this world, and nothing comes of it.
void io_poll(struct io *io, int fd, uint32_t events, struct io_token token)
{
    if (io->is_dead)
        return;
    CHECK(fd < SIM_FD_FIRST && events != 0);
    sim_ask(io, SIM_POLL, NULL, token);
}

// In any order, after any time.
void io_offload(struct io *io, enum io_haste haste, io_work *work, void *argument,
                struct io_token token)
{
    (void)haste;
    if (io->is_dead)
        return;
    struct sim_request *r = sim_ask(io, SIM_OFFLOAD, NULL, token);
    r->work = work;
    r->argument = argument;
    sim_schedule(r);
}

void io_cancel(struct io *io, struct io_token token)
{
    if (io->is_dead)
        return;
    struct sim_request *r = sim_find(io, token);
    io->waiting = false;
    if (!r || r->cancelled || r->kind == SIM_OFFLOAD)
        return;
    r->cancelled = true;
    if (r->file.waits || r->file.is_settled)
        return;
    r->decided = r->decided ? -ECANCELED : 0;
    sim_unschedule(r);
    sim_schedule(r);
}

void io_close(struct io *io, int fd)
{
    if (io->is_dead)
        return;
    struct sim_socket *s = sim_socket_at(io->world, fd);
    for (unsigned i = 0; i < SIM_SOLE_KINDS; i++)
        CHECK(!s->requests[i] || s->requests[i]->io == io);
    for (const struct sim_request *r = s->asked; r; r = r->next_asked)
        CHECK(r->io == io);
    io->waiting = false;
    sim_socket_close(io->world, s);
}

int io_peer_of(struct io *io, int fd, struct io_peer *ret_peer)
{
    if (io->is_dead)
        return -ENOTCONN;
    const struct sim_socket *s = sim_socket_at(io->world, fd);
    if (s->kind != SIM_STREAM || !s->connected)
        return -ENOTCONN;
    *ret_peer = (struct io_peer){.address = s->there};
    if (io_address_is_unix(&s->there)) {
        ret_peer->uid_known = true;
        ret_peer->uid = SIM_UID;
    }
    return 0;
}
