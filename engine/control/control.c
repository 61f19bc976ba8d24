#include "engine/control/control.h"

#include "engine/base/check.h"
#include "engine/base/log.h"
#include "engine/base/slab.h"
#include "engine/control/control_parts.h"

#include <errno.h>
#include <stdlib.h>

#define ACCEPT_AGAIN_US 100000u

enum control_op { CONTROL_OP_ACCEPT, CONTROL_OP_RECEIVE, CONTROL_OP_SEND };
enum { LISTENER_CONTROL, LISTENER_METRICS, LISTENER_COUNT };

struct client {
    uint32_t index;
    uint16_t generation;
    bool http;
    uint8_t ops_in_flight;
    bool closing;         // io_close() was asked
    bool close_when_sent; // after what is being said
    bool asked;           // its request has come
    int fd;
    uint32_t uid;
    struct buffer in;  // the request, as far as it has come
    struct buffer out; // lent to the kernel, while `sent_bytes` is less than its length
    size_t sent_bytes;
    struct iovec piece;
    struct order *order; // what it asked for, until that is over
    struct wheel_timer timer;
};

struct control {
    struct control_options o;
    struct slab clients;
    int fds[LISTENER_COUNT];
    bool accepting[LISTENER_COUNT];
    struct wheel_timer accept_timer;
    struct order *changing;                     // the one change that is under way
    struct order *waiting_first, *waiting_last; // changes behind it
    struct order *all_first;                    // every order, wherever it is
    uint32_t order_count;
    bool stopping;
};

// --- births and deaths

static struct io_token token_of(const struct control *c, uint32_t index, uint16_t generation,
                                enum control_op op)
{
    return (struct io_token){index, generation, c->o.io_owner, (uint8_t)op};
}

