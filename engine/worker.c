#include "engine/worker.h"

#include "engine/base/check.h"
#include "engine/base/log.h"
#include "engine/control/control.h"
#include "engine/control/events.h"
#include "engine/deliver/deliver.h"
#include "engine/home.h"
#include "engine/notify.h"
#include "engine/order_place.h"
#include "engine/submit/submit.h"
#include "engine/suppressor.h"
#include "engine/walk.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define SESSIONS_MAX 100000u
#define DOMAIN_IDLE_US (UINT64_C(300) * 1000 * 1000)
#define ACCEPT_AGAIN_US 100000u
#define EVENTS_END_US 1000000u
#define EVENTS_TOLD_US 1000000u // between two warnings
#define EVENTS_FILE_MODE 0640u

// token.owner of requests and timers.
enum owner {
    OWNER_SUBMIT,
    OWNER_DELIVER,
    OWNER_RESOLVER,
    OWNER_EVENTS,
    OWNER_STORAGE,
    OWNER_MOVER,
    OWNER_NOTICES,
    OWNER_PICKUP,
    OWNER_SUPPRESSOR,
    OWNER_LISTENER,
    OWNER_SIGNAL,
    OWNER_CONTROL,
    OWNER_PEEK,
    OWNER_HOLDS,
    OWNER_REOPEN
};

struct worker {
    struct shared *shared;
    uint32_t number;
    struct io *io;
    struct inbox *inbox;
    struct post post;
    struct wheel wheel;
    struct home home;
    struct resolver *resolver;
    struct deliver *deliver;
    struct submit *submit;
    struct pickup *pickup;   // NULL: not on this worker
    struct control *control; // the same
    struct orders orders;    // that visit us
    struct order_place place;
    struct events events;
    struct suppressor suppressor; // of worker 0
    bool accepting;               // the list of suppressed addresses has been read
    uint32_t deal_next;           // who gets the next connection
    uint32_t handed_count;        // messages whose answer is to come
    uint32_t listening;           // listeners with an accept under way, a bit each
    struct wheel_timer accept_timer;
    int signal_fd;
    uint8_t stop;     // enum stop_stage, as far as it was carried out
    bool quiet;       // nothing under way, and told so
    bool drained;     // had a whole turn after all were quiet
    bool all_drained; // of all workers, and had a whole turn since
    uint64_t events_dropped_told;
    int events_error_told;
    uint32_t events_generation; // of the file that we write to
    bool reopening;             // the events' file is being opened anew
    uint64_t events_told_us;
    uint64_t events_end_us; // STOP_AT_ONCE: whoever takes them has so long
    bool opened;            // our journal has its first segment
    bool troubled, broken;  // our journal, as far as it was told
    uint64_t turn_count, wake_count;
};

// An accepted connection on its way to the worker that serves it.
struct dealt {
    struct letter letter;
    int fd;
    uint32_t listener;
};

// A message under way to the worker that owns its submission key, and the answer.
struct handed {
    struct letter letter;
    struct message *message; // the sender's
    uint32_t from;
    uint8_t fate; // enum journal_fate
    uint64_t id;
};

// --- birth and death

// A limit of the whole engine, dealt to its workers; none gets nothing.
static uint32_t share_of(uint32_t limit, uint32_t worker_count)
{
    return limit > worker_count ? limit / worker_count : 1;
}

static struct deliver_options deliver_options_of(struct worker *w)
{
    const struct config *c = w->shared->config;
    return (struct deliver_options){
        .io = w->io,
        .wheel = &w->wheel,
        .resolver = w->resolver,
        .post = &w->post,
        .domains = w->shared->domains,
        .epochs = &w->shared->epochs,
        .blocks = &w->home.blocks,
        .segments = &w->shared->segments,
        .limits = w->shared->limits,
        .holds = w->shared->holds,
        .dkim = w->shared->dkim,
        .rules = c->reply_rules,
        .helo_name = slice_of_text(c->delivery.helo),
        .worker = w->number,
        .io_owner = OWNER_DELIVER,
        .port = (uint16_t)c->delivery.port,
        .private_targets = c->delivery.private_targets,
        .conn_count_max = share_of(c->delivery.connection_count_max, w->shared->worker_count),
        .connect_timeout_us = c->delivery.connect_us_max,
        .idle_us = c->delivery.idle_us_max,
        .spread_above = c->delivery.spread_above,
        .reports_delays = c->delivery.delay_reports == DELAYS_ALL,
        .domain_idle_us = DOMAIN_IDLE_US,
    };
}

