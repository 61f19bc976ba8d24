// The keeper of the list of suppressed addresses, on the simulated disk: what it has said is safe
// is there after a power cut, whatever fails meanwhile.

#include "engine/base/check.h"
#include "engine/base/random.h"
#include "engine/control/control_parts.h"
#include "engine/order_place.h"
#include "engine/suppressor.h"
#include "tests/sim/world_disk.h"
#include "tests/suite.h"

#include <errno.h>
#include <stdlib.h>

#define FOLDER "suppression"
#define ADDRESSES 200u
#define SEEDS 60u

// What it says of the disk's errors is not looked at.
void __wrap_log_line(int level, const char *format, ...) __attribute__((format(printf, 2, 3)));
void __wrap_log_line(int level, const char *format, ...)
{
    (void)level, (void)format;
}

struct stand {
    struct io *io;
    struct suppression list;
    struct epochs epochs;
    struct suppressor keeper;
};

static const uint64_t key[2] = {3, 4};

static void begin(struct stand *s, struct world *w)
{
    CHECK(io_new(&s->io, NULL) == 0 && suppression_init(&s->list, key));
    epochs_init(&s->epochs, 1);
    suppressor_init(&s->keeper, s->io, &s->list, &s->epochs, world_folder(w, FOLDER), 1);
}

// A turn of whoever has one. False: nothing more happens.
static bool turn(struct stand *s, struct world *w)
{
    struct io *io;
    struct io_done done;
    uint64_t due_us = suppressor_due_us(&s->keeper);
    io_wait(s->io, due_us);
    if (!world_next(w, &io))
        return false;
    while (io_next(s->io, &done))
        suppressor_on_done(&s->keeper, &done);
    suppressor_turn(&s->keeper);
    return true;
}

static void run_until_ready(struct stand *s, struct world *w)
{
    while (!suppressor_ready(&s->keeper))
        CHECK(turn(s, w));
}

static void run_until_safe(struct stand *s, struct world *w)
{
    while (s->keeper.safe_count < s->keeper.put_count)
        CHECK(turn(s, w));
}

static void end(struct stand *s)
{
    suppressor_release(&s->keeper);
    io_free(s->io);
    suppression_release(&s->list);
}

static struct slice address(uint32_t n, char text[32])
{
    return slice_make(text, (size_t)snprintf(text, 32, "user%u@example.org", n));
}

static void put_for(struct stand *s, uint32_t n, bool removes, uint32_t days)
{
    char text[32];
    struct suppression_line l = {removes, (uint16_t)(suppression_day(io_wall_us(s->io)) + days),
                                 SLICE("bad-mailbox"), address(n, text)};
    CU_ASSERT(suppressor_put(&s->keeper, &l));
}

static void put(struct stand *s, uint32_t n, bool removes)
{
    put_for(s, n, removes, 10);
}

static bool holds(const struct stand *s, uint32_t n)
{
    char text[32];
    return suppression_holds(&s->list, address(n, text), suppression_day(io_wall_us(s->io)));
}

static void test_comes_back(void)
{
    struct world *w = world_new(&(struct world_options){.seed = 1});
    struct stand s;
    begin(&s, w);
    run_until_ready(&s, w);
    put(&s, 1, false);
    put(&s, 2, false);
    put(&s, 2, false); // as it is: no line
    put(&s, 1, true);
    CU_ASSERT_EQUAL(s.keeper.put_count, 3);
    run_until_safe(&s, w);
    CU_ASSERT(!holds(&s, 1) && holds(&s, 2));
    while (!suppressor_idle(&s.keeper))
        CHECK(turn(&s, w));
    world_power_cut(w);
    end(&s);
    begin(&s, w);
    run_until_ready(&s, w);
    CU_ASSERT(!holds(&s, 1) && holds(&s, 2) && s.keeper.bad_count == 0);
    end(&s);
    world_free(w);
}

