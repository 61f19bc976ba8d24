#include "bench/load/dialogue.h"

#include "bench/load/secure.h"
#include "bench/load/worker.h"
#include "engine/base/check.h"

static const char *phase_word(enum smtp_phase phase)
{
    static const char *const words[SMTP_PHASE_COUNT] = {
        "greeting", "EHLO", "HELO", "MAIL",     "RCPT", "DATA",
        "content",  "RSET", "QUIT", "STARTTLS", "AUTH",
    };
    return words[phase];
}

static struct load_message *message_at(struct load_worker *w, uint64_t tag)
{
    return slab_at(&w->messages, (uint32_t)tag);
}

// ---------------------------------------------------------------------------- what we hear

static void on_accepted(struct load_session *s, struct load_worker *w, const struct load_message *m)
{
    struct load_stats *stats = &w->stats;
    uint32_t rcpts = m->transaction.rcpt_count - m->refused_count;
    stats->counters.messages_accepted++;
    stats->counters.recipients_accepted += rcpts;
    stats->counters.bytes += m->size_bytes;
    w->good_us = w->now_us;
    s->back_off_us = 0;
    histogram_add(&stats->phases[LOAD_VERDICT], m->content_us ? w->now_us - m->content_us : 0);
    histogram_add(&stats->phases[LOAD_WHOLE], w->now_us - m->intended_us);
    histogram_add(&stats->interval, w->now_us - m->intended_us);
    if (!ledger_is_kept(&w->ledger))
        return;
    char hex[SHA256_HEX_BYTES];
    load_message_hash(m, &w->author, hex);
    for (uint32_t i = 0; i < m->transaction.rcpt_count; i++)
        if (!load_message_refused(m, i))
            ledger_add(&w->ledger, m->transaction.rcpts[i].address, m->id, hex, SLICE_EMPTY);
}

static void count_refused(struct load_worker *w, const struct smtp_event *e, uint32_t rcpts)
{
    w->stats.counters.recipients_failed += rcpts;
    if (rcpts > 0)
        load_stats_fault(&w->stats, phase_word(e->phase), e->reply->code, e->reply->text, rcpts);
}

static void on_verdict(struct load_session *s, struct load_worker *w, const struct load_message *m,
                       const struct smtp_event *e)
{
    w->verdict_us = w->now_us;
    if (e->phase == SMTP_PHASE_CONTENT && reply_is_success(e->reply)) {
        on_accepted(s, w, m);
        return;
    }
    w->stats.counters.messages_refused++;
    count_refused(w, e, m->transaction.rcpt_count - m->refused_count);
}

static void on_done(struct load_session *s, struct load_worker *w, const struct smtp_event *e)
{
    uint32_t index = load_chain_pop(&s->asked, &w->messages);
    CHECK(e->tag == index);
    s->asked_count--;
    if (s->written_count > 0)
        s->written_count--;
    on_verdict(s, w, message_at(w, index), e);
    if (wire_empty(&s->wire))
        slab_give(&w->messages, index);
    else
        load_chain_push(&s->ended, &w->messages, index);
    load_worker_hungry(w, s);
    if (s->quitting && s->asked_count == 0)
        wheel_arm(&w->wheel, &s->timer, w->now_us + LOAD_QUIT_US);
}

static void phase_ended(struct load_session *s, struct load_worker *w, enum load_phase phase)
{
    histogram_add(&w->stats.phases[phase], w->now_us - s->asked_us);
    s->asked_us = w->now_us;
}

static void on_replied(struct load_session *s, struct load_worker *w, const struct smtp_event *e)
{
    if (e->phase == SMTP_PHASE_GREETING) {
        phase_ended(s, w, LOAD_GREETING);
    } else if (e->phase == SMTP_PHASE_EHLO || e->phase == SMTP_PHASE_HELO) {
        phase_ended(s, w, LOAD_EHLO);
    } else if (e->phase == SMTP_PHASE_DATA && s->asked.first == e->tag) {
        histogram_add(&w->stats.phases[LOAD_ENVELOPE],
                      w->now_us - message_at(w, e->tag)->started_us);
    }
}

static void on_ready(struct load_session *s, struct load_worker *w, const struct smtp_event *e)
{
    phase_ended(s, w, e->phase == SMTP_PHASE_AUTH ? LOAD_AUTH : LOAD_EHLO);
    s->ready = true;
    w->good_us = w->now_us;
    w->stats.counters.sessions++;
    load_worker_hungry(w, s);
}

static void on_closed(struct load_session *s, struct load_worker *w, const struct smtp_event *e)
{
    bool refused = e->reply &&
                   !reply_is_success(e->reply); // else it is not the reply that says why
    struct slice why = refused ? e->reply->text : slice_of_text(e->why);
    uint16_t code = refused ? e->reply->code : 0;
    if (!s->ready && !s->quitting) // QUIT can come before it was ever ready
        load_session_count_failed(w, phase_word(e->phase), code, why);
    load_session_close(s, w, code, why);
}