// Each listener belongs to one worker. Where no accept is under way, one begins.
static void accept_where_none(struct worker *w)
{
    for (uint32_t i = w->number; i < w->shared->config->listener_count;
         i += w->shared->worker_count) {
        if (w->listening & UINT32_C(1) << i)
            continue;
        w->listening |= UINT32_C(1) << i;
        io_accept(w->io, w->shared->listen_fds[i], (struct io_token){i, 0, OWNER_LISTENER, 0});
    }
}

static void open_place(struct worker *w)
{
    w->place = (struct order_place){
        .shared = w->shared,
        .worker = w,
        .number = w->number,
        .io = w->io,
        .post = &w->post,
        .home = &w->home,
        .deliver = w->deliver,
        .events = &w->events,
        .suppressor = &w->suppressor,
    };
    peeks_init(&w->place.peeks, w->io, &w->home.blocks, &w->shared->segments, OWNER_PEEK);
    holds_file_init(&w->place.holds_file, w->io, w->shared->holds_fd, OWNER_HOLDS);
}

static int open_control(struct worker *w)
{
    struct control_options control = {
        .io = w->io,
        .wheel = &w->wheel,
        .post = &w->post,
        .kinds = order_kinds,
        .place = &w->place,
        .listen_fd = w->shared->control_fd,
        .metrics_fd = w->shared->metrics_fd,
        .uid = (uint32_t)geteuid(),
        .io_owner = OWNER_CONTROL,
    };
    return control_new(&w->control, &control);
}

static int worker_open(struct worker *w)
{
    const struct config *c = w->shared->config;
    struct resolver_options resolver = {
        .servers = c->resolver.servers.items,
        .server_count = c->resolver.servers.count,
        .io_owner = OWNER_RESOLVER,
        .query_count_max = c->resolver.query_count_max,
        .timeout_us = c->resolver.timeout_us,
        .try_count = c->resolver.try_count,
        .cache_count_max = c->resolver.cache_count_max,
    };
    struct submit_options submit = {
        .io = w->io,
        .wheel = &w->wheel,
        .blocks = &w->home.blocks,
        .journal = &w->home.journal,
        .troubled = &w->shared->troubled,
        .draining = &w->shared->draining,
        .dkim = w->shared->dkim,
        .suppression = c->suppression.submission == SUPPRESSED_REFUSE ? &w->shared->suppression
                                                                      : NULL,
        .listeners = w->shared->listeners,
        .listener_count = c->listener_count,
        .worker = w->number,
        .io_owner = OWNER_SUBMIT,
        .session_count_max = SESSIONS_MAX,
        .id_last = w->shared->id_last,
    };
    int error = resolver_new(&w->resolver, w->io, &resolver);
    if (error < 0)
        return error;
    struct deliver_options deliver = deliver_options_of(w);
    error = deliver_new(&w->deliver, &deliver);
    if (error < 0)
        return error;
    error = submit_new(&w->submit, &submit);
    if (error == 0)
        home_number_by(&w->home, submit_last_id(w->submit));
    if (error < 0 || w->number != 0)
        return error;
    error = open_control(w);
    if (error < 0 || w->shared->pickup_count == 0)
        return error;
    struct pickup_options pickup = {
        .io = w->io,
        .wheel = &w->wheel,
        .blocks = &w->home.blocks,
        .places = w->shared->pickups,
        .place_count = w->shared->pickup_count,
        .hostname = slice_of_text(c->hostname),
        .dkim = w->shared->dkim,
        .last_id = submit_last_id(w->submit),
        .worker = w->number,
        .io_owner = OWNER_PICKUP,
        .room = submit_room(w->submit),
    };
    return pickup_new(&w->pickup, &pickup);
}

