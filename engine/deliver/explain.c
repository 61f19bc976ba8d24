#include "engine/deliver/explain.h"

#include "engine/base/check.h"
#include "engine/deliver/parts.h"

#include <stdlib.h>

// --- what a domain's mail was last deferred or refused for

struct setback {
    struct target *target;
    struct setback *newer, *older;
    size_t room; // of the texts
    enum reason_kind reason;
    uint16_t code;
    struct enhanced_code enhanced;
    uint16_t text_len;
    uint8_t host_len, address_len;
    char texts[]; // one behind the other
};

static void list_take(struct deliver *d, struct setback *s)
{
    if (s->newer)
        s->newer->older = s->older;
    else
        d->setback_newest = s->older;
    if (s->older)
        s->older->newer = s->newer;
    else
        d->setback_oldest = s->newer;
    d->setback_count--;
    d->setback_counts[s->reason]--;
}

static void list_add(struct deliver *d, struct setback *s)
{
    s->newer = NULL;
    s->older = d->setback_newest;
    if (s->older)
        s->older->newer = s;
    else
        d->setback_oldest = s;
    d->setback_newest = s;
    d->setback_count++;
    d->setback_counts[s->reason]++;
}

void setback_forget(struct deliver *d, struct target *t)
{
    if (!t->setback)
        return;
    list_take(d, t->setback);
    free(t->setback);
    t->setback = NULL;
}

void setbacks_release(struct deliver *d)
{
    while (d->setback_oldest)
        setback_forget(d, d->setback_oldest->target);
}

// Of the domain, with so much room; the one heard of longest ago makes way. NULL without memory.
static struct setback *setback_with_room(struct deliver *d, struct target *t, size_t room,
                                         enum reason_kind reason)
{
    struct setback *s = t->setback;
    if (s && s->room >= room) {
        list_take(d, s);
        s->reason = reason;
        list_add(d, s);
        return s;
    }
    setback_forget(d, t);
    if (d->setback_count == SETBACKS_MAX)
        setback_forget(d, d->setback_oldest->target);
    s = malloc(sizeof(*s) + room);
    if (!s)
        return NULL;
    s->room = room;
    s->target = t;
    s->reason = reason;
    t->setback = s;
    list_add(d, s);
    return s;
}

void setback_note(struct deliver *d, const struct job *j, const struct failure *why,
                  const struct attempt *at, bool in_doubt)
{
    struct target *t = job_target(j);
    if (atomic_load_explicit(&t->domain.owner, memory_order_relaxed) != d->o.worker)
        return; // its job was lent to us
    struct slice host = at ? slice_take(at->host, UINT8_MAX) : SLICE_EMPTY;
    struct slice address = at ? slice_take(at->address, IO_ADDRESS_TEXT_BYTES - 1) : SLICE_EMPTY;
    struct setback *s = setback_with_room(d, t, host.len + address.len + why->text_len,
                                          in_doubt ? REASON_IN_DOUBT : why->reason);
    if (!s)
        return; // nobody depends on it
    s->code = why->code;
    s->enhanced = why->enhanced;
    s->text_len = why->text_len;
    s->host_len = (uint8_t)host.len;
    s->address_len = (uint8_t)address.len;
    char *to = s->texts;
    to = host.len ? (char *)mempcpy(to, host.data, host.len) : to;
    to = address.len ? (char *)mempcpy(to, address.data, address.len) : to;
    memcpy(to, why->text, why->text_len);
}

// --- the look-up

static void cause_of_setback(struct explained_cause *c, const struct setback *s)
{
    const char *address = s->texts + s->host_len;
    failure_set(&c->failure, s->code, s->enhanced,
                slice_make(address + s->address_len, s->text_len));
    c->failure.reason = s->reason;
    memcpy(c->host, s->texts, s->host_len);
    c->host[s->host_len] = 0;
    memcpy(c->address, address, s->address_len);
    c->address[s->address_len] = 0;
}

// Why a whole connection failed the last time.
static void cause_of_site(struct explained_cause *c, const struct site *s)
{
    const struct mx_host *host = &s->set->hosts[s->failure_host];
    c->failure = s->failure;
    memcpy(c->host, host->name, host->len);
    c->host[host->len] = 0;
    io_address_print(&s->failure_peer, c->address);
}

static bool is_of_session(enum reason_kind r)
{
    return r == REASON_ADDRESS_RESTS || r == REASON_REFUSED_SESSION || r == REASON_TLS_REFUSED ||
           r == REASON_TLS_UNVERIFIED || r == REASON_AUTH_REFUSED || r == REASON_PROBING ||
           r == REASON_CONNECTING;
}

static struct reason reason_of_target(struct deliver *d, const struct target *t)
{
    if (t->domain.ready.count == 0 && domain_queue_empty(&t->domain))
        return (struct reason){t->busy_count > 0 ? REASON_SENDING : REASON_NONE, 0};
    if (t->state == TARGET_ASKING)
        return (struct reason){REASON_DNS_ASKING, 0};
    if (!t->site || t->ending || t->next_set) // it ends, or moves, as soon as that can be
        return (struct reason){REASON_BEHIND_OTHERS, 0};
    struct reason r = dispatch_reason(d, t->site);
    return r.kind == REASON_NONE ? (struct reason){REASON_BEHIND_OTHERS, 0} : r;
}

// What a provider's sites have they have together.
static void count_connections(struct explanation *ret, const struct site *s)
{
    const struct site_group *g = s->group;
    ret->connection_count = g ? g->open_count : s->open_count;
    ret->connections_max = g ? g->limits->connections : s->limits.connections;
    ret->provider = g ? g->name : NULL;
}

static const struct failure *complaint_of(const struct site *s)
{
    return s->group && s->group->complaint.text_len > 0 ? &s->group->complaint : &s->complaint;
}

bool deliver_explain(struct deliver *d, struct slice domain, struct explanation *ret)
{
    struct domain *found = domain_look(d->o.domains, domain);
    *ret = (struct explanation){0};
    if (!found || atomic_load_explicit(&found->owner, memory_order_acquire) != d->o.worker)
        return false;
    const struct target *t = target_of(found);
    if (t->carried) // on its way to us
        return false;
    ret->reason = reason_of_target(d, t);
    ret->ready_count = t->domain.ready.count;
    ret->sending_count = t->busy_count;
    if (t->site)
        count_connections(ret, t->site);
    bool backs_off = ret->reason.kind == REASON_SITE_BACK_OFF;
    struct suspension suspended = {0};
    if (t->site)
        suspended = sources_suspension(d, t->site);
    memcpy(ret->source, source_name(suspended.source), strlen(source_name(suspended.source)));
    bool waits_for_source = ret->reason.kind == REASON_SOURCE_SUSPENDED && suspended.why;
    if (waits_for_source)
        ret->cause.failure = *suspended.why;
    else if (t->site && backs_off && complaint_of(t->site)->text_len > 0)
        ret->cause.failure = *complaint_of(t->site); // whichever of its hosts said so
    else if (t->site && is_of_session(ret->reason.kind) && t->site->failure.text_len > 0)
        cause_of_site(&ret->cause, t->site);
    else if (t->setback)
        cause_of_setback(&ret->cause, t->setback);
    return true;
}
