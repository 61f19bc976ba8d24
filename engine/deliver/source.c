#include "engine/deliver/source.h"

#include "engine/base/check.h"
#include "engine/base/log.h"
#include "engine/deliver/parts.h"

#include <stdlib.h>

// An address that this host does not have may be given to it later.
#define FAILS_US (UINT64_C(60) * 1000 * 1000)
// What can be used again within this is worth keeping.
#define SOON_US (UINT64_C(2) * 1000 * 1000)

// A source at one site, or at all sites of a group.
struct source_use {
    struct source_use *next;              // in its book
    const struct source *source;          // NULL: the kernel's choice
    struct counted messages, connections; // its rates
    uint32_t open_count;                  // connections, not being closed
    uint64_t suspended_until_us;
    struct failure why; // it is suspended
    bool in_suspended;  // in deliver.suspended, with the next:
    struct source_use *suspended_next;
};

const char *source_name(const struct source *s)
{
    return s ? s->name : "";
}

// --- books

static const struct rate_limits no_rates;

static bool use_renew(struct source_use *u, const struct source *s)
{
    u->source = s;
    return counted_renew(&u->messages, s ? &s->rates : &no_rates) &&
           counted_renew(&u->connections, s ? &s->connection_rates : &no_rates);
}

static void use_free(struct source_use *u)
{
    counted_release(&u->messages);
    counted_release(&u->connections);
    free(u);
}

static void suspended_remove(struct deliver *d, const struct source_use *u)
{
    struct source_use **at = &d->suspended;
    while (*at && *at != u)
        at = &(*at)->suspended_next;
    if (*at)
        *at = u->suspended_next;
}

void source_book_release(struct deliver *d, struct source_book *b)
{
    while (b->first) {
        struct source_use *u = b->first;
        b->first = u->next;
        if (u->in_suspended)
            suspended_remove(d, u);
        use_free(u);
    }
}

bool source_book_print(struct source_book *b, struct buffer *out, const struct rate_clock *clock)
{
    bool is_ok = true;
    for (struct source_use *u = b->first; u && is_ok; u = u->next) {
        const struct rest rest = {u->suspended_until_us, u->why.code};
        is_ok = counted_print(&u->messages, out, clock) &&
                counted_print(&u->connections, out, clock) &&
                rate_memory_print_rest(out, u->messages.place, REST_OF_SOURCE, rest, clock);
    }
    return is_ok;
}

static struct source_book *book_of(struct site *s)
{
    return s->group ? &s->group->sources : &s->own_sources;
}

static uint64_t place_of(const struct site *s, const struct source *source)
{
    uint64_t site = s->group ? s->group->place : s->place;
    return slice_hash(slice_of_text(source_name(source)), site);
}

static void list_suspended(struct deliver *d, struct source_use *u)
{
    if (u->in_suspended)
        return;
    u->in_suspended = true;
    u->suspended_next = d->suspended;
    d->suspended = u;
}

// What was counted and said before the engine's last start.
static void use_remember(struct deliver *d, struct source_use *u, uint64_t place)
{
    const struct rate_memory *memory = d->o.rate_memory;
    struct rest rest;
    counted_remember(&u->messages, memory, place, RATE_OF_MESSAGES);
    counted_remember(&u->connections, memory, place, RATE_OF_CONNECTIONS);
    if (!rate_memory_recall_rest(memory, place, REST_OF_SOURCE, &rest) ||
        rest.until_us <= io_now_us(d->io))
        return;
    u->suspended_until_us = rest.until_us;
    failure_set(&u->why, rest.code, (struct enhanced_code){0},
                SLICE("refused before the engine's last start"));
    list_suspended(d, u);
}

// NULL without memory.
static struct source_use *book_use(struct deliver *d, struct site *s, const struct source *source)
{
    struct source_book *b = book_of(s);
    struct source_use *u = b->first;
    while (u && strcmp(source_name(u->source), source_name(source)) != 0)
        u = u->next;
    if (u)
        return u;
    u = calloc(1, sizeof(*u));
    if (u && !use_renew(u, source)) {
        use_free(u);
        u = NULL;
    }
    if (!u)
        return NULL;
    use_remember(d, u, place_of(s, source));
    u->next = b->first;
    b->first = u;
    return u;
}

