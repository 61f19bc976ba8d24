// What a site's answers teach us of how much it takes (policy/throttle.h), and what people and
// programs hear of that: a log line and an event each time (change.h).

#include "engine/base/log.h"
#include "engine/deliver/parts.h"

#include <stdio.h>

#define SERVES_US (UINT64_C(60) * 1000 * 1000)

const char *site_name(const struct site *s)
{
    return s->group ? s->group->name : s->set->hosts[0].name;
}

// Where complaints are heeded: a group's are about all of it.
static struct throttle *site_throttle(struct site *s)
{
    return s->group ? &s->group->allowance.throttle : &s->allowance.throttle;
}

// A site in a group is known by itself, too: it begins with few messages.
static void own_answers(struct site *s)
{
    if (s->group)
        throttle_answers(&s->allowance.throttle);
}

// What made it slower stands where it counts, and with whom it came from.
static void keep_complaint(struct site *s, const struct failure *why)
{
    s->complaint = *why;
    if (s->group)
        s->group->complaint = *why;
}

// --- what is told

static uint64_t left_us(uint64_t until_us, uint64_t now_us)
{
    return until_us > now_us ? until_us - now_us : 0;
}

// With the connections that were told of last: more may have been tried meanwhile.
static struct site_use use_before(const struct deliver *d, struct site *s)
{
    const struct throttle *t = site_throttle(s);
    uint64_t now_us = io_now_us(d->io);
    return (struct site_use){
        .rate = t->rate,
        .connections = s->connections_told,
        .back_off_us = left_us(t->held_until_us, now_us),
        .rest_us = left_us(s->rests_until_us, now_us),
    };
}

static struct site_use use_now(const struct deliver *d, struct site *s)
{
    s->connections_told = throttle_connections(&s->allowance.throttle, io_now_us(d->io));
    return use_before(d, s);
}

const char *change_cause_word(enum change_cause c)
{
    switch (c) {
    case CHANGE_REPLY: return "reply";
    case CHANGE_CALM: return "calm";
    case CHANGE_UNREACHABLE: return "unreachable";
    case CHANGE_SERVES: break;
    }
    return "serves";
}

static void log_change(const struct deliver_change *c)
{
    char pace[64] = "as many messages as it takes", connections[32] = "", rest[48] = "";
    if (c->now.rate > 0)
        snprintf(pace, sizeof(pace), "%llu.%llu messages a second",
                 (unsigned long long)(c->now.rate / 1000),
                 (unsigned long long)(c->now.rate % 1000 / 100));
    if (c->now.connections != UINT32_MAX)
        snprintf(connections, sizeof(connections), ", %u connections", c->now.connections);
    if (c->now.rest_us > 0)
        snprintf(rest, sizeof(rest), ", nothing for %llu s",
                 (unsigned long long)(c->now.rest_us / 1000000));
    if (c->text_len > 0)
        log_line(LOG_LEVEL_INFO, "site %s: %s%s%s, since it says: %u %.*s", c->site, pace,
                 connections, rest, c->code, (int)c->text_len, c->text);
    else
        log_line(LOG_LEVEL_DEBUG, "site %s: %s%s%s, since it takes them", c->site, pace,
                 connections, rest);
}

// `why`: NULL where nobody has said anything.
static struct deliver_change change_of(struct deliver *d, struct site *s, struct site_use before,
                                       enum change_cause cause, const struct failure *why)
{
    struct deliver_change c = {.before = before, .now = use_now(d, s), .cause = cause};
    snprintf(c.site, sizeof(c.site), "%s", site_name(s));
    if (why) {
        c.code = why->code;
        c.enhanced = why->enhanced;
        c.text_len = why->text_len;
        memcpy(c.text, why->text, why->text_len);
    }
    return c;
}

static void keep_change(struct deliver *d, const struct deliver_change *c)
{
    if (d->change_count == CHANGES_KEPT) {
        d->counters.changes_left_out++;
        return;
    }
    d->changes[(d->change_first + d->change_count++) % CHANGES_KEPT] = *c;
}

