// A start over a journal's folder in which something is wrong: what is served, what is left alone,
// and what the engine counts on from. What records mean: recover_test.c.
#include "engine/recovery.h"

#include "engine/base/check.h"
#include "tests/journal_stage.h"
#include "tests/sim/world_disk.h"
#include "tests/suite.h"

#include <errno.h>
#include <stdlib.h>
#include <urcu/urcu-qsbr.h>

#define FOLDER "journal"
#define SEGMENTS 3u
#define OPERATIONS_BEFORE_FRONT 2u // a segment is opened and synced first

struct start {
    struct world *world;
    struct io *io;
    int dir_fd;
    struct domain_table *domains;
    struct segment_table table;
    struct limits_table limits;
    struct home_found found;
    struct recovery *recovery;
    struct recovery_report report;
    struct refusal why;
};

// The folder of an engine that was killed: as many segments, a message in each.
static struct stage_images *some_segments(void)
{
    struct stage *s = stage_ready(STAGE_SEGMENT_BYTES);
    for (uint32_t i = 0; i < SEGMENTS; i++) {
        stage_append(s, 1, STAGE_SEGMENT_BYTES * 3 / 4);
        stage_settle(s);
    }
    CU_ASSERT_EQUAL_FATAL(s->segments.count, SEGMENTS);
    struct stage_images *images = stage_crash(s, LOSE_ALL, NULL);
    stage_free(s);
    return images;
}

static struct start *start_new(void)
{
    struct start *s = calloc(1, sizeof(*s));
    CHECK(s && segment_table_init(&s->table, UINT64_MAX));
    s->world = world_new(&(struct world_options){.seed = 1});
    s->domains = domain_table_new(sizeof(struct domain), 1);
    CHECK(s->domains && io_new(&s->io, NULL) == 0);
    s->dir_fd = world_folder(s->world, FOLDER);
    return s;
}

static void put_file(struct start *s, const char *name, struct slice bytes)
{
    char path[64];
    snprintf(path, sizeof(path), FOLDER "/%s", name);
    world_disk_put(s->world, path, bytes);
}

// Only those in use: spares say nothing here.
static void put_segments(struct start *s, const struct stage_images *images)
{
    for (uint32_t i = 0; i < SEGMENTS; i++) {
        char name[STORAGE_NAME_BYTES];
        storage_name(i + 1, name);
        CHECK(images->bytes[i]);
        put_file(s, name, slice_make(images->bytes[i], images->len[i]));
    }
}

// From the nth operation on so many fail.
static bool start_runs(struct start *s, uint64_t nth, uint32_t failures)
{
    struct recovery_options options = {
        .io = s->io,
        .dir_fd = s->dir_fd,
        .events_fd = -1,
        .table = &s->table,
        .domains = s->domains,
        .limits = &s->limits,
        .home_count = 1,
        .found = &s->found,
    };
    struct io *io;
    s->recovery = recovery_new(&options);
    CHECK(s->recovery);
    io_wait(s->io, UINT64_MAX);
    for (;;) {
        struct io_done done;
        uint64_t next = world_file_operation_count(s->world) + 1;
        uint64_t failed = world_file_failure_count(s->world);
        if (failures > failed)
            world_fail_file_operation(s->world, next > nth ? next : nth, -EIO, false);
        if (!world_next(s->world, &io))
            break;
        while (io_next(s->io, &done))
            recovery_on_done(s->recovery, &done);
        io_wait(s->io, UINT64_MAX);
    }
    CU_ASSERT_FATAL(recovery_finished(s->recovery));
    CU_ASSERT_EQUAL(world_file_failure_count(s->world), failures);
    return recovery_result(s->recovery, &s->report, &s->why);
}

static void start_free(struct start *s)
{
    recovery_free(s->recovery);
    free(s->found.segments);
    slab_release(&s->found.jobs);
    domain_table_free(s->domains);
    segment_table_release(&s->table);
    io_free(s->io);
    world_free(s->world);
    free(s);
}

// --- what cannot be read