// The list is this worker's to keep.
static int keep_suppression(struct worker *w)
{
    struct shared *s = w->shared;
    uint64_t seed[2] = {io_seed(w->io), io_seed(w->io)};
    if (!suppression_init(&s->suppression, seed))
        return -ENOMEM;
    suppressor_init(&w->suppressor, w->io, &s->suppression, &s->epochs, s->suppression_fd,
                    OWNER_SUPPRESSOR);
    return 0;
}

int worker_new(struct worker **ret, struct shared *shared, uint32_t number, struct io *io)
{
    struct worker *w = calloc(1, sizeof(*w));
    if (!w)
        return -ENOMEM;
    w->shared = shared;
    w->number = number;
    w->io = io;
    w->inbox = &shared->inboxes[number];
    w->post = (struct post){.inboxes = shared->inboxes, .worker_count = shared->worker_count};
    w->deal_next = number;
    wheel_init(&w->wheel, io_now_us(io));
    w->home = (struct home){.io = io,
                            .post = &w->post,
                            .domains = shared->domains,
                            .events = &w->events,
                            .number = number};
    bool durable = shared->journal_fd >= 0;
    struct home_options home = {
        .memory_bytes_max = shared->config->memory_bytes_max / shared->worker_count,
        .worker_count = shared->worker_count,
        .keys = shared->keys,
        .key_count = shared->key_count,
        .table = durable ? &shared->segments : NULL,
        .segment_bytes = shared->config->segment_bytes,
        .dir_fd = durable ? shared->journal_fds[number] : -1,
        .io_owner_storage = OWNER_STORAGE,
        .io_owner_mover = OWNER_MOVER,
        .io_owner_notices = OWNER_NOTICES,
        .hostname = slice_of_text(shared->config->hostname),
        .delay_report_us = shared->config->delivery.delay_report_us,
        .limits = &shared->config->limits,
        .found = durable ? &shared->found[number] : NULL,
        .suppress = {.list = &shared->suppression,
                     .add = shared->config->suppression.add,
                     .for_us = shared->config->suppression.for_us},
    };
    int error = home_init(&w->home, &home);
    if (error == 0 && number == SUPPRESSION_KEEPER)
        error = keep_suppression(w);
    events_init(&w->events, io, atomic_load(&shared->events_fd), OWNER_EVENTS, durable);
    events_follow(&w->events, &w->home.journal, shared->cursor_fd, number, shared->cursor_base);
    struct io_token accept = {0, 0, OWNER_LISTENER, 0};
    memcpy(&w->accept_timer.owner, &accept, sizeof(accept));
    if (error == 0)
        error = worker_open(w);
    if (error < 0) {
        worker_free(w);
        return error;
    }
    open_place(w);
    shared->ios[number] = io;
    if (number == 0)
        shared->started_us = io_now_us(io);
    home_start(&w->home);
    atomic_fetch_add(&shared->unopened, 1);
    epoch_turn_begins(&shared->epochs, number);
    *ret = w;
    return 0;
}

// Pages lie in inboxes until the end.
static void drain_inbox(struct worker *w)
{
    struct letter *l;
    while ((l = inbox_pop(w->inbox)))
        if (l->kind == LETTER_PAGE_BACK)
            deliver_on_letter(w->deliver, l);
        else if (l->kind == LETTER_SUPPRESS)
            suppressor_take(&w->suppressor, CONTAINER_OF(l, struct suppression_page, letter));
}

