// dns/cache.c: what is known about names, until it expires.
#include "dns/cache.h"

#include "engine/base/check.h"

#include <errno.h>
#include <stdlib.h>

struct dns_entry *dns_entry_new(enum dns_answer_kind kind, struct slice name,
                                enum dns_status status, uint64_t expires_us, struct slice packed)
{
    CHECK(name.len <= UINT8_MAX && packed.len <= UINT16_MAX);
    struct dns_entry *e = malloc(sizeof(*e) + name.len + packed.len);
    if (!e)
        return NULL;
    *e = (struct dns_entry){
        .expires_us = expires_us,
        .ref_count = 1,
        .packed_bytes = (uint16_t)packed.len,
        .kind = (uint8_t)kind,
        .status = (uint8_t)status,
        .name_bytes = (uint8_t)name.len,
    };
    memcpy(e->bytes, name.data, name.len);
    memcpy(e->bytes + name.len, packed.data, packed.len);
    return e;
}

struct dns_entry *dns_entry_ref(struct dns_entry *e)
{
    CHECK(e->ref_count > 0 && e->ref_count < UINT32_MAX);
    e->ref_count++;
    return e;
}

void dns_entry_unref(struct dns_entry *e)
{
    if (!e)
        return;
    CHECK(e->ref_count > 0);
    if (--e->ref_count == 0)
        free(e);
}

struct slice dns_entry_name(const struct dns_entry *e)
{
    return slice_make(e->bytes, e->name_bytes);
}

struct slice dns_entry_packed(const struct dns_entry *e)
{
    return slice_make(e->bytes + e->name_bytes, e->packed_bytes);
}

// --- the heap

static void heap_set(struct dns_cache *c, uint32_t at, struct dns_entry *e)
{
    c->heap[at] = e;
    e->heap_at = at;
}

static void heap_rise(struct dns_cache *c, uint32_t at)
{
    struct dns_entry *e = c->heap[at];
    while (at > 0 && c->heap[(at - 1) / 2]->expires_us > e->expires_us) {
        heap_set(c, at, c->heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    heap_set(c, at, e);
}

static void heap_sink(struct dns_cache *c, uint32_t at)
{
    struct dns_entry *e = c->heap[at];
    for (uint32_t child; (child = 2 * at + 1) < c->count; at = child) {
        if (child + 1 < c->count && c->heap[child + 1]->expires_us < c->heap[child]->expires_us)
            child++;
        if (c->heap[child]->expires_us >= e->expires_us)
            break;
        heap_set(c, at, c->heap[child]);
    }
    heap_set(c, at, e);
}

// --- the table

int dns_cache_init(struct dns_cache *c, uint32_t count_max, uint64_t seed)
{
    CHECK(count_max > 0 && count_max <= UINT32_MAX / 4);
    uint32_t bucket_count = 1;
    while (bucket_count < count_max)
        bucket_count *= 2;
    // Whole from the start, so that no lookup ever pays for growing; the kernel gives the pages
    // as they are used.
    *c = (struct dns_cache){.bucket_mask = bucket_count - 1, .count_max = count_max, .seed = seed};
    c->buckets = calloc(bucket_count, sizeof(c->buckets[0]));
    c->heap = calloc(count_max, sizeof(c->heap[0]));
    if (c->buckets && c->heap)
        return 0;
    free(c->buckets);
    free(c->heap);
    *c = (struct dns_cache){0};
    return -ENOMEM;
}

void dns_cache_release(struct dns_cache *c)
{
    for (uint32_t i = 0; i < c->count; i++)
        dns_entry_unref(c->heap[i]);
    free(c->buckets);
    free(c->heap);
    *c = (struct dns_cache){0};
}

static uint64_t hash_of(const struct dns_cache *c, enum dns_answer_kind kind, struct slice name)
{
    return slice_hash(name, c->seed + kind);
}

// The link that points to the entry, or to NULL where it would stand.
static struct dns_entry **find_link(struct dns_cache *c, uint64_t hash, enum dns_answer_kind kind,
                                    struct slice name)
{
    struct dns_entry **link = &c->buckets[hash & c->bucket_mask];
    while (*link && ((*link)->hash != hash || (*link)->kind != kind ||
                     !slice_equal(dns_entry_name(*link), name)))
        link = &(*link)->next;
    return link;
}

static void drop(struct dns_cache *c, struct dns_entry *e)
{
    struct dns_entry **link = &c->buckets[e->hash & c->bucket_mask];
    while (*link != e)
        link = &(*link)->next;
    *link = e->next;

    uint32_t at = e->heap_at;
    CHECK(c->count > 0 && c->heap[at] == e);
    struct dns_entry *last = c->heap[--c->count];
    if (last != e) {
        heap_set(c, at, last);
        heap_rise(c, at);
        heap_sink(c, last->heap_at);
    }
    dns_entry_unref(e);
}

struct dns_entry *dns_cache_find(struct dns_cache *c, enum dns_answer_kind kind, struct slice name,
                                 uint64_t now_us)
{
    struct dns_entry *e = *find_link(c, hash_of(c, kind, name), kind, name);
    if (e && e->expires_us <= now_us) {
        drop(c, e);
        return NULL;
    }
    return e;
}

bool dns_cache_has_failed(struct dns_cache *c, enum dns_answer_kind kind, struct slice name)
{
    const struct dns_entry *e = *find_link(c, hash_of(c, kind, name), kind, name);
    return e && e->status == DNS_TRY_LATER;
}

void dns_cache_put(struct dns_cache *c, struct dns_entry *e)
{
    struct slice name = dns_entry_name(e);
    e->hash = hash_of(c, (enum dns_answer_kind)e->kind, name);
    struct dns_entry *older = *find_link(c, e->hash, (enum dns_answer_kind)e->kind, name);
    if (older)
        drop(c, older);
    else if (c->count == c->count_max)
        drop(c, c->heap[0]);

    struct dns_entry **bucket = &c->buckets[e->hash & c->bucket_mask];
    e->next = *bucket;
    *bucket = dns_entry_ref(e);
    heap_set(c, c->count++, e);
    heap_rise(c, e->heap_at);
}