// One bad sector at the beginning of any segment: it is tried again, then left alone, and the
// others are served.
static void a_beginning_that_cannot_be_read(void)
{
    struct stage_images *images = some_segments();
    for (uint32_t nth = 0; nth < SEGMENTS; nth++)
        for (uint32_t failures = 0; failures <= 3; failures++) {
            struct start *s = start_new();
            put_segments(s, images);
            uint32_t step = OPERATIONS_BEFORE_FRONT + 1; // of each: front included
            CU_ASSERT(start_runs(s, nth * step + step, failures));
            bool given_up = failures == 3;
            CU_ASSERT_EQUAL(s->report.unknown, given_up);
            CU_ASSERT_EQUAL(s->report.segments, SEGMENTS - given_up);
            CU_ASSERT_EQUAL(s->report.counters.messages, SEGMENTS - given_up);
            CU_ASSERT_EQUAL(s->report.damaged + s->report.removed, 0);
            start_free(s);
        }
    stage_images_free(images);
}

// Not a sector, but the disk: then nothing is begun.
static void no_beginning_can_be_read(void)
{
    struct stage_images *images = some_segments();
    struct start *s = start_new();
    put_file(s, "00000001.segment", slice_make(images->bytes[0], images->len[0]));
    CU_ASSERT(!start_runs(s, OPERATIONS_BEFORE_FRONT + 1, 3));
    CU_ASSERT_PTR_NOT_NULL(strstr(s->why.text, "cannot read"));
    start_free(s);
    stage_images_free(images);
}

// --- what it counts on from

// A name that was used for what is set aside is not given again: setting aside would fail then.
static void names_of_what_was_set_aside(void)
{
    struct stage_images *images = some_segments();
    struct start *s = start_new();
    put_segments(s, images);
    put_file(s, "00000044.damaged", SLICE("kept"));
    put_file(s, "00000055.damage", SLICE("another's"));
    put_file(s, "66.damaged.old", SLICE("another's"));
    CU_ASSERT(start_runs(s, 0, 0));
    CU_ASSERT_EQUAL(s->table.name, 44);
    CU_ASSERT_EQUAL(s->report.segments, SEGMENTS);
    start_free(s);
    stage_images_free(images);
}

// Numbers that no checksum answers for are not gone on from: the highest of all would be followed
// by none.
static void numbers_without_a_checksum(void)
{
    struct stage_images *images = some_segments();
    struct start *good = start_new();
    put_segments(good, images);
    CU_ASSERT(start_runs(good, 0, 0));
    uint64_t epoch = atomic_load(&good->table.epoch), turn = atomic_load(&good->table.turn);
    CU_ASSERT_EQUAL(turn, SEGMENTS);
    start_free(good);
    static const struct {
        uint64_t offset;
        bool unknown;
    } cases[] = {
        {offsetof(struct segment_header, epoch), true},
        {FORMAT_BLOCK_BYTES + offsetof(struct batch_header, turn), false},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char before[sizeof(uint64_t)];
        struct start *s = start_new();
        memcpy(before, images->bytes[0] + cases[i].offset, sizeof(before));
        memset(images->bytes[0] + cases[i].offset, 0xff, sizeof(before));
        put_segments(s, images);
        CU_ASSERT(start_runs(s, 0, 0));
        CU_ASSERT_EQUAL(s->report.unknown, cases[i].unknown);
        CU_ASSERT_EQUAL(s->report.counters.messages, SEGMENTS - 1);
        CU_ASSERT_EQUAL(atomic_load(&s->table.epoch), epoch);
        CU_ASSERT_EQUAL(atomic_load(&s->table.turn), turn);
        for (uint32_t k = 0; k < s->report.segments; k++)
            CU_ASSERT(segment_at(&s->table, k)->turn <= turn && segment_at(&s->table, k)->turn > 0);
        start_free(s);
        memcpy(images->bytes[0] + cases[i].offset, before, sizeof(before));
    }
    stage_images_free(images);
}

static const struct suite_test tests[] = {
    {"a beginning that cannot be read", a_beginning_that_cannot_be_read},
    {"no beginning can be read", no_beginning_can_be_read},
    {"names of what was set aside", names_of_what_was_set_aside},
    {"numbers without a checksum", numbers_without_a_checksum},
};

int main(int argc, char **argv)
{
    urcu_qsbr_register_thread();
    int result = suite_main("recovery", tests, COUNT_OF(tests), argc, argv);
    urcu_qsbr_unregister_thread();
    return result;
}
