// Which segment is made, opened, emptied, removed, set aside or cleared out, and when not.
#include "engine/base/check.h"
#include "queue/segments.h"
#include "tests/suite.h"

#include <errno.h>

#define BYTES (64u * 1024)
#define PLENTY (1000u * BYTES)
#define LETTER 1000u // bytes of a message

static struct segment_table table;
static uint64_t now_us;

static void begin(struct segments *s, uint64_t bytes_max)
{
    CU_ASSERT_FATAL(segment_table_init(&table, bytes_max));
    now_us = 1000;
    segments_init(s, &table, 0, BYTES, 1);
}

static void end(void)
{
    segment_table_release(&table);
}

static struct segments_task next(struct segments *s, uint64_t synced_batch)
{
    return segments_next(s, synced_batch, now_us);
}

static void done(struct segments *s, int result)
{
    segments_done(s, result, 7, now_us);
}

// Makes spares until none is wanted; returns how many.
static uint32_t make_spares(struct segments *s)
{
    uint32_t count = 0;
    while (next(s, 0).kind == SEGMENTS_MAKE) {
        done(s, 0);
        count++;
    }
    return count;
}

// Opens another one, with a message in it; returns its number.
static uint32_t open_with_letter(struct segments *s)
{
    make_spares(s);
    CU_ASSERT_FATAL(segments_open(s, BYTES, false));
    segments_add_live(s, place_make(s->open, 4096), LETTER);
    return s->open;
}

static void drop(struct segments *s, uint32_t number, uint64_t batch)
{
    segments_drop_live(s, place_make(number, 4096), LETTER, batch);
}

// --- making

static void spares_are_made_ahead(void)
{
    struct segments s;
    begin(&s, PLENTY);
    CU_ASSERT(!segments_open(&s, BYTES, true));
    struct segments_task first = next(&s, 0);
    CU_ASSERT_EQUAL(first.kind, SEGMENTS_MAKE);
    CU_ASSERT_EQUAL(first.bytes, BYTES);
    CU_ASSERT_EQUAL(next(&s, 0).kind, SEGMENTS_NOTHING); // one at a time
    done(&s, 0);
    struct segments_task second = next(&s, 0);
    CU_ASSERT_EQUAL(second.kind, SEGMENTS_MAKE);
    CU_ASSERT(second.number != first.number && second.name > first.name);
    CU_ASSERT(second.epoch > first.epoch && first.epoch != 0);
    done(&s, 0);
    CU_ASSERT_EQUAL(next(&s, 0).kind, SEGMENTS_NOTHING);
    CU_ASSERT_EQUAL(s.spare_count, SEGMENTS_SPARE);
    CU_ASSERT_EQUAL(table.bytes, 2 * BYTES);
    CU_ASSERT(segments_open(&s, BYTES, false));
    CU_ASSERT_EQUAL(segment_at(&table, s.open)->turn, 1);
    CU_ASSERT_EQUAL(next(&s, 0).kind, SEGMENTS_MAKE); // instead of that
    end();
}

