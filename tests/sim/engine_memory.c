#include "tests/sim/engine_memory.h"

#include "engine/base/check.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#define SLOTS_FIRST 4096u

void *__real_malloc(size_t bytes);
void *__real_calloc(size_t count, size_t bytes);
void *__real_realloc(void *at, size_t bytes);
void *__real_reallocarray(void *at, size_t count, size_t bytes);
void *__real_aligned_alloc(size_t align, size_t bytes);
void __real_free(void *at);
void *__real_mmap(void *at, size_t bytes, int protection, int flags, int fd, off_t offset);
int __real_munmap(void *at, size_t bytes);

void *__wrap_malloc(size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes);
void *__wrap_realloc(void *at, size_t bytes);
void *__wrap_reallocarray(void *at, size_t count, size_t bytes);
void *__wrap_aligned_alloc(size_t align, size_t bytes);
void __wrap_free(void *at);
void *__wrap_mmap(void *at, size_t bytes, int protection, int flags, int fd, off_t offset);
int __wrap_munmap(void *at, size_t bytes);

void *apart_malloc(size_t bytes);
void *apart_calloc(size_t count, size_t bytes);
void *apart_realloc(void *at, size_t bytes);
void apart_free(void *at);

struct piece {
    void *at;         // NULL: a free slot
    size_t map_bytes; // of a mapping; 0: from the heap
};

// A hash table of what the process has, with open addressing.
static struct piece *pieces;
static size_t slot_count, piece_count;
static bool inside;

void memory_enter(void)
{
    CHECK(!inside);
    inside = true;
}

void memory_leave(void)
{
    CHECK(inside);
    inside = false;
}

size_t memory_count(void)
{
    return piece_count;
}

// --- the table

static size_t slot_of(const void *at)
{
    return (size_t)((uintptr_t)at * UINT64_C(0x9e3779b97f4a7c15) >> 20) & (slot_count - 1);
}

static size_t find(const void *at)
{
    size_t slot = slot_of(at);
    while (pieces[slot].at && pieces[slot].at != at)
        slot = (slot + 1) & (slot_count - 1);
    return slot;
}

static void grow(void)
{
    struct piece *old = pieces;
    size_t old_count = slot_count;
    slot_count = slot_count ? 2 * slot_count : SLOTS_FIRST;
    pieces = __real_calloc(slot_count, sizeof(*pieces));
    CHECK(pieces);
    for (size_t i = 0; i < old_count; i++)
        if (old[i].at)
            pieces[find(old[i].at)] = old[i];
    __real_free(old);
}

static void *add(void *at, size_t map_bytes)
{
    if (!at)
        return NULL;
    if (2 * piece_count >= slot_count)
        grow();
    pieces[find(at)] = (struct piece){at, map_bytes};
    piece_count++;
    return at;
}

// True: it was the process's, and is no longer known.
static bool drop(const void *at)
{
    if (!at || piece_count == 0)
        return false;
    size_t slot = find(at), next = slot;
    if (!pieces[slot].at)
        return false;
    piece_count--;
    pieces[slot].at = NULL;
    // What stands behind it may have been pushed there by it.
    while (pieces[next = (next + 1) & (slot_count - 1)].at) {
        struct piece p = pieces[next];
        pieces[next].at = NULL;
        pieces[find(p.at)] = p;
    }
    return true;
}

void memory_lose(void)
{
    CHECK(!inside);
    for (size_t i = 0; i < slot_count; i++) {
        struct piece p = pieces[i];
        pieces[i].at = NULL;
        if (p.map_bytes > 0)
            __real_munmap(p.at, p.map_bytes);
        else
            __real_free(p.at);
    }
    piece_count = 0;
}

// --- in place of the C library's

void *__wrap_malloc(size_t bytes)
{
    void *at = __real_malloc(bytes);
    return inside ? add(at, 0) : at;
}

void *__wrap_calloc(size_t count, size_t bytes)
{
    void *at = __real_calloc(count, bytes);
    return inside ? add(at, 0) : at;
}

void *__wrap_aligned_alloc(size_t align, size_t bytes)
{
    void *at = __real_aligned_alloc(align, bytes);
    return inside ? add(at, 0) : at;
}

// None of ours goes on with the old piece when there is no memory for a larger one: it ends.
void *__wrap_realloc(void *at, size_t bytes)
{
    bool ours = drop(at) || (!at && inside);
    void *larger = __real_realloc(at, bytes);
    return ours ? add(larger, 0) : larger;
}

void *__wrap_reallocarray(void *at, size_t count, size_t bytes)
{
    bool ours = drop(at) || (!at && inside);
    void *larger = __real_reallocarray(at, count, bytes);
    return ours ? add(larger, 0) : larger;
}

void __wrap_free(void *at)
{
    drop(at);
    __real_free(at);
}

void *__wrap_mmap(void *at, size_t bytes, int protection, int flags, int fd, off_t offset)
{
    void *got = __real_mmap(at, bytes, protection, flags, fd, offset);
    return inside && got != MAP_FAILED ? add(got, bytes) : got;
}

int __wrap_munmap(void *at, size_t bytes)
{
    drop(at);
    return __real_munmap(at, bytes);
}

// --- the world's

void *apart_malloc(size_t bytes)
{
    return __real_malloc(bytes);
}

void *apart_calloc(size_t count, size_t bytes)
{
    return __real_calloc(count, bytes);
}

void *apart_realloc(void *at, size_t bytes)
{
    return __real_realloc(at, bytes);
}

void apart_free(void *at)
{
    __real_free(at);
}
