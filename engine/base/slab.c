#include "engine/base/slab.h"

#include "engine/base/check.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define SLAB_ALIGN 16u

struct slab_slot {
    uint16_t generation; // 0: never taken yet
    bool taken;
};

// The slots stand beside the items, so that an item may fill its 64 bytes. A free item's first
// bytes hold the index of the next free one.
struct slab_chunk {
    char *items; // mapped: untouched items cost no memory
    struct slab_slot slots[];
};

void slab_init(struct slab *s, uint32_t item_bytes, uint32_t item_count_max)
{
    CHECK(item_bytes > 0 && item_bytes <= SLAB_CHUNK_BYTES);
    item_bytes = (item_bytes + SLAB_ALIGN - 1) / SLAB_ALIGN * SLAB_ALIGN;
    // A power of two: an index becomes chunk and place by shift and mask.
    uint32_t shift = 31 - (uint32_t)__builtin_clz(SLAB_CHUNK_BYTES / item_bytes);
    while (shift > 0 && 1u << (shift - 1) >= item_count_max)
        shift--; // one chunk for a few items, no larger than needed
    uint64_t items_possible = (uint64_t)SLAB_CHUNKS_MAX << shift;
    if (items_possible > SLAB_NONE)
        items_possible = SLAB_NONE;
    *s = (struct slab){
        .item_bytes = item_bytes,
        .chunk_shift = shift,
        .item_count_max = item_count_max < items_possible ? item_count_max
                                                          : (uint32_t)items_possible,
        .free_first = SLAB_NONE,
    };
}

static uint32_t chunk_items(const struct slab *s)
{
    return 1u << s->chunk_shift;
}

static size_t chunk_bytes(const struct slab *s)
{
    return (size_t)s->item_bytes << s->chunk_shift;
}

void slab_release(struct slab *s)
{
    for (uint32_t i = 0; i < s->chunk_count; i++) {
        munmap(s->chunks[i]->items, chunk_bytes(s));
        free(s->chunks[i]);
    }
    free(s->chunks);
    if (s->item_bytes > 0)
        slab_init(s, s->item_bytes, s->item_count_max);
}

// NULL where no item was ever taken. Reads nothing that the owner changes by taking others.
static struct slab_slot *slot_at(const struct slab *s, uint32_t index)
{
    if (index >= s->item_count_max || !s->chunks)
        return NULL;
    struct slab_chunk *c = s->chunks[index >> s->chunk_shift];
    return c ? &c->slots[index & (chunk_items(s) - 1)] : NULL;
}

static void *item_at(const struct slab *s, uint32_t index)
{
    struct slab_chunk *c = s->chunks[index >> s->chunk_shift];
    return c->items + (size_t)(index & (chunk_items(s) - 1)) * s->item_bytes;
}

// The table of chunks is made once and never moves: another thread that was handed an index may
// look it up while the owner takes more.
static bool table_ready(struct slab *s)
{
    if (!s->chunks) {
        size_t chunk_count_max = (s->item_count_max >> s->chunk_shift) + 1u;
        s->chunks = calloc(chunk_count_max, sizeof(struct slab_chunk *));
    }
    return s->chunks != NULL;
}

static bool slab_grow(struct slab *s)
{
    if (!table_ready(s))
        return false;
    struct slab_chunk *c = calloc(1, sizeof(*c) + sizeof(struct slab_slot) * chunk_items(s));
    if (!c)
        return false;
    c->items = mmap(NULL, chunk_bytes(s), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                    0);
    if (c->items == MAP_FAILED) {
        free(c);
        return false;
    }
    s->chunks[s->chunk_count++] = c;
    return true;
}

// An index whose slot is free: one that was given back, or the first that was never used.
static uint32_t find_free(struct slab *s)
{
    uint32_t index = s->free_first;
    if (index != SLAB_NONE) {
        void *item = item_at(s, index);
        memcpy(&s->free_first, item, sizeof(s->free_first));
        memset(item, 0, s->item_bytes);
        return index;
    }
    if (s->used_count >> s->chunk_shift == s->chunk_count && !slab_grow(s))
        return SLAB_NONE;
    return s->used_count++;
}

void *slab_take(struct slab *s, uint32_t *ret_index)
{
    if (s->item_count >= s->item_count_max)
        return NULL;
    uint32_t index = find_free(s);
    if (index == SLAB_NONE)
        return NULL;
    struct slab_slot *slot = slot_at(s, index);
    CHECK(slot && !slot->taken);
    slot->taken = true;
    slot->generation++;
    if (slot->generation == 0)
        slot->generation = 1;
    s->item_count++;
    if (s->item_count > s->item_count_peak)
        s->item_count_peak = s->item_count;
    *ret_index = index;
    return item_at(s, index);
}

void slab_give(struct slab *s, uint32_t index)
{
    void *item = slab_at(s, index);
    struct slab_slot *slot = slot_at(s, index);
    CHECK(slot);
    slot->taken = false;
    memcpy(item, &s->free_first, sizeof(s->free_first));
    s->free_first = index;
    s->item_count--;
}

void *slab_at(const struct slab *s, uint32_t index)
{
    const struct slab_slot *slot = slot_at(s, index);
    CHECK(slot && slot->taken);
    return item_at(s, index);
}

void *slab_find(const struct slab *s, uint32_t index, uint16_t generation)
{
    const struct slab_slot *slot = slot_at(s, index);
    return slot && slot->taken && slot->generation == generation ? item_at(s, index) : NULL;
}

uint16_t slab_generation(const struct slab *s, uint32_t index)
{
    const struct slab_slot *slot = slot_at(s, index);
    CHECK(slot && slot->taken);
    return slot->generation;
}

uint32_t slab_next(const struct slab *s, uint32_t from)
{
    for (uint32_t index = from; index < s->used_count; index++) {
        const struct slab_slot *slot = slot_at(s, index);
        if (slot && slot->taken)
            return index;
    }
    return SLAB_NONE;
}

size_t slab_bytes(const struct slab *s)
{
    return s->chunk_count * (chunk_bytes(s) + sizeof(struct slab_slot) * chunk_items(s));
}
