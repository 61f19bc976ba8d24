#include "queue/domain.h"

#include "engine/base/check.h"
#include "queue/sanitizer.h"

#include <stdlib.h>
#include <urcu/urcu-qsbr.h>

// Chains stay short up to a quarter of a million domains; the table itself is 4 MiB. Tests that
// make thousands of tables want smaller ones.
#ifndef DOMAIN_BUCKETS
#define DOMAIN_BUCKETS (1u << 18)
#endif
// Which worker looks up a new domain's exchangers is the same in every run.
#define DOMAIN_OWNER_SEED 0

struct domain_table {
    struct cds_lfht *domains;
    size_t item_bytes;
    uint32_t worker_count;
    uint64_t seed;
    _Atomic uint32_t count;
};

_Static_assert(sizeof(unsigned long) == sizeof(uint64_t), "rculfhash takes our hash");

struct domain_table *domain_table_new(size_t item_bytes, uint32_t worker_count)
{
    CHECK(item_bytes >= sizeof(struct domain));
    CHECK(worker_count > 0 && worker_count <= DOMAIN_WORKERS_MAX);
    struct domain_table *t = calloc(1, sizeof(*t));
    if (!t)
        return NULL;
    t->item_bytes = (item_bytes + 63) / 64 * 64;
    t->worker_count = worker_count;
    // Who chooses domain names does not know where our memory lies. Nothing but the place in the
    // table depends on it.
    t->seed = (uint64_t)(uintptr_t)t;
    t->domains = cds_lfht_new_flavor(DOMAIN_BUCKETS, DOMAIN_BUCKETS, DOMAIN_BUCKETS, 0,
                                     &urcu_qsbr_flavor, NULL);
    if (!t->domains) {
        free(t);
        return NULL;
    }
    return t;
}

static struct domain *domain_of(struct cds_lfht_node *node)
{
    struct domain *d = CONTAINER_OF(node, struct domain, node);
    ORDER_TAKE(&d->node);
    return d;
}

void domain_table_free(struct domain_table *t)
{
    struct cds_lfht_iter iter;
    if (!t)
        return;
    cds_lfht_first(t->domains, &iter);
    while (cds_lfht_iter_get_node(&iter)) {
        struct domain *d = domain_of(cds_lfht_iter_get_node(&iter));
        cds_lfht_next(t->domains, &iter);
        CHECK(cds_lfht_del(t->domains, &d->node) == 0);
        ready_release(&d->ready);
        free(d);
    }
    CHECK(cds_lfht_destroy(t->domains, NULL) == 0);
    free(t);
}

static struct domain *domain_make(struct domain_table *t, struct slice name, uint64_t hash,
                                  uint32_t count_max)
{
    if (name.len >= DOMAIN_NAME_BYTES)
        return NULL;
    if (atomic_fetch_add_explicit(&t->count, 1, memory_order_relaxed) >= count_max)
        goto fail;
    struct domain *d = aligned_alloc(64, t->item_bytes);
    if (!d)
        goto fail;
    memset(d, 0, t->item_bytes);
    d->dirty_letter.kind = LETTER_DOMAIN_DIRTY;
    d->handover_letter.kind = LETTER_DOMAIN_HANDOVER;
    d->hash = hash;
    atomic_init(&d->owner, (uint16_t)(slice_hash(name, DOMAIN_OWNER_SEED) % t->worker_count));
    d->name_len = (uint8_t)name.len;
    memcpy(d->name, name.data, name.len);
    __cds_wfcq_init(&d->head, &d->tail);
    return d;
fail:
    atomic_fetch_sub_explicit(&t->count, 1, memory_order_relaxed);
    return NULL;
}

static int domain_has_name(struct cds_lfht_node *node, const void *name)
{
    return slice_equal(domain_name(domain_of(node)), *(const struct slice *)name);
}

static struct domain *look(struct domain_table *t, struct slice name, uint64_t hash)
{
    struct cds_lfht_iter iter;
    cds_lfht_lookup(t->domains, hash, domain_has_name, &name, &iter);
    struct cds_lfht_node *node = cds_lfht_iter_get_node(&iter);
    return node ? domain_of(node) : NULL;
}

