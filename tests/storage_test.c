// Segments are made on file systems of all kinds. What happens when the disk fails:
// sim_faults_test.c.
#include "engine/base/check.h"
#include "engine/storage.h"
#include "tests/sim/world_disk.h"
#include "tests/suite.h"

#include <errno.h>

#define FOLDER "journal"
#define SEGMENT_BYTES (256u * 1024)

struct stand {
    struct world *world;
    struct io *io;
    struct segment_table table;
    struct segments segments;
    struct journal journal;
    struct storage storage;
};

static void stand_init(struct stand *s)
{
    s->world = world_new(&(struct world_options){.seed = 1});
    CHECK(segment_table_init(&s->table, UINT64_MAX) && io_new(&s->io, NULL) == 0);
    segments_init(&s->segments, &s->table, 0, SEGMENT_BYTES, 1);
    CHECK(journal_init(&s->journal, &s->segments) &&
          storage_init(&s->storage, s->io, &s->journal, &s->segments,
                       world_folder(s->world, FOLDER), 1));
}

static void stand_release(struct stand *s)
{
    storage_release(&s->storage);
    journal_release(&s->journal);
    segment_table_release(&s->table);
    io_free(s->io);
    world_free(s->world);
}

static void runs_until_idle(struct stand *s)
{
    struct io *io;
    struct io_done done;
    storage_turn(&s->storage);
    io_wait(s->io, UINT64_MAX);
    while (world_next(s->world, &io)) {
        while (io_next(s->io, &done))
            storage_on_done(&s->storage, &done);
        storage_turn(&s->storage);
        io_wait(s->io, UINT64_MAX);
    }
    CU_ASSERT(storage_idle(&s->storage));
}

// Without blocks set aside ahead (some file systems cannot) the zeros bring them, a little later.
static void a_file_system_that_cannot_allocate(void)
{
    struct stand s;
    uint64_t bytes = 0;
    stand_init(&s);
    world_fail_file_operation(s.world, 2, -EOPNOTSUPP, false); // behind the file's creation
    runs_until_idle(&s);
    CU_ASSERT_EQUAL(world_file_failure_count(s.world), 1);
    CU_ASSERT(journal_opened(&s.journal) || s.segments.spare_count == SEGMENTS_SPARE);
    CU_ASSERT(!s.segments.no_room);
    CU_ASSERT(world_disk_size(s.world, FOLDER "/00000001.segment", WORLD_DURABLE, &bytes));
    CU_ASSERT_EQUAL(bytes, SEGMENT_BYTES);
    stand_release(&s);
}

static const struct suite_test tests[] = {
    {"a file system that cannot allocate", a_file_system_that_cannot_allocate},
};

SUITE_MAIN("storage", tests)
