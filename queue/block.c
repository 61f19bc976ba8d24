#include "queue/block.h"

#include "engine/base/check.h"
#include "queue/sanitizer.h"

#include <stdlib.h>

#define BLOCK_ALIGN_BYTES 64u

_Static_assert(BLOCK_BYTES_POOLED == 256 * 1024, "4 << 2n KiB");

static size_t class_bytes(unsigned class)
{
    return (size_t)BLOCK_BYTES_MIN << (2 * class);
}

// The smallest class that holds `bytes`; BLOCK_CLASS_COUNT when none does.
static unsigned class_for(size_t bytes)
{
    unsigned class = 0;
    while (class < BLOCK_CLASS_COUNT && class_bytes(class) < bytes)
        class ++;
    return class;
}

static size_t block_bytes_for(size_t bytes_min)
{
    unsigned class = class_for(bytes_min);
    if (class < BLOCK_CLASS_COUNT)
        return class_bytes(class);
    return (bytes_min + BLOCK_BYTES_MIN - 1) / BLOCK_BYTES_MIN * BLOCK_BYTES_MIN;
}

void block_pool_init(struct block_pool *p, uint64_t bytes_max)
{
    *p = (struct block_pool){.bytes_max = bytes_max};
}

void block_pool_release(struct block_pool *p)
{
    CHECK(p->bytes == 0);
    for (unsigned class = 0; class < BLOCK_CLASS_COUNT; class ++) {
        while (p->free_first[class]) {
            void *block = p->free_first[class];
            MEMORY_OPEN(block, class_bytes(class));
            memcpy(&p->free_first[class], block, sizeof(void *));
            free(block);
        }
        p->free_count[class] = 0;
    }
}

// Free blocks are linked by their first bytes.
static void *pop_free(struct block_pool *p, unsigned class)
{
    void *block = p->free_first[class];
    MEMORY_OPEN(block, class_bytes(class));
    memcpy(&p->free_first[class], block, sizeof(void *));
    p->free_count[class]--;
    return block;
}

static void push_free(struct block_pool *p, unsigned class, void *block)
{
    memcpy(block, &p->free_first[class], sizeof(void *));
    p->free_first[class] = block;
    p->free_count[class]++;
    MEMORY_CLOSE(block, class_bytes(class));
}

bool block_has_room(const struct block_pool *p, size_t bytes_min)
{
    return p->bytes <= p->bytes_max && bytes_min <= p->bytes_max - p->bytes &&
           block_bytes_for(bytes_min) <= p->bytes_max - p->bytes;
}

void *block_take(struct block_pool *p, size_t bytes_min, size_t *ret_bytes)
{
    return block_has_room(p, bytes_min) ? block_take_beyond(p, bytes_min, ret_bytes) : NULL;
}

void *block_take_beyond(struct block_pool *p, size_t bytes_min, size_t *ret_bytes)
{
    size_t bytes = block_bytes_for(bytes_min);
    unsigned class = class_for(bytes);
    void *block;
    if (class < BLOCK_CLASS_COUNT && p->free_first[class]) {
        block = pop_free(p, class);
    } else {
        p->heap_calls++;
        block = aligned_alloc(BLOCK_ALIGN_BYTES, bytes);
        if (!block)
            return NULL;
    }
    p->bytes += bytes;
    if (p->bytes > p->bytes_peak)
        p->bytes_peak = p->bytes;
    *ret_bytes = bytes;
    return block;
}

void block_give(struct block_pool *p, void *block, size_t bytes)
{
    CHECK(p->bytes >= bytes);
    p->bytes -= bytes;
    unsigned class = class_for(bytes);
    if (class < BLOCK_CLASS_COUNT &&
        (p->free_count[class] + 1) * class_bytes(class) <= BLOCK_KEPT_BYTES_MAX)
        push_free(p, class, block);
    else
        free(block);
}

void *block_grow(struct block_pool *p, void *block, size_t bytes, size_t used, size_t bytes_min,
                 size_t *ret_bytes)
{
    CHECK(used <= bytes && bytes_min > bytes);
    // Beyond the classes we double, so that a content of any size is copied once on average.
    // Near the pool's limit what is needed must do.
    size_t wanted = bytes >= BLOCK_BYTES_POOLED && bytes_min < 2 * bytes ? 2 * bytes : bytes_min;
    size_t larger_bytes;
    void *larger = block_take(p, wanted, &larger_bytes);
    if (!larger && wanted > bytes_min)
        larger = block_take(p, bytes_min, &larger_bytes);
    if (!larger)
        return NULL;
    memcpy(larger, block, used);
    p->bytes_copied += used;
    block_give(p, block, bytes);
    *ret_bytes = larger_bytes;
    return larger;
}
