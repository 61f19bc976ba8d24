// engine/control/control.h: the control socket: an operator's requests come in, one a connection,
// and what the engine has to say goes out.
//
// Protocol: the client sends one line of words (engine/base/words.h), `KIND KEY=VALUE ...`; the
//           engine answers with lines of JSON. The last one has a member "end": "done", "refused"
//           or "later", the latter two with "why"; then it closes. A client that closes first
//           ends its request.
//           The listener for metrics speaks HTTP instead: `GET /metrics` is the request `metrics`.
// Owns:     its listeners, the clients' connections, orders while they are not with a worker.
// Limits:   CONTROL_CLIENTS_MAX connections; a request in CONTROL_REQUEST_US, and what we say must
//           be taken within CONTROL_TAKE_US.
// Who may:  root, and the user that the engine runs as; every change is logged with who asked.
// Threads:  worker 0.
// A turn:   control_on_done(), control_on_timer(), control_on_back() as they come.
#ifndef POSTHASTE_CONTROL_CONTROL_H
#define POSTHASTE_CONTROL_CONTROL_H

#include "engine/base/wheel.h"
#include "engine/control/order.h"
#include "engine/io/io.h"

#define CONTROL_CLIENTS_MAX 32u
#define CONTROL_HTTP_MAX 16u   // of these: whoever may ask for metrics leaves room for the operator
#define CONTROL_ORDERS_MAX 64u // with those of clients that have gone, and our own
#define CONTROL_REQUEST_US UINT64_C(10000000)
#define CONTROL_TAKE_US UINT64_C(60000000)

struct control;

struct control_options {
    struct io *io;
    struct wheel *wheel;
    struct post *post;
    const struct order_kind *const *kinds; // NULL behind the last
    struct order_place *place;             // of worker 0
    int listen_fd;                         // -1: none
    int metrics_fd;                        // -1: none
    uint32_t uid;                          // ours
    uint8_t io_owner;
};

int control_new(struct control **ret, const struct control_options *options);
void control_free(struct control *c); // control_stopped(), or never used. NULL is fine

void control_on_done(struct control *c, const struct io_done *done);
void control_on_timer(struct control *c, struct wheel_timer *t);
void control_on_back(struct control *c, struct letter *l); // LETTER_ORDER_BACK

// A request of the engine's own, which nobody listens to: its kind must log what came of it.
// False: too many are under way.
bool control_ask(struct control *c, const char *request);

void control_stop(struct control *c); // closes all; orders under way are cancelled
bool control_stopped(const struct control *c);

#endif