static void without_room(void)
{
    static const int errors[] = {-ENOSPC, -EDQUOT, -EIO};
    for (size_t i = 0; i < COUNT_OF(errors); i++) {
        struct segments s;
        begin(&s, PLENTY);
        make_spares(&s);
        CU_ASSERT_EQUAL(segments_due_us(&s), UINT64_MAX);
        CU_ASSERT(segments_open(&s, BYTES, false));
        segments_add_live(&s, place_make(s.open, 4096), LETTER);
        CU_ASSERT_EQUAL(next(&s, 0).kind, SEGMENTS_MAKE);
        CU_ASSERT(segments_accept(&s)); // nobody knows yet
        done(&s, errors[i]);
        CU_ASSERT(!segments_accept(&s));
        CU_ASSERT(s.no_room && s.error == errors[i]);
        CU_ASSERT_EQUAL(table.bytes, 2 * BYTES); // what was not made does not count
        CU_ASSERT_EQUAL(next(&s, 0).kind, SEGMENTS_NOTHING);
        CU_ASSERT_EQUAL(segments_due_us(&s), now_us + SEGMENTS_AGAIN_US);
        // The reserve is for who has a right to it.
        CU_ASSERT_EQUAL(s.spare_count, SEGMENTS_RESERVE);
        CU_ASSERT(!segments_open(&s, BYTES, false));
        now_us += SEGMENTS_AGAIN_US;
        CU_ASSERT_EQUAL(next(&s, 0).kind, SEGMENTS_MAKE);
        done(&s, 0);
        CU_ASSERT(segments_accept(&s) && segments_open(&s, BYTES, false));
        CU_ASSERT_EQUAL(next(&s, 0).kind, SEGMENTS_MAKE);
        done(&s, errors[i]);
        CU_ASSERT(!segments_open(&s, BYTES, false) && segments_open(&s, BYTES, true));
        CU_ASSERT(!segments_open(&s, BYTES, true));
        end();
    }
}

// The limit is on all files of all homes.
static void the_limit_is_shared(void)
{
    struct segments a, b;
    begin(&a, 3 * BYTES);
    segments_init(&b, &table, 1, BYTES, 2);
    CU_ASSERT_EQUAL(make_spares(&a), 2);
    CU_ASSERT_EQUAL(make_spares(&b), 1);
    CU_ASSERT(b.no_room && b.error == -EDQUOT && !segments_accept(&b));
    CU_ASSERT_EQUAL(table.bytes, 3 * BYTES);
    CU_ASSERT(a.spares[0] != b.spares[0] && a.spares[1] != b.spares[0]);
    end();
}

// A number whose file is gone, or was never made, is given again.
static void numbers_are_used_again(void)
{
    struct segments s;
    begin(&s, PLENTY);
    make_spares(&s);
    for (uint32_t i = 0; i < 1000; i++) {
        uint64_t large = (2 + i % 5) * BYTES;
        CU_ASSERT(!segments_open(&s, large, true));
        CU_ASSERT_EQUAL_FATAL(next(&s, 0).kind, SEGMENTS_MAKE);
        done(&s, -ENOSPC);
        now_us += SEGMENTS_AGAIN_US;
        CU_ASSERT_EQUAL_FATAL(next(&s, 0).kind, SEGMENTS_MAKE);
        done(&s, 0);
        CU_ASSERT_FATAL(segments_open(&s, large, true) && segments_open(&s, BYTES, true));
        while (next(&s, 0).kind != SEGMENTS_NOTHING)
            done(&s, 0);
    }
    CU_ASSERT(s.removed_count >= 1000);
    CU_ASSERT(table.count < 20);
    end();
}

// --- emptying

static void the_oldest_goes_first(void)
{
    struct segments s;
    uint32_t n[4];
    begin(&s, PLENTY);
    for (int i = 0; i < 4; i++)
        n[i] = open_with_letter(&s);
    make_spares(&s);
    drop(&s, n[1], 5); // younger ones wait for the oldest
    drop(&s, n[2], 5);
    CU_ASSERT_EQUAL(next(&s, 5).kind, SEGMENTS_NOTHING);
    drop(&s, n[0], 6);
    CU_ASSERT_EQUAL(next(&s, 5).kind, SEGMENTS_NOTHING); // what says so is not safe
    struct segments_task t = next(&s, 6);
    CU_ASSERT_EQUAL(t.kind, SEGMENTS_EMPTY);
    CU_ASSERT_EQUAL(t.number, n[0]);
    CU_ASSERT(t.epoch > segment_at(&table, n[3])->epoch);
    CU_ASSERT_EQUAL(next(&s, 6).kind, SEGMENTS_NOTHING); // one after the other
    uint32_t spares = s.spare_count;
    done(&s, 0);
    CU_ASSERT_EQUAL(s.spare_count, spares + 1);
    CU_ASSERT_EQUAL(segment_at(&table, n[0])->epoch, t.epoch);
    CU_ASSERT_EQUAL(next(&s, 6).number, n[1]);
    done(&s, 0);
    CU_ASSERT_EQUAL(next(&s, 6).number, n[2]);
    done(&s, 0);
    drop(&s, n[3], 6);
    CU_ASSERT_EQUAL(next(&s, 6).kind, SEGMENTS_NOTHING); // the open one stays
    end();
}

