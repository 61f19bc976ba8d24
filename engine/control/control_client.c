// Connections to the control socket and to the metrics' listener: one request each.

#include "engine/base/check.h"
#include "engine/control/control_parts.h"

#include <errno.h>

static void client_send(struct control *c, struct client *client)
{
    client->piece.iov_base = client->out.data + client->sent_bytes;
    client->piece.iov_len = client->out.len - client->sent_bytes;
    client->ops_in_flight++;
    io_send(c->o.io, client->fd, &client->piece, 1,
            control_token(c, client->index, client->generation, CONTROL_OP_SEND));
    wheel_arm(c->o.wheel, &client->timer, io_now_us(c->o.io) + CONTROL_TAKE_US);
}

void client_say(struct control *c, struct client *client, struct buffer *from)
{
    struct buffer taken = client->out;
    CHECK(client->sent_bytes == client->out.len);
    client->out = *from;
    *from = taken;
    buffer_clear(from);
    client->sent_bytes = 0;
    client_send(c, client);
}

void client_gone(struct control *c, struct client *client)
{
    buffer_release(&client->in);
    buffer_release(&client->out);
    wheel_disarm(c->o.wheel, &client->timer);
    c->http_count -= client->http;
    slab_give(&c->clients, client->index);
}

void client_close(struct control *c, struct client *client)
{
    struct order *o = client->order;
    if (client->closing)
        return;
    client->closing = true;
    client->order = NULL;
    wheel_disarm(c->o.wheel, &client->timer);
    io_close(c->o.io, client->fd);
    if (!o)
        return;
    atomic_store(&o->cancelled, true);
    if (o->rests) { // a worker may have to clean up behind it
        o->rests = false;
        buffer_clear(&o->out);
        order_goes_on(c, o);
    } else if (o->begun) {
        c->o.post->wake |= UINT64_C(1) << o->worker; // it shall see that nobody listens
    }
}

// --- its request

static bool peer_may(const struct control *c, const struct io_peer *peer)
{
    return peer->uid_known && (peer->uid == 0 || peer->uid == c->o.uid);
}

void client_open(struct control *c, int fd, bool http)
{
    uint32_t index;
    struct io_peer peer;
    if (io_peer_of(c->o.io, fd, &peer) < 0 || (!http && !peer_may(c, &peer))) {
        io_close(c->o.io, fd);
        return;
    }
    bool fits = !http || c->http_count < CONTROL_HTTP_MAX;
    struct client *client = fits ? slab_take(&c->clients, &index) : NULL;
    if (!client) {
        io_close(c->o.io, fd);
        return;
    }
    client->index = index;
    client->generation = slab_generation(&c->clients, index);
    client->http = http;
    c->http_count += http;
    client->fd = fd;
    client->uid = peer.uid_known ? peer.uid : UINT32_MAX;
    buffer_init(&client->in, ORDER_LINE_BYTES_MAX);
    buffer_init(&client->out, ORDER_OUT_BYTES_MAX);
    struct io_token token = control_token(c, index, client->generation, CONTROL_OP_RECEIVE);
    memcpy(&client->timer.owner, &token, sizeof(token));
    client->ops_in_flight++;
    io_receive(c->o.io, fd, token);
    wheel_arm(c->o.wheel, &client->timer, io_now_us(c->o.io) + CONTROL_REQUEST_US);
}

static void http_refuse(struct control *c, struct client *client)
{
    struct buffer out;
    buffer_init(&out, ORDER_LINE_BYTES_MAX);
    client->close_when_sent = true;
    if (http_say_not_found(&out))
        client_say(c, client, &out);
    else
        client_close(c, client);
    buffer_release(&out);
}

// Its request has come: how long the answer takes is ours to say.
static void client_has_asked(struct control *c, struct client *client)
{
    client->asked = true;
    wheel_disarm(c->o.wheel, &client->timer);
}

// The request is there as soon as its line is; of HTTP, as soon as its header section has ended.
static void client_look(struct control *c, struct client *client)
{
    struct slice line = buffer_slice(&client->in);
    if (client->http) {
        enum http_request request = http_parse(line);
        if (request == HTTP_MORE)
            return;
        client_has_asked(c, client);
        if (request == HTTP_METRICS) {
            char metrics[] = "metrics";
            order_start(c, client, slice_make(metrics, sizeof(metrics) - 1));
        } else {
            http_refuse(c, client);
        }
        return;
    }
    size_t len = slice_find(line, '\n');
    if (len == line.len)
        return;
    client_has_asked(c, client);
    order_start(c, client, slice_take(line, len));
}

void client_on_receive(struct control *c, struct client *client, const struct io_done *done)
{
    if (done->ended)
        client->ops_in_flight--;
    if (client->closing)
        return;
    if (done->result > 0 && !client->asked) {
        if (buffer_append(&client->in, done->bytes))
            client_look(c, client);
        else
            client_close(c, client); // longer than any request
    }
    if (client->closing)
        return;
    if (done->result == 0 || (done->result < 0 && done->result != -ENOBUFS)) {
        client_close(c, client);
    } else if (done->ended) {
        client->ops_in_flight++;
        io_receive(c->o.io, client->fd, done->token);
    }
}

void client_on_send(struct control *c, struct client *client, const struct io_done *done)
{
    struct order *o = client->order;
    client->ops_in_flight--;
    if (client->closing)
        return;
    if (done->result <= 0) {
        client_close(c, client);
        return;
    }
    client->sent_bytes += (size_t)done->result;
    if (client->sent_bytes < client->out.len) {
        client_send(c, client);
        return;
    }
    if (client->close_when_sent) {
        client_close(c, client);
        return;
    }
    wheel_disarm(c->o.wheel, &client->timer); // it is our turn
    if (o && o->rests) {
        o->rests = false;
        order_goes_on(c, o);
    }
}
