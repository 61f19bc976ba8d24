#include "tests/sim/engine_books.h"

#include "engine/base/check.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define COMPLAINTS_TOLD_MAX 10

void books_init(struct books *b, const struct plan *p)
{
    *b = (struct books){.plan = p};
    b->messages = calloc(p->message_count + 1u, sizeof(*b->messages));
    CHECK(b->messages);
}

void books_release(struct books *b)
{
    free(b->messages);
}

void books_complain(struct books *b, const char *format, ...)
{
    va_list arguments;
    if (++b->complaint_count > COMPLAINTS_TOLD_MAX)
        return;
    fprintf(stderr, "\n  seed %" PRIu64 ": ", b->plan->seed);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
}

// --- what was sent

static void copy_text(char *to, size_t room, struct slice text)
{
    CHECK(text.len < room);
    memcpy(to, text.data, text.len);
    to[text.len] = 0;
}

void books_started(struct books *b, const struct load_message *m, struct load_author *author)
{
    CHECK(m->number > 0 && m->number <= b->plan->message_count);
    struct books_message *n = &b->messages[m->number];
    n->started = true;
    n->rcpt_count = m->transaction.rcpt_count;
    copy_text(n->id, sizeof(n->id), m->id);
    load_message_hash(m, author, n->hex);
    for (uint32_t i = 0; i < n->rcpt_count; i++)
        copy_text(n->rcpts[i].address, sizeof(n->rcpts[i].address),
                  m->transaction.rcpts[i].address);
}

// A stop at once does not wait for the events to be written.
static bool has_all_events(const struct books *b)
{
    return b->plan->end != END_CUT_OFF;
}

// --- reading

// "r7.2@..." is the second recipient of message 7. NULL, and a complaint: nobody named it.
static struct books_rcpt *find_rcpt(struct books *b, struct slice address,
                                    struct books_message **ret_message)
{
    struct slice rest = slice_skip(address, 1), local = slice_cut(&rest, '@');
    struct slice first = slice_cut(&local, '.');
    uint64_t number, nth = 1;
    if (!slice_to_u64(first, b->plan->message_count, &number) || !b->messages[number].started ||
        (local.len > 0 && !slice_to_u64(local, b->messages[number].rcpt_count, &nth)) || nth == 0 ||
        !slice_equal(slice_of_text(b->messages[number].rcpts[nth - 1].address), address)) {
        books_complain(b, "%.*s: nobody named this recipient", SLICE_ARG(address));
        return NULL;
    }
    *ret_message = &b->messages[number];
    return &b->messages[number].rcpts[nth - 1];
}

static struct books_rcpt *read_ledger_line(struct books *b, struct slice *line,
                                           struct books_message **ret_message)
{
    struct slice address = slice_cut(line, '\t');
    struct slice id = slice_cut(line, '\t'), hex = slice_cut(line, '\t');
    struct books_rcpt *r = find_rcpt(b, address, ret_message);
    if (!r)
        return NULL;
    if (!slice_equal(id, slice_of_text((*ret_message)->id)))
        books_complain(b, "%s: in another message, %.*s", r->address, SLICE_ARG(id));
    if (!slice_equal(hex, slice_of_text((*ret_message)->hex)))
        books_complain(b, "%s: the content has changed", r->address);
    return r;
}

void books_read_acknowledged(struct books *b, struct slice ledger)
{
    struct books_message *m;
    while (ledger.len > 0) {
        struct slice line = slice_cut(&ledger, '\n');
        struct books_rcpt *r = read_ledger_line(b, &line, &m);
        if (!r)
            continue;
        if (r->acknowledged)
            books_complain(b, "%s: acknowledged twice", r->address);
        r->acknowledged = m->acknowledged = true;
    }
}

// How many messages came over one connection: at least as often as one follows another. (Two
// transactions of the same message, for different recipients, look like one here.)
struct session_count {
    const struct books_message *last;
    uint32_t count;
};

