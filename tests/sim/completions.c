// tests/sim/completions.c: what requests come to, when their turn has come.
#include "tests/sim/sim.h"

#include <errno.h>
#include <stdlib.h>

#define BACKLOG_MAX 128
#define BACKLOG_RETRY_US 1000000  // the client's kernel says SYN again
#define FINE_CUTS_BYTES_MAX 65536 // then coarser, else a large message takes for ever
#define FEW_BYTES_MAX 16

// How many of `len` bytes go through at once: at least one.
static size_t cut(struct world *w, struct sim_socket *s, size_t len)
{
    size_t most = len;
    enum world_cut mode = s->cut;
    if (mode < WORLD_CUT_ANY && s->bytes_cut >= FINE_CUTS_BYTES_MAX)
        mode = WORLD_CUT_NONE;
    if (mode == WORLD_CUT_BYTE)
        most = 1;
    if (mode == WORLD_CUT_FEW)
        most = FEW_BYTES_MAX;
    if (most > len)
        most = len;
    size_t taken = mode == WORLD_CUT_NONE ? most : 1 + random_below(&w->dice, (uint32_t)most);
    s->bytes_cut += taken;
    return taken;
}

// --- accepting and connecting

static void complete_accept(struct sim_request *r)
{
    struct world *w = r->io->world;
    struct sim_socket *listener = r->socket, *s = listener->backlog;
    if (r->cancelled && (!s || random_below(&w->dice, 2))) {
        sim_end(r, -ECANCELED);
        return;
    }
    if (!s)
        return;
    if (sim_chance(w, w->options.faults.accept_failure)) {
        sim_end(r, -ECONNABORTED);
        return;
    }
    if (sim_descriptor_take(w, s) < 0) {
        sim_end(r, -EMFILE);
        return;
    }
    s->is_elsewhere = r->io->is_elsewhere;
    listener->backlog = s->backlog_next;
    s->backlog_next = NULL;
    bool ended = !r->cancelled && sim_chance(w, w->options.faults.early_end);
    if (!ended && (listener->backlog || r->cancelled))
        sim_schedule(r);
    sim_post(r, s->fd, ended, SLICE_EMPTY, 0);
}

static bool listens_at(const struct sim_socket *s, const struct io_address *a)
{
    if (io_address_equal(&s->here, a))
        return true;
    sa_family_t family = s->here.as.any.sa_family;
    if (family != a->as.any.sa_family || io_address_port(&s->here) != io_address_port(a))
        return false;
    return (family == AF_INET && s->here.as.in.sin_addr.s_addr == INADDR_ANY) ||
           (family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&s->here.as.in6.sin6_addr));
}

// Any of those that listen there (they share the port).
static struct sim_socket *find_listener(struct world *w, const struct io_address *a)
{
    struct sim_socket *found = NULL;
    uint32_t count = 0;
    for (uint32_t i = 0; i < w->listener_count; i++)
        if (listens_at(w->listeners[i], a) && random_below(&w->dice, ++count) == 0)
            found = w->listeners[i];
    return found;
}

static void complete_connect(struct sim_request *r)
{
    static const int errors[] = {ECONNREFUSED, EHOSTUNREACH, ENETUNREACH, ETIMEDOUT, ECONNRESET};
    struct world *w = r->io->world;
    struct sim_socket *s = r->socket, *other;
    if (r->cancelled && random_below(&w->dice, 4)) {
        sim_end(r, -ECANCELED);
        return;
    }
    if (r->decided) {
        sim_end(r, r->decided);
        return;
    }
    if (sim_chance(w, w->options.faults.connect_failure)) {
        sim_end(r, -errors[random_below(&w->dice, COUNT_OF(errors))]);
        return;
    }
    struct sim_socket *listener = find_listener(w, &s->there);
    if (!listener) {
        sim_end(r, -ECONNREFUSED);
        return;
    }
    struct sim_socket **last = &listener->backlog;
    uint32_t waiting_count = 0;
    for (; *last; last = &(*last)->backlog_next)
        waiting_count++;
    if (waiting_count == BACKLOG_MAX) {
        sim_schedule_in(r, BACKLOG_RETRY_US);
        return;
    }
    sim_socket_new(w, SIM_STREAM, false, &other);
    other->here = s->there;
    other->there = s->here;
    s->peer = other;
    other->peer = s;
    s->connected = other->connected = true;
    *last = other;
    sim_notify(listener, SIM_ACCEPT);
    sim_end(r, 0);
}

// --- receiving

static uint16_t lend_buffer(struct io *io)
{
    // Any that is free, so that nobody relies on their order.
    uint32_t at = random_below(&io->world->dice, io->buffer_count);
    while (io->buffers[at].lent)
        at = (at + 1) % io->buffer_count;
    struct sim_buffer *b = &io->buffers[at];
    if (!b->bytes)
        b->bytes = malloc(io->buffer_bytes);
    CHECK(b->bytes);
    ASAN_UNPOISON_MEMORY_REGION(b->bytes, io->buffer_bytes);
    b->lent = true;
    io->buffers_free--;
    return (uint16_t)at;
}

