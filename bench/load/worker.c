#include "bench/load/worker.h"

#include "bench/load/dialogue.h"
#include "bench/load/secure.h"
#include "engine/base/check.h"

#include <errno.h>
#include <stdlib.h>

// Slots for messages: those without verdict, and as many with one that are still on the wire.
static uint32_t message_count_max(const struct load_plan *plan)
{
    return plan->session_count * (2u * plan->window + 2u);
}

static int load_worker_init(struct load_worker *w)
{
    const struct load_plan *plan = w->plan;
    const char *why;
    if (plan->tls != LOAD_TLS_NONE && (w->tls = load_secure_context(plan, &why)) == NULL)
        return -EINVAL;
    buffer_init(&w->plain, TLS_RECORD_BYTES_MAX);
    slab_init(&w->messages, (uint32_t)load_message_slot_bytes(&w->author), message_count_max(plan));
    int error = load_author_init(&w->author, plan->seed + plan->worker, io_wall_us(w->io));
    if (!error)
        error = load_row_init(&w->dirty, plan->session_count);
    if (!error)
        error = load_row_init(&w->hungry, plan->session_count);
    w->sessions = calloc(plan->session_count, sizeof(*w->sessions));
    if (error || !w->sessions)
        return -ENOMEM;
    for (uint32_t i = 0; i < plan->session_count; i++)
        load_session_init(&w->sessions[i], w, i,
                          w->now_us + plan->ramp_us * i / plan->session_count);
    return 0;
}

int load_worker_new(struct load_worker **ret_worker, struct io *io, const struct load_plan *plan)
{
    CHECK(plan->session_count > 0 && plan->session_count <= LOAD_SESSIONS_MAX);
    CHECK(plan->window > 0 && plan->window <= SMTP_WINDOW_MAX);
    struct load_worker *w = calloc(1, sizeof(*w));
    if (!w)
        return -ENOMEM;
    w->io = io;
    w->plan = plan;
    w->now_us = w->start_us = w->good_us = w->verdict_us = io_now_us(io);
    w->client_options = (struct smtp_client_options){
        .helo_name = plan->helo,
        .user = plan->auth_user,
        .password = plan->auth_password,
        .tls = plan->tls == LOAD_TLS_START ? SMTP_TLS_ALWAYS : SMTP_TLS_NEVER,
        .ignore = plan->ignore,
        .window = plan->window,
    };
    // The workers' messages interleave evenly.
    double phase_us = plan->rate_per_s > 0
                          ? plan->worker * 1e6 / (plan->rate_per_s * plan->worker_count)
                          : 0;
    w->pace = (struct pace){
        .start_us = w->now_us + (uint64_t)phase_us,
        .end_us = plan->duration_us == UINT64_MAX ? UINT64_MAX : w->now_us + plan->duration_us,
        .count_max = plan->message_count,
        .rate_per_s = plan->rate_per_s,
    };
    w->author = (struct load_author){
        .content = plan->content,
        .domains = plan->domains,
        .from = plan->from,
        .helo = plan->helo,
        .rcpt_count = plan->rcpt_count,
        .priority = plan->priority,
        .campaign_count = plan->campaign_count,
    };
    wheel_init(&w->wheel, w->now_us);
    ledger_init(&w->ledger, io, plan->ledger_fd, (struct io_token){.owner = LOAD_OWNER_LEDGER});
    int error = load_worker_init(w);
    if (error) {
        load_worker_free(w);
        return error;
    }
    *ret_worker = w;
    return 0;
}

void load_worker_free(struct load_worker *w)
{
    if (!w)
        return;
    ledger_release(&w->ledger);
    load_row_release(&w->dirty);
    load_row_release(&w->hungry);
    free(w->sessions);
    slab_release(&w->messages);
    load_author_release(&w->author);
    buffer_release(&w->plain);
    tls_context_unref(w->tls);
    free(w);
}

void load_worker_dirty(struct load_worker *w, struct load_session *s)
{
    if (s->is_dirty)
        return;
    s->is_dirty = true;
    load_row_push(&w->dirty, s->index);
}

void load_worker_hungry(struct load_worker *w, struct load_session *s)
{
    if (s->is_hungry)
        return;
    s->is_hungry = true;
    load_row_push(&w->hungry, s->index);
}

void load_worker_stop(struct load_worker *w)
{
    pace_stop(&w->pace);
}

static void take_completions(struct load_worker *w)
{
    struct io_done done;
    while (io_next(w->io, &done)) {
        if (done.token.owner == LOAD_OWNER_SESSION)
            load_session_on_done(&w->sessions[done.token.index], w, &done);
        else
            ledger_on_done(&w->ledger, &done);
    }
}

static void fire_timers(struct load_worker *w)
{
    struct wheel_timer *timer;
    while ((timer = wheel_expire(&w->wheel, w->now_us)) != NULL)
        load_session_on_timer(&w->sessions[timer->owner], w);
}

// Due messages go to the sessions that have waited longest.
static void dispatch(struct load_worker *w)
{
    uint64_t intended_us;
    while (w->hungry.count > 0) {
        struct load_session *s = &w->sessions[w->hungry.items[w->hungry.first]];
        bool has_room = load_dialogue_has_room(s, w);
        if (has_room && !pace_take(&w->pace, w->now_us, &intended_us))
            return;
        load_row_pop(&w->hungry);
        s->is_hungry = false;
        if (!has_room)
            continue;
        if (!load_dialogue_start(s, w, intended_us)) {
            w->error = -ENOMEM;
            load_worker_stop(w);
        }
        load_worker_dirty(w, s);
        if (load_dialogue_has_room(s, w))
            load_worker_hungry(w, s);
    }
}

static void finish_when_over(struct load_worker *w)
{
    if (w->ledger.error && !w->error) {
        w->error = w->ledger.error;
        load_worker_stop(w);
    }
    if (w->finishing || !pace_over(&w->pace, w->now_us))
        return;
    w->finishing = true;
    for (uint32_t i = 0; i < w->plan->session_count; i++)
        load_session_finish(&w->sessions[i], w);
}

static void flush(struct load_worker *w)
{
    while (w->dirty.count > 0) {
        struct load_session *s = &w->sessions[load_row_pop(&w->dirty)];
        s->is_dirty = false;
        load_session_flush(s, w);
    }
    if (ledger_is_kept(&w->ledger))
        ledger_flush(&w->ledger);
}

bool load_worker_turn(struct load_worker *w)
{
    w->now_us = io_now_us(w->io);
    take_completions(w);
    fire_timers(w);
    dispatch(w);
    finish_when_over(w);
    flush(w);
    return w->sessions_over < w->plan->session_count || !ledger_idle(&w->ledger);
}

uint64_t load_worker_due_us(const struct load_worker *w)
{
    uint64_t due_us = wheel_next_us(&w->wheel);
    if (w->finishing)
        return due_us;
    if (w->hungry.count > 0 && pace_due_us(&w->pace) < due_us)
        due_us = pace_due_us(&w->pace);
    return w->pace.end_us < due_us ? w->pace.end_us : due_us;
}
