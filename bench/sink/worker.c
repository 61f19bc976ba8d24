#include "bench/sink/worker.h"

#include "bench/sink/secure.h"
#include "engine/base/check.h"
#include "engine/base/json.h"

#include <errno.h>
#include <stdlib.h>

#define ACCEPT_TIMER UINT64_MAX // the owner of accept_timer; sessions have their index

static struct io_token accept_token(uint32_t listener)
{
    return (struct io_token){.index = listener, .owner = SINK_OWNER_LISTENER};
}

static void accept_at(struct sink_worker *w, uint32_t listener)
{
    w->accept_count++;
    io_accept(w->io, w->listeners->items[listener].fd, accept_token(listener));
}

static int sink_worker_init(struct sink_worker *w)
{
    const struct sink_listeners *l = w->listeners;
    const char *why;
    if (w->plan->tls != SINK_TLS_NONE && (w->tls = sink_secure_context(w->plan, &why)) == NULL)
        return -EINVAL;
    w->listener_texts = calloc(l->count, sizeof(*w->listener_texts));
    if (!w->listener_texts)
        return -ENOMEM;
    for (uint32_t i = 0; i < l->count; i++) {
        io_address_print(&l->items[i].address, w->listener_texts[i]);
        accept_at(w, i);
    }
    return 0;
}

int sink_worker_new(struct sink_worker **ret_worker, struct io *io, const struct sink_plan *plan,
                    struct sink_listeners *listeners, uint32_t number)
{
    struct sink_worker *w = calloc(1, sizeof(*w));
    if (!w)
        return -ENOMEM;
    w->io = io;
    w->plan = plan;
    w->listeners = listeners;
    w->number = number;
    w->now_us = w->start_us = w->heard_us = io_now_us(io);
    w->dirty_first = w->held_first = SLAB_NONE;
    w->keeps_arrivals = plan->ledger_fd >= 0 || plan->maildir || plan->mailbox;
    w->accept_timer.owner = ACCEPT_TIMER;
    random_init(&w->dice, plan->seed + number);
    slab_init(&w->sessions, sizeof(struct sink_session), SINK_SESSIONS_MAX);
    wheel_init(&w->wheel, w->now_us);
    ledger_init(&w->ledger, io, plan->ledger_fd, (struct io_token){.owner = SINK_OWNER_LEDGER});
    buffer_init(&w->replies, DELAY_LINE_BYTES_MAX);
    buffer_init(&w->plain, TLS_RECORD_BYTES_MAX);
    buffer_init(&w->sealed, SINK_SEALED_BYTES_MAX);
    int error = sink_worker_init(w);
    if (error) {
        sink_worker_free(w);
        return error;
    }
    *ret_worker = w;
    return 0;
}

void sink_worker_free(struct sink_worker *w)
{
    if (!w)
        return;
    while (w->free_arrivals) {
        struct arrival *a = w->free_arrivals;
        w->free_arrivals = a->next;
        arrival_free(a);
    }
    ledger_release(&w->ledger);
    buffer_release(&w->replies);
    buffer_release(&w->plain);
    buffer_release(&w->sealed);
    tls_context_unref(w->tls);
    slab_release(&w->sessions);
    free(w->listener_texts);
    free(w);
}

// --------------------------------------------------------------------------- what sessions ask for

void sink_worker_dirty(struct sink_worker *w, struct sink_session *s)
{
    if (s->is_dirty)
        return;
    s->is_dirty = true;
    s->dirty_next = w->dirty_first;
    w->dirty_first = s->index;
}

void sink_worker_hold(struct sink_worker *w, struct sink_session *s)
{
    if (s->is_held)
        return;
    s->is_held = true;
    s->held_next = w->held_first;
    w->held_first = s->index;
}

struct arrival *sink_worker_take_arrival(struct sink_worker *w)
{
    struct arrival *a = w->free_arrivals;
    if (!a)
        return arrival_new(w->plan->maildir || w->plan->mailbox);
    w->free_arrivals = a->next;
    return a;
}

void sink_worker_give_arrival(struct sink_worker *w, struct arrival *a)
{
    a->next = w->free_arrivals;
    w->free_arrivals = a;
}

const char *sink_worker_time_text(struct sink_worker *w)
{
    if (!w->time_text[0]) {
        struct buffer text;
        struct json j;
        buffer_init(&text, sizeof(w->time_text));
        json_init(&j, &text);
        json_time(&j, NULL, io_wall_us(w->io));
        CHECK(json_ok(&j) && text.len > 2); // in quotes
        memcpy(w->time_text, text.data + 1, text.len - 2);
        w->time_text[text.len - 2] = 0;
        buffer_release(&text);
    }
    return w->time_text;
}

