#include "engine/base/log.h"
#include "engine/site_events.h"
#include "engine/walk.h"
#include "engine/worker_parts.h"

void worker_ask(struct worker *w, const char *request)
{
    (void)control_ask(w->control, request);
}

// --- what a turn begins with

static void take_completions(struct worker *w)
{
    struct io_done done;
    while (io_next(w->io, &done)) {
        switch ((enum owner)done.token.owner) {
        case OWNER_SUBMIT: submit_on_done(w->submit, &done); break;
        case OWNER_DELIVER: deliver_on_done(w->deliver, &done); break;
        case OWNER_RESOLVER: resolver_on_done(w->resolver, &done); break;
        case OWNER_EVENTS: events_on_done(&w->events, &done); break;
        case OWNER_PICKUP: pickup_on_done(w->pickup, &done); break;
        case OWNER_SUPPRESSOR: suppressor_on_done(&w->suppressor, &done); break;
        case OWNER_STORAGE:
        case OWNER_MOVER:
        case OWNER_NOTICES: home_on_done(&w->home, &done); break;
        case OWNER_LISTENER: worker_on_accept(w, &done); break;
        case OWNER_SIGNAL: worker_on_signal(w); break;
        case OWNER_CONTROL: control_on_done(w->control, &done); break;
        case OWNER_HOLDS: holds_file_on_done(&w->place.holds_file, &done); break;
        case OWNER_RATES: rates_file_on_done(&w->rates_file, &done); break;
        case OWNER_PEEK: peeks_on_done(&w->place.peeks, &done); break;
        case OWNER_REOPEN: worker_on_events_reopened(w, done.result); break;
        case OWNER_STS: sts_on_done(w->sts, &done); break;
        case OWNER_TLS_TALLY: tls_tally_file_on_done(&w->tally_file, &done); break;
        }
    }
}

static void run_timers(struct worker *w)
{
    struct wheel_timer *t;
    uint64_t now_us = io_now_us(w->io);
    while ((t = wheel_expire(&w->wheel, now_us))) {
        struct io_token token;
        memcpy(&token, &t->owner, sizeof(token));
        if (token.owner == OWNER_SUBMIT)
            submit_on_timer(w->submit, t);
        else if (token.owner == OWNER_DELIVER)
            deliver_on_timer(w->deliver, t);
        else if (token.owner == OWNER_PICKUP)
            pickup_on_timer(w->pickup, t);
        else if (token.owner == OWNER_CONTROL)
            control_on_timer(w->control, t);
        else if (token.owner == OWNER_TLS_TALLY)
            tls_tally_file_on_timer(&w->tally_file, token);
        else if (w->stop == STOP_NOT)
            worker_accept(w);
    }
    if (resolver_due_us(w->resolver) <= now_us)
        resolver_on_time(w->resolver, now_us);
    if (w->sts && sts_due_us(w->sts) <= now_us)
        sts_on_time(w->sts, now_us);
}

static void take_letters(struct worker *w)
{
    struct letter *l;
    while ((l = post_take(&w->post))) {
        switch ((enum letter_kind)l->kind) {
        case LETTER_RESULTS:
            home_take_results(&w->home, CONTAINER_OF(l, struct result_page, letter));
            break;
        case LETTER_CONNECTION: worker_take_connection(w, l); break;
        case LETTER_SUPPRESS:
            suppressor_take(&w->suppressor, CONTAINER_OF(l, struct suppression_page, letter));
            break;
        case LETTER_KEYED: worker_take_handed(w, l); break;
        case LETTER_KEYED_BACK: worker_take_answer(w, l); break;
        case LETTER_ORDER: orders_take(&w->orders, l); break;
        case LETTER_ORDER_BACK: control_on_back(w->control, l); break;
        case LETTER_RECALL_BACK: walk_on_recall_back(l); break;
        case LETTER_RECALL:
        case LETTER_DOMAIN_DIRTY:
        case LETTER_DOMAIN_HANDOVER:
        case LETTER_LOAN:
        case LETTER_LOAN_BACK:
        case LETTER_LEASE_OVER:
        case LETTER_PAGE_BACK: deliver_on_letter(w->deliver, l); break;
        }
    }
}

// --- whose parts have a turn of their own

static bool may_accept(const struct worker *w)
{
    return !w->accepting &&
           atomic_load_explicit(&w->shared->suppression_ready, memory_order_acquire);
}

