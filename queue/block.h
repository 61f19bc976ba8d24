// queue/block.h: memory for accepted messages, in a few size classes that are kept and reused.
//
// Owns:    the bytes of every message that this worker is home to, and their sum. Classes grow by
//          four from BLOCK_BYTES_MIN; what is beyond BLOCK_BYTES_POOLED comes from the heap.
// Threads: one owner takes and gives. Others may read a block that was handed to them.
#ifndef POSTHASTE_QUEUE_BLOCK_H
#define POSTHASTE_QUEUE_BLOCK_H

#include "engine/base/slice.h"

#define BLOCK_BYTES_MIN 4096u
#define BLOCK_CLASS_COUNT 4 // 4, 16, 64 and 256 KiB
#define BLOCK_BYTES_POOLED (BLOCK_BYTES_MIN << (2 * (BLOCK_CLASS_COUNT - 1)))
#define BLOCK_KEPT_BYTES_MAX (16u * 1024 * 1024) // free blocks kept in each class

struct block_pool {
    uint64_t bytes;     // in blocks that are taken
    uint64_t bytes_max; // then block_take() says NULL
    uint64_t bytes_peak;
    uint64_t heap_calls;   // how often the heap was asked: the steady state's counter
    uint64_t bytes_copied; // of content: into blocks, and from one to another
    void *free_first[BLOCK_CLASS_COUNT];
    uint32_t free_count[BLOCK_CLASS_COUNT];
};

void block_pool_init(struct block_pool *p, uint64_t bytes_max);
void block_pool_release(struct block_pool *p); // CHECKs that all blocks are back

// At least bytes_min of memory, not zeroed, aligned to 64 bytes; *ret_bytes: how many there are.
// NULL at the limit or without memory.
void *block_take(struct block_pool *p, size_t bytes_min, size_t *ret_bytes);
// Would the limit allow it?
bool block_has_room(const struct block_pool *p, size_t bytes_min);
// The same without a limit: for what must go on with one at least, however small the pool.
void *block_take_beyond(struct block_pool *p, size_t bytes_min, size_t *ret_bytes);
// `bytes`: what block_take() returned in *ret_bytes.
void block_give(struct block_pool *p, void *block, size_t bytes);
// Moves the first `used` bytes to a larger block; on failure NULL, and the old one stays as it is.
void *block_grow(struct block_pool *p, void *block, size_t bytes, size_t used, size_t bytes_min,
                 size_t *ret_bytes);

#endif
