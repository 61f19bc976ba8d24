#include "engine/worker_parts.h"

#include <stdlib.h>

#define ACCEPT_AGAIN_US 100000u

// An accepted connection on its way to the worker that serves it.
struct dealt {
    struct letter letter;
    int fd;
    uint32_t listener;
};

void worker_accept(struct worker *w)
{
    for (uint32_t i = w->number; i < w->shared->config->listener_count;
         i += w->shared->worker_count) {
        if (w->listening & UINT32_C(1) << i)
            continue;
        w->listening |= UINT32_C(1) << i;
        io_accept(w->io, w->shared->listen_fds[i], (struct io_token){i, 0, OWNER_LISTENER, 0});
    }
}

// Connections are dealt in turn, so that all workers are homes alike, whichever accepts.
static void deal_connection(struct worker *w, int fd, uint32_t listener)
{
    uint32_t to = w->deal_next++ % w->shared->worker_count;
    struct dealt *dealt = to == w->number ? NULL : calloc(1, sizeof(*dealt));
    if (!dealt) {
        submit_serve(w->submit, fd, listener);
        return;
    }
    dealt->letter.kind = LETTER_CONNECTION;
    dealt->fd = fd;
    dealt->listener = listener;
    post_leave(&w->post, to, &dealt->letter);
}

void worker_on_accept(struct worker *w, const struct io_done *done)
{
    uint32_t listener = done->token.index;
    if (done->result >= 0)
        deal_connection(w, done->result, listener);
    if (!done->ended)
        return;
    w->listening &= ~(UINT32_C(1) << listener);
    if (w->stop != STOP_NOT)
        return;
    if (done->result >= 0)
        worker_accept(w);
    else // no descriptor was to be had: trying at once would only spin
        wheel_arm(&w->wheel, &w->accept_timer, io_now_us(w->io) + ACCEPT_AGAIN_US);
}

void worker_take_connection(struct worker *w, struct letter *l)
{
    struct dealt *dealt = CONTAINER_OF(l, struct dealt, letter);
    if (w->quiet) // we have told that we have no session any more
        io_close(w->io, dealt->fd);
    else
        submit_serve(w->submit, dealt->fd, dealt->listener);
    free(dealt);
}
