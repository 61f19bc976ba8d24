// tests/sim_files_test.c: the simulated disk keeps the promises of engine/io/io.h on files, and
// fails where it is told to.
#include "tests/sim_disk_stage.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

// --- reading, writing, names

static void test_read_and_write(void)
{
    struct stage s;
    char got[64];
    stage_start(&s, &(struct world_options){.seed = 1});
    int fd = open_file(&s, "f", O_RDWR | O_CREAT);
    s.pieces[0] = (struct iovec){(void *)(uintptr_t) "hello ", 6};
    s.pieces[1] = (struct iovec){(void *)(uintptr_t) "world", 5};
    io_write(s.io, fd, s.pieces, 2, BLOCK - 3, next_token(&s));
    CU_ASSERT_EQUAL(last(&s), 11);
    io_read(s.io, fd, got, sizeof(got), BLOCK - 4, next_token(&s));
    CU_ASSERT_EQUAL((unsigned char)got[0], 0xdd); // nothing is there before it is
    CU_ASSERT_EQUAL(last(&s), 12);
    CU_ASSERT_EQUAL(memcmp(got, "\0hello world", 12), 0);
    CU_ASSERT_EQUAL((unsigned char)got[12], 0xdd);
    io_read(s.io, fd, got, sizeof(got), BLOCK + 8, next_token(&s));
    CU_ASSERT_EQUAL(last(&s), 0);

    int end_fd = open_file(&s, "f", O_WRONLY | O_APPEND);
    io_append(s.io, end_fd, SLICE("!"), next_token(&s));
    CU_ASSERT_EQUAL(last(&s), 1);
    io_read(s.io, fd, got, sizeof(got), BLOCK, next_token(&s));
    CU_ASSERT_EQUAL(last(&s), 9);
    CU_ASSERT_EQUAL(memcmp(got, "lo world!", 9), 0);
    world_flip_file_byte(s.world, "a/f", BLOCK + 1);
    io_read(s.io, fd, got, 2, BLOCK, next_token(&s));
    CU_ASSERT_EQUAL(last(&s), 2);
    CU_ASSERT(got[0] == 'l' && got[1] == (char)~'o');

    struct io_file file;
    CU_ASSERT_EQUAL(io_file_of(s.io, fd, &file), 0);
    CU_ASSERT(file.is_regular && file.bytes == BLOCK + 9 && file.link_count == 1);
    CU_ASSERT_EQUAL(unlink_of(&s, "f"), 0);
    CU_ASSERT_EQUAL(io_file_of(s.io, fd, &file), 0);
    CU_ASSERT(file.link_count == 0);
    CU_ASSERT_EQUAL(io_file_of(s.io, s.dir, &file), 0);
    CU_ASSERT_FALSE(file.is_regular);
    stage_end(&s);
}

static void test_errors(void)
{
    struct stage s;
    char got[8];
    stage_start(&s, &(struct world_options){.seed = 1, .descriptors_max = 5});
    int fd = durable_file(&s, "f", "O");
    durable_file(&s, "g", "O");
    int read_only = open_file(&s, "f", O_RDONLY);
    CU_ASSERT_EQUAL(open_file(&s, "h", O_RDWR | O_CREAT), -EMFILE);
    CU_ASSERT_EQUAL(write_at(&s, read_only, 0, "N"), -EBADF);
    io_allocate(s.io, read_only, 1, next_token(&s));
    CU_ASSERT_EQUAL(last(&s), -EBADF);
    io_close(s.io, read_only);
    CU_ASSERT_EQUAL(open_file(&s, "h", O_RDWR), -ENOENT);
    CU_ASSERT_EQUAL(open_file(&s, "f", O_RDWR | O_CREAT | O_EXCL), -EEXIST);
    CU_ASSERT_EQUAL(open_file(&s, "f", O_RDONLY | O_DIRECTORY), -ENOTDIR);
    io_open(s.io, fd, "x", O_RDONLY, 0, next_token(&s));
    CU_ASSERT_EQUAL(last(&s), -ENOTDIR);
    CU_ASSERT_EQUAL(rename_to(&s, "f", s.dir, "g"), -EEXIST);
    CU_ASSERT_EQUAL(rename_to(&s, "h", s.dir, "i"), -ENOENT);
    CU_ASSERT_EQUAL(unlink_of(&s, "h"), -ENOENT);
    io_read(s.io, s.dir, got, sizeof(got), 0, next_token(&s));
    CU_ASSERT_EQUAL(last(&s), -EISDIR);
    int write_only_fd = open_file(&s, "f", O_WRONLY);
    io_read(s.io, write_only_fd, got, sizeof(got), 0, next_token(&s));
    CU_ASSERT_EQUAL(last(&s), -EBADF);
    stage_end(&s);
}