static void tell(struct deliver *d, struct site *s, struct site_use before, enum change_cause cause,
                 const struct failure *why)
{
    struct deliver_change c = change_of(d, s, before, cause, why);
    if (cause != CHANGE_UNREACHABLE && cause != CHANGE_SERVES) // each message's deferral says it
        log_change(&c);
    keep_change(d, &c);
}

void lesson_source_suspended(struct deliver *d, struct site *s, const char *source, uint64_t for_us,
                             const struct failure *why)
{
    struct deliver_change c = change_of(d, s, use_before(d, s), CHANGE_REPLY, why);
    snprintf(c.source, sizeof(c.source), "%s", source);
    c.suspended_us = for_us;
    log_line(LOG_LEVEL_WARNING,
             "site %s: source %s is suspended for %llu s, since it says: %u %.*s", c.site, source,
             (unsigned long long)(for_us / 1000000), c.code, (int)c.text_len, c.text);
    keep_change(d, &c);
}

bool deliver_next_change(struct deliver *d, struct deliver_change *ret)
{
    if (d->change_count == 0)
        return false;
    *ret = d->changes[d->change_first];
    d->change_first = (d->change_first + 1) % CHANGES_KEPT;
    d->change_count--;
    return true;
}

// --- what is learned

void lesson_taken(struct deliver *d, struct site *s)
{
    struct site_use before = use_before(d, s);
    s->took_us = io_now_us(d->io);
    own_answers(s);
    bool faster = throttle_takes(site_throttle(s), io_now_us(d->io));
    if (faster || s->allowance.throttle.connections != s->connections_told)
        tell(d, s, before, CHANGE_CALM, NULL);
}

bool lesson_serves(const struct deliver *d, const struct site *s)
{
    return s->took_us > 0 && io_now_us(d->io) - s->took_us < SERVES_US;
}

void lesson_answered(struct deliver *d, struct site *s, enum smtp_phase phase,
                     const struct failure *why, uint64_t began_us)
{
    struct throttle *t = site_throttle(s);
    struct site_use before = use_before(d, s);
    own_answers(s);
    if (!throttle_is_complaint(phase, why->code, why->enhanced,
                               slice_make(why->text, why->text_len))) {
        throttle_answers(t);
    } else if (throttle_complains(t, began_us, io_now_us(d->io))) {
        keep_complaint(s, why);
        tell(d, s, before, CHANGE_REPLY, why);
    }
}

void lesson_back_off(struct deliver *d, struct site *s, const struct failure *why, uint64_t for_us)
{
    struct site_use before = use_before(d, s);
    if (!throttle_back_off(site_throttle(s), io_now_us(d->io), for_us))
        return;
    d->rest_count++;
    keep_complaint(s, why);
    if (before.back_off_us < for_us / 2) // else what was under way is told the same, reply by reply
        tell(d, s, before, CHANGE_REPLY, why);
}

void lesson_connection_refused(struct deliver *d, struct site *s, const struct failure *why)
{
    struct throttle *t = &s->allowance.throttle;
    struct site_use before = use_before(d, s);
    uint64_t now_us = io_now_us(d->io);
    bool is_news = throttle_connections(t, now_us) != s->open_count;
    throttle_refuses_connection(t, s->open_count, now_us);
    s->complaint = *why;
    if (is_news)
        tell(d, s, before, CHANGE_REPLY, why);
}

void lesson_unreachable(struct deliver *d, struct site *s)
{
    struct site_use before = use_before(d, s);
    site_rest(s, io_now_us(d->io), &d->dice);
    if (before.rest_us == 0)
        tell(d, s, before, CHANGE_UNREACHABLE, &s->failure);
}

void lesson_session_ready(struct deliver *d, struct site *s)
{
    struct site_use before = use_before(d, s);
    bool had_failed = s->failure_count > 0;
    site_serves(s);
    if (had_failed)
        tell(d, s, before, CHANGE_SERVES, NULL);
}