static void log_unrecorded(const struct home *h)
{
    static const char *const words[] = {
        [RCPT_OPEN] = "open",
        [RCPT_DELIVERED] = "delivered",
        [RCPT_FAILED] = "failed",
        [RCPT_DEFERRED] = "deferred",
    };
    struct record_result r;
    char id[MESSAGE_ID_TEXT_BYTES];
    size_t offset = 0;
    while (journal_unrecorded(&h->journal, &offset, &r))
        log_line(LOG_LEVEL_ERROR, "journal: not recorded: message %s, recipient %u: %s",
                 message_id_print(r.id, id), r.rcpt, words[r.outcome & 3]);
}

void worker_free(struct worker *w)
{
    if (!w)
        return;
    if (w->deliver)
        drain_inbox(w);
    control_free(w->control);
    if (w->place.io) {
        peeks_release(&w->place.peeks);
        holds_file_release(&w->place.holds_file);
    }
    pickup_free(w->pickup);
    submit_free(w->submit);
    deliver_free(w->deliver);
    resolver_free(w->resolver);
    events_release(&w->events);
    if (w->broken || journal_troubled(&w->home.journal))
        log_unrecorded(&w->home);
    suppressor_release(&w->suppressor);
    home_release(&w->home);
    free(w);
}

// --- messages that have come

static enum pickup_verdict pickup_verdict_of(enum journal_fate fate)
{
    switch (fate) {
    case JOURNAL_COMMITTED: return PICKUP_TAKEN;
    case JOURNAL_KEY_SAME: return PICKUP_DUPLICATE;
    case JOURNAL_NO_ROOM:
    case JOURNAL_NO_MEMORY:
    case JOURNAL_FAILED: return PICKUP_LATER;
    case JOURNAL_KEY_OTHER: return PICKUP_NEVER;
    }
    CHECK(false);
}

// Who waits for a message of ours learns what became of it.
static void tell_fate(struct worker *w, const struct message *m, enum journal_fate fate)
{
    if (m->session & PICKUP_SESSION)
        pickup_verdict(w->pickup, m->session, m->session_generation, pickup_verdict_of(fate));
    else
        submit_verdict(w->submit, m, fate);
}

static void hand_over(struct worker *w, struct message *m, uint32_t owner)
{
    struct handed *handed = calloc(1, sizeof(*handed));
    if (!handed) {
        tell_fate(w, m, JOURNAL_NO_MEMORY);
        message_free(&w->home.blocks, m);
        return;
    }
    handed->letter.kind = LETTER_KEYED;
    handed->message = m;
    handed->from = w->number;
    w->handed_count++;
    post_leave(&w->post, owner, &handed->letter);
}

static void answer_handed(struct worker *w, struct handed *handed, enum journal_fate fate,
                          uint64_t id)
{
    handed->fate = (uint8_t)fate;
    handed->id = id;
    handed->letter.kind = LETTER_KEYED_BACK;
    post_leave(&w->post, handed->from, &handed->letter);
}

static void take_handed(struct worker *w, struct handed *handed)
{
    struct message *m = message_copy(&w->home.blocks, handed->message);
    if (!m) {
        answer_handed(w, handed, JOURNAL_NO_MEMORY, 0);
        return;
    }
    m->handed = handed;
    home_accept(&w->home, m);
}

static void take_answer(struct worker *w, struct handed *handed)
{
    struct message *m = handed->message;
    m->id = handed->id;
    tell_fate(w, m, (enum journal_fate)handed->fate);
    message_free(&w->home.blocks, m);
    free(handed);
    w->handed_count--;
}

// A message with a submission key gets the home that owns the key, so that key and message are in
// one batch of one journal.
static void take_messages(struct worker *w)
{
    struct message *m;
    while ((m = submit_next_message(w->submit))) {
        uint32_t owner = m->has_key ? keys_owner(m->key, w->shared->worker_count) : w->number;
        if (owner == w->number)
            home_accept(&w->home, m);
        else
            hand_over(w, m, owner);
    }
}