static void test_names(void)
{
    struct stage s;
    static const char *const files[] = {"one", "two", "three"};
    unsigned seen = 0, orders = 0;
    for (uint64_t seed = 1; seed <= 50; seed++) {
        struct io_names *names;
        stage_start(&s, &(struct world_options){.seed = seed});
        for (unsigned i = 0; i < COUNT_OF(files); i++)
            open_file(&s, files[i], O_RDWR | O_CREAT);
        CU_ASSERT_EQUAL_FATAL(io_names_open(s.io, s.dir, &names), 0);
        const char *name = io_names_next(names);
        CHECK(name);
        orders |= 1u << (strcmp(name, "one") == 0 ? 0 : strcmp(name, "two") == 0 ? 1 : 2);
        for (seen = 0; name; name = io_names_next(names))
            for (unsigned i = 0; i < COUNT_OF(files); i++)
                if (strcmp(name, files[i]) == 0)
                    seen |= 1u << i;
        CU_ASSERT_EQUAL(seen, 7);
        CU_ASSERT_EQUAL(io_names_error(names), 0);
        io_names_close(names);
        stage_end(&s);
    }
    CU_ASSERT_EQUAL(orders, 7);
    io_names_close(NULL);
}

// A folder closes, and is opened anew, with an open under way: one that brings a descriptor is
// told.
static void test_open_and_close(void)
{
    unsigned opened = 0, cancelled = 0, untold = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct stage s;
        struct io *io;
        stage_start(&s, &(struct world_options){.seed = seed});
        uint32_t before = world_descriptors_open(s.world);
        io_open(s.io, s.dir, "f", O_RDWR | O_CREAT, 0600, next_token(&s));
        io_close(s.io, s.dir);
        if (seed % 2) {
            int result = last(&s);
            PROMISE(result >= 0 || result == -ECANCELED || result == -EBADF);
            opened += result >= 0;
            cancelled += result < 0;
            PROMISE(world_descriptors_open(s.world) == before - 1 + (result >= 0));
        } else {
            if (seed % 4 == 0)
                PROMISE(world_next(s.world, &io));
            untold += world_descriptors_open(s.world) == before;
            io_free(s.io);
            PROMISE(world_descriptors_open(s.world) == before - 1);
            PROMISE(io_new(&s.io, NULL) == 0);
        }
        stage_end(&s);
    }
    CU_ASSERT(opened > SEEDS / 10 && cancelled > SEEDS / 10 && untold > SEEDS / 10);
}

// --- the Nth operation fails

#define OPERATIONS 14

