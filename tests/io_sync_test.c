// Syncs, and a write with the sync that is linked to it, on a real folder.
#include "engine/base/check.h"
#include "tests/io_folder.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#define WRITE 100 // slots
#define SYNC 101

static void sync_of_every_kind(void)
{
    struct folder f = folder_open(NULL);
    int pipe_fds[2];
    int fd = file_of(&f, "file", "12345", 5);
    CU_ASSERT_EQUAL_FATAL(pipe(pipe_fds), 0);
    const struct {
        int fd;
        int32_t want;
    } syncs[] = {{fd, 0}, {f.fd, 0}, {-1, -EBADF}, {pipe_fds[0], -EINVAL}};
    for (size_t i = 0; i < COUNT_OF(syncs); i++) {
        io_sync(f.me->io, syncs[i].fd, token(0));
        io_sync_all(f.me->io, syncs[i].fd, token(1));
        CU_ASSERT_EQUAL(answer(f.me, 0), syncs[i].want);
        CU_ASSERT_EQUAL(answer(f.me, 1), syncs[i].want);
    }
    close(pipe_fds[0]);
    close(pipe_fds[1]);
    io_close(f.me->io, fd);
    folder_release(&f);
}

// The two results; that of a sync which was tried comes after the write's.
static void write_and_sync(struct folder *f, int fd, const struct iovec *pieces, unsigned count,
                           uint64_t offset, int32_t want_written, int32_t want_synced)
{
    uint32_t order[2] = {0};
    unsigned done_count = 0;
    struct io_done done;
    io_write_and_sync(f->me->io, fd, pieces, count, offset, token(WRITE), token(SYNC));
    uint64_t until_us = io_now_us(f->me->io) + PATIENCE_US;
    while (done_count < 2 && io_now_us(f->me->io) < until_us) {
        io_wait(f->me->io, until_us);
        while (done_count < 2 && io_next(f->me->io, &done)) {
            order[done_count++] = done.token.index;
            record(f->me, &done);
        }
    }
    CU_ASSERT_TRUE(want_synced < 0 || (order[0] == WRITE && order[1] == SYNC));
    CU_ASSERT_EQUAL(answer(f->me, WRITE), want_written);
    CU_ASSERT_EQUAL(answer(f->me, SYNC), want_synced);
}

static void write_and_sync_good_and_failing(void)
{
    struct folder f = folder_open(NULL);
    static char want[3 * 100000], got[sizeof(want)];
    fill(want, sizeof(want), 1);
    struct iovec pieces[] = {{want, 100000}, {want + 100000, 0}, {want + 100000, 200000}};
    struct iovec nothing = {want, 0};
    int fd = file_of(&f, "file", "", 0);
    int read_only_fd = openat(f.fd, "file", O_RDONLY | O_CLOEXEC);
    write_and_sync(&f, fd, pieces, 3, 0, 300000, 0);
    CU_ASSERT_EQUAL(pread(fd, got, sizeof(got), 0), 300000);
    CU_ASSERT_EQUAL(memcmp(got, want, sizeof(got)), 0);
    write_and_sync(&f, fd, pieces, 1, 123, 100000, 0);
    CU_ASSERT_EQUAL(pread(fd, got, 100000, 123), 100000);
    CU_ASSERT_EQUAL(memcmp(got, want, 100000), 0);
    write_and_sync(&f, fd, &nothing, 1, 0, 0, 0);
    for (unsigned count = 1; count <= 3; count += 2) {
        write_and_sync(&f, read_only_fd, pieces, count, 0, -EBADF, -ECANCELED);
        write_and_sync(&f, f.fd, pieces, count, 0, -EBADF, -ECANCELED);
        write_and_sync(&f, -1, pieces, count, 0, -EBADF, -ECANCELED);
    }
    close(read_only_fd);
    io_close(f.me->io, fd);
    folder_release(&f);
}

// A file may not grow beyond a limit: a write across it is short, one behind it fails.
static void short_write_is_not_synced(void)
{
    struct folder f = folder_open(NULL);
    struct rlimit before, limit;
    static char bytes[3000];
    struct iovec pieces[] = {{bytes, 1000}, {bytes, 2000}};
    struct iovec one = {bytes, 3000};
    int fd = file_of(&f, "file", "", 0);
    CU_ASSERT_EQUAL_FATAL(getrlimit(RLIMIT_FSIZE, &before), 0);
    limit = (struct rlimit){.rlim_cur = 10000, .rlim_max = before.rlim_max};
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    CU_ASSERT_EQUAL_FATAL(setrlimit(RLIMIT_FSIZE, &limit), 0);
    write_and_sync(&f, fd, pieces, 2, 7000, 3000, 0); // just fits
    for (uint64_t fits = 1; fits <= 2999; fits += 1499) {
        CU_ASSERT_EQUAL(ftruncate(fd, 0), 0);
        write_and_sync(&f, fd, &one, 1, 10000 - fits, (int32_t)fits, -ECANCELED);
        CU_ASSERT_EQUAL(ftruncate(fd, 0), 0);
        write_and_sync(&f, fd, pieces, 2, 10000 - fits, (int32_t)fits, -ECANCELED);
    }
    write_and_sync(&f, fd, &one, 1, 10000, -EFBIG, -ECANCELED);
    write_and_sync(&f, fd, pieces, 2, 10001, -EFBIG, -ECANCELED);
    CU_ASSERT_EQUAL(setrlimit(RLIMIT_FSIZE, &before), 0);
    signal(SIGXFSZ, handler);
    io_sync(f.me->io, fd, token(0)); // the file is not to blame
    CU_ASSERT_EQUAL(answer(f.me, 0), 0);
    io_close(f.me->io, fd);
    folder_release(&f);
}

