// The cursor of the events: what it covers, and what damage makes of it.

#include "queue/cursor.h"
#include "tests/suite.h"

#define BASE 7u

static char file[CURSOR_FILE_BYTES];

static void put_slot(uint32_t worker, uint64_t base_turn, struct journal_place told)
{
    struct cursor_slot s = cursor_slot_of(base_turn, told);
    memcpy(file + cursor_slot_offset(worker), &s, sizeof(s));
}

static void test_what_is_covered(void)
{
    struct cursor c;
    cursor_begin(file, BASE);
    put_slot(0, BASE, (struct journal_place){9, 8192});
    put_slot(63, BASE, (struct journal_place){8, 4096});
    cursor_read(&c, slice_make(file, sizeof(file)));
    CU_ASSERT(cursor_covers(&c, 0, (struct journal_place){BASE, UINT64_MAX})); // before this life
    CU_ASSERT(cursor_covers(&c, 5, (struct journal_place){BASE, 0}));
    CU_ASSERT(cursor_covers(&c, 0, (struct journal_place){8, UINT64_MAX}));
    CU_ASSERT(cursor_covers(&c, 0, (struct journal_place){9, 8191}));
    CU_ASSERT(!cursor_covers(&c, 0, (struct journal_place){9, 8192}));
    CU_ASSERT(!cursor_covers(&c, 0, (struct journal_place){10, 0}));
    CU_ASSERT(cursor_covers(&c, 63, (struct journal_place){8, 4095}));
    CU_ASSERT(!cursor_covers(&c, 63, (struct journal_place){8, 4096}));
    CU_ASSERT(!cursor_covers(&c, 1, (struct journal_place){8, 0})); // has told of nothing yet
    CU_ASSERT(!cursor_covers(&c, CURSOR_WORKERS_MAX, (struct journal_place){8, 0}));
    CU_ASSERT(!cursor_covers(&c, UINT32_MAX, (struct journal_place){8, 0}));
}

static void test_slots_of_an_earlier_life(void)
{
    struct cursor c;
    cursor_begin(file, BASE + 1);
    put_slot(2, BASE, (struct journal_place){100, 0});
    cursor_read(&c, slice_make(file, sizeof(file)));
    CU_ASSERT(!cursor_covers(&c, 2, (struct journal_place){BASE + 2, 0}));
}

// More may be told of than need be; never less.
static void test_each_damaged_byte(void)
{
    struct cursor c;
    for (size_t at = 0; at < sizeof(struct cursor_slot) - 24; at++) {
        cursor_begin(file, BASE);
        put_slot(0, BASE, (struct journal_place){9, 8192});
        file[at] ^= 0x40;
        cursor_read(&c, slice_make(file, sizeof(file)));
        CU_ASSERT_EQUAL(c.base_turn, 0);
        CU_ASSERT(!cursor_covers(&c, 0, (struct journal_place){1, 0}));
        file[at] ^= 0x40;
        file[cursor_slot_offset(0) + at] ^= 0x40;
        cursor_read(&c, slice_make(file, sizeof(file)));
        CU_ASSERT_EQUAL(c.base_turn, BASE);
        CU_ASSERT(!cursor_covers(&c, 0, (struct journal_place){BASE + 1, 0}));
    }
}

static void test_each_length(void)
{
    struct cursor c;
    cursor_begin(file, BASE);
    put_slot(1, BASE, (struct journal_place){9, 0});
    for (size_t len = 0; len <= sizeof(file); len++) {
        cursor_read(&c, slice_make(file, len));
        CU_ASSERT_EQUAL(c.base_turn, len < CURSOR_SLOT_BYTES ? 0 : BASE);
        CU_ASSERT_EQUAL(c.told[1].turn, len < 3 * CURSOR_SLOT_BYTES ? 0 : 9);
    }
}

static const struct suite_test tests[] = {
    {"what is covered", test_what_is_covered},
    {"slots of an earlier life", test_slots_of_an_earlier_life},
    {"each damaged byte", test_each_damaged_byte},
    {"each length", test_each_length},
};
SUITE_MAIN("cursor", tests)
