#include "queue/keys.h"

#include "engine/base/check.h"
#include "queue/segment.h"

#include <stdlib.h>
#include <sys/mman.h>

#define LISTS (SEGMENTS_MAX + 2u) // one for each segment, and for those that are in none
#define BUCKETS_MIN 1024u

_Static_assert(SLAB_NONE == UINT32_MAX, "ends all lists");

static uint64_t first_word(const uint8_t key[FORMAT_KEY_BYTES])
{
    uint64_t word;
    memcpy(&word, key, sizeof(word));
    return word;
}

uint32_t keys_owner(const uint8_t key[FORMAT_KEY_BYTES], uint32_t worker_count)
{
    return (uint32_t)(first_word(key) % worker_count);
}

bool keys_init(struct keys *k, uint32_t count_max, uint64_t seed)
{
    uint32_t buckets = BUCKETS_MIN;
    while (buckets < count_max)
        buckets *= 2;
    *k = (struct keys){
        .bucket_mask = buckets - 1, .oldest = SLAB_NONE, .newest = SLAB_NONE, .seed = seed};
    slab_init(&k->items, sizeof(struct key_item), count_max);
    // Indices are kept plus one, so that untouched memory says "none".
    size_t bytes = ((size_t)buckets + LISTS) * sizeof(uint32_t);
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED)
        return false;
    k->buckets = at;
    k->segment_first = k->buckets + buckets;
    return true;
}

void keys_release(struct keys *k)
{
    CHECK(!k->waiting.first && !k->released.first);
    slab_release(&k->items);
    if (k->buckets)
        munmap(k->buckets, ((size_t)k->bucket_mask + 1 + LISTS) * sizeof(uint32_t));
    k->buckets = NULL;
}

static struct key_item *item_at(const struct keys *k, uint32_t index)
{
    struct key_item *item = slab_at(&k->items, index);
    CHECK(item);
    return item;
}

static struct key_item *item_or_null(const struct keys *k, uint32_t index)
{
    return index == SLAB_NONE ? NULL : item_at(k, index);
}

// --- lists of a segment

static uint32_t *list_of(struct keys *k, uint32_t segment)
{
    if (segment == KEYS_NO_SEGMENT)
        return &k->segment_first[SEGMENTS_MAX];
    if (segment == KEYS_MOVING)
        return &k->segment_first[SEGMENTS_MAX + 1];
    CHECK(segment < SEGMENTS_MAX);
    return &k->segment_first[segment];
}

static void list_add(struct keys *k, uint32_t index, uint32_t segment)
{
    struct key_item *item = item_at(k, index);
    uint32_t *first = list_of(k, segment);
    item->segment = segment;
    item->segment_prev = SLAB_NONE;
    item->segment_next = *first - 1; // "none" is 0 there, and SLAB_NONE here
    if (item->segment_next != SLAB_NONE)
        item_at(k, item->segment_next)->segment_prev = index;
    *first = index + 1;
}

static void list_remove(struct keys *k, uint32_t index)
{
    struct key_item *item = item_at(k, index);
    if (item->segment_prev != SLAB_NONE)
        item_at(k, item->segment_prev)->segment_next = item->segment_next;
    else
        *list_of(k, item->segment) = item->segment_next + 1;
    if (item->segment_next != SLAB_NONE)
        item_at(k, item->segment_next)->segment_prev = item->segment_prev;
}

// --- the table

static uint32_t *bucket_of(struct keys *k, const uint8_t key[FORMAT_KEY_BYTES])
{
    uint64_t hash = (first_word(key) ^ k->seed) * UINT64_C(0x9e3779b97f4a7c15);
    return &k->buckets[(hash >> 32) & k->bucket_mask];
}

static uint32_t find(struct keys *k, const uint8_t key[FORMAT_KEY_BYTES])
{
    uint32_t index = *bucket_of(k, key) - 1;
    while (index != SLAB_NONE && memcmp(item_at(k, index)->key, key, FORMAT_KEY_BYTES) != 0)
        index = item_at(k, index)->chain;
    return index;
}

static void unchain(struct keys *k, uint32_t index)
{
    uint32_t *bucket = bucket_of(k, item_at(k, index)->key);
    if (*bucket - 1 == index) {
        *bucket = item_at(k, index)->chain + 1;
        return;
    }
    struct key_item *before = item_at(k, *bucket - 1);
    while (before->chain != index)
        before = item_at(k, before->chain);
    before->chain = item_at(k, index)->chain;
}

// --- the queue by age

static void age_add(struct keys *k, uint32_t index)
{
    struct key_item *item = item_at(k, index);
    item->newer = SLAB_NONE;
    item->older = k->newest;
    if (k->newest != SLAB_NONE)
        item_at(k, k->newest)->newer = index;
    else
        k->oldest = index;
    k->newest = index;
}