static void tell_fates(struct worker *w)
{
    struct message *m;
    enum journal_fate fate;
    while ((m = home_next_settled(&w->home, &fate))) {
        if (m->handed)
            answer_handed(w, m->handed, fate, m->id);
        else
            tell_fate(w, m, fate);
        home_take_settled(&w->home, m, fate);
    }
}

// --- letters and completions

static void take_letters(struct worker *w)
{
    struct letter *l;
    while ((l = inbox_pop(w->inbox))) {
        switch ((enum letter_kind)l->kind) {
        case LETTER_RESULTS:
            home_take_results(&w->home, CONTAINER_OF(l, struct result_page, letter));
            break;
        case LETTER_CONNECTION: {
            struct dealt *dealt = CONTAINER_OF(l, struct dealt, letter);
            if (w->quiet) // we have told that we have no session any more
                io_close(w->io, dealt->fd);
            else
                submit_serve(w->submit, dealt->fd, dealt->listener);
            free(dealt);
            break;
        }
        case LETTER_SUPPRESS:
            suppressor_take(&w->suppressor, CONTAINER_OF(l, struct suppression_page, letter));
            break;
        case LETTER_KEYED: take_handed(w, CONTAINER_OF(l, struct handed, letter)); break;
        case LETTER_KEYED_BACK: take_answer(w, CONTAINER_OF(l, struct handed, letter)); break;
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

static void on_accept(struct worker *w, const struct io_done *done)
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
        accept_where_none(w);
    else // no descriptor was to be had: trying at once would only spin
        wheel_arm(&w->wheel, &w->accept_timer, io_now_us(w->io) + ACCEPT_AGAIN_US);
}

void worker_hear_signals(struct worker *w, int signal_fd)
{
    w->signal_fd = signal_fd;
    io_poll(w->io, signal_fd, POLLIN, (struct io_token){0, 0, OWNER_SIGNAL, 0});
}

void worker_ask(struct worker *w, const char *request)
{
    control_ask(w->control, request);
}

// Whoever rotates logs has renamed the file. While workers still move to one, the next is not
// opened: what is asked then was for that one.
static void reopen_events(struct worker *w)
{
    const char *file = w->shared->config->events_file;
    if (file[0] != '/' || w->reopening || w->shared->events_left_fd >= 0)
        return;
    w->reopening = true;
    io_open(w->io, AT_FDCWD, file, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW, EVENTS_FILE_MODE,
            (struct io_token){0, 0, OWNER_REOPEN, 0});
}

static void on_reopened(struct worker *w, int32_t result)
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
    w->post.wake = UINT64_MAX >> (64 - s->worker_count);
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

// The next stage of stopping, for all workers; or SIGHUP.
static void on_signal(struct worker *w)
{
    struct signalfd_siginfo info;
    while (read(w->signal_fd, &info, sizeof(info)) == sizeof(info)) {
        if (info.ssi_signo == SIGHUP) {
            worker_ask(w, "reload");
            reopen_events(w);
            continue;
        }
        uint8_t stop = atomic_load_explicit(&w->shared->stop, memory_order_relaxed);
        if (stop < STOP_AT_ONCE)
            atomic_store_explicit(&w->shared->stop, (uint8_t)(stop + 1), memory_order_release);
    }
    w->post.wake = UINT64_MAX >> (64 - w->shared->worker_count);
    worker_hear_signals(w, w->signal_fd);
}

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
        case OWNER_LISTENER: on_accept(w, &done); break;
        case OWNER_SIGNAL: on_signal(w); break;
        case OWNER_CONTROL: control_on_done(w->control, &done); break;
        case OWNER_HOLDS: holds_file_on_done(&w->place.holds_file, &done); break;
        case OWNER_PEEK: peeks_on_done(&w->place.peeks, &done); break;
        case OWNER_REOPEN: on_reopened(w, done.result); break;
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
        else if (w->stop == STOP_NOT)
            accept_where_none(w);
    }
    if (resolver_due_us(w->resolver) <= now_us)
        resolver_on_time(w->resolver, now_us);
}

// --- stopping

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
    deliver_stop(w->deliver);
}

