// explain: the one reason why mail for an address or a domain, or a message, is not moving; what is
// done next, and when.
//
// Two rounds: the homes say what is queued of it, and which of that will move first; then the
// worker that has its domain says what it waits for (engine/deliver/explain.h). It looks up what
// was decided, and decides nothing.
#include "engine/base/check.h"
#include "engine/deliver/explain.h"
#include "engine/home.h"
#include "engine/walk.h"

#include <stdlib.h>

struct explain {
    struct walk *walk;
    uint64_t jobs[QUEUE_STATE_COUNT];
    uint64_t rcpt_count;
    // What will move first:
    bool found;
    enum queue_state state;
    uint64_t id, due_us;
    uint32_t attempt_count;
    char domain[DOMAIN_NAME_BYTES];
    // Of its domain:
    bool answered;
    struct explanation x;
};

// --- what is asked about

static bool looks_like_id(struct slice s)
{
    if (s.len != MESSAGE_ID_TEXT_BYTES - 1)
        return false;
    return slice_find(s, '.') == s.len && slice_find(s, '@') == s.len;
}

// An address, a domain, or a message's id.
static const char *explain_word(struct order *o, struct slice key, struct slice value)
{
    struct selector *s = &o->selector;
    if (!slice_equal(key, SLICE("subject")))
        return SELECTOR_NOT_MINE;
    if (looks_like_id(value))
        return selector_set(s, SLICE("id"), value);
    size_t at = value.len;
    while (at > 0 && value.data[at - 1] != '@')
        at--;
    char domain[ADDRESS_DOMAIN_BYTES_MAX + 1];
    size_t len = address_domain_ascii(slice_skip(value, at), domain);
    if (len == 0)
        return "is neither an address, nor a domain, nor a message's id";
    const char *wrong = selector_set(s, SLICE("domain"), slice_make(domain, len));
    if (!wrong && at > 0)
        wrong = selector_set(s, SLICE("recipient"), value);
    return wrong;
}

// --- what is queued

// The reason that counts for all of it is that of what could go, before what is going already: that
// needs none. Held mail moves last.
static uint32_t rank_of(enum queue_state state)
{
    switch (state) {
    case QUEUE_READY: return 0;
    case QUEUE_SENDING: return 1;
    case QUEUE_DEFERRED: return 2;
    case QUEUE_HELD:
    case QUEUE_STATE_COUNT: break;
    }
    return 3;
}

static bool moves_before(const struct explain *e, enum queue_state state, uint64_t due_us)
{
    if (!e->found || rank_of(state) != rank_of(e->state))
        return !e->found || rank_of(state) < rank_of(e->state);
    return state == QUEUE_DEFERRED && due_us < e->due_us;
}

static void explain_act(struct order_place *p, struct order *o, const struct walked *w)
{
    struct explain *e = o->work;
    uint64_t due_us = w->facts.state == QUEUE_DEFERRED ? (uint64_t)w->job->due_s * 1000000 : 0;
    (void)p;
    e->jobs[w->facts.state]++;
    e->rcpt_count += job_open_count(w->job);
    if (!moves_before(e, w->facts.state, due_us))
        return;
    struct slice domain = slice_take(w->facts.domain, sizeof(e->domain) - 1);
    e->found = true;
    e->state = w->facts.state;
    e->id = w->facts.id;
    e->due_us = due_us;
    e->attempt_count = w->job->attempt_count;
    memcpy(e->domain, domain.data, domain.len);
    e->domain[domain.len] = 0;
}

static bool explain_begin(struct order *o)
{
    struct explain *e = calloc(1, sizeof(*e));
    o->work = e;
    if (e)
        e->walk = walk_new(o->place->post->worker_count);
    if (!e || !e->walk)
        return order_refuse(o, ORDER_LATER, "no memory");
    e->walk->act = explain_act;
    return true;
}

static enum order_step explain_visit(struct order_place *p, struct order *o)
{
    struct explain *e = o->work;
    if (o->round == 0)
        return walk_visit(p, o, e->walk);
    struct slice domain = slice_of_text(e->found ? e->domain : o->selector.domain);
    if (!e->answered && domain.len > 0)
        e->answered = deliver_explain(p->deliver, domain, &e->x);
    return ORDER_OVER;
}

// --- the answer