// What others have left before the file was read comes after what it says.
static void test_early_pages(void)
{
    struct world *w = world_new(&(struct world_options){.seed = 2});
    struct stand s;
    struct suppression_page *page = calloc(1, sizeof(*page));
    struct suppression_line l = {false, SUPPRESSION_FOR_EVER, SLICE("spam"),
                                 SLICE("user1@example.org")};
    CHECK(page);
    buffer_init(&page->lines, SUPPRESSION_PAGE_BYTES);
    CHECK(suppression_line_put(&page->lines, &l));
    begin(&s, w);
    run_until_ready(&s, w);
    put(&s, 1, false);
    put(&s, 2, false);
    run_until_safe(&s, w);
    world_process_killed(w);
    end(&s);
    begin(&s, w);
    suppressor_take(&s.keeper, page);
    CU_ASSERT(!holds(&s, 1));
    run_until_ready(&s, w);
    CU_ASSERT_EQUAL(suppression_until(&s.list, SLICE("user1@example.org")), SUPPRESSION_FOR_EVER);
    run_until_safe(&s, w);
    end(&s);
    world_free(w);
}

// An operator who comes before the list was read waits for it.
static void test_an_early_request(void)
{
    static const struct order_kind *const kinds[] = {&order_suppress, NULL};
    char line[] = "suppress add=user1@example.org add=user2@example.org";
    struct world *w = world_new(&(struct world_options){.seed = 3});
    struct stand s;
    begin(&s, w);
    struct order_place place = {.number = SUPPRESSION_KEEPER, .suppressor = &s.keeper};
    struct order o = {.place = &place};
    CHECK(request_parse(&o, kinds, slice_make(line, sizeof(line) - 1)));
    CU_ASSERT_TRUE(order_suppress.begin(&o));
    CU_ASSERT_EQUAL(order_suppress.visit(&place, &o), ORDER_WAITS);
    run_until_ready(&s, w);
    CU_ASSERT_EQUAL(order_suppress.visit(&place, &o), ORDER_WAITS); // for the disk
    run_until_safe(&s, w);
    CU_ASSERT_EQUAL(order_suppress.visit(&place, &o), ORDER_OVER);
    CU_ASSERT_EQUAL(o.how, ORDER_DONE);
    CU_ASSERT_EQUAL(s.keeper.put_count, 2);
    CU_ASSERT(holds(&s, 1) && holds(&s, 2));
    order_suppress.release(&o);
    free(o.work);
    end(&s);
    world_free(w);
}

static void test_in_memory_alone(void)
{
    struct world *w = world_new(&(struct world_options){.seed = 3});
    struct stand s;
    begin(&s, w);
    s.keeper.dir_fd = -1;
    suppressor_turn(&s.keeper);
    CU_ASSERT(suppressor_ready(&s.keeper));
    put(&s, 1, false);
    suppressor_turn(&s.keeper);
    CU_ASSERT(holds(&s, 1) && suppressor_idle(&s.keeper));
    CU_ASSERT_EQUAL(s.keeper.safe_count, 1);
    end(&s);
    world_free(w);
}

// Lives that end in a power cut, on a disk that fails now and then, but tears no sector: the last
// one is written again with the next line. What was safe is there; what was not may be.
static void play(uint64_t seed)
{
    struct world_options options = {
        .seed = seed,
        .faults = {.write_failure = 30000, .sync_failure = 30000, .short_transfer = 100000}};
    struct world *w = world_new(&options);
    struct random dice;
    uint64_t safe_numbers = 0, next = 0;
    random_init(&dice, seed);
    for (int life = 0; life < 4; life++) {
        struct stand s;
        uint64_t first = safe_numbers, line_of[ADDRESSES];
        begin(&s, w);
        run_until_ready(&s, w);
        for (uint64_t n = 0; n < safe_numbers; n++)
            CU_ASSERT(holds(&s, (uint32_t)n));
        for (next = first; next < first + ADDRESSES && random_below(&dice, 100) > 0; next++) {
            put(&s, (uint32_t)next, false);
            line_of[next - first] = s.keeper.put_count; // or an earlier one's: it was there
            for (uint32_t turns = random_below(&dice, 4); turns > 0; turns--)
                if (!turn(&s, w))
                    break;
        }
        while (safe_numbers < next && line_of[safe_numbers - first] <= s.keeper.safe_count)
            safe_numbers++;
        world_power_cut(w);
        end(&s);
    }
    world_heal(w);
    world_free(w);
}