static void on_event(struct load_session *s, struct load_worker *w, const struct smtp_event *e)
{
    switch (e->kind) {
    case SMTP_MORE: return;
    case SMTP_REPLIED: on_replied(s, w, e); return;
    case SMTP_TLS: s->tls_due = true; return;
    case SMTP_READY: on_ready(s, w, e); return;
    case SMTP_RCPT_REFUSED:
        load_message_refuse(message_at(w, e->tag), e->rcpt);
        count_refused(w, e, 1);
        return;
    case SMTP_DONE: on_done(s, w, e); return;
    case SMTP_CLOSED: on_closed(s, w, e); return;
    }
}

void load_dialogue_secured(struct load_session *s, struct load_worker *w)
{
    if (w->plan->tls == LOAD_TLS_START)
        smtp_client_secured(&s->client);
}

void load_dialogue_feed(struct load_session *s, struct load_worker *w, struct slice bytes)
{
    s->heard_us = w->now_us;
    load_worker_dirty(w, s);
    while (s->state == LOAD_TALKING) {
        struct smtp_event e = smtp_client_feed(&s->client, &bytes);
        if (e.kind == SMTP_MORE)
            break;
        on_event(s, w, &e);
    }
    // Only now: bytes behind the reply to STARTTLS were for the machine to refuse.
    if (s->tls_due && s->state == LOAD_TALKING && !load_secure_start(s, w))
        load_session_break(s, w, "no memory for TLS");
    s->tls_due = false;
}

// ---------------------------------------------------------------------------- what we ask

bool load_dialogue_has_room(const struct load_session *s, const struct load_worker *w)
{
    return s->state == LOAD_TALKING && s->ready && !s->quitting &&
           s->message_count < w->plan->messages_per_session && smtp_client_can_start(&s->client);
}

void load_dialogue_quit(struct load_session *s, struct load_worker *w)
{
    s->quitting = true;
    smtp_client_quit(&s->client);
    load_worker_dirty(w, s);
    if (s->timer.due_us > w->now_us + LOAD_QUIT_US)
        wheel_arm(&w->wheel, &s->timer, w->now_us + LOAD_QUIT_US);
}

bool load_dialogue_start(struct load_session *s, struct load_worker *w, uint64_t intended_us)
{
    const struct load_plan *plan = w->plan;
    uint32_t index;
    struct load_message *m = slab_take(&w->messages, &index);
    if (!m)
        return false;
    uint64_t number = (w->pace.count - 1) * plan->worker_count + plan->worker + 1;
    load_message_write(m, &w->author, number, index, io_wall_us(w->io));
    m->intended_us = intended_us;
    m->started_us = w->now_us;
    w->stats.counters.messages_started++;
    if (s->asked_count == 0)
        s->heard_us = w->now_us;
    s->message_count++;
    if (smtp_client_start(&s->client, &m->transaction)) {
        load_chain_push(&s->asked, &w->messages, index);
        s->asked_count++;
    } else { // the machine itself refuses it, and nothing is on the wire
        struct slice nothing = SLICE_EMPTY;
        struct smtp_event e = smtp_client_feed(&s->client, &nothing);
        CHECK(e.kind == SMTP_DONE && e.tag == index);
        on_verdict(s, w, m, &e);
        slab_give(&w->messages, index);
    }
    if (s->message_count == plan->messages_per_session)
        load_dialogue_quit(s, w);
    return true;
}

void load_dialogue_note_written(struct load_session *s, struct load_worker *w)
{
    struct smtp_unfinished u;
    while (s->written_count < s->asked_count &&
           smtp_client_unfinished(&s->client, s->written_count, &u) && u.written) {
        message_at(w, u.tag)->end_bytes = u.end_bytes;
        s->written_count++;
    }
}

void load_dialogue_note_sent(struct load_session *s, struct load_worker *w)
{
    for (uint32_t i = s->asked.first; i != SLAB_NONE; i = message_at(w, i)->next) {
        struct load_message *m = message_at(w, i);
        if (m->end_bytes == 0 || m->end_bytes > s->sent_bytes)
            return;
        if (m->content_us == 0)
            m->content_us = w->now_us;
    }
}

void load_dialogue_lose(struct load_session *s, struct load_worker *w, uint16_t code,
                        struct slice why)
{
    struct load_counters *counters = &w->stats.counters;
    for (uint32_t i = s->asked.first; i != SLAB_NONE; i = message_at(w, i)->next) {
        const struct load_message *m = message_at(w, i);
        uint32_t rcpts = m->transaction.rcpt_count - m->refused_count;
        counters->messages_lost++;
        counters->recipients_failed += rcpts;
        load_stats_fault(&w->stats, "lost", code, why, rcpts);
    }
    if (s->asked.first != SLAB_NONE)
        counters->sessions_broken++;
}