struct domain *domain_look(struct domain_table *t, struct slice name)
{
    return look(t, name, slice_hash(name, t->seed));
}

static struct domain *find_or_make(struct domain_table *t, struct slice name, uint32_t count_max)
{
    uint64_t hash = slice_hash(name, t->seed);
    struct domain *found = look(t, name, hash);
    if (found)
        return found;
    struct domain *made = domain_make(t, name, hash, count_max);
    if (!made)
        return NULL;
    ORDER_GIVE(&made->node);
    struct cds_lfht_node *node = cds_lfht_add_unique(t->domains, hash, domain_has_name, &name,
                                                     &made->node);
    if (node != &made->node) // another worker was faster
        domain_free(t, made);
    return domain_of(node);
}

struct domain *domain_find(struct domain_table *t, struct slice name)
{
    return find_or_make(t, name, DOMAIN_COUNT_MAX);
}

struct domain *domain_find_anyway(struct domain_table *t, struct slice name)
{
    return find_or_make(t, name, UINT32_MAX);
}

bool domain_push(struct domain *d, struct job *j)
{
    atomic_store_explicit(&j->place, JOB_QUEUED, memory_order_relaxed);
    cds_wfcq_node_init(&j->link);
    ORDER_GIVE(j);
    return !cds_wfcq_enqueue(&d->head, &d->tail, &j->link);
}

// One by one, not by splicing the whole queue: a splice can take a gap along, where a producer is
// half way, and leave jobs in a place of their own with no letter to come for them. So a job is in
// the queue or in `ready`, and a queue with a gap in it is not empty: nobody sends a second letter.
bool domain_drain(struct domain *d)
{
    for (uint32_t i = 0; i < DOMAIN_DRAIN_MAX; i++) {
        struct cds_wfcq_node *node = __cds_wfcq_dequeue_nonblocking(&d->head, &d->tail);
        if (node == CDS_WFCQ_WOULDBLOCK)
            return false;
        if (!node)
            return true;
        struct job *j = CONTAINER_OF(node, struct job, link);
        ORDER_TAKE(j);
        ready_add(&d->ready, j);
        atomic_store_explicit(&j->place, JOB_READY, memory_order_release);
    }
    return false;
}

// liburcu takes a head that it may write to; this one only reads.
static struct domain *unconst(const struct domain *d)
{
    return (struct domain *)(uintptr_t)d;
}

bool domain_queue_empty(const struct domain *d)
{
    return cds_wfcq_empty(&unconst(d)->head, &unconst(d)->tail);
}

bool domain_unused(const struct domain *d)
{
    return atomic_load_explicit(&d->job_count, memory_order_acquire) == 0 &&
           domain_queue_empty(d) && d->ready.count == 0 &&
           !atomic_load_explicit(&d->dirty_letter.under_way, memory_order_acquire) &&
           !atomic_load_explicit(&d->handover_letter.under_way, memory_order_acquire);
}

void domain_unlink(struct domain_table *t, struct domain *d)
{
    CHECK(cds_lfht_del(t->domains, &d->node) == 0);
}

void domain_discard(struct domain_table *t, struct domain *d)
{
    atomic_fetch_sub_explicit(&t->count, 1, memory_order_relaxed);
    ready_release(&d->ready);
    free(d);
}

void domain_free(struct domain_table *t, struct domain *d)
{
    CHECK(domain_unused(d));
    domain_discard(t, d);
}

void domain_table_sweep(struct domain_table *t)
{
    struct cds_lfht_iter iter;
    cds_lfht_first(t->domains, &iter);
    while (cds_lfht_iter_get_node(&iter)) {
        struct domain *d = domain_of(cds_lfht_iter_get_node(&iter));
        cds_lfht_next(t->domains, &iter);
        if (!domain_unused(d))
            continue;
        domain_unlink(t, d);
        domain_free(t, d);
    }
}

bool domain_table_full(const struct domain_table *t)
{
    return domain_count(t) >= DOMAIN_COUNT_MAX;
}

uint32_t domain_count(const struct domain_table *t)
{
    return atomic_load_explicit(&t->count, memory_order_relaxed);
}
