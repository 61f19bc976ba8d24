// The names in a folder, and the watch over one.
#include "engine/base/check.h"
#include "tests/io_folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define SILENCE_US 30000u // news that did not come by then does not come

// --- names

static void names_of_many(void)
{
    static const unsigned counts[] = {0, 1, 1000};
    for (size_t k = 0; k < COUNT_OF(counts); k++) {
        struct folder f = folder_open(NULL);
        bool seen[1000] = {0};
        struct io_names *names;
        const char *name;
        unsigned got = 0;
        for (unsigned i = 0; i < counts[k]; i++) {
            char path[20];
            snprintf(path, sizeof(path), "name-%u", i);
            close(file_of(&f, path, "", 0));
        }
        unsigned before = descriptors_open();
        CU_ASSERT_EQUAL_FATAL(io_names_open(f.me->io, f.fd, &names), 0);
        while ((name = io_names_next(names))) {
            CU_ASSERT_EQUAL_FATAL(strncmp(name, "name-", 5), 0);
            unsigned i = (unsigned)atoi(name + 5);
            CU_ASSERT_TRUE_FATAL(i < counts[k] && !seen[i]);
            seen[i] = true;
            got++;
        }
        CU_ASSERT_EQUAL(got, counts[k]);
        CU_ASSERT_EQUAL(io_names_error(names), 0);
        CU_ASSERT_PTR_NULL(io_names_next(names));
        io_names_close(names);
        CU_ASSERT_EQUAL(descriptors_open(), before);
        folder_release(&f);
    }
}

static void names_of_all_kinds_by_two(void)
{
    struct folder f = folder_open(NULL);
    struct io_names *first, *second;
    CU_ASSERT_EQUAL(mkdirat(f.fd, "folder", 0700), 0);
    CU_ASSERT_EQUAL(symlinkat("nowhere", f.fd, "link"), 0);
    close(file_of(&f, ".hidden", "", 0));
    close(file_of(&f, "...", "", 0));
    CU_ASSERT_EQUAL_FATAL(io_names_open(f.me->io, f.fd, &first), 0);
    CU_ASSERT_PTR_NOT_NULL(io_names_next(first));
    CU_ASSERT_EQUAL_FATAL(io_names_open(f.me->io, f.fd, &second), 0); // begins at the beginning
    for (int i = 0; i < 4; i++)
        CU_ASSERT_PTR_NOT_NULL(io_names_next(second));
    CU_ASSERT_PTR_NULL(io_names_next(second));
    for (int i = 0; i < 3; i++)
        CU_ASSERT_PTR_NOT_NULL(io_names_next(first));
    CU_ASSERT_PTR_NULL(io_names_next(first));
    io_names_close(first);
    io_names_close(second);
    folder_release(&f);
}

static void names_of_no_folder(void)
{
    struct folder f = folder_open(NULL);
    struct io_names *names = NULL;
    int fd = file_of(&f, "file", "", 0);
    int closed_fd = dup(f.fd);
    close(closed_fd);
    CU_ASSERT_EQUAL(io_names_open(f.me->io, fd, &names), -ENOTDIR);
    CU_ASSERT_EQUAL(io_names_open(f.me->io, closed_fd, &names), -EBADF);
    CU_ASSERT_PTR_NULL(names);
    io_names_close(NULL);

    // Its own descriptor is the one that was free: without it the folder cannot be read on.
    CU_ASSERT_EQUAL_FATAL(io_names_open(f.me->io, f.fd, &names), 0);
    CU_ASSERT_TRUE_FATAL(is_open(closed_fd));
    CU_ASSERT_EQUAL_FATAL(dup2(fd, closed_fd), closed_fd);
    CU_ASSERT_PTR_NULL(io_names_next(names));
    CU_ASSERT_EQUAL(io_names_error(names), -ENOTDIR);
    io_names_close(names);
    close(fd);
    folder_release(&f);
}

// --- the watch

