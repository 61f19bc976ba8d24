// tests/sim/sockets.c: descriptors, connections, and how they come to their end.
#include "tests/sim/sim.h"

#include <errno.h>
#include <stdlib.h>

// --- sockets

static enum world_cut cut_of(struct world *w)
{
    static const enum world_cut dice[] = {
        WORLD_CUT_BYTE, WORLD_CUT_FEW, WORLD_CUT_FEW,  WORLD_CUT_ANY,
        WORLD_CUT_ANY,  WORLD_CUT_ANY, WORLD_CUT_NONE, WORLD_CUT_NONE,
    };
    if (w->options.cut_mode != WORLD_CUT_DICE)
        return (enum world_cut)w->options.cut_mode;
    return dice[random_below(&w->dice, COUNT_OF(dice))];
}

// Small pipes make short sends; most are of moderate size, a few hold next to nothing.
static size_t pipe_bytes_of(struct world *w)
{
    uint32_t most = w->options.pipe_bytes_max;
    uint32_t bound = random_below(&w->dice, 8) == 0 && most > 64 ? 64 : most;
    uint32_t bytes = 1 + random_below(&w->dice, bound);
    return bytes > w->options.pipe_bytes_min ? bytes : w->options.pipe_bytes_min;
}

int sim_descriptor_take(struct world *w, struct sim_socket *s)
{
    uint32_t at = w->descriptor_low;
    while (at < w->options.descriptors_max && w->descriptors[at])
        at++;
    if (at == w->options.descriptors_max)
        return -EMFILE;
    if (at >= w->descriptor_top)
        w->descriptor_top = at + 1;
    w->descriptors[at] = s;
    w->descriptor_low = at + 1;
    return s->fd = SIM_FD_FIRST + (int)at;
}

static void add_listener(struct world *w, struct sim_socket *s)
{
    if (w->listener_count == w->listener_room) {
        w->listener_room = w->listener_room ? w->listener_room * 2 : 16;
        w->listeners = realloc(w->listeners, w->listener_room * sizeof(w->listeners[0]));
        CHECK(w->listeners);
    }
    w->listeners[w->listener_count++] = s;
}

int sim_socket_new(struct world *w, enum sim_socket_kind kind, bool with_descriptor,
                   struct sim_socket **ret)
{
    struct sim_socket *s = calloc(1, sizeof(*s));
    CHECK(s);
    s->kind = kind;
    s->fd = -1;
    if (with_descriptor && sim_descriptor_take(w, s) < 0) {
        free(s);
        return -EMFILE;
    }
    s->cut = cut_of(w);
    s->in.len_max = pipe_bytes_of(w);
    if (kind == SIM_LISTENER)
        add_listener(w, s);
    *ret = s;
    return s->fd;
}

struct sim_socket *sim_socket_at(struct world *w, int fd)
{
    CHECK(fd >= SIM_FD_FIRST && fd < SIM_FD_FIRST + (int)w->options.descriptors_max);
    struct sim_socket *s = w->descriptors[fd - SIM_FD_FIRST];
    CHECK(s);
    return s;
}

void sim_notify(const struct sim_socket *s, enum sim_kind kind)
{
    sim_schedule(s->requests[kind]);
}

static void notify_all(const struct sim_socket *s)
{
    for (unsigned i = 0; i < SIM_SOLE_KINDS; i++)
        sim_notify(s, (enum sim_kind)i);
}

// One side of a broken connection. What had arrived there may be lost, or not.
static void break_side(struct world *w, struct sim_socket *s)
{
    s->broken = true;
    s->peer = NULL;
    if (random_below(&w->dice, 2))
        s->in.len = 0;
    notify_all(s);
}

void sim_break_connection(struct world *w, struct sim_socket *s)
{
    if (s->peer)
        break_side(w, s->peer);
    break_side(w, s);
}

// --- counting

void sim_count_connection(struct world *w, struct sim_socket *s)
{
    for (uint32_t i = 0; i < w->counted_count && !s->group; i++)
        if (io_address_equal(&w->counted[i].address, &s->there))
            s->group = &w->groups[w->counted[i].group];
    if (s->group && ++s->group->open_count > s->group->open_peak)
        s->group->open_peak = s->group->open_count;
}

// --- closing

// A send that is in flight when its socket closes has gone out, or not; so has a write.
static void leave_at_close(struct sim_request *r)
{
    struct world *w = r->io->world;
    struct sim_socket *s = r->socket;
    r->decided = -ECANCELED;
    if (sim_is_of_disk(r))
        sim_file_leave(r);
    if (r->kind == SIM_SEND && s->peer && random_below(&w->dice, 2)) {
        size_t sent = sim_send_bytes(r);
        if (sent > 0)
            r->decided = (int32_t)sent;
    }
    r->cancelled = true;
    sim_detach(r);
    sim_unschedule(r);
    if (!r->file.waits)
        sim_schedule(r);
}

static void close_listener(struct world *w, struct sim_socket *s)
{
    uint32_t i = 0;
    while (w->listeners[i] != s)
        i++;
    w->listeners[i] = w->listeners[--w->listener_count];
    while (s->backlog) {
        struct sim_socket *waiting = s->backlog;
        s->backlog = waiting->backlog_next;
        if (waiting->peer)
            break_side(w, waiting->peer);
        free(waiting->in.bytes);
        free(waiting);
    }
}

static void close_stream(struct world *w, struct sim_socket *s)
{
    if (!s->peer)
        return;
    s->peer->peer = NULL;
    // Unread bytes turn the close into a reset (RFC 2525 2.17).
    if (s->in.len > 0) {
        break_side(w, s->peer);
        return;
    }
    s->peer->peer_ended = true;
    notify_all(s->peer);
}

void sim_socket_close(struct world *w, struct sim_socket *s)
{
    for (unsigned i = 0; i < SIM_SOLE_KINDS; i++)
        if (s->requests[i])
            leave_at_close(s->requests[i]);
    while (s->asked)
        leave_at_close(s->asked);
    switch (s->kind) {
    case SIM_LISTENER: close_listener(w, s); break;
    case SIM_STREAM: close_stream(w, s); break;
    case SIM_FILE: break;
    case SIM_OPENED:
    case SIM_FOLDER: sim_file_closed(w, s); break;
    }
    if (s->group)
        s->group->open_count--;
    uint32_t at = (uint32_t)(s->fd - SIM_FD_FIRST);
    w->descriptors[at] = NULL;
    if (at < w->descriptor_low)
        w->descriptor_low = at;
    free(s->in.bytes);
    free(s);
}
