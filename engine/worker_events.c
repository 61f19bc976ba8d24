#include "engine/base/log.h"
#include "engine/worker_parts.h"

#include <fcntl.h>

#define EVENTS_TOLD_US 1000000u // between two warnings
#define EVENTS_FILE_MODE 0640u

// Whoever rotates logs has renamed the file. While workers still move to one, the next is not
// opened yet.
void worker_reopen_events(struct worker *w)
{
    const char *file = w->shared->config->events_file;
    if (w->number != 0 || !w->shared->reopen_wanted || w->reopening ||
        w->shared->events_left_fd >= 0)
        return;
    w->shared->reopen_wanted = false;
    if (file[0] != '/' || w->stop != STOP_NOT)
        return;
    w->reopening = true;
    io_open(w->io, AT_FDCWD, file, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW, EVENTS_FILE_MODE,
            (struct io_token){0, 0, OWNER_REOPEN, 0});
}

void worker_on_events_reopened(struct worker *w, int32_t result)
{
    struct shared *s = w->shared;
    w->reopening = false;
    if (result < 0) {
        log_line(LOG_LEVEL_WARNING, "events: cannot open %s anew: %s; the old file is kept",
                 s->config->events_file, strerrordesc_np(-result));
        return;
    }
    s->events_left_fd = atomic_load(&s->events_fd);
    atomic_store(&s->events_moved, 0);
    atomic_store(&s->events_fd, result);
    atomic_fetch_add(&s->events_generation, 1);
    worker_wake_all(w);
    log_line(LOG_LEVEL_INFO, "events: %s is opened anew", s->config->events_file);
}

// The last one to leave the old file closes it.
static void follow_events_file(struct worker *w)
{
    struct shared *s = w->shared;
    uint32_t generation = atomic_load(&s->events_generation);
    if (generation == w->events_generation || !events_move(&w->events, atomic_load(&s->events_fd)))
        return;
    w->events_generation = generation;
    if (atomic_fetch_add(&s->events_moved, 1) + 1 < s->worker_count)
        return;
    io_close(w->io, s->events_left_fd);
    s->events_left_fd = -1;
}

// At the end what cannot be written is given up; the journal has it for the next start.
void worker_flush_events(struct worker *w, bool ending)
{
    events_flush(&w->events, ending);
    follow_events_file(w);
    if ((w->stop == STOP_AT_ONCE && io_now_us(w->io) >= w->events_end_us) ||
        (w->drained && w->events.again_us))
        events_abandon(&w->events);
}

void worker_tell_trouble_of_events(struct worker *w)
{
    bool same = w->events.dropped_count == w->events_dropped_told &&
                w->events.error == w->events_error_told;
    if (same || io_now_us(w->io) - w->events_told_us < EVENTS_TOLD_US)
        return;
    log_line(LOG_LEVEL_WARNING, "events: %s; %llu lines lost so far",
             w->events.error ? strerror(-w->events.error) : "too many wait to be written",
             (unsigned long long)w->events.dropped_count);
    w->events_dropped_told = w->events.dropped_count;
    w->events_error_told = w->events.error;
    w->events_told_us = io_now_us(w->io);
}