static void move_in(const struct folder *f, const char *name)
{
    char outside[150];
    snprintf(outside, sizeof(outside), "%s/outside", own_directory());
    int fd = open(outside, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    CU_ASSERT_TRUE_FATAL(fd >= 0);
    close(fd);
    CU_ASSERT_EQUAL(renameat(AT_FDCWD, outside, f->fd, name), 0);
}

// News has come since `count` completions; that there is no more of it.
static bool told_once(struct folder *f, uint32_t slot)
{
    unsigned count = f->me->slots[slot].count;
    TURN_UNTIL(f->me, f->me->slots[slot].count > count);
    CU_ASSERT_EQUAL(f->me->slots[slot].last, 0);
    turn(f->me, SILENCE_US);
    return f->me->slots[slot].count == count + 1 && !ended(f->me, slot);
}

static bool told_nothing(struct folder *f, uint32_t slot)
{
    unsigned count = f->me->slots[slot].count;
    uint64_t until_us = io_now_us(f->me->io) + SILENCE_US;
    while (io_now_us(f->me->io) < until_us)
        turn(f->me, SILENCE_US);
    return f->me->slots[slot].count == count;
}

static void watch_sees_what_is_complete(void)
{
    struct folder f = folder_open(NULL);
    close(file_of(&f, "before", "", 0));
    io_watch(f.me->io, f.fd, token(0));
    CU_ASSERT_TRUE(told_nothing(&f, 0)); // of what was there
    move_in(&f, "a");
    CU_ASSERT_TRUE(told_once(&f, 0));
    move_in(&f, "b"); // again after the first
    CU_ASSERT_TRUE(told_once(&f, 0));
    int fd = file_of(&f, "c", "12345", 5);
    CU_ASSERT_TRUE(told_nothing(&f, 0)); // it is still open
    close(fd);
    CU_ASSERT_TRUE(told_once(&f, 0));
    fd = openat(f.fd, "c", O_RDONLY | O_CLOEXEC);
    close(fd); // only read
    CU_ASSERT_EQUAL(unlinkat(f.fd, "a", 0), 0);
    CU_ASSERT_EQUAL(mkdirat(f.fd, "folder", 0700), 0);
    CU_ASSERT_TRUE(told_nothing(&f, 0));
    for (int i = 0; i < 100; i++) { // one completion for all that has come since the last
        char name[20];
        snprintf(name, sizeof(name), "many-%d", i);
        move_in(&f, name);
    }
    CU_ASSERT_TRUE(told_once(&f, 0));
    struct iovec piece = {(char[]){"x"}, 1};
    io_open(f.me->io, f.fd, "ours", O_CREAT | O_WRONLY, 0600, token(1)); // by our own requests, too
    fd = answer(f.me, 1);
    io_write(f.me->io, fd, &piece, 1, 0, token(1));
    CU_ASSERT_EQUAL(answer(f.me, 1), 1);
    CU_ASSERT_TRUE(told_nothing(&f, 0));
    io_close(f.me->io, fd);
    CU_ASSERT_TRUE(told_once(&f, 0));
    folder_release(&f);
}

static void two_watches(void)
{
    struct folder f = folder_open(NULL);
    CU_ASSERT_EQUAL(mkdirat(f.fd, "other", 0700), 0);
    struct folder other = {.me = f.me,
                           .fd = openat(f.fd, "other", O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    io_watch(f.me->io, f.fd, token(0));
    io_watch(f.me->io, other.fd, token(1));
    turn(f.me, 1000);
    move_in(&f, "a");
    CU_ASSERT_TRUE(told_once(&f, 0));
    CU_ASSERT_EQUAL(f.me->slots[1].count, 0);
    move_in(&other, "a");
    CU_ASSERT_TRUE(told_once(&f, 1));
    CU_ASSERT_EQUAL(f.me->slots[0].count, 1);
    io_watch(f.me->io, f.fd, token(2)); // the same folder once more
    turn(f.me, 1000);
    move_in(&f, "b");
    CU_ASSERT_TRUE(told_once(&f, 0));
    CU_ASSERT_EQUAL(f.me->slots[2].count, 1);
    io_cancel(f.me->io, token(0));
    TURN_UNTIL(f.me, ended(f.me, 0));
    move_in(&f, "c");
    CU_ASSERT_TRUE(told_once(&f, 2));
    close(other.fd);
    folder_release(&f);
}

// At every moment: before the kernel has it, while it waits, when news is there and the kernel has
// answered but nobody has looked, and when the next poll is asked but not handed over.
enum moment { ASKED, WAITING, NEWS, ANSWERED, ASKED_AGAIN, MOMENTS };

static void watch_ends_once(void)
{
    unsigned before = descriptors_open();
    for (int by_close = 0; by_close < 2; by_close++) {
        for (enum moment m = 0; m < MOMENTS; m++) {
            struct folder f = folder_open(NULL);
            int fd = dup(f.fd);
            io_watch(f.me->io, fd, token(0));
            if (m > ASKED)
                turn(f.me, 1000);
            if (m > WAITING)
                move_in(&f, "a");
            if (m > NEWS)
                io_wait(f.me->io, io_now_us(f.me->io) + PATIENCE_US);
            if (m > ANSWERED)
                turn(f.me, 0);
            CU_ASSERT_EQUAL(f.me->slots[0].count, m > ANSWERED);
            if (by_close)
                io_close(f.me->io, fd);
            else
                io_cancel(f.me->io, token(0));
            TURN_UNTIL(f.me, ended(f.me, 0));
            CU_ASSERT_EQUAL(f.me->slots[0].last, -ECANCELED);
            move_in(&f, "b");
            CU_ASSERT_TRUE(told_nothing(&f, 0));
            if (!by_close)
                close(fd);
            CU_ASSERT_FALSE(is_open(fd));
            CU_ASSERT_EQUAL(descriptors_open(), before + 2); // the ring and the folder
            folder_release(&f);
        }
    }
    CU_ASSERT_EQUAL(descriptors_open(), before);
}

static void watch_of_no_folder(void)
{
    struct folder f = folder_open(NULL);
    struct rlimit before, limit;
    int fd = file_of(&f, "file", "", 0);
    unsigned open_before = descriptors_open();
    io_watch(f.me->io, fd, token(0));
    io_watch(f.me->io, -1, token(1));
    CU_ASSERT_EQUAL(answer(f.me, 0), -ENOTDIR);
    CU_ASSERT_EQUAL(answer(f.me, 1), -EBADF);
    CU_ASSERT_EQUAL(descriptors_open(), open_before);

    CU_ASSERT_EQUAL_FATAL(getrlimit(RLIMIT_NOFILE, &before), 0);
    limit = (struct rlimit){.rlim_cur = 0, .rlim_max = before.rlim_max};
    CU_ASSERT_EQUAL(setrlimit(RLIMIT_NOFILE, &limit), 0);
    io_watch(f.me->io, f.fd, token(0));
    CU_ASSERT_EQUAL(setrlimit(RLIMIT_NOFILE, &before), 0);
    CU_ASSERT_EQUAL(answer(f.me, 0), -EMFILE);

    // The folder goes away under the watch.
    CU_ASSERT_EQUAL(mkdirat(f.fd, "folder", 0700), 0);
    int gone_fd = openat(f.fd, "folder", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    io_watch(f.me->io, gone_fd, token(0));
    turn(f.me, 1000);
    close(gone_fd);
    CU_ASSERT_EQUAL(unlinkat(f.fd, "folder", AT_REMOVEDIR), 0);
    CU_ASSERT_EQUAL(answer(f.me, 0), -ENOENT);
    close(fd);
    CU_ASSERT_EQUAL(descriptors_open(), open_before - 1);
    folder_release(&f);
}

// More than the kernel keeps for a watch (fs.inotify.max_queued_events, 16384 where nobody has
// changed it): that some was lost is news as well, and the watch goes on.
static void too_much_news(void)
{
    struct folder f = folder_open(NULL);
    io_watch(f.me->io, f.fd, token(0));
    turn(f.me, 1000);
    move_in(&f, "a");
    for (int i = 0; i < 20000; i++) // no two in a row are equal: those count as one
        if (renameat(f.fd, i % 2 ? "b" : "a", f.fd, i % 2 ? "a" : "b") != 0)
            CU_FAIL("rename");
    unsigned count = 0;
    while (!told_nothing(&f, 0))
        count++;
    CU_ASSERT_TRUE(count > 0 && f.me->slots[0].count < 100);
    CU_ASSERT_FALSE(ended(f.me, 0));
    move_in(&f, "c");
    CU_ASSERT_TRUE(told_once(&f, 0));
    folder_release(&f);
}

static const struct suite_test tests[] = {
    {"names of many", names_of_many},
    {"names of all kinds, by two", names_of_all_kinds_by_two},
    {"names of no folder", names_of_no_folder},
    {"watch sees what is complete", watch_sees_what_is_complete},
    {"two watches", two_watches},
    {"watch ends once", watch_ends_once},
    {"watch of no folder", watch_of_no_folder},
    {"too much news", too_much_news},
};

int main(int argc, char **argv)
{
    return asker_main("io_watch", tests, COUNT_OF(tests), argc, argv);
}
