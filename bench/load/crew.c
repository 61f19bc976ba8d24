#include "bench/load/crew.h"

#include <errno.h>
#include <stdlib.h>

int crew_new(struct crew **ret_crew, const struct load_plan *all, bool wants_intervals)
{
    struct crew *c = calloc(1, sizeof(*c));
    if (!c)
        return -ENOMEM;
    pthread_mutex_init(&c->lock, NULL);
    c->wants_intervals = wants_intervals;
    c->members = calloc(all->worker_count, sizeof(*c->members));
    if (!c->members) {
        crew_free(c);
        return -ENOMEM;
    }
    c->member_count = all->worker_count;
    for (uint32_t i = 0; i < c->member_count; i++) {
        c->members[i].crew = c;
        c->members[i].plan = load_plan_share(all, i);
    }
    *ret_crew = c;
    return 0;
}

// Tells the crew how far this worker is. True when it shall stop.
static bool report(struct crew_member *m, struct load_worker *w)
{
    struct crew *c = m->crew;
    pthread_mutex_lock(&c->lock);
    m->counters = w->stats.counters;
    m->verdict_us = w->verdict_us;
    if (c->wants_intervals) {
        histogram_merge(&c->interval, &w->stats.interval);
        w->stats.interval = (struct histogram){0};
    }
    bool stop = c->stop;
    pthread_mutex_unlock(&c->lock);
    return stop;
}

static void run(struct crew_member *m, struct io *io, struct load_worker *w)
{
    uint64_t report_us = 0;
    while (load_worker_turn(w)) {
        if (w->now_us >= report_us) {
            report_us = w->now_us + CREW_INTERVAL_US;
            if (report(m, w))
                load_worker_stop(w);
        }
        uint64_t due_us = load_worker_due_us(w);
        io_wait(io, due_us < report_us ? due_us : report_us);
    }
    report(m, w);
}

static void finish(struct crew_member *m, int ring_error, int error, const struct load_worker *w)
{
    pthread_mutex_lock(&m->crew->lock);
    m->ring_error = ring_error;
    m->error = error;
    if (w) {
        m->gave_up = w->gave_up;
        m->error = w->error;
        m->start_us = w->start_us;
        m->overdue = pace_overdue(&w->pace, w->now_us);
        load_stats_merge(&m->crew->stats, &w->stats);
    }
    m->over = true;
    pthread_mutex_unlock(&m->crew->lock);
}

static void *member_main(void *argument)
{
    struct crew_member *m = argument;
    struct io *io = NULL;
    struct load_worker *w = NULL;
    const struct io_options options = {.receive_buffer_bytes = 4096, .receive_buffer_count = 1024};
    int ring_error = io_new(&io, &options);
    int error = ring_error ? 0 : load_worker_new(&w, io, &m->plan);
    if (w)
        run(m, io, w);
    finish(m, ring_error, error, w);
    load_worker_free(w);
    io_free(io);
    return NULL;
}

int crew_start(struct crew *c)
{
    for (uint32_t i = 0; i < c->member_count; i++) {
        struct crew_member *m = &c->members[i];
        int error = pthread_create(&m->thread, NULL, member_main, m);
        if (error)
            return -error;
        m->started = true;
    }
    return 0;
}

void crew_stop(struct crew *c)
{
    pthread_mutex_lock(&c->lock);
    c->stop = true;
    pthread_mutex_unlock(&c->lock);
}

void crew_free(struct crew *c)
{
    if (!c)
        return;
    crew_stop(c);
    for (uint32_t i = 0; i < c->member_count; i++)
        if (c->members[i].started)
            pthread_join(c->members[i].thread, NULL);
    pthread_mutex_destroy(&c->lock);
    free(c->members);
    free(c);
}

bool crew_look(struct crew *c, struct load_counters *ret_counters)
{
    bool runs = false;
    *ret_counters = (struct load_counters){0};
    pthread_mutex_lock(&c->lock);
    for (uint32_t i = 0; i < c->member_count; i++) {
        load_counters_merge(ret_counters, &c->members[i].counters);
        runs = runs || !c->members[i].over;
    }
    pthread_mutex_unlock(&c->lock);
    return runs;
}

void crew_take_interval(struct crew *c, struct histogram *ret)
{
    pthread_mutex_lock(&c->lock);
    *ret = c->interval;
    c->interval = (struct histogram){0};
    pthread_mutex_unlock(&c->lock);
}