// However full the queue is when the two are asked, they go out as one chain, and with nothing
// else in it: the write fails, and so the sync must not be tried, but what stands around must be.
static void chain_is_neither_cut_nor_too_long(void)
{
    static const uint32_t entries[] = {1, 2, 4, 8};
    struct iovec pieces[] = {{(char[]){"x"}, 1}, {(char[]){"y"}, 1}};
    for (size_t k = 0; k < COUNT_OF(entries); k++) {
        struct folder f = folder_open(&(struct io_options){.entries = entries[k]});
        close(file_of(&f, "file", "12345", 5));
        int fd = openat(f.fd, "file", O_RDONLY | O_CLOEXEC);
        for (uint32_t before = 0; before <= entries[k] + 1; before++) {
            char got[2];
            for (uint32_t i = 0; i < before; i++)
                io_poll(f.me->io, fd, POLLIN, token(i));
            io_write_and_sync(f.me->io, fd, pieces, 1, 0, token(WRITE), token(SYNC));
            io_write_and_sync(f.me->io, fd, pieces, 2, 0, token(WRITE + 2), token(SYNC + 2));
            io_read(f.me->io, fd, got, 2, 0, token(before));
            for (uint32_t i = 0; i < before; i++)
                CU_ASSERT_EQUAL(answer(f.me, i), POLLIN);
            CU_ASSERT_EQUAL(answer(f.me, WRITE), -EBADF);
            CU_ASSERT_EQUAL(answer(f.me, SYNC), -ECANCELED);
            CU_ASSERT_EQUAL(answer(f.me, WRITE + 2), -EBADF);
            CU_ASSERT_EQUAL(answer(f.me, SYNC + 2), -ECANCELED);
            CU_ASSERT_EQUAL(answer(f.me, before), 2);
        }
        close(fd);
        folder_release(&f);
    }
}

static void many_at_once(void)
{
    enum { COUNT = 100, BYTES = 4096 };
    struct folder f = folder_open(NULL);
    static char want[COUNT * BYTES], got[sizeof(want)];
    fill(want, sizeof(want), 5);
    int fd = file_of(&f, "file", "", 0);
    static struct iovec pieces[COUNT];
    for (uint32_t i = 0; i < COUNT; i++) {
        pieces[i] = (struct iovec){want + i * BYTES, BYTES};
        io_write_and_sync(f.me->io, fd, &pieces[i], 1, i * (uint64_t)BYTES, token(2 * i),
                          token(2 * i + 1));
    }
    for (uint32_t i = 0; i < COUNT; i++) {
        CU_ASSERT_EQUAL(answer(f.me, 2 * i), BYTES);
        CU_ASSERT_EQUAL(answer(f.me, 2 * i + 1), 0);
    }
    CU_ASSERT_EQUAL(pread(fd, got, sizeof(got), 0), (ssize_t)sizeof(got));
    CU_ASSERT_EQUAL(memcmp(got, want, sizeof(got)), 0);
    io_close(f.me->io, fd);
    folder_release(&f);
}

// Each has one completion, whatever the kernel has begun by then; a sync is good only after a good
// write.
static void cancelled_at_once(void)
{
    struct folder f = folder_open(NULL);
    static char bytes[1 << 20];
    struct iovec piece = {bytes, sizeof(bytes)};
    int fd = file_of(&f, "file", "", 0);
    for (int round = 0; round < 20; round++) {
        io_write_and_sync(f.me->io, fd, &piece, 1, 0, token(WRITE), token(SYNC));
        if (round % 2)
            turn(f.me, 0);
        io_cancel(f.me->io, token(WRITE));
        if (round % 4 > 1)
            io_cancel(f.me->io, token(SYNC));
        int32_t written = answer(f.me, WRITE);
        int32_t synced = answer(f.me, SYNC);
        CU_ASSERT_TRUE(written == (int32_t)sizeof(bytes) || written == -ECANCELED ||
                       written == -EINTR);
        CU_ASSERT_TRUE(written > 0 ? synced == 0 || synced == -ECANCELED || synced == -EINTR
                                   : synced == -ECANCELED);
    }
    turn(f.me, 1000);
    CU_ASSERT_EQUAL(f.me->slots[WRITE].count + f.me->slots[SYNC].count, 0);
    io_close(f.me->io, fd);
    folder_release(&f);
}

static const struct suite_test tests[] = {
    {"sync of every kind", sync_of_every_kind},
    {"write and sync, good and failing", write_and_sync_good_and_failing},
    {"a short write is not synced", short_write_is_not_synced},
    {"a chain is neither cut nor too long", chain_is_neither_cut_nor_too_long},
    {"many at once", many_at_once},
    {"cancelled at once", cancelled_at_once},
};

int main(int argc, char **argv)
{
    return asker_main("io_sync", tests, COUNT_OF(tests), argc, argv);
}
