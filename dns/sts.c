// dns/sts.c: from a domain to its MTA-STS policy.
#include "dns/sts.h"

#include "engine/base/check.h"
#include "engine/base/slab.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#define US_PER_S 1000000u
#define RECORD_PREFIX "_mta-sts."
#define HOST_PREFIX "mta-sts."

enum step { STEP_RECORD, STEP_ADDRESS, STEP_FETCH_WAITS, STEP_FETCH, STEP_OVER };

// Lookups in a line, first come, first served.
enum queue {
    QUEUE_FETCH, // those that wait for a fetch
    QUEUE_READY, // those with an answer
    QUEUES,
};

struct lookup {
    uint64_t tag;
    uint64_t deadline_us;
    uint32_t patient_next, patient_prev; // those whose asker waits, the longest first
    uint32_t next[QUEUES];
    uint8_t step; // enum step
    bool waits;   // its asker has had no answer yet, and none is ready
    bool is_ready;
    struct errand *errand; // from STEP_FETCH_WAITS on
    enum sts_trouble trouble;
    char why[STS_WHY_BYTES];
    char id[STS_ID_BYTES_MAX + 1]; // that the record says
    uint8_t domain_bytes;
    char domain[DNS_NAME_BYTES_MAX];
};

struct list {
    uint32_t first, last;
};

// What goes to a thread, and comes back. Many may wait for their turn: what is fetched has no place
// in it.
struct errand {
    struct sts_fetch fetch;
    struct sts_store *store;
    uint64_t fetched_s;
    char id[STS_ID_BYTES_MAX + 1];
};

struct sts {
    struct sts_options o;
    struct slab lookups;
    struct list patient;
    struct list queues[QUEUES];
    uint32_t fetch_count;
    _Atomic bool stopping;
    struct sts_known lent;
    char lent_why[STS_WHY_BYTES];
};

static struct lookup *at(const struct sts *s, uint32_t i)
{
    return slab_at(&s->lookups, i);
}

static struct slice domain_of(const struct lookup *k)
{
    return slice_make(k->domain, k->domain_bytes);
}

static uint64_t wall_s(const struct sts *s)
{
    return io_wall_us(s->o.io) / US_PER_S;
}

// --- who waits

static void patient_add(struct sts *s, uint32_t i)
{
    struct lookup *k = at(s, i);
    k->waits = true;
    k->deadline_us = io_now_us(s->o.io) + STS_PATIENCE_US;
    k->patient_next = SLAB_NONE;
    k->patient_prev = s->patient.last;
    if (s->patient.last == SLAB_NONE)
        s->patient.first = i;
    else
        at(s, s->patient.last)->patient_next = i;
    s->patient.last = i;
}

static void patient_remove(struct sts *s, uint32_t i)
{
    struct lookup *k = at(s, i);
    k->waits = false;
    if (k->patient_prev == SLAB_NONE)
        s->patient.first = k->patient_next;
    else
        at(s, k->patient_prev)->patient_next = k->patient_next;
    if (k->patient_next == SLAB_NONE)
        s->patient.last = k->patient_prev;
    else
        at(s, k->patient_next)->patient_prev = k->patient_prev;
}

static void push(struct sts *s, enum queue q, uint32_t i)
{
    struct list *l = &s->queues[q];
    at(s, i)->next[q] = SLAB_NONE;
    if (l->first == SLAB_NONE)
        l->first = i;
    else
        at(s, l->last)->next[q] = i;
    l->last = i;
}

// SLAB_NONE: nobody is in it.
static uint32_t pop(struct sts *s, enum queue q)
{
    uint32_t i = s->queues[q].first;
    if (i != SLAB_NONE)
        s->queues[q].first = at(s, i)->next[q];
    return i;
}

static void make_ready(struct sts *s, uint32_t i)
{
    struct lookup *k = at(s, i);
    if (k->waits)
        patient_remove(s, i);
    if (k->is_ready)
        return; // one answer says it all
    k->is_ready = true;
    push(s, QUEUE_READY, i);
}

static void over(struct sts *s, uint32_t i, enum sts_trouble trouble, const char *why)
{
    struct lookup *k = at(s, i);
    k->step = STEP_OVER;
    k->trouble = trouble;
    size_t len = strnlen(why, sizeof(k->why) - 1);
    memcpy(k->why, why, len);
    k->why[len] = '\0';
    make_ready(s, i);
}