// --- a site's

static const struct source *listed(const struct source_list *list, uint32_t i)
{
    return list->count > 0 ? list->items[i].found : NULL;
}

static uint32_t listed_count(const struct source_list *list)
{
    return list->count > 0 ? list->count : 1;
}

bool sources_init(struct deliver *d, struct site *s, const struct source_list *list)
{
    uint32_t count = listed_count(list);
    s->sources = calloc(count, sizeof(*s->sources));
    s->source_count = s->sources ? count : 0;
    for (uint32_t i = 0; i < s->source_count; i++) {
        s->sources[i].use = book_use(d, s, listed(list, i));
        if (!s->sources[i].use) {
            sources_release(d, s);
            return false;
        }
    }
    return s->sources;
}

void sources_release(struct deliver *d, struct site *s)
{
    source_book_release(d, &s->own_sources);
    free(s->sources);
    s->sources = NULL;
    s->source_count = 0;
}

bool sources_are(const struct site *s, const struct source_list *list)
{
    if (s->source_count != listed_count(list))
        return false;
    for (uint32_t i = 0; i < s->source_count; i++)
        if (strcmp(source_name(s->sources[i].use->source), source_name(listed(list, i))) != 0)
            return false;
    return true;
}

bool sources_renew(struct site *s, const struct source_list *list)
{
    bool is_good = true;
    for (uint32_t i = 0; i < s->source_count; i++)
        if (s->sources[i].use->source != listed(list, i))
            is_good = use_renew(s->sources[i].use, listed(list, i)) && is_good;
    return is_good;
}

// --- what may leave

// Nothing is counted for it, and it is not suspended.
static bool is_free(const struct source_use *u, uint64_t now_us)
{
    return !u->source && u->suspended_until_us <= now_us;
}

static bool site_is_free(const struct site *s, uint64_t now_us)
{
    return s->source_count == 1 && is_free(s->sources[0].use, now_us);
}

static uint64_t if_later(uint64_t due_us, uint64_t now_us)
{
    return due_us > now_us ? due_us : 0;
}

static struct source_offer offer_of(struct source_use *u, uint64_t now_us)
{
    uint32_t most = u->source ? u->source->connections : UINT32_MAX;
    uint32_t left = u->open_count < most ? most - u->open_count : 0;
    uint32_t by_rate = counted_room(&u->connections, now_us);
    return (struct source_offer){
        .families = source_families(u->source),
        .suspended = u->suspended_until_us > now_us,
        .suspended_to_us = u->suspended_until_us,
        .messages = counted_room(&u->messages, now_us),
        .connections = left < by_rate ? left : by_rate,
        .messages_due_us = if_later(counted_due_us(&u->messages, now_us), now_us),
        .connections_due_us = if_later(counted_due_us(&u->connections, now_us), now_us),
    };
}

static void make_offers(struct deliver *d, struct site *s, struct source_offer offers[SOURCES_MAX])
{
    uint64_t now_us = io_now_us(d->io);
    CHECK(s->source_count <= SOURCES_MAX);
    for (uint32_t i = 0; i < s->source_count; i++)
        offers[i] = offer_of(s->sources[i].use, now_us);
}

struct source_sum sources_sum(struct deliver *d, struct site *s)
{
    struct source_offer offers[SOURCES_MAX];
    if (site_is_free(s, io_now_us(d->io)))
        return (struct source_sum){.families = SOURCE_ANY,
                                   .families_now = SOURCE_ANY,
                                   .messages = UINT32_MAX,
                                   .connections = UINT32_MAX};
    make_offers(d, s, offers);
    return source_sum(offers, s->source_count);
}

static uint32_t use_messages(const struct source_use *u, uint64_t now_us)
{
    return u->suspended_until_us > now_us ? 0 : counted_room(&u->messages, now_us);
}

uint32_t sources_messages(struct deliver *d, struct site *s)
{
    uint64_t now_us = io_now_us(d->io), sum = 0;
    for (uint32_t i = 0; i < s->source_count; i++)
        sum += use_messages(s->sources[i].use, now_us);
    return sum < UINT32_MAX ? (uint32_t)sum : UINT32_MAX;
}

