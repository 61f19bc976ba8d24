// engine/base/slab.h: many things of one size, found again by index and generation.
//
// Grows by chunks of at most 2 MiB up to a named limit and never moves an item: a pointer stays
// good until the item is given back, also on another thread that was handed it. One owning thread
// takes and gives; another that was handed an index may look it up. A generation (never 0) counts
// the lives of a slot, so that a late answer for an earlier life finds nothing.
#ifndef POSTHASTE_BASE_SLAB_H
#define POSTHASTE_BASE_SLAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SLAB_CHUNK_BYTES (2u * 1024 * 1024)
#define SLAB_CHUNKS_MAX 4096u
#define SLAB_NONE UINT32_MAX // an index that no item has

struct slab_chunk;

struct slab {
    struct slab_chunk **chunks; // chunk_count of them
    uint32_t chunk_count;
    uint32_t chunk_shift; // a chunk holds 1 << chunk_shift items
    uint32_t item_bytes;
    uint32_t item_count; // taken now
    uint32_t item_count_max;
    uint32_t item_count_peak;
    uint32_t free_first; // index of a slot that was given back, or SLAB_NONE
    uint32_t used_count; // slots that were ever taken; those behind them are untouched
};

// Items are aligned to 64 bytes when item_bytes is a multiple of 64, else to 16. The limit is
// lowered to what SLAB_CHUNKS_MAX chunks hold (2^27 items of 64 bytes).
void slab_init(struct slab *s, uint32_t item_bytes, uint32_t item_count_max);
void slab_release(struct slab *s); // all items at once; empty and usable again

// A zeroed item, or NULL at the limit or without memory. Sets *ret_index.
void *slab_take(struct slab *s, uint32_t *ret_index);
void slab_give(struct slab *s, uint32_t index);

void *slab_at(const struct slab *s, uint32_t index); // CHECKs that it is taken
// The item if that life of it still lasts, else NULL. Any index may be asked.
void *slab_find(const struct slab *s, uint32_t index, uint16_t generation);
uint16_t slab_generation(const struct slab *s, uint32_t index);

// For walking: the first taken index >= `from`, or SLAB_NONE.
uint32_t slab_next(const struct slab *s, uint32_t from);

size_t slab_bytes(const struct slab *s); // address space held; items never used cost no memory

#endif