static void age_remove(struct keys *k, uint32_t index)
{
    const struct key_item *item = item_at(k, index);
    if (item->older != SLAB_NONE)
        item_at(k, item->older)->newer = item->newer;
    else
        k->oldest = item->newer;
    if (item->newer != SLAB_NONE)
        item_at(k, item->newer)->older = item->older;
    else
        k->newest = item->older;
}

static void forget(struct keys *k, uint32_t index)
{
    unchain(k, index);
    list_remove(k, index);
    age_remove(k, index);
    slab_give(&k->items, index);
}

static struct key_item *add(struct keys *k, const uint8_t key[FORMAT_KEY_BYTES], uint64_t content,
                            uint64_t until_us)
{
    uint32_t index;
    struct key_item *item = slab_take(&k->items, &index);
    if (!item)
        return NULL;
    memcpy(item->key, key, FORMAT_KEY_BYTES);
    item->content = content;
    item->until_s = (uint32_t)(until_us / 1000000);
    uint32_t *bucket = bucket_of(k, key);
    item->chain = *bucket - 1;
    *bucket = index + 1;
    list_add(k, index, KEYS_NO_SEGMENT);
    age_add(k, index);
    return item;
}

bool keys_expire(struct keys *k, uint64_t now_us, uint32_t *ret_segment)
{
    const struct key_item *oldest = item_or_null(k, k->oldest);
    if (!oldest || oldest->id == 0 || oldest->segment == KEYS_MOVING)
        return false;
    bool full = k->items.item_count >= k->items.item_count_max;
    if (!full && oldest->until_s > now_us / 1000000)
        return false;
    *ret_segment = oldest->segment;
    forget(k, k->oldest);
    return true;
}

// --- claims

enum key_answer keys_claim(struct keys *k, struct message *m, uint64_t now_us, uint64_t *ret_id)
{
    struct key_item *item = item_or_null(k, find(k, m->key));
    if (!item)
        return add(k, m->key, m->key_content, now_us + KEYS_LIFE_US) ? KEY_NEW : KEY_NONE;
    if (item->content != m->key_content)
        return KEY_OTHER;
    if (item->id == 0) {
        message_list_add(&k->waiting, m);
        item->waited_for = true;
        return KEY_WAITS;
    }
    *ret_id = item->id;
    return KEY_SAME;
}

// Those that waited for this key may claim again.
static void release_waiting(struct keys *k, const uint8_t key[FORMAT_KEY_BYTES])
{
    struct message_list still = {0};
    struct message *m;
    while ((m = message_list_take(&k->waiting))) {
        bool same = memcmp(m->key, key, FORMAT_KEY_BYTES) == 0;
        message_list_add(same ? &k->released : &still, m);
    }
    k->waiting = still;
}

void keys_decided(struct keys *k, const struct message *m, bool durable, uint32_t segment)
{
    uint32_t index = find(k, m->key);
    CHECK(index != SLAB_NONE);
    struct key_item *item = item_at(k, index);
    CHECK(item->id == 0);
    if (item->waited_for)
        release_waiting(k, m->key);
    item->waited_for = false;
    if (durable) {
        item->id = m->id;
        keys_move(k, item, segment);
    } else { // as if it had never been given
        forget(k, index);
    }
}

bool keys_look(struct keys *k, const uint8_t key[FORMAT_KEY_BYTES], uint64_t *ret_id)
{
    const struct key_item *item = item_or_null(k, find(k, key));
    if (item)
        *ret_id = item->id;
    return item;
}

struct message *keys_next_released(struct keys *k)
{
    return message_list_take(&k->released);
}

bool keys_restore(struct keys *k, const uint8_t key[FORMAT_KEY_BYTES], uint64_t content,
                  uint64_t id, uint64_t until_us)
{
    struct key_item *item = item_or_null(k, find(k, key));
    if (item)
        return true; // found twice: moved, or with its message
    item = add(k, key, content, until_us);
    if (item)
        item->id = id;
    return item;
}

// --- moving

struct key_item *keys_first_in(struct keys *k, uint32_t segment)
{
    struct key_item *item = item_or_null(k, *list_of(k, segment) - 1);
    while (item && item->id == 0) // in flight: it has no record yet
        item = item_or_null(k, item->segment_next);
    return item;
}

void keys_move(struct keys *k, struct key_item *item, uint32_t segment)
{
    uint32_t index = find(k, item->key);
    CHECK(index != SLAB_NONE);
    if (segment == KEYS_MOVING)
        item->moving_from = item->segment;
    list_remove(k, index);
    list_add(k, index, segment);
}