static void readers_and_promises_hold_it(void)
{
    struct segments s;
    begin(&s, PLENTY);
    uint32_t first = open_with_letter(&s);
    open_with_letter(&s);
    make_spares(&s);
    drop(&s, first, 0);
    atomic_fetch_add(&segment_at(&table, first)->readers, 1);
    CU_ASSERT_EQUAL(next(&s, 9).kind, SEGMENTS_NOTHING);
    atomic_fetch_sub(&segment_at(&table, first)->readers, 1);
    segments_keep(&s, first, 10);
    segments_keep(&s, first, 3); // the later of the two
    segments_keep(&s, SEGMENT_NONE, 30);
    CU_ASSERT_EQUAL(next(&s, 9).kind, SEGMENTS_NOTHING);
    CU_ASSERT_EQUAL(next(&s, 10).kind, SEGMENTS_EMPTY);
    end();
}

// What could not be emptied or removed may still be found after a crash, with messages in it that
// were delivered: what says so stays.
static void nothing_goes_before_one_that_stayed(void)
{
    for (int large = 0; large < 2; large++) {
        struct segments s;
        begin(&s, PLENTY);
        make_spares(&s);
        if (large) {
            CU_ASSERT(!segments_open(&s, 3 * BYTES, false));
            CU_ASSERT_EQUAL(next(&s, 0).bytes, 3 * BYTES);
            done(&s, 0);
        }
        CU_ASSERT(segments_open(&s, large ? 3 * BYTES : BYTES, false));
        segments_add_live(&s, place_make(s.open, 4096), LETTER);
        uint32_t first = s.open, second = open_with_letter(&s);
        open_with_letter(&s);
        make_spares(&s);
        drop(&s, first, 1);
        drop(&s, second, 1);
        uint64_t bytes = table.bytes;
        CU_ASSERT_EQUAL(next(&s, 1).kind, large ? SEGMENTS_REMOVE : SEGMENTS_EMPTY);
        done(&s, -EIO);
        CU_ASSERT_EQUAL(table.bytes, bytes); // it takes its room
        for (int i = 0; i < 5; i++) {
            now_us += SEGMENTS_AGAIN_US;
            CU_ASSERT_EQUAL(next(&s, 9).kind, SEGMENTS_NOTHING);
        }
        CU_ASSERT(segments_accept(&s) && segments_open(&s, BYTES, false));
        CU_ASSERT_EQUAL(next(&s, 9).kind, SEGMENTS_MAKE); // but new ones come
        end();
    }
}