static void accept_where_none(struct control *c)
{
    for (uint32_t i = 0; i < LISTENER_COUNT; i++) {
        if (c->fds[i] < 0 || c->accepting[i])
            continue;
        c->accepting[i] = true;
        io_accept(c->o.io, c->fds[i], token_of(c, i, 0, CONTROL_OP_ACCEPT));
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
    struct io_token accept = token_of(c, 0, 0, CONTROL_OP_ACCEPT);
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

static void order_free(struct control *c, struct order *o)
{
    struct order **at = &c->all_first;
    while (*at != o)
        at = &(*at)->all_next;
    *at = o->all_next;
    c->order_count--;
    if (o->kind && o->kind->release)
        o->kind->release(o);
    buffer_release(&o->out);
    free(o->work);
    free(o);
}

// --- what a client hears

static void client_close(struct control *c, struct client *client);

static void client_send(struct control *c, struct client *client)
{
    client->piece.iov_base = client->out.data + client->sent_bytes;
    client->piece.iov_len = client->out.len - client->sent_bytes;
    client->ops_in_flight++;
    io_send(c->o.io, client->fd, &client->piece, 1,
            token_of(c, client->index, client->generation, CONTROL_OP_SEND));
    wheel_arm(c->o.wheel, &client->timer, io_now_us(c->o.io) + CONTROL_TAKE_US);
}

// What is in `from` goes out; what was there is taken by now.
static void client_say(struct control *c, struct client *client, struct buffer *from)
{
    struct buffer taken = client->out;
    CHECK(client->sent_bytes == client->out.len);
    client->out = *from;
    *from = taken;
    buffer_clear(from);
    client->sent_bytes = 0;
    client_send(c, client);
}

static struct client *client_of(const struct control *c, const struct order *o)
{
    struct client *client = slab_find(&c->clients, o->client, o->client_generation);
    return client && !client->closing ? client : NULL;
}

// --- the way of an order

static void order_goes_on(struct control *c, struct order *o);

static void say_end(struct order *o)
{
    static const char *const words[] = {"done", "refused", "later"};
    struct json j;
    if (o->plain)
        return;
    order_line(o, &j);
    json_text(&j, "end", slice_of_text(words[o->how]));
    if (o->how != ORDER_DONE)
        json_text(&j, "why", slice_of_text(o->why));
    order_line_end(o, &j);
}

// One change after the other: the next one's turn.
static void change_over(struct control *c)
{
    struct order *next = c->waiting_first;
    c->changing = next;
    if (!next)
        return;
    c->waiting_first = next->next;
    if (!c->waiting_first)
        c->waiting_last = NULL;
    order_goes_on(c, next);
}

static void order_over(struct control *c, struct order *o)
{
    struct client *client = client_of(c, o);
    bool changed = c->changing == o;
    say_end(o);
    if (client) {
        client->close_when_sent = true;
        client->order = NULL;
        if (o->out.len > 0)
            client_say(c, client, &o->out);
        else
            client_close(c, client);
    }
    order_free(c, o);
    if (changed)
        change_over(c);
}

// To the worker whose turn it is.
static void order_leaves(struct control *c, struct order *o)
{
    o->visited = false;
    o->letter.kind = LETTER_ORDER;
    post_leave(c->o.post, o->worker, &o->letter);
}

// True: there is another worker, or a round more, to go to.
static bool order_next_visit(const struct control *c, struct order *o)
{
    if (++o->worker == c->o.post->worker_count) {
        o->worker = 0;
        o->round++;
    }
    return o->round < o->kind->rounds && o->how == ORDER_DONE;
}

// The last lines: page by page. True when all has been said.
static bool order_ends(struct order *o)
{
    enum order_step step = ORDER_OVER;
    do {
        if (o->how == ORDER_DONE && o->kind->end && !atomic_load(&o->cancelled))
            step = o->kind->end(o);
    } while (step != ORDER_OVER && o->out.len == 0);
    return step == ORDER_OVER;
}

// Until its client has taken a page of it.
static void order_rests(struct control *c, struct order *o)
{
    struct client *client = client_of(c, o);
    if (!client) { // nobody asked for it to be said
        buffer_clear(&o->out);
        order_goes_on(c, o);
        return;
    }
    o->rests = true;
    client_say(c, client, &o->out);
}

// Nothing of it is being said. What is next?
static void order_goes_on(struct control *c, struct order *o)
{
    if (atomic_load(&o->cancelled) && !o->begun) {
        order_over(c, o);
        return;
    }
    if (!o->begun) {
        o->begun = true;
        o->visited = true;
        o->worker = UINT32_MAX; // order_next_visit() begins with 0
        if (o->kind->begin && !o->kind->begin(o)) {
            order_over(c, o);
            return;
        }
        if (o->kind->rounds == 0)
            o->round = 1; // no visits
    }
    if (o->round < o->kind->rounds && (!o->visited || order_next_visit(c, o))) {
        order_leaves(c, o);
        return;
    }
    if (order_ends(o))
        order_over(c, o);
    else
        order_rests(c, o);
}

void control_on_back(struct control *c, struct letter *l)
{
    struct order *o = CONTAINER_OF(l, struct order, letter);
    if (atomic_load(&o->cancelled))
        buffer_clear(&o->out);
    if (o->out.len == 0)
        order_goes_on(c, o);
    else
        order_rests(c, o);
}

// --- requests

static void order_waits(struct control *c, struct order *o)
{
    o->next = NULL;
    if (c->waiting_last)
        c->waiting_last->next = o;
    else
        c->waiting_first = o;
    c->waiting_last = o;
}

static void log_change(const struct order *o, struct slice line)
{
    log_line(LOG_LEVEL_INFO, "control: uid %u asks: %.*s", o->uid, SLICE_ARG(line));
}

static struct order *order_new(struct control *c, const struct client *client)
{
    struct order *o = calloc(1, sizeof(*o));
    if (!o)
        return NULL;
    c->order_count++;
    o->all_next = c->all_first;
    c->all_first = o;
    o->client = client ? client->index : SLAB_NONE;
    o->client_generation = client ? client->generation : 0;
    o->uid = client ? client->uid : c->o.uid;
    o->place = c->o.place;
    o->plain = client && client->http;
    buffer_init(&o->out, ORDER_OUT_BYTES_MAX);
    return o;
}

// Its request was read: one change after the other.
static void order_begins(struct control *c, struct order *o)
{
    if (o->kind->changes && c->changing) {
        order_waits(c, o);
        return;
    }
    if (o->kind->changes)
        c->changing = o;
    order_goes_on(c, o);
}

static void order_start(struct control *c, struct client *client, struct slice line)
{
    struct order *o = order_new(c, client);
    if (!o) {
        client_close(c, client);
        return;
    }
    client->order = o;
    char copy[ORDER_LINE_BYTES_MAX]; // before its values are unescaped
    memcpy(copy, line.data, line.len);
    if (!request_parse(o, c->o.kinds, line)) {
        o->plain = false;
        order_over(c, o);
        return;
    }
    if (o->kind->changes)
        log_change(o, slice_make(copy, line.len));
    if (client->http)
        CHECK(http_say_head(&o->out)); // an empty buffer takes it
    order_begins(c, o);
}

void control_ask(struct control *c, const char *request)
{
    char line[64];
    bool takes = !c->stopping && c->order_count < CONTROL_ORDERS_MAX;
    struct order *o = takes ? order_new(c, NULL) : NULL;
    if (!o)
        return;
    size_t len = strlen(request);
    CHECK(len < sizeof(line));
    memcpy(line, request, len);
    CHECK(request_parse(o, c->o.kinds, slice_make(line, len)));
    order_begins(c, o);
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

// The request is there as soon as its line is; of HTTP, as soon as its header section has ended.
static void client_look(struct control *c, struct client *client)
{
    struct slice line = buffer_slice(&client->in);
    if (client->http) {
        enum http_request request = http_parse(line);
        if (request == HTTP_MORE)
            return;
        client->asked = true;
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
    client->asked = true;
    order_start(c, client, slice_take(line, len));
}

// --- connections

static void client_gone(struct control *c, struct client *client)
{
    buffer_release(&client->in);
    buffer_release(&client->out);
    wheel_disarm(c->o.wheel, &client->timer);
    slab_give(&c->clients, client->index);
}

static void client_close(struct control *c, struct client *client)
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

static bool peer_may(const struct control *c, const struct io_peer *peer)
{
    return peer->uid_known && (peer->uid == 0 || peer->uid == c->o.uid);
}

static void client_open(struct control *c, int fd, bool http)
{
    uint32_t index;
    struct io_peer peer;
    if (io_peer_of(c->o.io, fd, &peer) < 0 || (!http && !peer_may(c, &peer))) {
        io_close(c->o.io, fd);
        return;
    }
    struct client *client = slab_take(&c->clients, &index);
    if (!client) {
        io_close(c->o.io, fd);
        return;
    }
    client->index = index;
    client->generation = slab_generation(&c->clients, index);
    client->http = http;
    client->fd = fd;
    client->uid = peer.uid_known ? peer.uid : UINT32_MAX;
    buffer_init(&client->in, ORDER_LINE_BYTES_MAX);
    buffer_init(&client->out, ORDER_OUT_BYTES_MAX);
    struct io_token token = token_of(c, index, client->generation, CONTROL_OP_RECEIVE);
    memcpy(&client->timer.owner, &token, sizeof(token));
    client->ops_in_flight++;
    io_receive(c->o.io, fd, token);
    wheel_arm(c->o.wheel, &client->timer, io_now_us(c->o.io) + CONTROL_REQUEST_US);
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

static void on_receive(struct control *c, struct client *client, const struct io_done *done)
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

static void on_send(struct control *c, struct client *client, const struct io_done *done)
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
        on_receive(c, client, done);
    else
        on_send(c, client, done);
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
