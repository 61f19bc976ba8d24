#include "tests/sim/engine_books.h"

#include "engine/base/check.h"
#include "engine/message/recode.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define COMPLAINTS_TOLD_MAX 10
#define WORLD_WALL_START_S 1767225600u // the clock of every world begins then

void books_init(struct books *b, const struct plan *p)
{
    *b = (struct books){.plan = p};
    b->messages = calloc(p->message_count + 1u, sizeof(*b->messages));
    CHECK(b->messages);
}

void books_release(struct books *b)
{
    free(b->nameless);
    for (uint32_t i = 0; i <= b->plan->message_count; i++)
        for (uint32_t nth = 0; nth < PLAN_RCPTS_MAX; nth++)
            free(b->messages[i].rcpts[nth].told);
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

// What is said of it is the message's own, not that it can be read: tests/recode_test.c.
static void hash_7bit(const struct load_message *m, struct load_author *author,
                      char hex[SHA256_HEX_BYTES])
{
    const struct content *c = &m->transaction.content;
    size_t bytes = content_bytes(c), len = 0;
    uint8_t digest[SHA256_BYTES];
    char *content = malloc(bytes);
    CHECK(content);
    for (unsigned i = 0; i < c->piece_count; i++) {
        struct slice piece = slice_skip(c->pieces[i], i == 0 ? m->wishes_bytes : 0);
        memcpy(content + len, piece.data, piece.len);
        len += piece.len;
    }
    size_t room = recode_room(slice_make(content, len));
    char *out = malloc(room);
    CHECK(out && recode(slice_make(content, len), out, room, &len) == RECODE_DONE);
    sha256_start(author->hash);
    sha256_add(author->hash, slice_make(out, len));
    sha256_end(author->hash, digest);
    sha256_hex(digest, hex);
    free(content);
    free(out);
}

void books_started(struct books *b, const struct load_message *m, struct load_author *author)
{
    CHECK(m->number > 0 && m->number <= b->plan->message_count);
    struct books_message *n = &b->messages[m->number];
    n->started = true;
    n->rcpt_count = m->transaction.rcpt_count;
    n->has_sender = m->transaction.sender.len > 0;
    copy_text(n->id, sizeof(n->id), m->id);
    load_message_hash(m, author, n->hex);
    hash_7bit(m, author, n->hex_7bit);
    for (uint32_t i = 0; i < n->rcpt_count; i++)
        copy_text(n->rcpts[i].address, sizeof(n->rcpts[i].address),
                  m->transaction.rcpts[i].address);
}

// "2026-01-01T00:00:12.345Z" since the world began.
static uint64_t parse_time_us(struct slice text)
{
    struct tm tm = {0};
    char copy[32];
    copy_text(copy, sizeof(copy), text);
    const char *rest = strptime(copy, "%Y-%m-%dT%H:%M:%S.", &tm);
    CHECK(rest);
    uint64_t seconds = (uint64_t)timegm(&tm) - WORLD_WALL_START_S;
    return seconds * 1000000 + strtoull(rest, NULL, 10) * 1000;
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

static bool is_of_report(struct slice address)
{
    slice_cut(&address, '@');
    return slice_equal(address, SLICE(PLAN_SENDER_DOMAIN));
}

// An exchanger that is known to take no 8-bit content has had none; one that is not understood may
// have been taken for such.
static bool content_is_good(const struct books_message *m, struct slice hex,
                            const struct sink_plan *sink)
{
    if (sink && slice_equal(hex, slice_of_text(m->hex_7bit)))
        return true;
    bool takes_8bit = !sink || sink->smtp.eightbitmime || strcmp(m->hex, m->hex_7bit) == 0;
    return takes_8bit && slice_equal(hex, slice_of_text(m->hex));
}

// `sink`: whose ledger it is; NULL: a load's.
static struct books_rcpt *read_ledger_line(struct books *b, struct slice *line,
                                           const struct sink_plan *sink,
                                           struct books_message **ret_message)
{
    struct slice address = slice_cut(line, '\t');
    struct slice id = slice_cut(line, '\t'), hex = slice_cut(line, '\t');
    struct books_rcpt *r = find_rcpt(b, address, ret_message);
    if (!r)
        return NULL;
    if (!slice_equal(id, slice_of_text((*ret_message)->id)))
        books_complain(b, "%s: in another message, %.*s", r->address, SLICE_ARG(id));
    if (!content_is_good(*ret_message, hex, sink))
        books_complain(b, "%s: the content has changed", r->address);
    return r;
}

void books_read_acknowledged(struct books *b, struct slice ledger)
{
    struct books_message *m;
    while (ledger.len > 0) {
        struct slice line = slice_cut(&ledger, '\n');
        struct books_rcpt *r = read_ledger_line(b, &line, NULL, &m);
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

// Whose connection was it?
static uint32_t life_of_session(const struct books *b, uint32_t sink, uint64_t session)
{
    uint32_t life = 0;
    while (life + 1 < b->life_count && session > b->lives[life].sessions[sink])
        life++;
    return life;
}

static void seen(struct books_rcpt_life *l, uint64_t us)
{
    if (l->first_us == 0 || us < l->first_us)
        l->first_us = us;
}

static void count_arrival(struct books *b, struct books_rcpt *r, uint32_t life, uint64_t us)
{
    struct books_rcpt_life *l = &r->lives[life];
    b->arrivals++;
    b->duplicates += r->arrivals++ > 0;
    l->arrivals++;
    if (us > l->last_arrival_us)
        l->last_arrival_us = us;
    seen(l, us);
}

void books_read_arrived(struct books *b, struct slice ledger, uint32_t sink)
{
    struct session_count *sessions = NULL;
    size_t room = 0;
    struct books_message *m;
    while (ledger.len > 0) {
        struct slice line = slice_cut(&ledger, '\n');
        if (is_of_report(slice_take(line, slice_find(line, '\t')))) {
            b->arrivals++; // what it says: books_read_report()
            continue;
        }
        struct books_rcpt *r = read_ledger_line(b, &line, &b->plan->sinks[sink], &m);
        if (!r)
            continue;
        uint64_t session, us = parse_time_us(slice_cut(&line, '\t'));
        struct slice listener = slice_cut(&line, '\t');
        CHECK(slice_to_u64(slice_cut(&line, '\t'), UINT32_MAX, &session));
        count_in_session(b, &sessions, &room, m, listener, session);
        count_arrival(b, r, life_of_session(b, sink, session), us);
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

// Each attempt is told of once. The end of a life may swallow the news of one, or the results of
// all that were made since the last sync. A job that an operator calls back between its recipients
// counts an attempt for those that had none yet, each time.
static void check_attempt(struct books *b, struct books_rcpt *r, struct slice line, uint32_t life)
{
    uint64_t attempt = 0, tolerance = life - r->attempts_life + b->unread;
    tolerance += b->holds;
    slice_to_u64(member(line, "attempt"), UINT16_MAX, &attempt);
    if (attempt == 0 || attempt > r->attempts + 1 + tolerance ||
        (attempt < r->attempts + 1 && life == r->attempts_life))
        books_complain(b, "%s: attempt %u is told as %" PRIu64, r->address, r->attempts + 1,
                       attempt);
    r->attempts = (uint32_t)attempt;
    r->attempts_life = life;
}

// What was deferred is not tried before it is due, but for an operator's orders; the delay is told
// in whole seconds, rounded up.
static void check_due(struct books *b, struct books_rcpt *r, struct slice line, uint32_t life,
                      uint64_t us)
{
    uint64_t delay_s = 0;
    bool same_life = life == r->attempts_life;
    bool ordered = b->plan->operates && (b->plan->retries || b->plan->purges || b->plan->bounces);
    if (!ordered && same_life && r->due_us > 0 && us + 1001000 < r->due_us)
        books_complain(b, "%s: tried %" PRIu64 " ms before it is due", r->address,
                       (r->due_us - us) / 1000);
    slice_to_u64(member(line, "delay"), UINT32_MAX, &delay_s);
    r->due_us = delay_s > 0 ? us + delay_s * 1000000 : 0;
}

static bool told_nameless(const struct books *b, uint64_t hash)
{
    for (uint32_t i = 0; i < b->unread; i++)
        if (b->nameless[i] == hash)
            return true;
    return false;
}

// The disk did not give the message, or there was no memory for it: its recipients are not known by
// name.
static void read_nameless(struct books *b, struct slice line)
{
    uint64_t hash = slice_hash(member(line, "event-id"), 0);
    if (told_nameless(b, hash))
        return;
    if (b->unread == b->nameless_room) {
        b->nameless_room = b->nameless_room ? 2 * b->nameless_room : 64;
        b->nameless = reallocarray(b->nameless, b->nameless_room, sizeof(*b->nameless));
        CHECK(b->nameless);
    }
    b->nameless[b->unread] = hash;
    const struct plan *p = b->plan;
    if (p->world.faults.read_failure + p->disk.fail_nth == 0 && !p->memory_is_short)
        books_complain(b, "a nameless event: %.*s", SLICE_ARG(line));
    b->unread++;
    b->unread_failed += slice_equal(member(line, "event"), SLICE("failed"));
}

static void read_event_of_report(struct books *b, struct slice line)
{
    struct slice what = member(line, "event");
    if (member(line, "sender").len > 0)
        books_complain(b, "a report from somebody: %.*s", SLICE_ARG(line));
    b->reports_delivered += slice_equal(what, SLICE("delivered"));
    b->reports_failed += slice_equal(what, SLICE("failed"));
    b->in_doubt += slice_equal(member(line, "in-doubt"), SLICE("true"));
}

// "ID-RCPT-NUMBER": true when that was told before.
static bool told_before(struct books *b, struct books_rcpt *r, struct slice event_id)
{
    uint64_t number = 0;
    slice_cut(&event_id, '-');
    slice_cut(&event_id, '-');
    if (!slice_to_u64(event_id, UINT64_MAX, &number))
        books_complain(b, "%s: an event without an id", r->address);
    for (uint32_t i = 0; i < r->told_count; i++)
        if (r->told[i] == number)
            return true;
    if (r->told_count == r->told_room) {
        r->told_room = r->told_room ? 2 * r->told_room : 4;
        r->told = reallocarray(r->told, r->told_room, sizeof(*r->told));
        CHECK(r->told);
    }
    r->told[r->told_count++] = number;
    return false;
}

static void read_event(struct books *b, struct slice line, uint32_t life)
{
    struct books_message *m;
    struct slice what = member(line, "event"), id = member(line, "id");
    struct slice recipient = member(line, "recipient");
    if (slice_equal(what, SLICE("site"))) // it is about no message
        return;
    if (recipient.len == 0) {
        read_nameless(b, line);
        return;
    }
    if (is_of_report(recipient)) {
        read_event_of_report(b, line);
        return;
    }
    struct books_rcpt *r = find_rcpt(b, recipient, &m);
    if (!r)
        return;
    struct books_rcpt_life *l = &r->lives[life];
    if (told_before(b, r, member(line, "event-id")) ||
        told_nameless(b, slice_hash(member(line, "event-id"), 0)))
        return;
    if (!m->known)
        copy_text(m->engine_id, sizeof(m->engine_id), id);
    m->known = true;
    if (!slice_equal(id, slice_of_text(m->engine_id)))
        books_complain(b, "%s: under two ids", r->address);
    if (l->delivered + l->failed > 0)
        books_complain(b, "%s: an event after its last: %.*s", r->address, SLICE_ARG(line));
    uint64_t us = parse_time_us(member(line, "time"));
    check_due(b, r, line, life, us);
    check_attempt(b, r, line, life);
    bool delivered = slice_equal(what, SLICE("delivered"));
    bool failed = slice_equal(what, SLICE("failed"));
    bool in_doubt = slice_equal(member(line, "in-doubt"), SLICE("true"));
    if (member(line, "text").len == 0)
        books_complain(b, "%s: %.*s without a reason", r->address, SLICE_ARG(what));
    seen(l, us);
    if (delivered || failed)
        l->final_us = us;
    l->delivered += delivered;
    l->failed += failed;
    l->in_doubt += in_doubt;
    r->delivered += delivered;
    r->failed += failed;
    r->in_doubt += in_doubt;
    b->in_doubt += in_doubt;
}

void books_read_events(struct books *b, struct slice events, uint32_t life)
{
    const struct books_life *l = &b->lives[life];
    while (slice_find(events, '\n') < events.len) // the end may cut the last line off
        read_event(b, slice_cut(&events, '\n'), life);
    if (events.len > 0 && l->orderly && !l->cut_off)
        books_complain(b, "half an event: %.*s", SLICE_ARG(events));
}

// --- reports

// Behind the first `name` in *rest, up to the end of its line. Empty: there is none.
static struct slice next_field(struct slice *rest, const char *name)
{
    const char *at = memmem(rest->data, rest->len, name, strlen(name));
    if (!at) {
        *rest = SLICE_EMPTY;
        return SLICE_EMPTY;
    }
    *rest = slice_skip(*rest, (size_t)(at - rest->data) + strlen(name));
    return slice_trim(slice_take(*rest, slice_find(*rest, '\r')));
}

static void is_reported(struct books *b, struct books_rcpt *r, struct slice id)
{
    if (slice_equal(slice_of_text(r->report_id), id))
        return; // once more the same
    if (++r->reports > 1)
        books_complain(b, "%s: its sender is told twice, by %s and %.*s", r->address, r->report_id,
                       SLICE_ARG(id));
    copy_text(r->report_id, sizeof(r->report_id), id);
}

void books_read_report(struct books *b, struct slice mail)
{
    struct slice rest = mail, address;
    struct slice id = next_field(&rest, "\r\nMessage-ID:");
    uint32_t count = 0;
    while ((address = next_field(&rest, "\r\nFinal-Recipient: rfc822;")).len > 0) {
        struct books_message *m;
        struct books_rcpt *r = find_rcpt(b, address, &m);
        struct slice action = next_field(&rest, "\r\nAction:");
        if (!slice_equal(action, SLICE("failed")))
            books_complain(b, "%.*s: is told to be %.*s", SLICE_ARG(address), SLICE_ARG(action));
        if (r)
            is_reported(b, r, id);
        count++;
    }
    if (count == 0 || (b->plan->verp && count > 1))
        books_complain(b, "a report about %u, %.*s", count, SLICE_ARG(id));
}

void books_read_replay(struct books *b, struct slice events)
{
    while (slice_find(events, '\n') < events.len) {
        struct slice line = slice_cut(&events, '\n');
        uint64_t us = parse_time_us(member(line, "time"));
        uint32_t life = 0;
        while (life + 1 < b->life_count && us >= b->lives[life].end_us)
            life++;
        read_event(b, line, life);
    }
}

// --- what a life leaves

static void found_message(struct books *b, const struct survey_message *found, uint32_t life)
{
    for (uint32_t i = 0; i < found->rcpt_count; i++) {
        const struct survey_rcpt *f = &found->rcpts[i];
        struct books_message *m;
        if (is_of_report(f->address))
            continue;
        struct books_rcpt *r = find_rcpt(b, f->address, &m);
        if (!r)
            continue;
        struct books_rcpt_life *l = &r->lives[life];
        if (l->named)
            books_complain(b, "%s: is there twice, under two ids", r->address);
        l->named = true;
        l->over = f->final;
        l->has_failed = f->failed;
        l->seems_over = f->seems_final;
        l->doubt = f->doubt;
        b->left_in_doubt += l->doubt > 0;
    }
}

// What cannot be read back cannot be reported, and what an operator has dropped is not.
static void look_at_batches(struct books *b, const struct survey *s, uint32_t life)
{
    const struct plan *p = b->plan;
    bool unreadable = p->world.faults.read_failure + p->disk.fail_nth > 0;
    bool purged = p->operates && p->purges; // maybe: of that nobody is told
    if (s->untold_count > 0 && !unreadable && !purged)
        books_complain(b, "%.*s: life %u leaves %u who have failed without a report in that batch",
                       SLICE_ARG(s->untold), life, s->untold_count);
    if (s->early_count > 0)
        books_complain(b, "%.*s: life %u leaves %u said to have failed before that is recorded",
                       SLICE_ARG(s->untold), life, s->early_count);
    if (s->late_count > 0)
        books_complain(b,
                       "%.*s: life %u leaves %u who have failed, and a later copy that denies it",
                       SLICE_ARG(s->untold), life, s->late_count);
}

void books_life_over(struct books *b, const struct books_life *life, const struct survey *survey)
{
    uint32_t number = b->life_count++;
    CHECK(number < PLAN_LIVES_MAX);
    b->lives[number] = *life;
    b->moved += survey ? survey->state_count : 0;
    if (survey)
        look_at_batches(b, survey, number);
    for (uint32_t i = 0; survey && i < survey->message_count; i++)
        found_message(b, &survey->messages[i], number);
}