static void enough_spares_are_kept_and_no_more(void)
{
    struct segments s;
    uint32_t n[SEGMENTS_SPARE_MAX + 4];
    begin(&s, PLENTY);
    for (size_t i = 0; i < COUNT_OF(n); i++)
        n[i] = open_with_letter(&s);
    make_spares(&s);
    uint64_t bytes = table.bytes;
    uint32_t emptied = 0, removed = 0;
    for (size_t i = 0; i + 1 < COUNT_OF(n); i++)
        drop(&s, n[i], 0);
    for (struct segments_task t = next(&s, 0); t.kind != SEGMENTS_NOTHING; t = next(&s, 0)) {
        emptied += t.kind == SEGMENTS_EMPTY;
        removed += t.kind == SEGMENTS_REMOVE;
        done(&s, 0);
    }
    CU_ASSERT_EQUAL(s.spare_count, SEGMENTS_SPARE_MAX);
    CU_ASSERT_EQUAL(emptied, SEGMENTS_SPARE_MAX - SEGMENTS_SPARE);
    CU_ASSERT_EQUAL(emptied + removed, COUNT_OF(n) - 1);
    CU_ASSERT_EQUAL(table.bytes, bytes - removed * BYTES);
    // One more on top, and more, where none of these will do: the small ones make room.
    for (uint32_t i = 2; i < 30; i++) {
        CU_ASSERT(!segments_open(&s, i * BYTES, false));
        for (struct segments_task t = next(&s, 0); t.kind != SEGMENTS_NOTHING; t = next(&s, 0))
            done(&s, 0);
        CU_ASSERT(s.spare_count <= SEGMENTS_SPARE_MAX);
        CU_ASSERT(segments_has(&s, i * BYTES, 0)); // and its owner may have gone meanwhile
    }
    end();
}

// --- sizes

static void large_ones_are_for_large_messages(void)
{
    struct segments s;
    begin(&s, PLENTY);
    make_spares(&s);
    CU_ASSERT(segments_has(&s, BYTES, 100));
    CU_ASSERT(!segments_has(&s, BYTES + 1, 100));
    CU_ASSERT_EQUAL(s.bytes_wanted, BYTES + 1 + 100);
    CU_ASSERT(!segments_has(&s, BYTES + 1, 100)); // asked once
    CU_ASSERT_EQUAL(next(&s, 0).bytes, BYTES + 1 + 100);
    done(&s, 0);
    CU_ASSERT_EQUAL(s.bytes_wanted, 0);
    CU_ASSERT_EQUAL(next(&s, 0).kind, SEGMENTS_NOTHING);
    CU_ASSERT(segments_has(&s, BYTES + 1, 100));
    CU_ASSERT(segments_open(&s, 4096, false));
    CU_ASSERT_EQUAL(segment_at(&table, s.open)->bytes, BYTES); // the smallest that will do
    CU_ASSERT(segments_open(&s, BYTES + 1, false));
    uint32_t large = s.open;
    CU_ASSERT_EQUAL(segment_at(&table, large)->bytes, BYTES + 1 + 100);
    CU_ASSERT_EQUAL(next(&s, 0).kind, SEGMENTS_EMPTY); // the one before it
    done(&s, 0);
    CU_ASSERT(segments_open(&s, 4096, false));
    struct segments_task t = next(&s, 0);
    CU_ASSERT(t.kind == SEGMENTS_REMOVE && t.number == large && t.bytes == BYTES + 1 + 100);
    uint64_t bytes = table.bytes;
    done(&s, 0);
    CU_ASSERT_EQUAL(table.bytes, bytes - t.bytes);
    end();
}

static void room_comes_back_when_one_is_removed(void)
{
    struct segments s;
    begin(&s, 5 * BYTES);
    make_spares(&s);
    CU_ASSERT(!segments_open(&s, 3 * BYTES, false));
    CU_ASSERT_EQUAL(next(&s, 0).kind, SEGMENTS_MAKE);
    done(&s, 0);
    CU_ASSERT(segments_open(&s, 3 * BYTES, false) && segments_open(&s, BYTES, false));
    CU_ASSERT_EQUAL(next(&s, 0).kind, SEGMENTS_REMOVE); // the large one is empty
    done(&s, 0);
    CU_ASSERT_EQUAL(make_spares(&s), 1);
    CU_ASSERT(segments_accept(&s));
    end();
}

// --- what was found at start

