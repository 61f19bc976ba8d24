// Slabs: lives and generations, limits, and a random walk beside a model.
#include "engine/base/check.h"
#include "engine/base/random.h"
#include "engine/base/slab.h"
#include "tests/suite.h"

#include <stdlib.h>

static void an_earlier_life_is_not_found(void)
{
    struct slab s;
    uint32_t index, again;
    slab_init(&s, 64, 10);
    CU_ASSERT_PTR_NULL(slab_find(&s, 0, 1)); // before the first
    CU_ASSERT_EQUAL(slab_next(&s, 0), SLAB_NONE);
    char *item = slab_take(&s, &index);
    uint16_t life = slab_generation(&s, index);
    CU_ASSERT_PTR_EQUAL(slab_at(&s, index), item);
    CU_ASSERT_PTR_EQUAL(slab_find(&s, index, life), item);
    CU_ASSERT_PTR_NULL(slab_find(&s, index, (uint16_t)(life + 1)));
    CU_ASSERT_PTR_NULL(slab_find(&s, index, 0));
    memset(item, 0xff, 64);
    slab_give(&s, index);
    CU_ASSERT_PTR_NULL(slab_find(&s, index, life));
    item = slab_take(&s, &again);
    CU_ASSERT_EQUAL(again, index);
    CU_ASSERT_PTR_NULL(slab_find(&s, index, life));
    for (int i = 0; i < 64; i++)
        CU_ASSERT_EQUAL(item[i], 0);
    for (uint32_t any = 0; any < 40; any++)
        CU_ASSERT_EQUAL(slab_find(&s, any << 27 | any, 2) != NULL, any == 0);
    CU_ASSERT_PTR_NULL(slab_find(&s, SLAB_NONE, 1));
    slab_release(&s);
    CU_ASSERT_PTR_NULL(slab_find(&s, index, life));
    CU_ASSERT_PTR_NOT_NULL(slab_take(&s, &index)); // usable again
    slab_release(&s);
}

static void generation_zero_is_skipped(void)
{
    struct slab s;
    uint32_t index;
    slab_init(&s, 16, 1);
    for (uint32_t i = 0; i < 70000; i++) {
        CU_ASSERT_PTR_NOT_NULL(slab_take(&s, &index));
        CU_ASSERT_NOT_EQUAL(slab_generation(&s, index), 0);
        CU_ASSERT_PTR_NULL(slab_find(&s, index, 0));
        slab_give(&s, index);
    }
    slab_release(&s);
}

static void limits_and_alignment(void)
{
    static const uint32_t sizes[] = {1, 16, 24, 64, 100, 192, 4096, 70000, SLAB_CHUNK_BYTES};
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        struct slab s;
        uint32_t count_max = 3 * (SLAB_CHUNK_BYTES / sizes[i]) + 1; // some chunks
        uint32_t index = 0;
        if (count_max > 100000)
            count_max = 100000;
        slab_init(&s, sizes[i], count_max);
        CU_ASSERT_EQUAL(slab_bytes(&s), 0);
        for (uint32_t n = 0; n < count_max; n++) {
            char *item = slab_take(&s, &index);
            CU_ASSERT_PTR_NOT_NULL_FATAL(item);
            CU_ASSERT_EQUAL((uintptr_t)item % (sizes[i] % 64 ? 16 : 64), 0);
            memset(item, (int)n, sizes[i] < 64 ? sizes[i] : 64);
            CU_ASSERT_PTR_EQUAL(slab_at(&s, index), item);
        }
        uint32_t refused;
        CU_ASSERT_PTR_NULL(slab_take(&s, &refused));
        CU_ASSERT_EQUAL(s.item_count, count_max);
        slab_give(&s, index);
        CU_ASSERT_PTR_NOT_NULL(slab_take(&s, &refused));
        CU_ASSERT_TRUE(slab_bytes(&s) >= (size_t)sizes[i] * count_max);
        slab_release(&s);
        CU_ASSERT_EQUAL(slab_bytes(&s), 0);
    }
    struct slab few;
    uint32_t index;
    slab_init(&few, 64, 10);
    CU_ASSERT_PTR_NOT_NULL(slab_take(&few, &index));
    CU_ASSERT_TRUE(slab_bytes(&few) < 4096);
    slab_release(&few);
    struct slab huge;
    slab_init(&huge, 64, UINT32_MAX);
    CU_ASSERT_EQUAL(huge.item_count_max, 1u << 27);
}

static void random_lives(void)
{
    enum { ITEMS = 60000, STEPS = 300000 };
    struct slab s;
    struct random r;
    uint64_t **where = calloc(ITEMS, sizeof(*where)); // by index; NULL: free
    uint32_t count = 0;
    random_init(&r, 3);
    slab_init(&s, 48, ITEMS);
    for (uint32_t step = 0; step < STEPS; step++) {
        // Fills up, and empties in the second half.
        if (random_below(&r, 10) < (step < STEPS / 2 ? 7u : 3u)) {
            uint32_t index;
            uint64_t *item = slab_take(&s, &index);
            CU_ASSERT_EQUAL(item == NULL, count == ITEMS);
            if (!item)
                continue;
            CU_ASSERT_TRUE(index < ITEMS && !where[index] && item[0] == 0 && item[5] == 0);
            item[0] = item[5] = index + 1;
            where[index] = item;
            count++;
        } else {
            uint32_t index = slab_next(&s, random_below(&r, ITEMS));
            if (index == SLAB_NONE)
                continue;
            uint64_t *item = where[index];
            CU_ASSERT_TRUE(item && item[0] == index + 1 && item[5] == index + 1);
            CU_ASSERT_PTR_EQUAL(slab_at(&s, index), item);
            slab_give(&s, index);
            where[index] = NULL;
            count--;
        }
        CU_ASSERT_EQUAL(s.item_count, count);
    }
    uint32_t walked = 0;
    for (uint32_t i = slab_next(&s, 0); i != SLAB_NONE; i = slab_next(&s, i + 1)) {
        CU_ASSERT_PTR_NOT_NULL(where[i]);
        walked++;
    }
    CU_ASSERT_EQUAL(walked, count);
    CU_ASSERT_TRUE(s.item_count_peak >= count);
    slab_release(&s);
    free(where);
}

static const struct suite_test tests[] = {
    {"an earlier life is not found", an_earlier_life_is_not_found},
    {"generation 0 is skipped", generation_zero_is_skipped},
    {"limits and alignment", limits_and_alignment},
    {"random lives", random_lives},
};
SUITE_MAIN("slab", tests)
