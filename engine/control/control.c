#include "engine/control/control.h"

#include "engine/base/check.h"
#include "engine/control/control_parts.h"

#include <errno.h>
#include <stdlib.h>

#define ACCEPT_AGAIN_US 100000u

static void accept_where_none(struct control *c)
{
    for (uint32_t i = 0; i < LISTENER_COUNT; i++) {
        if (c->fds[i] < 0 || c->accepting[i])
            continue;
        c->accepting[i] = true;
        io_accept(c->o.io, c->fds[i], control_token(c, i, 0, CONTROL_OP_ACCEPT));
    }
}

int control_new(struct control **ret, const struct control_options *options)
{
    struct control *c = calloc(1, sizeof(*c));
    if (!c)
        return -ENOMEM;
    c->o = *options;
    c->fds[LISTENER_CONTROL] = options->listen_fd;
    c->fds[LISTENER_METRICS] = options->metrics_fd;
    slab_init(&c->clients, sizeof(struct client), CONTROL_CLIENTS_MAX);
    struct io_token accept = control_token(c, 0, 0, CONTROL_OP_ACCEPT);
    memcpy(&c->accept_timer.owner, &accept, sizeof(accept));
    accept_where_none(c);
    *ret = c;
    return 0;
}

void control_free(struct control *c)
{
    if (!c)
        return;
    CHECK(c->clients.item_count == 0 && c->order_count == 0);
    slab_release(&c->clients);
    free(c);
}

static void on_accept(struct control *c, const struct io_done *done)
{
    uint32_t listener = done->token.index;
    if (done->result >= 0 && c->stopping)
        io_close(c->o.io, done->result);
    else if (done->result >= 0)
        client_open(c, done->result, listener == LISTENER_METRICS);
    if (!done->ended)
        return;
    c->accepting[listener] = false;
    if (c->stopping)
        return;
    if (done->result >= 0)
        accept_where_none(c);
    else
        wheel_arm(c->o.wheel, &c->accept_timer, io_now_us(c->o.io) + ACCEPT_AGAIN_US);
}

void control_on_done(struct control *c, const struct io_done *done)
{
    enum control_op op = (enum control_op)done->token.op;
    if (op == CONTROL_OP_ACCEPT) {
        on_accept(c, done);
        return;
    }
    struct client *client = slab_find(&c->clients, done->token.index, done->token.generation);
    CHECK(client); // a slot lives until its last completion
    if (op == CONTROL_OP_RECEIVE)
        client_on_receive(c, client, done);
    else
        client_on_send(c, client, done);
    if (done->lends)
        io_return(c->o.io, done->lent);
    if (client->closing && client->ops_in_flight == 0)
        client_gone(c, client);
}

void control_on_timer(struct control *c, struct wheel_timer *t)
{
    if (t == &c->accept_timer) {
        if (!c->stopping)
            accept_where_none(c);
        return;
    }
    client_close(c, CONTAINER_OF(t, struct client, timer)); // it took too long
}

// --- the end

void control_stop(struct control *c)
{
    c->stopping = true;
    wheel_disarm(c->o.wheel, &c->accept_timer);
    for (uint32_t i = 0; i < LISTENER_COUNT; i++)
        if (c->fds[i] >= 0)
            io_close(c->o.io, c->fds[i]);
    for (uint32_t i = slab_next(&c->clients, 0); i != SLAB_NONE; i = slab_next(&c->clients, i + 1))
        client_close(c, slab_at(&c->clients, i));
    for (struct order *o = c->all_first; o; o = o->all_next)
        atomic_store(&o->cancelled, true);
    c->o.post->wake = UINT64_MAX >> (64 - c->o.post->worker_count);
}

bool control_stopped(const struct control *c)
{
    return c->stopping && c->clients.item_count == 0 && c->order_count == 0 &&
           !c->accepting[LISTENER_CONTROL] && !c->accepting[LISTENER_METRICS];
}