static void count_in_session(struct books *b, struct session_count **sessions, size_t *room,
                             const struct books_message *m, struct slice listener, uint64_t number)
{
    const struct plan_site *site = plan_site_at(b->plan, listener);
    CHECK(site); // the exchangers listen nowhere else
    while (number >= *room) {
        size_t more = *room ? *room * 2 : 256;
        *sessions = reallocarray(*sessions, more, sizeof(**sessions));
        CHECK(*sessions);
        memset(*sessions + *room, 0, (more - *room) * sizeof(**sessions));
        *room = more;
    }
    struct session_count *s = &(*sessions)[number];
    if (s->last == m)
        return;
    s->last = m;
    if (++s->count == site->messages_per_connection_max + 1)
        books_complain(b, "session %" PRIu64 " at %.*s: more than %u messages", number,
                       SLICE_ARG(listener), site->messages_per_connection_max);
}

void books_read_arrived(struct books *b, struct slice ledger)
{
    struct session_count *sessions = NULL;
    size_t room = 0;
    struct books_message *m;
    while (ledger.len > 0) {
        struct slice line = slice_cut(&ledger, '\n');
        struct books_rcpt *r = read_ledger_line(b, &line, &m);
        if (!r)
            continue;
        b->arrivals++;
        b->duplicates += r->arrivals++ > 0;
        uint64_t session;
        slice_cut(&line, '\t'); // the time
        struct slice listener = slice_cut(&line, '\t');
        CHECK(slice_to_u64(slice_cut(&line, '\t'), UINT32_MAX, &session));
        count_in_session(b, &sessions, &room, m, listener, session);
    }
    free(sessions);
}

// A member of a JSON object without its quotes; no value that is asked for here needs escapes.
static struct slice member(struct slice line, const char *name)
{
    char key[32];
    size_t key_len = (size_t)snprintf(key, sizeof(key), "\"%s\":", name);
    const char *at = memmem(line.data, line.len, key, key_len);
    if (!at)
        return SLICE_EMPTY;
    struct slice rest = slice_skip(line, (size_t)(at - line.data) + key_len);
    rest = slice_trim(rest);
    if (rest.len > 0 && rest.data[0] == '"') {
        rest = slice_skip(rest, 1);
        return slice_cut(&rest, '"');
    }
    size_t end = 0;
    while (end < rest.len && rest.data[end] != ',' && rest.data[end] != '}')
        end++;
    return slice_take(rest, end);
}

static void read_event(struct books *b, struct slice line)
{
    struct books_message *m;
    struct books_rcpt *r = find_rcpt(b, member(line, "recipient"), &m);
    struct slice what = member(line, "event"), id = member(line, "id");
    uint64_t attempt = 0;
    if (!r)
        return;
    if (!m->known)
        copy_text(m->engine_id, sizeof(m->engine_id), id);
    m->known = true;
    if (!slice_equal(id, slice_of_text(m->engine_id)))
        books_complain(b, "%s: under two ids", r->address);
    if (r->delivered + r->failed > 0)
        books_complain(b, "%s: an event after its last: %.*s", r->address, SLICE_ARG(line));
    slice_to_u64(member(line, "attempt"), UINT16_MAX, &attempt);
    if (attempt != ++r->attempts)
        books_complain(b, "%s: attempt %u is told as %" PRIu64, r->address, r->attempts, attempt);
    r->delivered += slice_equal(what, SLICE("delivered"));
    r->failed += slice_equal(what, SLICE("failed"));
    if (member(line, "text").len == 0)
        books_complain(b, "%s: %.*s without a reason", r->address, SLICE_ARG(what));
    bool in_doubt = slice_equal(member(line, "in-doubt"), SLICE("true"));
    r->in_doubt += in_doubt;
    b->in_doubt += in_doubt;
}

void books_read_events(struct books *b, struct slice events)
{
    while (slice_find(events, '\n') < events.len) // a stop at once may cut the last line off
        read_event(b, slice_cut(&events, '\n'));
    if (events.len > 0 && has_all_events(b))
        books_complain(b, "half an event: %.*s", SLICE_ARG(events));
}