// All kinds of operations, whatever comes of them. Each result goes to its place.
static void scenario(struct stage *s, int results[OPERATIONS])
{
    char got[SECTOR];
    int n = 0, fd = durable_file(s, "old", "OO");
    int spare_dir = s->dir;
    results[n++] = open_file(s, "f", O_RDWR | O_CREAT);
    io_allocate(s->io, fd, BLOCK, next_token(s));
    results[n++] = last(s);
    results[n++] = write_at(s, fd, 0, "NM");
    results[n++] = sync_of(s, fd);
    results[n++] = sync_all(s, fd);
    results[n++] = sync_all(s, spare_dir);
    io_read(s->io, fd, got, SECTOR, 0, next_token(s));
    results[n++] = last(s);
    s->pieces[1] = (struct iovec){s->bytes[0], SECTOR};
    io_write_and_sync(s->io, fd, &s->pieces[1], 1, 0, token(20000), token(20001));
    results[n++] = await(s, 20000).result;
    results[n++] = await(s, 20001).result;
    results[n++] = rename_to(s, "old", spare_dir, "new");
    results[n++] = unlink_of(s, "new");
    results[n++] = unlink_of(s, "old");
    results[n++] = open_file(s, "f", O_RDONLY);
    int append_fd = open_file(s, "log", O_WRONLY | O_CREAT | O_APPEND);
    results[n++] = append_fd;
}

static bool transfers(int n)
{
    return n == 2 || n == 6 || n == 7;
}

static int short_of(int kind, int whole)
{
    switch ((enum world_short)kind) {
    case WORLD_SHORT_NOTHING: return 0;
    case WORLD_SHORT_ONE: return 1;
    case WORLD_SHORT_HALF: return whole / 2;
    case WORLD_SHORT_ALL_BUT_ONE: return whole - 1;
    }
    CHECK(false);
}

static void fail_nth(int n, int kind, bool from_then_on, const int clean[OPERATIONS])
{
    struct stage s;
    int got[OPERATIONS] = {0};
    stage_start(&s, &(struct world_options){.seed = 7});
    // Before those that are looked at: open, write, sync, sync_all of durable_file().
    world_fail_file_operation(s.world, 4 + (uint64_t)n + 1, kind, from_then_on);
    scenario(&s, got);
    PROMISE(world_file_operation_count(s.world) == 4 + OPERATIONS);
    uint64_t want_count = 0;
    for (int i = 0; i < OPERATIONS; i++) {
        bool is_hit = i == n || (i > n && from_then_on);
        if (i < n)
            PROMISE(got[i] == clean[i]);
        if (is_hit && i == 8 && got[7] != SECTOR) { // its write was not whole: it never ran
            PROMISE(got[i] == -ECANCELED);
        } else if (is_hit && kind < 0) {
            PROMISE(got[i] == kind);
            want_count++;
        } else if (is_hit && transfers(i)) {
            PROMISE(got[i] == short_of(kind, clean[i]));
            want_count++;
        }
    }
    PROMISE(world_file_failure_count(s.world) == want_count);
    stage_end(&s);
}

static void test_nth_failure(void)
{
    static const int kinds[] = {
        -EIO,
        -ENOSPC,
        -EDQUOT,
        -EROFS,
        -EINTR,
        -EAGAIN,
        -ECANCELED,
        WORLD_SHORT_NOTHING,
        WORLD_SHORT_ONE,
        WORLD_SHORT_HALF,
        WORLD_SHORT_ALL_BUT_ONE,
    };
    struct stage s;
    int clean[OPERATIONS] = {0};
    stage_start(&s, &(struct world_options){.seed = 7});
    scenario(&s, clean);
    CU_ASSERT_EQUAL(world_file_operation_count(s.world), 4 + OPERATIONS);
    CU_ASSERT_EQUAL(world_file_failure_count(s.world), 0);
    stage_end(&s);
    for (int n = 0; n < OPERATIONS; n++)
        CU_ASSERT(transfers(n) ? clean[n] >= SECTOR : n == 11 ? clean[n] < 0 : clean[n] >= 0);
    for (size_t k = 0; k < COUNT_OF(kinds); k++)
        for (int n = 0; n <= OPERATIONS; n++) { // the last is beyond the end: nothing fails
            fail_nth(n, kinds[k], false, clean);
            fail_nth(n, kinds[k], true, clean);
        }
    CU_PASS("all as they should");
}

