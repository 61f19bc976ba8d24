#include "engine/pickup_owner.h"

#include "engine/lock_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

// Behind a dot: no file to be taken up.
#define LOCK_NAME ".lock"
#define MARK_NAME ".journal"
#define IDENTITY_NAME "identity"
#define IDENTITY_LEN 32

// Hexadecimal digits; empty: no journal.
struct identity {
    char text[IDENTITY_LEN + 1];
};

// What is no identity, as a crash may leave it before the first sync, counts as none. 0 or -errno.
static int identity_read(int dir_fd, const char *name, struct identity *ret)
{
    ret->text[0] = '\0';
    int fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? 0 : -errno;
    ssize_t len = pread(fd, ret->text, IDENTITY_LEN, 0);
    int error = len < 0 ? -errno : 0;
    close(fd);
    ret->text[len == IDENTITY_LEN ? len : 0] = '\0';
    if (strspn(ret->text, "0123456789abcdef") != IDENTITY_LEN)
        ret->text[0] = '\0';
    return error;
}

// On stable storage before a message depends on it. 0 or -errno.
static int identity_write(int dir_fd, const char *name, const struct identity *id)
{
    char line[IDENTITY_LEN + 2];
    size_t len = (size_t)snprintf(line, sizeof(line), "%s\n", id->text);
    int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    bool good = ftruncate(fd, 0) == 0 && pwrite(fd, line, len, 0) == (ssize_t)len &&
                fsync(fd) == 0 && fsync(dir_fd) == 0;
    int error = good ? 0 : errno == 0 ? -EIO : -errno;
    close(fd);
    return error;
}

// A journal gets its name when it first has to do with a pickup directory.
static int identity_of_journal(int journal_fd, struct identity *ret)
{
    uint64_t random[2];
    ret->text[0] = '\0';
    int error = journal_fd < 0 ? 0 : identity_read(journal_fd, IDENTITY_NAME, ret);
    if (error < 0 || journal_fd < 0 || ret->text[0] != '\0')
        return error;
    if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
        return -errno;
    snprintf(ret->text, sizeof(ret->text), "%016llx%016llx", (unsigned long long)random[0],
             (unsigned long long)random[1]);
    return identity_write(journal_fd, IDENTITY_NAME, ret);
}

// How many files are being taken, or -errno.
static int count_files(int taken_fd)
{
    int fd = openat(taken_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *folder = fd >= 0 ? fdopendir(fd) : NULL;
    const struct dirent *entry;
    int count = 0;
    if (!folder) {
        count = -errno;
        if (fd >= 0)
            close(fd);
        return count;
    }
    while (errno = 0, (entry = readdir(folder)) != NULL)
        count += entry->d_name[0] != '.';
    if (errno != 0)
        count = -errno;
    closedir(folder);
    return count;
}

static bool make_ours(int taken_fd, const char *path, int journal_fd, struct refusal *why)
{
    struct identity ours, theirs;
    int error = identity_of_journal(journal_fd, &ours);
    if (error < 0)
        return refuse(why, "journal/" IDENTITY_NAME ": %s", strerror(-error));
    error = identity_read(taken_fd, MARK_NAME, &theirs);
    int count = error < 0 ? error : count_files(taken_fd);
    if (count > 0 && theirs.text[0] != '\0' && strcmp(ours.text, theirs.text) != 0)
        return refuse(why,
                      "%s/taken: holds %d file%s that an engine with another state directory was "
                      "taking, and may have sent: start that one again, which ends them; or move "
                      "them into %s to have them sent, some of them a second time",
                      path, count, count == 1 ? "" : "s", path);
    if (count >= 0 && strcmp(ours.text, theirs.text) != 0)
        count = identity_write(taken_fd, MARK_NAME, &ours);
    return count >= 0 || refuse(why, "%s/taken/" MARK_NAME ": %s", path, strerror(-count));
}

int pickup_owner_take(int taken_fd, const char *path, int journal_fd, struct refusal *why)
{
    char taken[PATH_MAX];
    snprintf(taken, sizeof(taken), "%s/taken", path);
    int lock_fd = lock_file_take(taken_fd, taken, LOCK_NAME, geteuid(), getegid(), why);
    if (lock_fd >= 0 && !make_ours(taken_fd, path, journal_fd, why)) {
        close(lock_fd);
        return -1;
    }
    return lock_fd;
}
