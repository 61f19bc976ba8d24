#include "bench/sink/crew.h"

#include <errno.h>
#include <stdlib.h>

// Receives are long: streamed messages come in large runs.
#define RECEIVE_BUFFER_BYTES (16 * 1024)
#define RECEIVE_BUFFER_COUNT 1024

int crew_new(struct crew **ret_crew, const struct sink_plan *plan, struct sink_listeners *listeners)
{
    struct crew *c = calloc(1, sizeof(*c));
    if (!c)
        return -ENOMEM;
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->changed, NULL);
    c->plan = plan;
    c->members = calloc(plan->worker_count, sizeof(*c->members));
    if (!c->members) {
        crew_free(c);
        return -ENOMEM;
    }
    c->member_count = plan->worker_count;
    for (uint32_t i = 0; i < c->member_count; i++) {
        c->members[i].crew = c;
        c->members[i].number = i;
    }
    c->members[0].listeners = *listeners;
    *listeners = (struct sink_listeners){0};
    *ret_crew = c;
    return 0;
}

// Tells the crew how far this worker is. True when it shall stop.
static bool report(struct crew_member *m, const struct sink_worker *w)
{
    pthread_mutex_lock(&m->crew->lock);
    m->stats = w->stats;
    m->heard_us = w->heard_us;
    m->first_us = w->first_us;
    m->last_us = w->last_us;
    m->error = sink_worker_error(w);
    bool stop = m->crew->stop;
    pthread_mutex_unlock(&m->crew->lock);
    return stop;
}

static void run(struct crew_member *m, struct io *io, struct sink_worker *w)
{
    uint64_t report_us = 0;
    while (sink_worker_turn(w)) {
        if (w->now_us >= report_us) {
            report_us = w->now_us + CREW_INTERVAL_US;
            if (report(m, w) || sink_worker_error(w))
                sink_worker_stop(w);
        }
        uint64_t due_us = sink_worker_due_us(w);
        io_wait(io, due_us < report_us ? due_us : report_us);
    }
    report(m, w);
}

// Tells that this member listens (or why not), and waits for all the others. False: do not go on.
static bool wait_for_all(struct crew_member *m, int error, uint32_t failed)
{
    struct crew *c = m->crew;
    pthread_mutex_lock(&c->lock);
    m->listen_error = error;
    m->listen_failed = failed;
    m->progress = error ? CREW_OVER : CREW_LISTENING;
    pthread_cond_broadcast(&c->changed);
    while (!c->go && !c->stop)
        pthread_cond_wait(&c->changed, &c->lock);
    bool go = !error && !c->stop;
    pthread_mutex_unlock(&c->lock);
    return go;
}

static void finish(struct crew_member *m, int ring_error, int error)
{
    pthread_mutex_lock(&m->crew->lock);
    m->ring_error = ring_error;
    if (error)
        m->error = error;
    m->progress = CREW_OVER;
    pthread_cond_broadcast(&m->crew->changed);
    pthread_mutex_unlock(&m->crew->lock);
}

static void *member_main(void *argument)
{
    struct crew_member *m = argument;
    const struct sink_plan *plan = m->crew->plan;
    const struct io_options options = {.receive_buffer_count = RECEIVE_BUFFER_COUNT,
                                       .receive_buffer_bytes = RECEIVE_BUFFER_BYTES};
    struct io *io = NULL;
    struct sink_worker *w = NULL;
    uint32_t failed = 0;
    int error = 0, ring_error = io_new(&io, &options);
    if (!ring_error) {
        int listen_error = sink_listeners_open(&m->listeners, io, plan->worker_count > 1, &failed);
        if (wait_for_all(m, listen_error, failed))
            error = sink_worker_new(&w, io, plan, &m->listeners, m->number);
    }
    if (w)
        run(m, io, w);
    finish(m, ring_error, error);
    sink_worker_free(w);
    io_free(io);
    return NULL;
}

// Starts one member and waits until it listens.
static bool start(struct crew_member *m)
{
    struct crew *c = m->crew;
    int error = pthread_create(&m->thread, NULL, member_main, m);
    if (error) {
        m->error = -error;
        return false;
    }
    m->started = true;
    pthread_mutex_lock(&c->lock);
    while (m->progress == CREW_STARTING)
        pthread_cond_wait(&c->changed, &c->lock);
    bool listens = m->progress == CREW_LISTENING;
    pthread_mutex_unlock(&c->lock);
    return listens;
}

bool crew_start(struct crew *c)
{
    for (uint32_t i = 0; i < c->member_count; i++) {
        struct crew_member *m = &c->members[i];
        // Member 0 waits meanwhile: its listeners do not change.
        if (i > 0 && (m->error = sink_listeners_copy(&m->listeners, &c->members[0].listeners)) != 0)
            return false;
        if (!start(m))
            return false;
    }
    pthread_mutex_lock(&c->lock);
    c->go = true;
    pthread_cond_broadcast(&c->changed);
    pthread_mutex_unlock(&c->lock);
    return true;
}

void crew_stop(struct crew *c)
{
    pthread_mutex_lock(&c->lock);
    c->stop = true;
    pthread_cond_broadcast(&c->changed);
    pthread_mutex_unlock(&c->lock);
}

void crew_free(struct crew *c)
{
    if (!c)
        return;
    crew_stop(c);
    for (uint32_t i = 0; i < c->member_count; i++) {
        if (c->members[i].started)
            pthread_join(c->members[i].thread, NULL);
        sink_listeners_release(&c->members[i].listeners);
    }
    pthread_cond_destroy(&c->changed);
    pthread_mutex_destroy(&c->lock);
    free(c->members);
    free(c);
}

void crew_look(struct crew *c, struct crew_view *ret)
{
    *ret = (struct crew_view){.first_us = UINT64_MAX};
    pthread_mutex_lock(&c->lock);
    for (uint32_t i = 0; i < c->member_count; i++) {
        const struct crew_member *m = &c->members[i];
        sink_stats_merge(&ret->stats, &m->stats);
        ret->runs = ret->runs || m->progress != CREW_OVER;
        ret->failed = ret->failed || m->ring_error || m->listen_error || m->error;
        ret->heard_us = m->heard_us > ret->heard_us ? m->heard_us : ret->heard_us;
        ret->last_us = m->last_us > ret->last_us ? m->last_us : ret->last_us;
        if (m->first_us && m->first_us < ret->first_us)
            ret->first_us = m->first_us;
    }
    pthread_mutex_unlock(&c->lock);
}
