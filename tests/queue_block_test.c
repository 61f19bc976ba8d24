#include "queue/block.h"
#include "tests/suite.h"

#include <stdint.h>

static void classes_grow_by_four(void)
{
    static const struct {
        size_t wanted, got;
    } cases[] = {
        {0, 4096},      {1, 4096},       {4096, 4096},     {4097, 16384},    {16384, 16384},
        {16385, 65536}, {65537, 262144}, {262144, 262144}, {262145, 266240}, {1000000, 1003520},
    };
    struct block_pool p;
    block_pool_init(&p, UINT64_MAX);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        size_t got;
        char *block = block_take(&p, cases[i].wanted, &got);
        CU_ASSERT_PTR_NOT_NULL_FATAL(block);
        CU_ASSERT_EQUAL(got, cases[i].got);
        CU_ASSERT_EQUAL((uintptr_t)block % 64, 0);
        memset(block, 'x', got);
        CU_ASSERT_EQUAL(p.bytes, got);
        block_give(&p, block, got);
    }
    CU_ASSERT_EQUAL(p.bytes_peak, 1003520);
    block_pool_release(&p);
}

static void steady_state_asks_no_heap(void)
{
    struct block_pool p;
    size_t bytes[100];
    void *blocks[100];
    block_pool_init(&p, UINT64_MAX);
    for (int round = 0; round < 10; round++) {
        for (size_t i = 0; i < 100; i++)
            blocks[i] = block_take(&p, i * 1500, &bytes[i]);
        for (size_t i = 0; i < 100; i++)
            block_give(&p, blocks[i], bytes[i]);
        CU_ASSERT_EQUAL(p.heap_calls, 100);
    }
    CU_ASSERT_EQUAL(p.bytes, 0);
    block_pool_release(&p);
}

static void keeps_no_more_than_its_limit(void)
{
    enum { COUNT = BLOCK_KEPT_BYTES_MAX / BLOCK_BYTES_POOLED + 10 };
    struct block_pool p;
    size_t bytes;
    void *blocks[COUNT];
    block_pool_init(&p, UINT64_MAX);
    for (int i = 0; i < COUNT; i++)
        blocks[i] = block_take(&p, BLOCK_BYTES_POOLED, &bytes);
    for (int i = 0; i < COUNT; i++)
        block_give(&p, blocks[i], BLOCK_BYTES_POOLED);
    CU_ASSERT_EQUAL(p.free_count[BLOCK_CLASS_COUNT - 1], COUNT - 10);
    block_pool_release(&p);
}

static void refuses_at_the_limit(void)
{
    struct block_pool p;
    size_t bytes = 1;
    block_pool_init(&p, 3 * 4096);
    void *a = block_take(&p, 1, &bytes);
    CU_ASSERT_PTR_NULL(block_take(&p, 4097, &bytes)); // would take 16 KiB
    void *b = block_take(&p, 4096, &bytes);
    void *c = block_take(&p, 4096, &bytes);
    CU_ASSERT_PTR_NULL(block_take(&p, 1, &bytes));
    CU_ASSERT_PTR_NULL(block_take(&p, SIZE_MAX, &bytes));
    CU_ASSERT_EQUAL(bytes, 4096); // untouched by what was refused
    block_give(&p, b, 4096);
    b = block_take(&p, 1, &bytes);
    CU_ASSERT_PTR_NOT_NULL(b);
    block_give(&p, a, 4096);
    block_give(&p, b, 4096);
    block_give(&p, c, 4096);
    block_pool_release(&p);
}

// Grows one block to 20 MB by 4 KB pieces, as a large content does, and counts the copies.
static void growth_is_amortised(void)
{
    struct block_pool p;
    size_t bytes, used = 0, copied = 0;
    block_pool_init(&p, UINT64_MAX);
    unsigned char *block = block_take(&p, 1, &bytes);
    while (used < 20000000) {
        if (bytes - used < 4000) {
            copied += used;
            block = block_grow(&p, block, bytes, used, used + 4000, &bytes);
            CU_ASSERT_PTR_NOT_NULL_FATAL(block);
        }
        for (size_t i = 0; i < 4000; i++, used++)
            block[used] = (unsigned char)(used % 251);
    }
    for (size_t i = 0; i < used; i++)
        if (block[i] != i % 251) {
            CU_FAIL("bytes were lost while growing");
            break;
        }
    CU_ASSERT(copied < 2 * used);
    CU_ASSERT_EQUAL(p.bytes, bytes);
    block_give(&p, block, bytes);
    block_pool_release(&p);
}

static void growth_near_the_limit(void)
{
    enum { BYTES = 1 << 20 };
    struct block_pool p;
    size_t bytes;
    block_pool_init(&p, 2 * BYTES + 8192);
    char *block = block_take(&p, BYTES, &bytes);
    memset(block, 'x', BYTES);
    // Doubling does not fit beside the old block any more; what is needed does.
    block = block_grow(&p, block, bytes, BYTES, BYTES + 1, &bytes);
    CU_ASSERT_PTR_NOT_NULL_FATAL(block);
    CU_ASSERT_EQUAL(bytes, BYTES + 4096);
    CU_ASSERT_PTR_NULL(block_grow(&p, block, bytes, BYTES, BYTES + 8193, &bytes));
    CU_ASSERT_EQUAL(bytes, BYTES + 4096);
    CU_ASSERT_EQUAL(block[BYTES - 1], 'x');
    block_give(&p, block, bytes);
    block_pool_release(&p);
}

static const struct suite_test tests[] = {
    {"classes grow by four", classes_grow_by_four},
    {"the steady state asks no heap", steady_state_asks_no_heap},
    {"keeps no more than its limit", keeps_no_more_than_its_limit},
    {"refuses at the limit", refuses_at_the_limit},
    {"growth is amortised", growth_is_amortised},
    {"growth near the limit", growth_near_the_limit},
};

SUITE_MAIN("queue_block", tests)
