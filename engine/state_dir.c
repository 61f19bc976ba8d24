#include "engine/state_dir.h"

#include "engine/directory.h"
#include "engine/lock_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOCK_NAME "lock"

bool state_dir_open(struct state_dir *s, const char *path, uid_t uid, gid_t gid,
                    struct refusal *why)
{
    *s = (struct state_dir){.dir_fd = -1, .lock_fd = -1};
    if (!directory_make(path, 0700, uid, gid, why))
        return false;
    s->dir_fd = directory_open_own(path, uid, why);
    if (s->dir_fd >= 0)
        s->lock_fd = lock_file_take(s->dir_fd, path, LOCK_NAME, uid, gid, why);
    if (s->lock_fd >= 0)
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
    if (fd < 0 || (is_new && geteuid() == 0 && fchown(fd, uid, gid) != 0) || fstat(fd, &about) != 0)
        refuse(why, "%s/%s: %s", path, name, strerror(errno));
    else if (about.st_uid != uid || (about.st_mode & (S_IWGRP | S_IWOTH)))
        refuse(why, "%s/%s: not a folder of uid %u alone", path, name, uid);
    else if (!sync_entries(s, fd)) // though not new: who made it may have been killed before that
        refuse(why, "%s/%s: %s", path, name, strerror(errno));
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