static void test_power_cuts(void)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        play(seed);
}

// --- compaction

#define COMPACT_LINES 60u

static void run_until_idle(struct stand *s, struct world *w)
{
    while (!suppressor_idle(&s->keeper) || suppressor_due_us(&s->keeper) != UINT64_MAX)
        CHECK(turn(s, w));
}

static void begin_small(struct stand *s, struct world *w)
{
    begin(s, w);
    s->keeper.compaction.lines_min = COMPACT_LINES;
    run_until_ready(s, w);
}

// Each address is added, taken off and added again for a day more than the last time; the even ones
// stay off.
static void put_churn(struct stand *s, struct world *w, uint32_t count, uint32_t days)
{
    for (uint32_t n = 0; n < count; n++) {
        put_for(s, n, false, days);
        put_for(s, n, true, days);
        if (n % 2)
            put_for(s, n, false, days);
        if (n % 7 == 0)
            (void)turn(s, w);
    }
}

static void check_churn(const struct stand *s, uint32_t count)
{
    for (uint32_t n = 0; n < count; n++)
        CU_ASSERT_EQUAL(holds(s, n), n % 2 == 1);
}

static void test_compaction(void)
{
    struct world *w = world_new(&(struct world_options){.seed = 4});
    struct stand s;
    begin_small(&s, w);
    for (uint32_t round = 0; round < 10; round++)
        put_churn(&s, w, 20, 10 + round);
    run_until_idle(&s, w);
    CU_ASSERT(strcmp(s.keeper.name, "list.00000001") > 0);
    CU_ASSERT(s.keeper.line_count < 4 * COMPACT_LINES);
    check_churn(&s, 20);
    for (int life = 0; life < 2; life++) {
        world_power_cut(w);
        end(&s);
        begin_small(&s, w);
        check_churn(&s, 20);
        CU_ASSERT_EQUAL(s.keeper.bad_count, 0);
        CU_ASSERT(s.keeper.line_count < 4 * COMPACT_LINES);
        run_until_idle(&s, w);
    }
    end(&s);
    world_free(w);
}

// Lives that end at any step of it, on a disk that fails now and then: what was safe is there, and
// who was taken off for good does not come back.
static void play_compaction(uint64_t seed)
{
    struct world_options options = {
        .seed = seed,
        .faults = {.write_failure = 20000, .sync_failure = 20000, .short_transfer = 100000}};
    struct world *w = world_new(&options);
    struct random dice;
    random_init(&dice, seed);
    for (int life = 0; life < 6; life++) {
        struct stand s;
        begin_small(&s, w);
        if (life > 0)
            check_churn(&s, 20);
        for (uint32_t round = 0; round < 6; round++)
            put_churn(&s, w, 20, 10 + (uint32_t)life * 6 + round);
        run_until_safe(&s, w);
        for (uint32_t turns = random_below(&dice, 40); turns > 0; turns--)
            if (!turn(&s, w))
                break;
        if (random_below(&dice, 3) == 0) { // an orderly end in the middle of it
            suppressor_end(&s.keeper);
            while (!suppressor_idle(&s.keeper)) {
                CHECK(turn(&s, w));
                suppressor_end(&s.keeper);
            }
        }
        world_power_cut(w);
        end(&s);
    }
    world_heal(w);
    struct stand s;
    begin_small(&s, w);
    check_churn(&s, 20);
    run_until_idle(&s, w);
    check_churn(&s, 20);
    CU_ASSERT(s.keeper.line_count < 8 * COMPACT_LINES);
    end(&s);
    world_free(w);
}

static void test_compaction_cut_short(void)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        play_compaction(seed);
}

static const struct suite_test tests[] = {
    {"comes back", test_comes_back},
    {"early pages", test_early_pages},
    {"an early request", test_an_early_request},
    {"in memory alone", test_in_memory_alone},
    {"power cuts", test_power_cuts},
    {"compaction", test_compaction},
    {"compaction that is cut short", test_compaction_cut_short},
};

SUITE_MAIN("suppressor", tests)
