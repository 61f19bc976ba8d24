// Stopping. The stage that all are to be in is shared; each worker carries it out in its next turn:
//
//   STOP_NOT -> STOP_GRACEFULLY (nothing new begins) -> STOP_AT_ONCE (what is under way breaks off)
//   nothing under way: quiet -> all are quiet, a whole turn since: drained (all letters are taken)
//   -> all are drained, a whole turn since: the list of suppressed addresses is complete ->
//   finished

#include "engine/notify.h"
#include "engine/worker_parts.h"

#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define EVENTS_END_US 1000000u

void worker_hear_signals(struct worker *w, int signal_fd)
{
    w->signal_fd = signal_fd;
    io_poll(w->io, signal_fd, POLLIN, (struct io_token){0, 0, OWNER_SIGNAL, 0});
}

// The next stage of stopping, for all workers; or SIGHUP.
void worker_on_signal(struct worker *w)
{
    struct signalfd_siginfo info;
    while (read(w->signal_fd, &info, sizeof(info)) == sizeof(info)) {
        if (info.ssi_signo == SIGHUP) {
            if (!control_ask(w->control, "reload"))
                w->shared->reopen_wanted = true; // whoever rotates logs waits for that
            continue;
        }
        uint8_t stop = atomic_load_explicit(&w->shared->stop, memory_order_relaxed);
        if (stop < STOP_AT_ONCE)
            atomic_store_explicit(&w->shared->stop, (uint8_t)(stop + 1), memory_order_release);
    }
    worker_wake_all(w);
    worker_hear_signals(w, w->signal_fd);
}

static void stop_gracefully(struct worker *w)
{
    for (uint32_t i = w->number; i < w->shared->config->listener_count;
         i += w->shared->worker_count)
        io_close(w->io, w->shared->listen_fds[i]);
    submit_stop(w->submit);
    if (w->pickup)
        pickup_stop(w->pickup);
    if (w->control) {
        notify_say("STOPPING=1");
        control_stop(w->control);
    }
    if (w->sts)
        sts_stop(w->sts);
    deliver_stop(w->deliver);
}

void worker_follow_stop(struct worker *w)
{
    uint8_t stop = atomic_load_explicit(&w->shared->stop, memory_order_acquire);
    if (stop > STOP_NOT && w->stop == STOP_NOT) {
        w->stop = STOP_GRACEFULLY;
        stop_gracefully(w);
    }
    if (stop == STOP_AT_ONCE && w->stop == STOP_GRACEFULLY) {
        w->stop = STOP_AT_ONCE;
        submit_abandon(w->submit);
        if (w->pickup)
            pickup_abandon(w->pickup);
        deliver_abandon(w->deliver);
        w->events_end_us = io_now_us(w->io) + EVENTS_END_US;
    }
}

// The last one to have nothing under way wakes the others: now no letter can come any more.
void worker_maybe_quiet(struct worker *w)
{
    if (w->quiet || w->stop == STOP_NOT || w->listening != 0 || !submit_stopped(w->submit) ||
        !deliver_stopped(w->deliver) || (w->sts && !sts_stopped(w->sts)) ||
        (w->pickup && !pickup_stopped(w->pickup)) || (w->control && !control_stopped(w->control)))
        return;
    w->quiet = true;
    uint32_t quiet = atomic_fetch_add_explicit(&w->shared->quiet_count, 1, memory_order_acq_rel);
    if (quiet + 1 == w->shared->worker_count)
        worker_wake_all(w);
}

bool worker_all_quiet(const struct worker *w)
{
    return atomic_load_explicit(&w->shared->quiet_count, memory_order_acquire) ==
           w->shared->worker_count;
}

// Who keeps the list of suppressed addresses stays until nobody can leave it one more.
static bool list_finished(const struct worker *w)
{
    return w->number != SUPPRESSION_KEEPER || (w->all_drained && suppressor_idle(&w->suppressor));
}

bool worker_all_drained(const struct worker *w)
{
    return atomic_load_explicit(&w->shared->drained_count, memory_order_acquire) ==
           w->shared->worker_count;
}

// The last one wakes who keeps the list.
void worker_note_drained(struct worker *w, bool drained)
{
    if (drained && !w->drained &&
        atomic_fetch_add_explicit(&w->shared->drained_count, 1, memory_order_acq_rel) + 1 ==
            w->shared->worker_count)
        w->post.wake |= UINT64_C(1) << SUPPRESSION_KEEPER;
    w->drained = drained;
}

bool worker_finished(const struct worker *w)
{
    return w->drained && events_idle(&w->events) && !w->reopening && home_idle(&w->home) &&
           w->handed_count == 0 && list_finished(w) && rates_file_ended(&w->rates_file) &&
           tls_tally_file_stopped(&w->tally_file);
}