bool sources_may_start(struct deliver *d, struct site *s)
{
    uint64_t now_us = io_now_us(d->io);
    for (uint32_t i = 0; i < s->source_count; i++)
        if (s->sources[i].willing_count > 0 && use_messages(s->sources[i].use, now_us) > 0)
            return true;
    return false;
}

static struct source_use *use_of(const struct conn *c)
{
    CHECK(c->source < c->site->source_count);
    return c->site->sources[c->source].use;
}

bool source_serves(struct deliver *d, const struct conn *c)
{
    return use_messages(use_of(c), io_now_us(d->io)) > 0;
}

uint32_t sources_spare(struct deliver *d, struct site *s)
{
    uint64_t now_us = io_now_us(d->io);
    uint32_t spare = 0;
    for (uint32_t i = 0; i < s->source_count; i++)
        if (s->sources[i].spare_count > 0 && use_messages(s->sources[i].use, now_us) > 0)
            spare += s->sources[i].spare_count;
    return spare;
}

uint64_t sources_due_us(struct deliver *d, struct site *s)
{
    struct source_sum sum = sources_sum(d, s);
    return sum.messages_due_us ? sum.messages_due_us : sum.connections_due_us;
}

uint32_t sources_connections(struct deliver *d, struct site *s)
{
    uint32_t more = sources_sum(d, s).connections;
    return more < UINT32_MAX - s->open_count ? s->open_count + more : UINT32_MAX;
}

bool sources_are_limited(const struct deliver *d, const struct site *s)
{
    return !site_is_free(s, io_now_us(d->io));
}

uint32_t sources_choose(struct deliver *d, struct site *s, const struct io_address *peer)
{
    struct source_offer offers[SOURCES_MAX];
    if (site_is_free(s, io_now_us(d->io)))
        return 0;
    make_offers(d, s, offers);
    uint32_t chosen = source_choose(offers, s->source_count, source_family_of(peer),
                                    s->source_turn);
    if (chosen < SOURCES_MAX)
        s->source_turn = chosen + 1;
    return chosen;
}

// --- what has left

const struct source *conn_source(const struct conn *c)
{
    return use_of(c)->source;
}

void source_connection_opens(struct deliver *d, struct conn *c)
{
    struct source_use *u = use_of(c);
    u->open_count++;
    c->site->sources[c->source].spare_count++;
    counted_add(&u->connections, io_now_us(d->io));
}

void source_counts(const struct conn *c, int spare, int open)
{
    c->site->sources[c->source].spare_count += (uint32_t)spare;
    use_of(c)->open_count += (uint32_t)open;
}

bool source_has_too_many(const struct conn *c)
{
    const struct source_use *u = use_of(c);
    return u->source && u->open_count > u->source->connections;
}

uint32_t source_messages_max(const struct conn *c)
{
    const struct source *source = conn_source(c);
    uint32_t most = c->site->limits.messages_per_connection;
    return source && source->messages_per_connection < most ? source->messages_per_connection
                                                            : most;
}

void source_message_begins(struct deliver *d, struct conn *c)
{
    counted_add(&use_of(c)->messages, io_now_us(d->io));
}

// --- suspended

bool sources_are_suspended(struct deliver *d, struct site *s)
{
    return sources_are_limited(d, s) && sources_sum(d, s).all_suspended;
}

bool source_is_suspended(const struct deliver *d, const struct conn *c)
{
    return use_of(c)->suspended_until_us > io_now_us(d->io);
}

static const char *print_name(const struct source *s)
{
    return s ? s->name : "of the kernel's choice";
}

static void use_suspend(struct deliver *d, struct site *s, struct source_use *u, uint64_t for_us,
                        const struct failure *why)
{
    uint64_t until_us = io_now_us(d->io) + for_us;
    if (until_us > u->suspended_until_us) { // of several the longest holds, and is told of
        u->suspended_until_us = until_us;
        u->why = *why;
    }
    list_suspended(d, u);
    d->rest_count++;
    dispatch_site(d, s);
    if (s->group)
        group_source_suspended(d, s->group, u);
    if (s->borrowed) // its owner may have another one, or waits
        lend_give_back_all(d, s);
}