static void test_write_and_sync(void)
{
    static const struct {
        int kind, want_write, want_sync;
    } rows[] = {
        {0, SECTOR, 0},
        {-EIO, -EIO, -ECANCELED},
        {WORLD_SHORT_HALF, SECTOR / 2, -ECANCELED},
        {WORLD_SHORT_NOTHING, 0, -ECANCELED},
    };
    unsigned turned = 0;
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        for (uint64_t seed = 1; seed <= 20; seed++) {
            struct stage s;
            struct io *io;
            struct io_done done[3] = {0};
            unsigned count = 0;
            stage_start(&s, &(struct world_options){.seed = seed});
            int fd = durable_file(&s, "f", "O");
            if (rows[i].kind)
                world_fail_file_operation(s.world, 5, rows[i].kind, false);
            memset(s.bytes[0], 'N', SECTOR);
            s.pieces[0] = (struct iovec){s.bytes[0], SECTOR};
            io_write_and_sync(s.io, fd, s.pieces, 1, 0, token(1000), token(1001));
            while (world_next(s.world, &io)) {
                while (io_next(io, &done[count]))
                    PROMISE(++count <= 2);
                io_wait(io, UINT64_MAX);
            }
            CU_ASSERT_EQUAL_FATAL(count, 2);
            unsigned write = done[0].token.index == 1000 ? 0 : 1;
            CU_ASSERT_EQUAL(done[write].result, rows[i].want_write);
            CU_ASSERT_EQUAL(done[1 - write].result, rows[i].want_sync);
            CU_ASSERT(write == 0 || rows[i].want_sync == -ECANCELED);
            turned += write;
            stage_end(&s);
        }
    CU_ASSERT(turned > 10 && turned < 50); // of 60 that may
}

// Both ends of the chain can be cancelled, and none is forgotten.
static void test_cancel(void)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct stage s;
        stage_start(&s, &(struct world_options){.seed = seed});
        int fd = durable_file(&s, "f", "O");
        memset(s.bytes[0], 'N', SECTOR);
        s.pieces[0] = (struct iovec){s.bytes[0], SECTOR};
        io_write_and_sync(s.io, fd, s.pieces, 1, 0, token(1000), token(1001));
        if (seed % 3 == 0)
            io_close(s.io, fd);
        else
            io_cancel(s.io, token(1000 + seed % 2));
        int write = await(&s, 1000).result, sync = await(&s, 1001).result;
        PROMISE(write == SECTOR || write == -ECANCELED || (seed % 3 == 0 && write == -EBADF));
        PROMISE(sync == -ECANCELED || (sync == 0 && write == SECTOR));
        PROMISE(world_requests_in_flight(s.world) == 0);
        stage_end(&s);
    }
    CU_PASS("each ended");
}

// --- space