// Two homes share what was found: each empties its own, in the order that all of them have.
static void inherited_ones_go_in_their_turn(void)
{
    struct segments homes[2];
    begin(&homes[0], PLENTY);
    segments_init(&homes[1], &table, 1, BYTES, 2);
    for (uint32_t i = 0; i < 6; i++) {
        uint32_t number = segment_take(&table);
        *segment_at(&table, number) = (struct segment){
            .fd = 9, .epoch = i + 1, .bytes = BYTES, .reuse_turn = i + 1};
        segments_inherit(&homes[i % 2], number);
    }
    table.epoch = 6;
    table.reuse_turn = 1;
    table.keys_left = 1;
    for (int h = 0; h < 2; h++) {
        make_spares(&homes[h]);
        CU_ASSERT(segments_open(&homes[h], BYTES, true)); // now all of these are sealed
        make_spares(&homes[h]);
        CU_ASSERT_EQUAL(next(&homes[h], 9).kind, SEGMENTS_NOTHING); // keys stand in them
    }
    table.keys_left = 0;
    for (uint32_t i = 0; i < 6; i++) {
        CU_ASSERT_EQUAL(next(&homes[1 - i % 2], 9).kind, SEGMENTS_NOTHING); // not his turn
        struct segments_task t = next(&homes[i % 2], 9);
        CU_ASSERT_EQUAL(t.kind, SEGMENTS_EMPTY);
        CU_ASSERT_EQUAL(t.number, i);
        CU_ASSERT_EQUAL(next(&homes[1 - i % 2], 9).kind, SEGMENTS_NOTHING); // not before it is done
        done(&homes[i % 2], 0);
        CU_ASSERT_EQUAL(segment_at(&table, i)->reuse_turn, 0);
    }
    end();
}

// One that cannot be emptied stops the other home too.
static void an_inherited_one_that_stays_holds_all(void)
{
    struct segments homes[2];
    begin(&homes[0], PLENTY);
    segments_init(&homes[1], &table, 1, BYTES, 2);
    for (uint32_t i = 0; i < 2; i++) {
        uint32_t number = segment_take(&table);
        *segment_at(&table, number) = (struct segment){
            .fd = 9, .epoch = i + 1, .bytes = BYTES, .turn = i + 1, .reuse_turn = i + 1};
        segments_inherit(&homes[i], number);
    }
    table.reuse_turn = 1;
    for (int h = 0; h < 2; h++) {
        make_spares(&homes[h]);
        CU_ASSERT(segments_open(&homes[h], BYTES, true));
        while (next(&homes[h], 9).kind == SEGMENTS_MAKE)
            done(&homes[h], 0);
    }
    CU_ASSERT_EQUAL(homes[0].task.kind, SEGMENTS_EMPTY);
    done(&homes[0], -EIO);
    CU_ASSERT_EQUAL(next(&homes[1], 9).kind, SEGMENTS_NOTHING);
    CU_ASSERT_EQUAL(make_spares(&homes[0]), 1); // all else goes on
    CU_ASSERT_EQUAL(next(&homes[0], 9).kind, SEGMENTS_NOTHING);
    end();
}

static void a_damaged_one_is_set_aside(void)
{
    struct segments s;
    begin(&s, PLENTY);
    uint32_t number = segment_take(&table);
    *segment_at(&table, number) = (struct segment){.fd = 9,
                                                   .epoch = 1,
                                                   .bytes = BYTES,
                                                   .turn = 1,
                                                   .name = 77,
                                                   .damaged = true,
                                                   .live_count = 1,
                                                   .live_bytes = LETTER,
                                                   .reuse_turn = 1};
    table.reuse_turn = 1;
    table.bytes = BYTES;
    segments_inherit(&s, number);
    make_spares(&s);
    CU_ASSERT(segments_open(&s, BYTES, false));
    make_spares(&s);
    CU_ASSERT_EQUAL(segments_to_move(&s), number); // what lives in it is moved, however little
    drop(&s, number, 2);
    CU_ASSERT_EQUAL(segments_to_move(&s), SEGMENT_NONE);
    CU_ASSERT_EQUAL(next(&s, 1).kind, SEGMENTS_NOTHING);
    struct segments_task t = next(&s, 2);
    CU_ASSERT(t.kind == SEGMENTS_SET_ASIDE && t.number == number && t.name == 77);
    uint64_t bytes = table.bytes;
    done(&s, 0);
    CU_ASSERT_EQUAL(table.bytes, bytes - BYTES); // nobody counts it any more
    CU_ASSERT_EQUAL(s.spare_count, SEGMENTS_SPARE);
    CU_ASSERT_EQUAL(table.reuse_turn, 2);
    end();
}