void source_suspend(struct deliver *d, struct conn *c, uint64_t for_us, const struct failure *why)
{
    struct source_use *u = use_of(c);
    bool is_news = u->suspended_until_us <= io_now_us(d->io);
    use_suspend(d, c->site, u, for_us, why);
    if (is_news)
        lesson_source_suspended(d, c->site, print_name(u->source), for_us, why);
}

void source_fails(struct deliver *d, struct site *s, uint32_t source, int error)
{
    struct source_use *u = s->sources[source].use;
    struct failure why;
    failure_set(&why, 0, (struct enhanced_code){4, 4, 1}, slice_of_text(strerrordesc_np(-error)));
    use_suspend(d, s, u, FAILS_US, &why);
    log_line(LOG_LEVEL_WARNING, "source %s: not on this host, and not used for a minute: %s",
             print_name(u->source), strerrordesc_np(-error));
}

// It keeps another one from being opened, and will not be used soon.
static bool is_in_the_way(struct deliver *d, const struct conn *c)
{
    uint64_t now_us = io_now_us(d->io);
    return counted_due_us(&use_of(c)->messages, now_us) > now_us + SOON_US &&
           c->site->ready_count > 0 && sources_messages(d, c->site) > 0;
}

void sources_prune(struct deliver *d, struct site *s)
{
    if (!sources_are_limited(d, s))
        return;
    for (struct conn *c = s->willing_first, *next; c; c = next) {
        next = c->next;
        bool suspended = source_is_suspended(d, c);
        if (c->state == CONN_IDLE && (suspended || is_in_the_way(d, c)))
            attempt_quit(d, c);
        else if (suspended)
            conn_look_willing(d, c);
    }
}

void sources_sweep(struct deliver *d)
{
    for (struct source_use **at = &d->suspended; *at;) {
        struct source_use *u = *at;
        if (u->suspended_until_us > io_now_us(d->io)) {
            at = &u->suspended_next;
            continue;
        }
        u->in_suspended = false;
        *at = u->suspended_next;
    }
}

uint32_t sources_suspended_count(const struct deliver *d)
{
    uint32_t count = 0;
    for (const struct source_use *u = d->suspended; u; u = u->suspended_next)
        count += u->suspended_until_us > io_now_us(d->io);
    return count;
}

// --- what is said of them

struct reason sources_reason(struct deliver *d, struct site *s)
{
    struct source_sum sum = sources_sum(d, s);
    uint64_t now_us = io_now_us(d->io);
    if (sum.all_suspended)
        return (struct reason){REASON_SOURCE_SUSPENDED, sum.suspended_to_us};
    if (sum.messages == 0 && sum.messages_due_us > now_us)
        return (struct reason){REASON_MESSAGE_RATE, sum.messages_due_us};
    if (s->open_count == 0 && sum.connections == 0)
        return sum.connections_due_us > now_us
                   ? (struct reason){REASON_CONNECTION_RATE, sum.connections_due_us}
                   : (struct reason){REASON_CONNECTION_LIMIT, 0};
    return (struct reason){REASON_NONE, 0};
}

struct suspension sources_suspension(const struct deliver *d, const struct site *s)
{
    const struct source_use *first = NULL;
    for (uint32_t i = 0; i < s->source_count; i++) {
        const struct source_use *u = s->sources[i].use;
        if (u->suspended_until_us > io_now_us(d->io) &&
            (!first || u->suspended_until_us < first->suspended_until_us))
            first = u;
    }
    if (!first)
        return (struct suspension){.why = NULL};
    return (struct suspension){&first->why, first->source, first->suspended_until_us};
}

static uint64_t later(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

// A group that is configured stays in any case.
uint64_t sources_kept_until_us(const struct site *s, uint64_t now_us)
{
    uint64_t latest_us = now_us;
    bool in_sisters = s->group && s->group->is_of_sisters;
    const struct source_book *b = in_sisters ? &s->group->sources : &s->own_sources;
    for (const struct source_use *u = b->first; u; u = u->next) {
        latest_us = later(latest_us, u->suspended_until_us);
        latest_us = later(latest_us, counted_end_us(&u->messages, now_us));
        latest_us = later(latest_us, counted_end_us(&u->connections, now_us));
    }
    return latest_us;
}
