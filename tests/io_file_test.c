// Requests on files, on a real folder: each one good, and failing in the ways that it can.
#include "engine/base/check.h"
#include "tests/io_folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define TMPFS 0x01021994 // a file system without a disk behind it (linux/magic.h)

static void open_good_and_failing(void)
{
    struct folder f = folder_open(NULL);
    struct stat s;
    umask(0);
    io_open(f.me->io, f.fd, "new", O_CREAT | O_EXCL | O_RDWR, 0640, token(0));
    int fd = answer(f.me, 0);
    CU_ASSERT_TRUE_FATAL(fd >= 0);
    CU_ASSERT_TRUE(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    CU_ASSERT_EQUAL(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDWR);
    CU_ASSERT_EQUAL(fstat(fd, &s), 0);
    CU_ASSERT_EQUAL(s.st_mode, S_IFREG | 0640);
    CU_ASSERT_EQUAL(mkdirat(f.fd, "folder", 0700), 0);

    const struct {
        int dir_fd;
        const char *name;
        int flags;
        int32_t want;
    } failing[] = {
        {f.fd, "new", O_CREAT | O_EXCL | O_RDWR, -EEXIST},
        {f.fd, "none", O_RDONLY, -ENOENT},
        {f.fd, "none/none", O_CREAT | O_RDWR, -ENOENT},
        {f.fd, "", O_RDONLY, -ENOENT},
        {f.fd, "folder", O_WRONLY, -EISDIR},
        {f.fd, "new", O_RDONLY | O_DIRECTORY, -ENOTDIR},
        {fd, "new", O_RDONLY, -ENOTDIR}, // not a folder
        {-1, "new", O_RDONLY, -EBADF},
    };
    for (uint32_t i = 0; i < COUNT_OF(failing); i++)
        io_open(f.me->io, failing[i].dir_fd, failing[i].name, failing[i].flags, 0600, token(i));
    for (uint32_t i = 0; i < COUNT_OF(failing); i++)
        CU_ASSERT_EQUAL(answer(f.me, i), failing[i].want);

    io_open(f.me->io, f.fd, "folder", O_RDONLY | O_DIRECTORY, 0, token(0));
    int inner_fd = answer(f.me, 0);
    io_open(f.me->io, inner_fd, "inner", O_CREAT | O_WRONLY, 0600, token(0));
    int inner_file_fd = answer(f.me, 0);
    CU_ASSERT_EQUAL(faccessat(f.fd, "folder/inner", F_OK, 0), 0);
    int all[] = {fd, inner_fd, inner_file_fd};
    for (size_t i = 0; i < COUNT_OF(all); i++)
        io_close(f.me->io, all[i]);
    folder_release(&f);
    for (size_t i = 0; i < COUNT_OF(all); i++)
        CU_ASSERT_FALSE(is_open(all[i]));
}

static void read_at_and_behind_the_end(void)
{
    struct folder f = folder_open(NULL);
    static char want[10000], got[sizeof(want) + 1];
    fill(want, sizeof(want), 1);
    int fd = file_of(&f, "file", want, sizeof(want));
    static const struct {
        uint64_t offset;
        size_t bytes;
        int32_t want;
    } reads[] = {
        {0, 10000, 10000}, {0, 10001, 10000}, {0, 1, 1}, {5000, 100, 100},      {4095, 2, 2},
        {9999, 1, 1},      {9999, 2, 1},      {0, 0, 0}, {10000, 1, 0},         {10000, 0, 0},
        {10001, 100, 0},   {1 << 20, 1, 0},   {1, 0, 0}, {INT64_MAX - 1, 1, 0}, {123, 9877, 9877},
    };
    for (size_t i = 0; i < COUNT_OF(reads); i++) {
        memset(got, '#', sizeof(got));
        io_read(f.me->io, fd, got, reads[i].bytes, reads[i].offset, token(0));
        CU_ASSERT_EQUAL(answer(f.me, 0), reads[i].want);
        CU_ASSERT_EQUAL(
            memcmp(got, want + reads[i].offset * (reads[i].want > 0), (size_t)reads[i].want), 0);
        CU_ASSERT_EQUAL(got[reads[i].want], '#'); // nothing behind it
    }
    int write_only_fd = openat(f.fd, "file", O_WRONLY | O_CLOEXEC);
    const struct {
        int fd;
        int32_t want;
    } failing[] = {{-1, -EBADF}, {write_only_fd, -EBADF}, {f.fd, -EISDIR}};
    for (size_t i = 0; i < COUNT_OF(failing); i++) {
        io_read(f.me->io, failing[i].fd, got, 1, 0, token(0));
        CU_ASSERT_EQUAL(answer(f.me, 0), failing[i].want);
    }
    close(write_only_fd);
    io_close(f.me->io, fd);
    folder_release(&f);
}

// As many pieces as asked, of different lengths, some empty; each write on a turn of its own, then
// all at once, each at its own place.
static void write_in_pieces(void)
{
    struct folder f = folder_open(NULL);
    static const unsigned counts[] = {1, 2, 64, IO_WRITE_PIECES_MAX};
    static char want[IO_WRITE_PIECES_MAX * 40], got[sizeof(want) + 1];
    static struct iovec pieces[IO_WRITE_PIECES_MAX];
    fill(want, sizeof(want), 2);
    int fd = file_of(&f, "file", "", 0);
    for (int together = 0; together < 2; together++) {
        size_t bytes = 0;
        for (unsigned i = 0; i < IO_WRITE_PIECES_MAX; i++) {
            pieces[i] = (struct iovec){want + bytes, (i + 1) * 7 % 41};
            bytes += pieces[i].iov_len;
        }
        for (uint32_t i = 0; i < COUNT_OF(counts); i++) {
            uint64_t offset = i * sizeof(want);
            io_write(f.me->io, fd, pieces, counts[i], offset, token(i));
            if (!together)
                CU_ASSERT_EQUAL(answer(f.me, i), (int32_t)bytes_in(pieces, counts[i]));
        }
        for (uint32_t i = 0; i < COUNT_OF(counts); i++) {
            size_t len = bytes_in(pieces, counts[i]);
            if (together)
                CU_ASSERT_EQUAL(answer(f.me, i), (int32_t)len);
            CU_ASSERT_EQUAL(pread(fd, got, len, (off_t)(i * sizeof(want))), (ssize_t)len);
            CU_ASSERT_EQUAL(memcmp(got, want, len), 0);
        }
        CU_ASSERT_EQUAL(ftruncate(fd, 0), 0);
    }
    int read_only_fd = openat(f.fd, "file", O_RDONLY | O_CLOEXEC);
    const int failing[] = {-1, read_only_fd, f.fd};
    for (unsigned count = 1; count <= 2; count++)
        for (size_t i = 0; i < COUNT_OF(failing); i++) {
            io_write(f.me->io, failing[i], pieces, count, 0, token(0));
            CU_ASSERT_EQUAL(answer(f.me, 0), -EBADF);
        }
    close(read_only_fd);
    io_close(f.me->io, fd);
    folder_release(&f);
}

static void write_far_behind_the_end(void)
{
    struct folder f = folder_open(NULL);
    struct iovec piece = {(char[]){"end"}, 3};
    struct io_file file;
    char got[8];
    int fd = file_of(&f, "file", "start", 5);
    static const uint64_t offsets[] = {4096, 1 << 20, (uint64_t)3 << 30};
    for (size_t i = 0; i < COUNT_OF(offsets); i++) {
        io_write(f.me->io, fd, &piece, 1, offsets[i], token(0));
        CU_ASSERT_EQUAL(answer(f.me, 0), 3);
        CU_ASSERT_EQUAL(io_file_of(f.me->io, fd, &file), 0);
        CU_ASSERT_EQUAL(file.bytes, offsets[i] + 3);
        io_read(f.me->io, fd, got, sizeof(got), offsets[i] - 4, token(0));
        CU_ASSERT_EQUAL(answer(f.me, 0), 7);
        CU_ASSERT_EQUAL(memcmp(got, "\0\0\0\0end", 7), 0);
    }
    CU_ASSERT_EQUAL(lseek(fd, 0, SEEK_CUR), 5); // where the descriptor stands is not touched
    io_close(f.me->io, fd);
    folder_release(&f);
}

static void allocate_makes_room(void)
{
    struct folder f = folder_open(NULL);
    struct io_file file;
    struct stat s;
    char got[8];
    int fd = file_of(&f, "file", "start", 5);
    io_allocate(f.me->io, fd, 1 << 20, token(0));
    CU_ASSERT_EQUAL(answer(f.me, 0), 0);
    CU_ASSERT_EQUAL(io_file_of(f.me->io, fd, &file), 0);
    CU_ASSERT_EQUAL(file.bytes, 1 << 20);
    CU_ASSERT_EQUAL(fstat(fd, &s), 0);
    CU_ASSERT_TRUE(s.st_blocks * 512 >= 1 << 20);
    CU_ASSERT_EQUAL(pread(fd, got, 8, 0), 8);
    CU_ASSERT_EQUAL(memcmp(got, "start\0\0\0", 8), 0);
    io_allocate(f.me->io, fd, 4096, token(0)); // there already: nothing shrinks
    CU_ASSERT_EQUAL(answer(f.me, 0), 0);
    CU_ASSERT_EQUAL(io_file_of(f.me->io, fd, &file), 0);
    CU_ASSERT_EQUAL(file.bytes, 1 << 20);

    int read_only_fd = openat(f.fd, "file", O_RDONLY | O_CLOEXEC);
    io_allocate(f.me->io, read_only_fd, 4096, token(0));
    io_allocate(f.me->io, -1, 4096, token(1));
    io_allocate(f.me->io, fd, 0, token(2));
    CU_ASSERT_EQUAL(answer(f.me, 0), -EBADF);
    CU_ASSERT_EQUAL(answer(f.me, 1), -EBADF);
    CU_ASSERT_EQUAL(answer(f.me, 2), -EINVAL);
    close(read_only_fd);
    io_close(f.me->io, fd);
    folder_release(&f);
}

static void rename_and_unlink(void)
{
    struct folder f = folder_open(NULL);
    CU_ASSERT_EQUAL(mkdirat(f.fd, "folder", 0700), 0);
    int inner_fd = openat(f.fd, "folder", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int fd = file_of(&f, "a", "a", 1);
    close(file_of(&f, "b", "b", 1));
    const struct {
        int from_fd;
        const char *from;
        int to_fd;
        const char *to;
        int32_t want;
    } renames[] = {
        {f.fd, "a", f.fd, "b", -EEXIST},
        {f.fd, "a", f.fd, "folder", -EEXIST},
        {f.fd, "a", f.fd, "a", -EEXIST},
        {f.fd, "none", f.fd, "c", -ENOENT},
        {f.fd, "a", f.fd, "none/c", -ENOENT},
        {-1, "a", f.fd, "c", -EBADF},
        {f.fd, "a", -1, "c", -EBADF},
        {fd, "a", f.fd, "c", -ENOTDIR},
        {f.fd, "a", f.fd, "c", 0},
        {f.fd, "c", inner_fd, "a", 0},
        {f.fd, "a", f.fd, "d", -ENOENT},
        {inner_fd, "a", f.fd, "b", -EEXIST},
    };
    for (size_t i = 0; i < COUNT_OF(renames); i++) {
        io_rename(f.me->io, renames[i].from_fd, renames[i].from, renames[i].to_fd, renames[i].to,
                  token(0));
        CU_ASSERT_EQUAL(answer(f.me, 0), renames[i].want);
    }
    char got;
    int moved_fd = openat(inner_fd, "a", O_RDONLY | O_CLOEXEC);
    int kept_fd = openat(f.fd, "b", O_RDONLY | O_CLOEXEC);
    CU_ASSERT_TRUE(read(moved_fd, &got, 1) == 1 && got == 'a');
    CU_ASSERT_TRUE(read(kept_fd, &got, 1) == 1 && got == 'b');

    const struct {
        int dir_fd;
        const char *name;
        int32_t want;
    } unlinks[] = {
        {f.fd, "none", -ENOENT}, {f.fd, "folder", -EISDIR},
        {-1, "b", -EBADF},       {moved_fd, "b", -ENOTDIR},
        {f.fd, "b", 0},          {f.fd, "b", -ENOENT},
        {inner_fd, "a", 0},
    };
    for (size_t i = 0; i < COUNT_OF(unlinks); i++) {
        io_unlink(f.me->io, unlinks[i].dir_fd, unlinks[i].name, token(0));
        CU_ASSERT_EQUAL(answer(f.me, 0), unlinks[i].want);
    }
    struct io_file file;
    CU_ASSERT_EQUAL(io_file_of(f.me->io, kept_fd, &file), 0); // the file goes with the descriptor
    CU_ASSERT_EQUAL(file.link_count, 0);
    int all[] = {fd, moved_fd, kept_fd, inner_fd};
    for (size_t i = 0; i < COUNT_OF(all); i++)
        close(all[i]);
    folder_release(&f);
}

static void file_of_every_kind(void)
{
    struct folder f = folder_open(NULL);
    struct io_file file;
    int pipe_fds[2];
    int fd = file_of(&f, "file", "12345", 5);
    CU_ASSERT_EQUAL_FATAL(pipe(pipe_fds), 0);
    CU_ASSERT_EQUAL(io_file_of(f.me->io, fd, &file), 0);
    CU_ASSERT_TRUE(file.is_regular && file.uid == geteuid());
    CU_ASSERT_TRUE(file.link_count == 1 && file.bytes == 5);
    CU_ASSERT_EQUAL(linkat(f.fd, "file", f.fd, "other", 0), 0);
    CU_ASSERT_EQUAL(io_file_of(f.me->io, fd, &file), 0);
    CU_ASSERT_EQUAL(file.link_count, 2);
    CU_ASSERT_EQUAL(io_file_of(f.me->io, f.fd, &file), 0);
    CU_ASSERT_FALSE(file.is_regular);
    CU_ASSERT_EQUAL(io_file_of(f.me->io, pipe_fds[0], &file), 0);
    CU_ASSERT_FALSE(file.is_regular);
    memset(&file, 0x55, sizeof(file));
    struct io_file before = file;
    CU_ASSERT_EQUAL(io_file_of(f.me->io, -1, &file), -EBADF);
    CU_ASSERT_EQUAL(memcmp(&file, &before, sizeof(file)), 0);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
    io_close(f.me->io, fd);
    folder_release(&f);
}

#define CACHED_PAGES 64

static size_t pages_cached(int fd)
{
    unsigned char in_core[CACHED_PAGES] = {0};
    size_t bytes = CACHED_PAGES * (size_t)getpagesize();
    void *at = mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, 0);
    CU_ASSERT_PTR_NOT_EQUAL_FATAL(at, MAP_FAILED);
    CU_ASSERT_EQUAL(mincore(at, bytes, in_core), 0);
    munmap(at, bytes);
    size_t count = 0;
    for (size_t i = 0; i < CACHED_PAGES; i++)
        count += in_core[i] & 1;
    return count;
}

static void forget_what_is_cached(void)
{
    struct folder f = folder_open(NULL);
    struct statfs s;
    size_t bytes = CACHED_PAGES * (size_t)getpagesize();
    char *want = malloc(bytes), *got = malloc(bytes);
    fill(want, bytes, 3);
    int fd = file_of(&f, "file", want, bytes);
    io_sync(f.me->io, fd, token(0));
    CU_ASSERT_EQUAL(answer(f.me, 0), 0);
    CU_ASSERT_EQUAL(pages_cached(fd), CACHED_PAGES);
    io_forget_cached(f.me->io, fd);
    CU_ASSERT_EQUAL(fstatfs(fd, &s), 0);
    if (s.f_type != TMPFS)
        CU_ASSERT_EQUAL(pages_cached(fd), 0);
    io_read(f.me->io, fd, got, bytes, 0, token(0));
    CU_ASSERT_EQUAL(answer(f.me, 0), (int32_t)bytes);
    CU_ASSERT_EQUAL(memcmp(got, want, bytes), 0);
    io_forget_cached(f.me->io, -1); // nothing happens
    io_close(f.me->io, fd);
    free(want);
    free(got);
    folder_release(&f);
}

// What nobody takes any more is closed: files that were opened, connections that were accepted.
static void free_leaves_no_descriptor(void)
{
    unsigned before = descriptors_open();
    for (int turns = 0; turns < 3; turns++) {
        struct folder f = folder_open(NULL);
        struct io_address a;
        int listen_fd = listener(f.me, TCP4, &a);
        int fd = file_of(&f, "file", "12345", 5);
        struct iovec piece = {(char[]){"x"}, 1};
        io_accept(f.me->io, listen_fd, token(0));
        int client_fd = io_connect(f.me->io, &a, NULL, token(1));
        io_open(f.me->io, f.fd, "file", O_RDONLY, 0, token(2));
        io_open(f.me->io, f.fd, "new", O_CREAT | O_WRONLY, 0600, token(3));
        io_write_and_sync(f.me->io, fd, &piece, 1, 0, token(4), token(5));
        io_sync_all(f.me->io, f.fd, token(6));
        io_watch(f.me->io, f.fd, token(7));
        for (int i = 0; i < turns; i++) // completions come, and nobody takes them
            io_wait(f.me->io, io_now_us(f.me->io) + 20000);
        folder_release(&f);
        close(client_fd);
        close(listen_fd);
        close(fd);
        CU_ASSERT_EQUAL(descriptors_open(), before);
    }
}

static const struct suite_test tests[] = {
    {"open, good and failing", open_good_and_failing},
    {"read at and behind the end", read_at_and_behind_the_end},
    {"write in pieces", write_in_pieces},
    {"write far behind the end", write_far_behind_the_end},
    {"allocate makes room", allocate_makes_room},
    {"rename and unlink", rename_and_unlink},
    {"file of every kind", file_of_every_kind},
    {"forget what is cached", forget_what_is_cached},
    {"free leaves no descriptor", free_leaves_no_descriptor},
};

int main(int argc, char **argv)
{
    return asker_main("io_file", tests, COUNT_OF(tests), argc, argv);
}