// Found damaged while it is used: what can be read is moved. What cannot still lives there when it
// is set aside, since the others need not wait for that to be over.
static void what_is_lost_holds_nothing(void)
{
    struct segments s;
    begin(&s, PLENTY);
    uint32_t first = open_with_letter(&s);
    segments_add_live(&s, place_make(first, 8192), LETTER);
    segments_add_live(&s, place_make(first, 12288), LETTER);
    segment_at(&table, first)->damaged = true;
    uint32_t second = open_with_letter(&s);
    open_with_letter(&s);
    make_spares(&s);
    CU_ASSERT_EQUAL(segments_to_move(&s), first);
    drop(&s, first, 2); // one of three is moved
    segments_lost(&s, first, 2);
    CU_ASSERT_EQUAL(segments_to_move(&s), SEGMENT_NONE);
    CU_ASSERT_EQUAL(next(&s, 1).kind, SEGMENTS_NOTHING);
    struct segments_task t = next(&s, 2);
    CU_ASSERT(t.kind == SEGMENTS_SET_ASIDE && t.number == first);
    uint64_t bytes = table.bytes;
    done(&s, 0);
    CU_ASSERT_EQUAL(table.bytes, bytes - BYTES);
    CU_ASSERT_EQUAL(segment_at(&table, first)->fd, 7); // who asks for them is told the truth
    CU_ASSERT_EQUAL(s.live_bytes, 2 * LETTER);         // of the other two
    CU_ASSERT_EQUAL(s.used_bytes, 2 * BYTES);
    drop(&s, first, 3);
    drop(&s, first, 3); // they have expired
    CU_ASSERT_EQUAL(s.live_bytes, 2 * LETTER);
    drop(&s, second, 3); // the next one goes as ever
    t = next(&s, 3);
    CU_ASSERT(t.kind == SEGMENTS_EMPTY && t.number == second);
    done(&s, 0);
    for (int i = 0; i < 8; i++) // no other one gets its number
        CU_ASSERT_NOT_EQUAL(open_with_letter(&s), first);
    end();
}

// When one ends meanwhile it may have been one of the lost: all are looked through again.
static void what_ends_is_no_longer_lost(void)
{
    struct segments s;
    begin(&s, PLENTY);
    uint32_t first = open_with_letter(&s);
    segments_add_live(&s, place_make(first, 8192), LETTER);
    segments_add_live(&s, place_make(first, 12288), LETTER);
    open_with_letter(&s);
    make_spares(&s);
    segments_lost(&s, first, 2); // the third is a key that is not written again yet
    drop(&s, first, 1);
    CU_ASSERT_EQUAL(next(&s, 1).kind, SEGMENTS_NOTHING);
    CU_ASSERT_EQUAL(segments_to_move(&s), first);
    segments_lost(&s, first, 1);
    drop(&s, first, 1);
    CU_ASSERT_EQUAL(next(&s, 1).kind, SEGMENTS_NOTHING);
    segments_lost(&s, first, 1);
    CU_ASSERT_EQUAL(next(&s, 1).kind, SEGMENTS_SET_ASIDE);
    done(&s, 0);
    end();
}

// --- what is worth moving