// --- the audit

// What must hold at any time, however it ended.
static void audit_rcpt(struct books *b, const struct books_rcpt *r)
{
    // A first copy without a word of it would be a second one later.
    if (has_all_events(b) && r->arrivals > r->delivered + r->in_doubt)
        books_complain(b, "%s: arrived %u times; %u delivered, %u in doubt", r->address,
                       r->arrivals, r->delivered, r->in_doubt);
    if (r->delivered > r->arrivals)
        books_complain(b, "%s: is told to be delivered, and never arrived", r->address);
}

// Everything has come to its end: delivered or failed, for all recipients that were accepted.
static void audit_drained(struct books *b, const struct books_message *m,
                          const struct books_rcpt *r)
{
    bool accepted = m->acknowledged ? r->acknowledged : r->attempts > 0;
    if (accepted && r->delivered + r->failed != 1)
        books_complain(b, "%s: accepted, and then neither delivered nor failed", r->address);
    if (!accepted && r->attempts > 0)
        books_complain(b, "%s: tried though refused", r->address);
}

struct tally {
    uint64_t delivered, failed;
    uint64_t done;    // acknowledged messages all of whose recipients have come to an end
    uint64_t unknown; // messages that the client heard nothing of, and the engine told of
};

static void audit_message(struct books *b, const struct books_message *m, struct tally *t)
{
    bool done = m->acknowledged;
    for (uint32_t i = 0; i < m->rcpt_count; i++) {
        const struct books_rcpt *r = &m->rcpts[i];
        audit_rcpt(b, r);
        if (b->plan->end == END_DRAINED)
            audit_drained(b, m, r);
        t->delivered += r->delivered;
        t->failed += r->failed;
        done &= !r->acknowledged || r->delivered + r->failed > 0;
    }
    t->done += done;
    t->unknown += m->known && !m->acknowledged;
}

// The counters of what was told.
static void audit_events(struct books *b, const struct counters *sum, const struct tally *t)
{
    if (sum->deliver.delivered != t->delivered || sum->deliver.failed != t->failed ||
        sum->deliver.in_doubt != b->in_doubt)
        books_complain(b, "counters and events differ");
    if (sum->events_dropped > 0)
        books_complain(b, "%" PRIu64 " events are lost", sum->events_dropped);
    // Accepted is accepted: what has not come to its end is left, and counted.
    uint64_t ended = sum->messages - sum->messages_left;
    if (ended < t->done || ended > t->done + t->unknown)
        books_complain(b,
                       "%" PRIu64 " messages are left of %" PRIu64 ", but %" PRIu64 " to %" PRIu64
                       " have come to their end",
                       sum->messages_left, sum->messages, t->done, t->done + t->unknown);
}

void books_audit(struct books *b, const struct counters *sum)
{
    struct tally t = {0};
    for (uint32_t i = 1; i <= b->plan->message_count; i++)
        audit_message(b, &b->messages[i], &t);
    if (has_all_events(b))
        audit_events(b, sum, &t);
    if (b->arrivals > sum->deliver.delivered + sum->deliver.in_doubt ||
        sum->deliver.delivered > b->arrivals)
        books_complain(b, "%" PRIu64 " arrivals, %" PRIu64 " delivered, %" PRIu64 " in doubt",
                       b->arrivals, sum->deliver.delivered, sum->deliver.in_doubt);
    uint64_t ends = sum->deliver.delivered + sum->deliver.failed;
    if (b->plan->end == END_DRAINED && (sum->messages_left > 0 || sum->recipients != ends))
        books_complain(b, "%" PRIu64 " recipients accepted, %" PRIu64 " came to their end",
                       sum->recipients, ends);
    if ((sum->recipients == ends) != (sum->messages_left == 0))
        books_complain(b, "%" PRIu64 " messages left, recipients say otherwise",
                       sum->messages_left);
}