static struct reason reason_of(const struct explain *e)
{
    const struct failure *cause = &e->x.cause.failure;
    bool delivery_says = e->answered && e->x.reason.kind != REASON_NONE;
    if (!e->found)
        return delivery_says ? e->x.reason : (struct reason){REASON_UNKNOWN, 0};
    switch (e->state) {
    case QUEUE_HELD: return (struct reason){REASON_HOLD, 0};
    case QUEUE_DEFERRED:
        return (struct reason){cause->text_len > 0 ? cause->reason : REASON_RETRY_LATER, e->due_us};
    case QUEUE_READY: return delivery_says ? e->x.reason : (struct reason){REASON_BEHIND_OTHERS, 0};
    case QUEUE_SENDING:
    case QUEUE_STATE_COUNT: break;
    }
    return (struct reason){REASON_SENDING, 0};
}

static void say_time(struct json *j, const struct io *io, uint64_t until_us)
{
    uint64_t now_us = io_now_us(io);
    if (until_us == 0)
        return;
    uint64_t in_us = until_us > now_us ? until_us - now_us : 0;
    json_time(j, "until", io_wall_us(io) + in_us);
    json_u64(j, "in-s", (in_us + 999999) / 1000000);
}

static void say_cause(struct json *j, const struct explained_cause *c)
{
    char enhanced[ENHANCED_TEXT_BYTES];
    if (c->failure.text_len == 0)
        return;
    json_text(j, "host", slice_of_text(c->host));
    json_text(j, "address", slice_of_text(c->address));
    json_u64(j, "code", c->failure.code);
    json_text(j, "enhanced", slice_of_text(enhanced_print(c->failure.enhanced, enhanced)));
    json_text(j, "reply", slice_make(c->failure.text, c->failure.text_len));
}

static void copy_text(char *to, size_t room, struct slice s)
{
    size_t len = s.len < room ? s.len : room - 1;
    if (len > 0)
        memcpy(to, s.data, len);
    to[len] = 0;
}

// Delivery has heard nothing of it since the engine has started: the journal may have, before.
static void recall_cause(const struct shared *s, struct explain *e)
{
    struct failure *f = &e->x.cause.failure;
    struct found_setback found;
    if (!e->found || e->state != QUEUE_DEFERRED || f->text_len > 0 ||
        !found_setbacks_look(s->setbacks, slice_of_text(e->domain), &found))
        return;
    failure_set(
        f, found.code,
        (struct enhanced_code){(uint8_t)found.enhanced[0], found.enhanced[1], found.enhanced[2]},
        found.text);
    if (found.in_doubt)
        f->reason = REASON_IN_DOUBT;
    else if (found.reason != REASON_NONE && found.reason < REASON_COUNT)
        f->reason = (enum reason_kind)found.reason;
    copy_text(e->x.cause.host, sizeof(e->x.cause.host), found.host);
    copy_text(e->x.cause.address, sizeof(e->x.cause.address), found.address);
}

static enum order_step explain_end(struct order *o)
{
    struct explain *e = o->work;
    recall_cause(o->place->shared, e);
    struct reason r = reason_of(e);
    struct json j;
    char id[MESSAGE_ID_TEXT_BYTES];
    order_line(o, &j);
    if (e->found)
        json_text(&j, "id", slice_of_text(message_id_print(e->id, id)));
    json_text(&j, "domain", slice_of_text(e->found ? e->domain : o->selector.domain));
    json_text(&j, "reason", slice_of_text(reason_word(r.kind)));
    json_text(&j, "text", slice_of_text(reason_text(r.kind)));
    json_text(&j, "next", slice_of_text(reason_next(r.kind)));
    say_time(&j, o->place->io, r.until_us);
    if (r.kind != REASON_HOLD && r.kind != REASON_UNKNOWN)
        say_cause(&j, &e->x.cause);
    if (r.kind == REASON_SOURCE_SUSPENDED)
        json_text(&j, "source", slice_of_text(e->x.source));
    json_u64(&j, "attempts", e->attempt_count);
    json_u64(&j, "recipients", e->rcpt_count);
    for (uint32_t state = 0; state < QUEUE_STATE_COUNT; state++)
        json_u64(&j, queue_state_words[state], e->jobs[state]);
    if (e->x.provider)
        json_text(&j, "provider", slice_of_text(e->x.provider));
    json_u64(&j, "connections", e->x.connection_count);
    json_u64(&j, "connections-max", e->x.connections_max);
    order_line_end(o, &j);
    return ORDER_OVER;
}

static void explain_release(struct order *o)
{
    struct explain *e = o->work;
    if (e)
        free(e->walk);
}

const struct order_kind order_explain = {
    .name = "explain",
    .selects = true,
    .must_select = true,
    .rounds = 2,
    .word = explain_word,
    .begin = explain_begin,
    .visit = explain_visit,
    .end = explain_end,
    .release = explain_release,
};