static void follow_stop(struct worker *w)
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
static void maybe_quiet(struct worker *w)
{
    if (w->quiet || w->stop == STOP_NOT || w->listening != 0 || !submit_stopped(w->submit) ||
        !deliver_stopped(w->deliver) || (w->pickup && !pickup_stopped(w->pickup)) ||
        (w->control && !control_stopped(w->control)))
        return;
    w->quiet = true;
    uint32_t quiet = atomic_fetch_add_explicit(&w->shared->quiet_count, 1, memory_order_acq_rel);
    if (quiet + 1 == w->shared->worker_count)
        w->post.wake = UINT64_MAX >> (64 - w->shared->worker_count);
}

static bool all_quiet(const struct worker *w)
{
    return atomic_load_explicit(&w->shared->quiet_count, memory_order_acquire) ==
           w->shared->worker_count;
}

// Who keeps the list of suppressed addresses stays until nobody can leave it one more.
static bool list_finished(const struct worker *w)
{
    return w->number != SUPPRESSION_KEEPER || (w->all_drained && suppressor_idle(&w->suppressor));
}

static bool all_drained(const struct worker *w)
{
    return atomic_load_explicit(&w->shared->drained_count, memory_order_acquire) ==
           w->shared->worker_count;
}

// The last one wakes who keeps the list.
static void note_drained(struct worker *w, bool drained)
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
           w->handed_count == 0 && list_finished(w);
}

// --- trouble with the disk

static const char *trouble_of(const struct journal *j)
{
    if (j->error == -EDQUOT)
        return "all that journal { space } allows is used, and nothing of it can be freed yet";
    return j->error ? strerrordesc_np(-j->error) : "the disk does not keep up";
}

// No journal may be in trouble while new deliveries start, whoever's it is: what comes of them
// would not be written. One that is broken ends the engine.
static void follow_trouble(struct worker *w)
{
    struct shared *s = w->shared;
    const struct journal *j = &w->home.journal;
    bool troubled = journal_troubled(j);
    if (!w->opened && journal_opened(j)) {
        w->opened = true;
        if (atomic_fetch_sub(&s->unopened, 1) == 1)
            w->post.wake = UINT64_MAX >> (64 - s->worker_count);
    }
    if (troubled != w->troubled) {
        w->troubled = troubled;
        if (troubled)
            log_line(LOG_LEVEL_ERROR,
                     "journal: %s: no mail is taken and none is sent until it can "
                     "be written again",
                     trouble_of(j));
        else
            log_line(LOG_LEVEL_WARNING, "journal: it can be written again");
        if (troubled)
            atomic_fetch_add(&s->troubled, 1);
        else
            atomic_fetch_sub(&s->troubled, 1);
        w->post.wake = UINT64_MAX >> (64 - s->worker_count);
    }
    if (journal_broken(j) && !w->broken) {
        w->broken = true;
        log_line(LOG_LEVEL_ERROR,
                 "journal: %s, twice: the engine ends; what was acknowledged is on "
                 "the disk, and is delivered when it is started again",
                 strerrordesc_np(-j->error));
        atomic_store(&s->broken, true);
        if (atomic_load(&s->stop) == STOP_NOT)
            atomic_store(&s->stop, STOP_GRACEFULLY);
        w->post.wake = UINT64_MAX >> (64 - s->worker_count);
    }
    deliver_pause(w->deliver, atomic_load(&s->troubled) + atomic_load(&s->unopened) > 0);
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

static void tell_trouble_of_events(struct worker *w)
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
        suppressor_turn(&w->suppressor);
        if (suppressor_ready(&w->suppressor) && !w->accepting) {
            atomic_store_explicit(&s->suppression_ready, true, memory_order_release);
            w->post.wake = UINT64_MAX >> (64 - s->worker_count);
        }
    }
    if (!may_accept(w))
        return;
    w->accepting = true;
    if (w->stop == STOP_NOT)
        accept_where_none(w);
}