static void to_move(void)
{
    struct segments s;
    uint32_t n[12];
    begin(&s, PLENTY);
    CU_ASSERT_EQUAL(segments_to_move(&s), SEGMENT_NONE);
    n[0] = open_with_letter(&s);
    CU_ASSERT_EQUAL(segments_to_move(&s), SEGMENT_NONE); // the open one
    for (size_t i = 1; i < 4; i++)
        n[i] = open_with_letter(&s);
    CU_ASSERT_EQUAL(segments_to_move(&s), SEGMENT_NONE); // so few are no reason
    for (size_t i = 4; i < 8; i++)
        n[i] = open_with_letter(&s);
    CU_ASSERT_EQUAL(segments_to_move(&s), n[0]); // nearly all of it is garbage
    // More than half lives: it is not worth it.
    segments_add_live(&s, place_make(n[5], 4096), 5 * BYTES);
    CU_ASSERT_EQUAL(segments_to_move(&s), SEGMENT_NONE);
    // Without room it is.
    make_spares(&s);
    CU_ASSERT(segments_open(&s, BYTES, true));
    CU_ASSERT_EQUAL(next(&s, 0).kind, SEGMENTS_MAKE);
    done(&s, -ENOSPC);
    CU_ASSERT_EQUAL(segments_to_move(&s), n[0]);
    segments_add_live(&s, place_make(n[6], 4096), 3 * BYTES); // nothing would be gained
    CU_ASSERT_EQUAL(segments_to_move(&s), SEGMENT_NONE);
    segments_drop_live(&s, place_make(n[6], 4096), 3 * BYTES, 0);
    drop(&s, n[0], 0);
    CU_ASSERT_EQUAL(segments_to_move(&s), SEGMENT_NONE); // it goes by itself
    end();
}

// --- places

static void a_reader_sees_where_it_is_now(void)
{
    struct entry e = {.place = place_make(3, 4096)};
    struct segments s;
    begin(&s, PLENTY);
    uint64_t place = segment_read_begins(&table, &e);
    CU_ASSERT_EQUAL(place, place_make(3, 4096));
    CU_ASSERT_EQUAL(segment_at(&table, 3)->readers, 1);
    e.place = place_make(65534, (UINT64_C(1) << PLACE_OFFSET_BITS) - 4096);
    segment_read_ends(&table, place);
    CU_ASSERT_EQUAL(segment_at(&table, 3)->readers, 0);
    place = segment_read_begins(&table, &e);
    CU_ASSERT_EQUAL(place_segment(place), 65534);
    CU_ASSERT_EQUAL(place_offset(place), (UINT64_C(1) << PLACE_OFFSET_BITS) - 4096);
    segment_read_ends(&table, place);
    CU_ASSERT(place_make(65534, UINT64_MAX >> 16) != PLACE_NONE);
    end();
}

static const struct suite_test tests[] = {
    {"spares are made ahead", spares_are_made_ahead},
    {"without room", without_room},
    {"the limit is shared", the_limit_is_shared},
    {"numbers are used again", numbers_are_used_again},
    {"the oldest goes first", the_oldest_goes_first},
    {"readers and promises hold it", readers_and_promises_hold_it},
    {"nothing goes before one that stayed", nothing_goes_before_one_that_stayed},
    {"enough spares are kept and no more", enough_spares_are_kept_and_no_more},
    {"large ones are for large messages", large_ones_are_for_large_messages},
    {"room comes back when one is removed", room_comes_back_when_one_is_removed},
    {"inherited ones go in their turn", inherited_ones_go_in_their_turn},
    {"an inherited one that stays holds all", an_inherited_one_that_stays_holds_all},
    {"a damaged one is set aside", a_damaged_one_is_set_aside},
    {"what is lost holds nothing", what_is_lost_holds_nothing},
    {"what ends is no longer lost", what_ends_is_no_longer_lost},
    {"to move", to_move},
    {"a reader sees where it is now", a_reader_sees_where_it_is_now},
};

SUITE_MAIN("segments", tests)
