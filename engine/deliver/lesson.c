// What a site's answers teach us of how much it takes (policy/throttle.h), and what people hear of
// that: a log line each time.

#include "engine/base/log.h"
#include "engine/deliver/parts.h"

#include <stdio.h>

#define SERVES_US (UINT64_C(60) * 1000 * 1000)

static const char *site_name(const struct site *s)
{
    return s->group ? s->group->rule->name : s->set->hosts[0].name;
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

// --- what is told

// `why`: NULL when it is faster from now on.
static void tell(struct deliver *d, struct site *s, const struct failure *why)
{
    uint64_t rate = site_throttle(s)->rate; // messages in a thousand seconds; 0: as it takes them
    uint32_t most = throttle_connections(&s->allowance.throttle, io_now_us(d->io));
    char pace[64] = "as many messages as it takes", connections[32] = "";
    if (rate > 0)
        snprintf(pace, sizeof(pace), "%llu.%llu messages a second",
                 (unsigned long long)(rate / 1000), (unsigned long long)(rate % 1000 / 100));
    if (most != UINT32_MAX)
        snprintf(connections, sizeof(connections), ", %u connections", most);
    if (why)
        log_line(LOG_LEVEL_INFO, "site %s: %s%s, since it says: %u %.*s", site_name(s), pace,
                 connections, why->code, (int)why->text_len, why->text);
    else
        log_line(LOG_LEVEL_DEBUG, "site %s: %s%s, since it takes them", site_name(s), pace,
                 connections);
}

// --- what is learned

void lesson_taken(struct deliver *d, struct site *s)
{
    s->took_us = io_now_us(d->io);
    own_answers(s);
    if (throttle_takes(site_throttle(s), io_now_us(d->io)))
        tell(d, s, NULL);
}

bool lesson_serves(const struct deliver *d, const struct site *s)
{
    return s->took_us > 0 && io_now_us(d->io) - s->took_us < SERVES_US;
}

void lesson_answered(struct deliver *d, struct site *s, enum smtp_phase phase,
                     const struct failure *why, uint64_t began_us)
{
    struct throttle *t = site_throttle(s);
    own_answers(s);
    if (!throttle_is_complaint(phase, why->code, why->enhanced,
                               slice_make(why->text, why->text_len))) {
        throttle_answers(t);
    } else if (throttle_complains(t, began_us, io_now_us(d->io))) {
        s->complaint = *why;
        tell(d, s, why);
    }
}

void lesson_back_off(struct deliver *d, struct site *s, const struct failure *why, uint64_t for_us)
{
    if (!throttle_back_off(site_throttle(s), io_now_us(d->io), for_us))
        return;
    s->complaint = *why;
    tell(d, s, why);
}

void lesson_connection_refused(struct deliver *d, struct site *s, const struct failure *why)
{
    struct throttle *t = &s->allowance.throttle;
    uint64_t now_us = io_now_us(d->io);
    bool is_news = throttle_connections(t, now_us) != s->open_count;
    throttle_refuses_connection(t, s->open_count, now_us);
    s->complaint = *why;
    if (is_news)
        tell(d, s, why);
}
