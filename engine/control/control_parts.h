// engine/control/control_parts.h: the state of the control socket, for the files control*.c, and
// how requests are read, which is pure.
#ifndef POSTHASTE_CONTROL_CONTROL_PARTS_H
#define POSTHASTE_CONTROL_CONTROL_PARTS_H

#include "engine/base/slab.h"
#include "engine/control/control.h"
#include "engine/control/order.h"

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
    uint32_t http_count; // of these
    int fds[LISTENER_COUNT];
    bool accepting[LISTENER_COUNT];
    struct wheel_timer accept_timer;
    struct order *changing;                     // the one change that is under way
    struct order *waiting_first, *waiting_last; // changes behind it
    struct order *all_first;                    // every order, wherever it is
    uint32_t order_count;
    bool stopping;
};

static inline struct io_token control_token(const struct control *c, uint32_t index,
                                            uint16_t generation, enum control_op op)
{
    return (struct io_token){index, generation, c->o.io_owner, (uint8_t)op};
}

// control_client.c
void client_open(struct control *c, int fd, bool http);
void client_close(struct control *c, struct client *client);
void client_gone(struct control *c, struct client *client); // nothing of it is under way any more
// What is in `from` goes out; what was there is taken by now.
void client_say(struct control *c, struct client *client, struct buffer *from);
void client_on_receive(struct control *c, struct client *client, const struct io_done *done);
void client_on_send(struct control *c, struct client *client, const struct io_done *done);

// control_order.c
void order_start(struct control *c, struct client *client, struct slice line);
void order_goes_on(struct control *c, struct order *o); // nothing of it is being said

// request.c and http.c

// The line of a request, without its end; it is changed. False when it is wrong: the order is
// refused then, and may have no kind.
bool request_parse(struct order *o, const struct order_kind *const *kinds, struct slice line);

enum http_request { HTTP_MORE, HTTP_METRICS, HTTP_OTHER };
// What has come so far of a request (RFC 9112). HTTP_MORE: its header section has not ended.
enum http_request http_parse(struct slice bytes);
// What stands in front of the metrics, whose end is that of the connection. False when out is full.
bool http_say_head(struct buffer *out);
bool http_say_not_found(struct buffer *out);

#endif
