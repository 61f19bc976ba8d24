#include "engine/lock_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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

static bool is_ours(int lock_fd, uid_t uid)
{
    struct stat about;
    return fstat(lock_fd, &about) == 0 && S_ISREG(about.st_mode) && about.st_nlink == 1 &&
           (about.st_uid == uid || (geteuid() == 0 && about.st_size == 0));
}

static bool take(int lock_fd, const char *path, const char *name, uid_t uid, gid_t gid,
                 struct refusal *why)
{
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (!is_ours(lock_fd, uid))
        return refuse(why, "%s/%s: not a file of our own", path, name);
    if (fcntl(lock_fd, F_OFD_SETLK, &whole) != 0) {
        if (errno == EAGAIN || errno == EACCES)
            return refuse(why, "%s: in use by another engine (pid %ld)", path, read_pid(lock_fd));
        return refuse(why, "%s/%s: %s", path, name, strerror(errno));
    }
    if ((geteuid() == 0 && fchown(lock_fd, uid, gid) != 0) || !write_pid(lock_fd))
        return refuse(why, "%s/%s: %s", path, name, strerror(errno));
    return true;
}

int lock_file_take(int dir_fd, const char *path, const char *name, uid_t uid, gid_t gid,
                   struct refusal *why)
{
    int fd = openat(dir_fd, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
    if (fd < 0)
        refuse(why, "%s/%s: %s", path, name, strerror(errno));
    else if (take(fd, path, name, uid, gid, why))
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}