// At the end what cannot be written is given up; the journal has it for the next start.
static void flush_events(struct worker *w, bool ending)
{
    events_flush(&w->events, ending);
    follow_events_file(w);
    if ((w->stop == STOP_AT_ONCE && io_now_us(w->io) >= w->events_end_us) ||
        (w->drained && w->events.again_us))
        events_abandon(&w->events);
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

void worker_turn(struct worker *w)
{
    w->turn_count++;
    bool last_letters = all_quiet(w);
    bool last_pages = all_drained(w);
    take_completions(w);
    run_timers(w);
    home_push_due(&w->home);
    take_letters(w);
    suppressor_has_turn(w);
    pickup_has_turn(w);
    take_messages(w);
    home_write(&w->home);
    tell_fates(w);
    take_messages(w); // of those who had waited for their verdicts
    take_letters(w);  // of domains of ours that have jobs now
    follow_trouble(w);
    follow_stop(w);
    order_place_note_rates(&w->place);
    orders_turn(&w->orders, &w->place, &w->post);
    deliver_turn(w->deliver);
    submit_flush(w->submit);
    flush_events(w, last_letters);
    tell_trouble_of_events(w);
    home_suppress_flush(&w->home);
    note_drained(w, last_letters);
    w->all_drained = last_pages;
    if (w->drained)
        home_close(&w->home);
    maybe_quiet(w);
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
    uint64_t suppressor_us = suppressor_due_us(&w->suppressor);
    if (suppressor_us < due_us)
        due_us = suppressor_us;
    if (events_due_us(&w->events) < due_us)
        due_us = events_due_us(&w->events);
    if (w->stop == STOP_AT_ONCE && !events_idle(&w->events) && w->events_end_us < due_us)
        due_us = w->events_end_us;
    if (w->orders.busy || deliver_busy(w->deliver) || home_busy(&w->home) ||
        (w->pickup && pickup_busy(w->pickup)) ||
        (all_quiet(w) && (!w->drained || worker_finished(w))) ||
        (all_drained(w) && !w->all_drained && w->number == SUPPRESSION_KEEPER) || may_accept(w) ||
        !inbox_sleep(w->inbox))
        due_us = 0;
    epoch_turn_ends(&w->shared->epochs, w->number);
    return due_us;
}

void worker_wakes(struct worker *w)
{
    inbox_wake(w->inbox);
    epoch_turn_begins(&w->shared->epochs, w->number);
}

// As their homes have taken them.
static struct deliver_counters delivery_of(const struct worker *w)
{
    struct deliver_counters c = deliver_counters(w->deliver);
    c.failed -= w->home.counters.failures_put_off; // of all workers together they are
    c.deferred += w->home.counters.failures_put_off;
    c.failed += w->home.counters.ended; // without having been tried
    return c;
}

struct counters worker_counters(const struct worker *w)
{
    const struct home *h = &w->home;
    struct resolver_counters r = resolver_counters(w->resolver);
    return (struct counters){
        .messages = h->counters.messages,
        .recipients = h->counters.recipients,
        .jobs = h->counters.jobs,
        .jobs_crossed = h->counters.jobs_crossed,
        .jobs_retried = h->counters.jobs_retried,
        .suppressed = h->counters.suppressed,
        .turns = w->turn_count,
        .wakes = w->wake_count,
        .submit = submit_counters(w->submit),
        .deliver = delivery_of(w),
        .queries = r.queries,
        .cache_hits = r.cache_hits,
        .journal = h->journal.counters,
        .events = w->events.line_count,
        .events_dropped = w->events.dropped_count,
        .block_bytes_peak = h->blocks.bytes_peak,
        .block_heap_calls = h->blocks.heap_calls,
        .block_bytes_copied = h->blocks.bytes_copied,
        .messages_left = home_messages_left(h),
        .reports = h->notices.report_count,
    };
}

const struct histogram *worker_commit_us(const struct worker *w)
{
    return &w->home.commit_us;
}