// ------------------------------------------------------------------------------------ one turn

static void on_accepted(struct sink_worker *w, const struct io_done *done)
{
    if (done->result >= 0)
        sink_session_open(w, done->result, done->token.index);
    if (!done->ended)
        return;
    w->accept_count--;
    if (!w->stop_us)
        wheel_arm(&w->wheel, &w->accept_timer, w->now_us + SINK_ACCEPT_AGAIN_US);
    w->listeners->items[done->token.index].is_idle = true;
}

static void release_held(struct sink_worker *w)
{
    uint32_t index = w->held_first;
    w->held_first = SLAB_NONE;
    while (index != SLAB_NONE) {
        struct sink_session *s = slab_at(&w->sessions, index);
        index = s->held_next;
        s->is_held = false;
        sink_worker_dirty(w, s);
    }
}

static void take_completions(struct sink_worker *w)
{
    struct io_done done;
    while (io_next(w->io, &done)) {
        switch ((enum sink_owner)done.token.owner) {
        case SINK_OWNER_SESSION:
            sink_session_on_done(slab_at(&w->sessions, done.token.index), w, &done);
            break;
        case SINK_OWNER_LISTENER: on_accepted(w, &done); break;
        case SINK_OWNER_LEDGER:
            ledger_on_done(&w->ledger, &done);
            release_held(w);
            break;
        }
    }
}

static void accept_again(struct sink_worker *w)
{
    for (uint32_t i = 0; i < w->listeners->count && !w->stop_us; i++) {
        struct sink_listener *l = &w->listeners->items[i];
        if (l->is_idle)
            accept_at(w, i);
        l->is_idle = false;
    }
}

static void fire_timers(struct sink_worker *w)
{
    struct wheel_timer *timer;
    while ((timer = wheel_expire(&w->wheel, w->now_us)) != NULL) {
        if (timer->owner == ACCEPT_TIMER)
            accept_again(w);
        else
            sink_session_on_timer(slab_at(&w->sessions, (uint32_t)timer->owner), w);
    }
}

static void flush(struct sink_worker *w)
{
    if (ledger_is_kept(&w->ledger))
        ledger_flush(&w->ledger);
    while (w->dirty_first != SLAB_NONE) {
        struct sink_session *s = slab_at(&w->sessions, w->dirty_first);
        w->dirty_first = s->dirty_next;
        s->is_dirty = false;
        sink_session_flush(s, w);
        sink_session_reap(s, w);
    }
}

static void publish_transactions(struct sink_worker *w)
{
    if (w->transactions == w->transactions_published)
        return;
    sink_limits_transactions(w->plan->limits, w->transactions - w->transactions_published);
    w->transactions_published = w->transactions;
}

// Sessions that did not take their 421 in time are cut off.
static void cut_off_late(struct sink_worker *w)
{
    if (!w->stop_us || w->now_us - w->stop_us < SINK_STOP_US)
        return;
    release_held(w); // a ledger that failed holds them for ever
    for (uint32_t i = slab_next(&w->sessions, 0); i != SLAB_NONE;
         i = slab_next(&w->sessions, i + 1)) {
        struct sink_session *s = slab_at(&w->sessions, i);
        if (s->state != SINK_CLOSING)
            sink_session_close(s, w);
    }
}

bool sink_worker_turn(struct sink_worker *w)
{
    w->now_us = io_now_us(w->io);
    w->time_text[0] = 0;
    take_completions(w);
    fire_timers(w);
    cut_off_late(w);
    flush(w);
    publish_transactions(w);
    return !w->stop_us || w->sessions.item_count > 0 || w->accept_count > 0 ||
           !ledger_idle(&w->ledger);
}

uint64_t sink_worker_due_us(const struct sink_worker *w)
{
    uint64_t due_us = wheel_next_us(&w->wheel);
    bool is_late = w->now_us >= w->stop_us + SINK_STOP_US; // then only the kernel is waited for
    uint64_t cut_us = w->stop_us && !is_late ? w->stop_us + SINK_STOP_US : UINT64_MAX;
    return due_us < cut_us ? due_us : cut_us;
}

void sink_worker_stop(struct sink_worker *w)
{
    if (w->stop_us)
        return;
    w->stop_us = w->now_us;
    for (uint32_t i = 0; i < w->listeners->count; i++) {
        io_close(w->io, w->listeners->items[i].fd);
        w->listeners->items[i].fd = -1;
    }
    for (uint32_t i = slab_next(&w->sessions, 0); i != SLAB_NONE;
         i = slab_next(&w->sessions, i + 1))
        sink_session_hang_up(slab_at(&w->sessions, i), w);
}