static void test_space(void)
{
    struct stage s;
    stage_start(&s, &(struct world_options){.seed = 1, .disk_bytes_max = 4 * BLOCK});
    int fd = open_file(&s, "f", O_RDWR | O_CREAT);
    io_allocate(s.io, fd, 5 * BLOCK, next_token(&s));
    CU_ASSERT_EQUAL(last(&s), -ENOSPC);
    io_allocate(s.io, fd, 2 * BLOCK, next_token(&s));
    CU_ASSERT_EQUAL(last(&s), 0);
    int other = open_file(&s, "g", O_RDWR | O_CREAT);
    CU_ASSERT_EQUAL(write_at(&s, other, 0, "N"), SECTOR);
    CU_ASSERT_EQUAL(world_disk_bytes_used(s.world), 3 * BLOCK);
    CU_ASSERT_EQUAL(write_at(&s, other, 2 * BLOCK - SECTOR, "NNN"), SECTOR); // one more fits
    CU_ASSERT_EQUAL(write_at(&s, other, 2 * BLOCK, "N"), -ENOSPC);
    CU_ASSERT_EQUAL(world_disk_bytes_used(s.world), 4 * BLOCK);
    CU_ASSERT_EQUAL(write_at(&s, fd, 2 * BLOCK - SECTOR, "N"), SECTOR); // allocated: it has room
    CU_ASSERT_EQUAL(write_at(&s, fd, 2 * BLOCK, "N"), -ENOSPC);
    // What is unlinked is free when nobody has it open.
    CU_ASSERT_EQUAL(unlink_of(&s, "g"), 0);
    CU_ASSERT_EQUAL(write_at(&s, fd, 2 * BLOCK, "N"), -ENOSPC);
    io_close(s.io, other);
    CU_ASSERT_EQUAL(world_disk_bytes_used(s.world), 2 * BLOCK);
    CU_ASSERT_EQUAL(write_at(&s, fd, 2 * BLOCK, "N"), SECTOR);
    CU_ASSERT_EQUAL(write_at(&s, fd, 4 * BLOCK, "N"), -ENOSPC);
    world_set_disk_bytes_max(s.world, 0);
    CU_ASSERT_EQUAL(write_at(&s, fd, 4 * BLOCK, "N"), SECTOR);
    stage_end(&s);

    unsigned created_count = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        stage_start(&s, &(struct world_options){.seed = seed, .disk_bytes_max = BLOCK / 2});
        int result = open_file(&s, "f", O_RDWR | O_CREAT);
        PROMISE(result >= 0 || result == -ENOSPC);
        created_count += result >= 0;
        stage_end(&s);
    }
    CU_ASSERT(created_count > SEEDS / 10 && created_count < SEEDS * 9 / 10);
}

static void test_random_faults(void)
{
    const struct world_faults faults = {
        .read_failure = 200000,
        .write_failure = 200000,
        .sync_failure = 200000,
        .no_space = 200000,
        .short_transfer = 200000,
    };
    struct words words = {0};
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct stage s;
        char got[SECTOR];
        stage_start(&s, &(struct world_options){.seed = seed, .faults = faults});
        int fd = open_file(&s, "f", O_RDWR | O_CREAT), result;
        if (fd >= 0) {
            result = write_at(&s, fd, 0, "N");
            add_word(&words, result > 0          ? result < SECTOR ? "short write" : "write"
                             : result == -EIO    ? "write EIO"
                             : result == -ENOSPC ? "write ENOSPC"
                                                 : "bad");
            result = sync_of(&s, fd);
            add_word(&words, result == 0 ? "sync" : result == -EIO ? "sync EIO" : "bad");
            io_read(s.io, fd, got, 2, 0, next_token(&s));
            result = last(&s);
            add_word(&words, result == -EIO ? "read EIO" : result == 1 ? "short read" : "read");
        } else {
            add_word(&words, fd == -ENOSPC ? "open ENOSPC" : "bad");
        }
        stage_end(&s);
    }
    static const char *const want[] = {"open ENOSPC", "read",        "read EIO", "short read",
                                       "short write", "sync",        "sync EIO", "write",
                                       "write EIO",   "write ENOSPC"};
    CU_ASSERT_EQUAL_FATAL(words.count, COUNT_OF(want));
    for (size_t i = 0; i < COUNT_OF(want); i++)
        CU_ASSERT_STRING_EQUAL(words.of[i], want[i]);
}

// --- watching

static unsigned news_count(struct stage *s, uint32_t index)
{
    struct io_done done;
    struct io *io;
    unsigned count = 0;
    while (world_next(s->world, &io)) {
        while (io_next(io, &done))
            if (done.token.index == index) {
                PROMISE(done.result == 0 && !done.ended);
                count++;
            }
        io_wait(io, UINT64_MAX);
    }
    return count;
}