static void receive_bytes(struct sim_request *r)
{
    struct io *io = r->io;
    struct world *w = io->world;
    struct sim_socket *s = r->socket;
    if (io->buffers_free == 0) {
        sim_end(r, -ENOBUFS);
        return;
    }
    size_t len = cut(w, s, s->in.len < io->buffer_bytes ? s->in.len : io->buffer_bytes);
    uint16_t buffer = lend_buffer(io);
    sim_pipe_take(&s->in, io->buffers[buffer].bytes, len);
    if (s->peer)
        sim_notify(s->peer, SIM_SEND);
    bool ended = !r->cancelled && sim_chance(w, w->options.faults.early_end);
    if (!ended && (s->in.len > 0 || s->peer_ended || s->broken || r->cancelled))
        sim_schedule(r);
    sim_post(r, (int32_t)len, ended, slice_make(io->buffers[buffer].bytes, len), buffer);
}

static void complete_receive(struct sim_request *r)
{
    struct world *w = r->io->world;
    struct sim_socket *s = r->socket;
    if (r->cancelled && (s->in.len == 0 || r->io->buffers_free == 0 || random_below(&w->dice, 4))) {
        sim_end(r, -ECANCELED);
        return;
    }
    if (s->peer && sim_chance(w, w->options.faults.reset))
        sim_break_connection(w, s);
    if (!s->connected)
        sim_end(r, -ENOTCONN);
    else if (s->in.len > 0)
        receive_bytes(r);
    else if (s->broken)
        sim_end(r, -ECONNRESET);
    else if (s->peer_ended)
        sim_end(r, 0);
    else if (r->io->buffers_free == 0)
        sim_end(r, -ENOBUFS); // the kernel takes a buffer before it looks for bytes
}

// --- sending

size_t sim_send_bytes(struct sim_request *r)
{
    struct world *w = r->io->world;
    struct sim_socket *s = r->socket;
    struct sim_pipe *to = &s->peer->in;
    size_t total = 0, room = to->len_max > to->len ? to->len_max - to->len : 0;
    for (unsigned i = 0; i < r->piece_count; i++)
        total += r->pieces[i].iov_len;
    if (total > room)
        total = room;
    if (total == 0)
        return 0;
    size_t sent = cut(w, s, total), left = sent;
    for (unsigned i = 0; left > 0; i++) {
        size_t len = r->pieces[i].iov_len < left ? r->pieces[i].iov_len : left;
        sim_pipe_put(to, r->pieces[i].iov_base, len);
        left -= len;
    }
    sim_notify(s->peer, SIM_RECEIVE);
    return sent;
}

// The first word to a peer that has closed goes into the void, and brings the reset.
static void after_the_end(struct sim_request *r)
{
    struct world *w = r->io->world;
    struct sim_socket *s = r->socket;
    if (s->broken) {
        sim_end(r, random_below(&w->dice, 2) ? -EPIPE : -ECONNRESET);
        return;
    }
    size_t total = 0;
    for (unsigned i = 0; i < r->piece_count; i++)
        total += r->pieces[i].iov_len;
    s->broken = true;
    sim_notify(s, SIM_RECEIVE);
    sim_end(r, total ? (int32_t)cut(w, s, total) : 0);
}

static void complete_send(struct sim_request *r)
{
    struct world *w = r->io->world;
    struct sim_socket *s = r->socket;
    if (r->cancelled && random_below(&w->dice, 2)) {
        sim_end(r, -ECANCELED);
        return;
    }
    if (s->peer && sim_chance(w, w->options.faults.reset))
        sim_break_connection(w, s);
    if (!s->connected) {
        sim_end(r, -ENOTCONN);
    } else if (!s->peer) {
        after_the_end(r);
    } else {
        size_t sent = sim_send_bytes(r);
        if (sent > 0)
            sim_end(r, (int32_t)sent);
        else if (r->cancelled)
            sim_end(r, -ECANCELED);
    }
}

// --- files that are not on the disk

static void complete_append(struct sim_request *r)
{
    struct world *w = r->io->world;
    struct sim_file *file = r->socket->file;
    if (r->cancelled && random_below(&w->dice, 2)) {
        sim_end(r, -ECANCELED);
        return;
    }
    if (sim_chance(w, w->options.faults.append_failure)) {
        sim_end(r, random_below(&w->dice, 2) ? -ENOSPC : -EIO);
        return;
    }
    size_t len = r->bytes.len;
    if (len > 1 && random_below(&w->dice, 4) == 0)
        len = 1 + random_below(&w->dice, (uint32_t)len - 1);
    if (file->len + len > file->room) {
        file->room = (file->len + len) * 2;
        file->bytes = realloc(file->bytes, file->room);
        CHECK(file->bytes);
    }
    memcpy(file->bytes + file->len, r->bytes.data, len);
    file->len += len;
    sim_end(r, (int32_t)len);
}

// --- all

void sim_complete(struct sim_request *r)
{
    sim_unschedule(r);
    if (sim_is_of_disk(r)) {
        sim_complete_file(r);
        return;
    }
    if (r->kind == SIM_OFFLOAD) { // all is done at its end: until then nobody may look
        r->work(r->argument, random_below(&r->io->world->dice, r->io->offload_threads));
        sim_end(r, 0);
        return;
    }
    if (!r->socket) {
        sim_end(r, r->decided ? r->decided : -ECANCELED);
        return;
    }
    switch (r->kind) {
    case SIM_ACCEPT: complete_accept(r); break;
    case SIM_CONNECT: complete_connect(r); break;
    case SIM_RECEIVE: complete_receive(r); break;
    case SIM_SEND: complete_send(r); break;
    case SIM_APPEND: complete_append(r); break;
    default: CHECK(false); // a poll has no socket
    }
}