// No mail is taken before it is known who gets none.
static void suppressor_has_turn(struct worker *w)
{
    struct shared *s = w->shared;
    if (w->number == SUPPRESSION_KEEPER) {
        if (w->stop != STOP_NOT)
            suppressor_end(&w->suppressor);
        suppressor_turn(&w->suppressor);
        if (suppressor_ready(&w->suppressor) && !w->accepting) {
            atomic_store_explicit(&s->suppression_ready, true, memory_order_release);
            worker_wake_all(w);
        }
    }
    if (!may_accept(w))
        return;
    w->accepting = true;
    if (w->stop == STOP_NOT)
        worker_accept(w);
}

static void pickup_has_turn(struct worker *w)
{
    char text[PICKUP_NOTICE_BYTES];
    if (!w->pickup || !w->accepting)
        return;
    pickup_turn(w->pickup);
    while (pickup_next_notice(w->pickup, text))
        log_line(LOG_LEVEL_WARNING, "%s", text);
}

// --- the turn

static void wake_others(struct worker *w)
{
    uint64_t wake = w->post.wake;
    w->post.wake = 0;
    for (; wake; wake &= wake - 1) {
        uint32_t other = (uint32_t)__builtin_ctzll(wake);
        if (other == w->number)
            continue;
        io_wake(w->io, w->shared->ios[other]);
        w->wake_count++;
    }
}

void worker_turn(struct worker *w)
{
    w->turn_count++;
    bool last_letters = worker_all_quiet(w);
    bool last_pages = worker_all_drained(w);
    take_completions(w);
    run_timers(w);
    home_push_due(&w->home);
    take_letters(w);
    suppressor_has_turn(w);
    pickup_has_turn(w);
    worker_take_messages(w);
    home_write(&w->home);
    worker_tell_fates(w);
    worker_take_messages(w); // of those who had waited for their verdicts
    post_flush(&w->post);    // domains of others have jobs now
    take_letters(w);         // and domains of ours
    worker_follow_trouble(w);
    worker_follow_stop(w);
    order_place_note_rates(&w->place);
    orders_turn(&w->orders, &w->place, &w->post);
    worker_reopen_events(w);
    deliver_turn(w->deliver);
    submit_flush(w->submit);
    w->changes_left_out += site_events_tell(w->deliver, &w->events);
    worker_flush_events(w, last_letters);
    worker_tell_trouble_of_events(w);
    home_suppress_flush(&w->home);
    post_flush(&w->post);
    worker_note_drained(w, last_letters);
    w->all_drained = last_pages;
    rates_file_turn(&w->rates_file, w->deliver, deliver_news_count(w->deliver), w->drained);
    if (w->drained)
        home_close(&w->home);
    worker_maybe_quiet(w);
    wake_others(w);
}

uint64_t worker_sleeps(struct worker *w)
{
    uint64_t due_us = wheel_next_us(&w->wheel);
    uint64_t resolver_us = resolver_due_us(w->resolver);
    uint64_t home_us = home_due_us(&w->home);
    if (resolver_us < due_us)
        due_us = resolver_us;
    if (home_us < due_us)
        due_us = home_us;
    if (w->sts && sts_due_us(w->sts) < due_us)
        due_us = sts_due_us(w->sts);
    uint64_t suppressor_us = suppressor_due_us(&w->suppressor);
    if (suppressor_us < due_us)
        due_us = suppressor_us;
    if (events_due_us(&w->events) < due_us)
        due_us = events_due_us(&w->events);
    uint64_t rates_us = rates_file_due_us(&w->rates_file, deliver_news_count(w->deliver));
    if (rates_us < due_us)
        due_us = rates_us;
    if (w->stop == STOP_AT_ONCE && !events_idle(&w->events) && w->events_end_us < due_us)
        due_us = w->events_end_us;
    if (w->orders.busy || deliver_busy(w->deliver) || home_busy(&w->home) ||
        (w->pickup && pickup_busy(w->pickup)) ||
        (worker_all_quiet(w) && (!w->drained || worker_finished(w))) ||
        (worker_all_drained(w) && !w->all_drained && w->number == SUPPRESSION_KEEPER) ||
        may_accept(w) || !post_sleep(&w->post))
        due_us = 0;
    epoch_turn_ends(&w->shared->epochs, w->number);
    return due_us;
}

void worker_wakes(struct worker *w)
{
    post_wakes(&w->post);
    epoch_turn_begins(&w->shared->epochs, w->number);
}