// --- the policy itself

static void take_text(struct errand *e)
{
    struct sts_known known = {.fetched_s = e->fetched_s};
    const char *why = "";
    if (!sts_policy_parse(buffer_slice(&e->fetch.text), &known.policy, &why)) {
        e->fetch.trouble = STS_TROUBLE_INVALID;
        memcpy(e->fetch.why, why, strlen(why) + 1);
        return;
    }
    memcpy(known.id, e->id, sizeof(known.id));
    // On a disk that is full it is known until the end of this process.
    (void)sts_store_put(e->store, slice_of_text(e->fetch.domain), &known);
}

static void on_thread(void *argument, unsigned thread)
{
    struct errand *e = argument;
    (void)thread;
    sts_fetch_get(&e->fetch);
    if (e->fetch.trouble == STS_NO_TROUBLE)
        take_text(e);
    buffer_release(&e->fetch.text);
}

static void begin_fetches(struct sts *s)
{
    uint32_t i;
    while (s->fetch_count < STS_FETCHES_MAX && (i = pop(s, QUEUE_FETCH)) != SLAB_NONE) {
        struct lookup *k = at(s, i);
        if (atomic_load(&s->stopping)) {
            over(s, i, STS_TROUBLE_FETCH, "the engine stops");
            continue;
        }
        k->step = STEP_FETCH;
        k->errand->fetched_s = wall_s(s);
        s->fetch_count++;
        io_offload(s->o.io, IO_PLAIN, on_thread, k->errand,
                   (struct io_token){i, slab_generation(&s->lookups, i), s->o.io_owner, 0});
    }
}

// NULL: it has no address that may be asked, or there is no memory.
static struct errand *errand_new(struct sts *s, const struct lookup *k,
                                 const struct dns_address_answer *a)
{
    struct errand *e = a->status == DNS_FOUND ? calloc(1, sizeof(*e)) : NULL;
    if (!e)
        return NULL;
    struct sts_fetch *f = &e->fetch;
    for (uint32_t n = 0; n < a->address_count && f->address_count < STS_FETCH_ADDRESSES_MAX; n++)
        if (s->o.private_targets || !io_address_is_private(&a->addresses[n]))
            f->addresses[f->address_count++] = a->addresses[n];
    if (f->address_count == 0) {
        free(e);
        return NULL;
    }
    memcpy(f->domain, k->domain, k->domain_bytes);
    f->port = s->o.port;
    f->trusted_file = s->o.trusted_file;
    f->cancelled = &s->stopping;
    e->store = s->o.store;
    memcpy(e->id, k->id, sizeof(k->id));
    return e;
}

static void on_address(struct sts *s, uint32_t i, const struct dns_address_answer *a)
{
    struct lookup *k = at(s, i);
    k->errand = errand_new(s, k, a);
    if (!k->errand) {
        over(s, i, STS_TROUBLE_FETCH, "its host has no address");
        return;
    }
    k->step = STEP_FETCH_WAITS;
    push(s, QUEUE_FETCH, i);
    begin_fetches(s);
}

void sts_on_done(struct sts *s, const struct io_done *done)
{
    uint32_t i = done->token.index;
    struct lookup *k = at(s, i);
    CHECK(k->step == STEP_FETCH && s->fetch_count > 0);
    s->fetch_count--;
    if (done->result < 0)
        over(s, i, STS_TROUBLE_FETCH, "no thread to fetch it");
    else
        over(s, i, k->errand->fetch.trouble, k->errand->fetch.why);
    begin_fetches(s);
}

// --- its record

static bool ask_about(struct sts *s, uint32_t i, const char *prefix, enum dns_answer_kind kind)
{
    const struct lookup *k = at(s, i);
    char name[sizeof(RECORD_PREFIX) + DNS_NAME_BYTES_MAX];
    size_t prefix_bytes = strlen(prefix);
    memcpy(name, prefix, prefix_bytes);
    memcpy(name + prefix_bytes, k->domain, k->domain_bytes);
    struct slice asked = slice_make(name, prefix_bytes + k->domain_bytes);
    uint64_t tag = STS_TAG | i;
    return kind == DNS_ANSWER_ADDRESS ? resolver_ask_address(s->o.resolver, asked, tag)
                                      : resolver_ask_records(s->o.resolver, kind, asked, tag);
}

