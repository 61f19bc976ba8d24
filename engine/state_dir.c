#include "engine/state_dir.h"

#include "engine/directory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOCK_NAME "lock"
#define LOCK_TEXT_BYTES 32

// The lock's owner writes its number into the file: the kernel does not tell who holds a lock of
// this sort, which belongs to an open file and not to a process.
static long read_pid(int lock_fd)
{
    char text[LOCK_TEXT_BYTES] = "";
    if (pread(lock_fd, text, sizeof(text) - 1, 0) <= 0)
        return 0;
    return strtol(text, NULL, 10);
}

static bool write_pid(int lock_fd)
{
    char text[LOCK_TEXT_BYTES];
    int len = snprintf(text, sizeof(text), "%ld\n", (long)getpid());
    return ftruncate(lock_fd, 0) == 0 && pwrite(lock_fd, text, (size_t)len, 0) == len;
}

static bool lock_is_ours(int lock_fd, uid_t uid)
{
    struct stat about;
    return fstat(lock_fd, &about) == 0 && S_ISREG(about.st_mode) && about.st_nlink == 1 &&
           (about.st_uid == uid || (geteuid() == 0 && about.st_size == 0));
}

static bool take_lock(struct state_dir *s, const char *path, uid_t uid, gid_t gid,
                      struct refusal *why)
{
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    s->lock_fd = openat(s->dir_fd, LOCK_NAME,
                        O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
    if (s->lock_fd < 0)
        return refuse(why, "%s/" LOCK_NAME ": %s", path, strerror(errno));
    if (!lock_is_ours(s->lock_fd, uid))
        return refuse(why, "%s/" LOCK_NAME ": not a file of our own", path);
    if (fcntl(s->lock_fd, F_OFD_SETLK, &whole) != 0) {
        long pid = read_pid(s->lock_fd);
        if (errno == EAGAIN || errno == EACCES)
            return refuse(why, "%s: in use by another engine (pid %ld)", path, pid);
        return refuse(why, "%s/" LOCK_NAME ": %s", path, strerror(errno));
    }
    if ((geteuid() == 0 && fchown(s->lock_fd, uid, gid) != 0) || !write_pid(s->lock_fd))
        return refuse(why, "%s/" LOCK_NAME ": %s", path, strerror(errno));
    return true;
}

bool state_dir_open(struct state_dir *s, const char *path, uid_t uid, gid_t gid,
                    struct refusal *why)
{
    *s = (struct state_dir){.dir_fd = -1, .lock_fd = -1};
    if (!directory_make(path, 0700, uid, gid, why))
        return false;
    s->dir_fd = directory_open_own(path, uid, why);
    if (s->dir_fd >= 0 && take_lock(s, path, uid, gid, why))
        return true;
    state_dir_close(s);
    return false;
}

// The entry in a folder is safe once that folder is synced.
static bool sync_entries(const struct state_dir *s, int folder_fd)
{
    int parent_fd = openat(s->dir_fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool good = fsync(folder_fd) == 0 && fsync(s->dir_fd) == 0;
    if (parent_fd >= 0) {
        // The folder above may be one that we may not even read; its entry is old then.
        (void)fsync(parent_fd);
        close(parent_fd);
    }
    return good;
}

int state_dir_folder(const struct state_dir *s, const char *path, const char *name, uid_t uid,
                     gid_t gid, struct refusal *why)
{
    struct stat about;
    bool is_new = mkdirat(s->dir_fd, name, 0700) == 0;
    int fd = -1;
    if (is_new || errno == EEXIST)
        fd = openat(s->dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || (is_new && geteuid() == 0 && fchown(fd, uid, gid) != 0) ||
        fstat(fd, &about) != 0 || (is_new && !sync_entries(s, fd)))
        refuse(why, "%s/%s: %s", path, name, strerror(errno));
    else if (about.st_uid != uid || (about.st_mode & (S_IWGRP | S_IWOTH)))
        refuse(why, "%s/%s: not a folder of uid %u alone", path, name, uid);
    else
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

void state_dir_close(struct state_dir *s)
{
    if (s->lock_fd >= 0)
        close(s->lock_fd);
    if (s->dir_fd >= 0)
        close(s->dir_fd);
    *s = (struct state_dir){.dir_fd = -1, .lock_fd = -1};
}