static void test_watch(void)
{
    struct stage s;
    stage_start(&s, &(struct world_options){.seed = 1});
    io_watch(s.io, s.other_dir, token(500));
    CU_ASSERT_EQUAL(news_count(&s, 500), 0);
    int fd = open_file(&s, "f", O_RDWR | O_CREAT);
    write_at(&s, fd, 0, "N");
    io_close(s.io, fd);
    CU_ASSERT_EQUAL(news_count(&s, 500), 0); // in another folder
    io_rename(s.io, s.dir, "f", s.other_dir, "g", token(400));
    CU_ASSERT_EQUAL(news_count(&s, 500), 1);
    world_disk_put(s.world, "b/h", SLICE("from outside"));
    world_disk_put(s.world, "b/i", SLICE("and another"));
    CU_ASSERT_EQUAL(news_count(&s, 500), 1);
    io_open(s.io, s.other_dir, "h", O_RDWR, 0, token(401));
    fd = await(&s, 401).result;
    write_at(&s, fd, 0, "N");
    CU_ASSERT_EQUAL(news_count(&s, 500), 0);
    io_close(s.io, fd);
    CU_ASSERT_EQUAL(news_count(&s, 500), 1);
    io_open(s.io, s.other_dir, "h", O_RDWR, 0, token(402));
    io_close(s.io, await(&s, 402).result);
    CU_ASSERT_EQUAL(news_count(&s, 500), 0);
    io_cancel(s.io, token(500));
    struct io_done done = await(&s, 500);
    CU_ASSERT(done.ended && done.result == -ECANCELED);
    CU_ASSERT_STRING_EQUAL(world_disk_name(s.world, "b", WORLD_DURABLE, 0), "h");
    CU_ASSERT_PTR_NULL(world_disk_name(s.world, "b", WORLD_DURABLE, 2));
    stage_restart(&s, world_power_cut);
    uint64_t bytes = 0;
    CU_ASSERT(world_disk_size(s.world, "b/i", WORLD_DURABLE, &bytes) && bytes == 11);
    stage_end(&s);
}

// --- what the simulator catches

static void touched_write(struct stage *s)
{
    ask_write(s, 0, durable_file(s, "f", "O"), 0, "N");
    s->bytes[0][0] = 'x';
    last(s);
}

static void touched_read(struct stage *s)
{
    char got[8];
    int fd = durable_file(s, "f", "O");
    io_read(s->io, fd, got, sizeof(got), 0, next_token(s));
    got[7] = 'x';
    last(s);
}

static void touched_name(struct stage *s)
{
    char name[] = "f";
    io_open(s->io, s->dir, name, O_RDWR | O_CREAT, 0600, next_token(s));
    name[0] = 'g';
    last(s);
}

static void name_with_slash(struct stage *s)
{
    open_file(s, "a/f", O_RDONLY);
}

static void synced_after_close(struct stage *s)
{
    int fd = durable_file(s, "f", "O");
    io_close(s->io, fd);
    sync_of(s, fd);
}

static void old_folder_after_cut(struct stage *s)
{
    int dir = s->dir;
    world_power_cut(s->world);
    PROMISE(io_new(&s->io, NULL) == 0);
    s->dir = dir;
    open_file(s, "f", O_RDONLY);
}

static void (*const misuses[])(struct stage *s) = {
    touched_write,   touched_read,       touched_name,
    name_with_slash, synced_after_close, old_folder_after_cut,
};

static void test_misuse(void)
{
    for (size_t i = 0; i < COUNT_OF(misuses); i++) {
        struct stage s;
        int status = 0;
        stage_start(&s, &(struct world_options){.seed = 1});
        fflush(NULL);
        pid_t pid = fork();
        if (pid == 0) {
            CHECK(freopen("/dev/null", "w", stderr));
            misuses[i](&s);
            _exit(0);
        }
        CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
        if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT)
            printf("\n  misuse %zu went unnoticed\n", i);
        CU_ASSERT(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
        stage_end(&s);
    }
}

static const struct suite_test tests[] = {
    {"read and write", test_read_and_write},
    {"errors", test_errors},
    {"names", test_names},
    {"open and close", test_open_and_close},
    {"nth failure", test_nth_failure},
    {"write and sync", test_write_and_sync},
    {"cancel", test_cancel},
    {"space", test_space},
    {"random faults", test_random_faults},
    {"watch", test_watch},
    {"misuse", test_misuse},
};
SUITE_MAIN("sim_files", tests)