static bool is_young(const struct sts *s, const struct sts_known *known)
{
    return wall_s(s) < known->fetched_s + known->policy.max_age_s / 2;
}

static void on_record(struct sts *s, uint32_t i, const struct dns_record_answer *a)
{
    struct lookup *k = at(s, i);
    if (a->status != DNS_FOUND || !sts_record_find(a->records, a->count, k->id)) {
        over(s, i, STS_NO_TROUBLE, "");
        return;
    }
    if (sts_store_find(s->o.store, domain_of(k), wall_s(s), &s->lent) &&
        strcmp(s->lent.id, k->id) == 0 && is_young(s, &s->lent)) {
        over(s, i, STS_NO_TROUBLE, "");
        return;
    }
    k->step = STEP_ADDRESS;
    if (!ask_about(s, i, HOST_PREFIX, DNS_ANSWER_ADDRESS))
        over(s, i, STS_TROUBLE_FETCH, "too many lookups");
}

void sts_on_answer(struct sts *s, const struct dns_answer *a)
{
    bool is_record = a->kind == DNS_ANSWER_TXT;
    uint32_t i = (uint32_t)((is_record ? a->record.tag : a->address.tag) & UINT32_MAX);
    CHECK(at(s, i)->step == (is_record ? STEP_RECORD : STEP_ADDRESS));
    if (is_record)
        on_record(s, i, &a->record);
    else
        on_address(s, i, &a->address);
}

// --- the door

bool sts_ask(struct sts *s, struct slice domain, uint64_t tag)
{
    uint32_t i;
    if (!dns_name_is_host(domain) || domain.len + strlen(RECORD_PREFIX) > DNS_NAME_BYTES_MAX)
        return false; // none can be there
    struct lookup *k = slab_take(&s->lookups, &i);
    if (!k)
        return false;
    k->tag = tag;
    k->domain_bytes = (uint8_t)domain.len;
    memcpy(k->domain, domain.data, domain.len);
    if (!ask_about(s, i, RECORD_PREFIX, DNS_ANSWER_TXT)) {
        slab_give(&s->lookups, i);
        return false;
    }
    if (sts_store_find(s->o.store, domain, wall_s(s), &s->lent))
        make_ready(s, i);
    else
        patient_add(s, i);
    return true;
}

bool sts_next(struct sts *s, struct sts_answer *ret)
{
    uint32_t i = pop(s, QUEUE_READY);
    if (i == SLAB_NONE)
        return false;
    struct lookup *k = at(s, i);
    bool found = sts_store_find(s->o.store, domain_of(k), wall_s(s), &s->lent);
    k->is_ready = false;
    *ret = (struct sts_answer){
        .tag = k->tag,
        .last = k->step == STEP_OVER,
        .policy = found ? &s->lent.policy : NULL,
        .trouble = k->trouble,
        .why = s->lent_why,
    };
    memcpy(s->lent_why, k->why, sizeof(k->why));
    if (!ret->last)
        return true;
    free(k->errand);
    slab_give(&s->lookups, i);
    return true;
}

uint64_t sts_due_us(const struct sts *s)
{
    return s->patient.first == SLAB_NONE ? UINT64_MAX : at(s, s->patient.first)->deadline_us;
}

void sts_on_time(struct sts *s, uint64_t now_us)
{
    while (sts_due_us(s) <= now_us)
        make_ready(s, s->patient.first);
}

int sts_new(struct sts **ret, const struct sts_options *options)
{
    struct sts *s = calloc(1, sizeof(*s));
    if (!s)
        return -ENOMEM;
    s->o = *options;
    slab_init(&s->lookups, sizeof(struct lookup), STS_LOOKUPS_MAX);
    s->patient = (struct list){SLAB_NONE, SLAB_NONE};
    for (int q = 0; q < QUEUES; q++)
        s->queues[q] = s->patient;
    *ret = s;
    return 0;
}

void sts_free(struct sts *s)
{
    if (!s)
        return;
    CHECK(s->fetch_count == 0);
    for (uint32_t i = 0; (i = slab_next(&s->lookups, i)) != SLAB_NONE; i++)
        free(at(s, i)->errand);
    slab_release(&s->lookups);
    free(s);
}

void sts_stop(struct sts *s)
{
    atomic_store(&s->stopping, true);
}

bool sts_stopped(const struct sts *s)
{
    return s->fetch_count == 0;
}
