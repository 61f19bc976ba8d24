#include "engine/directory.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

// Gives a folder that we have just made to its owner, by descriptor: nobody can have put another
// in its place. The one that was asked for has `mode` whatever our umask; those above it have what
// that leaves.
static bool give_away(const char *path, bool is_last, mode_t mode, uid_t uid, gid_t gid,
                      struct refusal *why)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    bool is_ok = fd >= 0 && (geteuid() != 0 || fchown(fd, uid, gid) == 0) &&
                 (!is_last || fchmod(fd, mode) == 0);
    if (!is_ok)
        refuse(why, "%s: %s", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    return is_ok;
}

bool directory_make(const char *path, mode_t mode, uid_t uid, gid_t gid, struct refusal *why)
{
    char part[PATH_MAX];
    size_t len = strlen(path);
    if (len >= sizeof(part))
        return refuse(why, "%s: %s", path, strerror(ENAMETOOLONG));
    for (size_t i = 1; i <= len; i++) {
        if ((path[i] != '/' && path[i] != '\0') || path[i - 1] == '/')
            continue;
        memcpy(part, path, i);
        part[i] = '\0';
        if (mkdir(part, mode) == 0) {
            bool is_last = path[i + strspn(path + i, "/")] == '\0';
            if (!give_away(part, is_last, mode, uid, gid, why))
                return false;
        } else if (errno != EEXIST) {
            return refuse(why, "cannot make %s: %s", part, strerror(errno));
        }
    }
    return true;
}

bool directory_make_for(const char *file_path, mode_t mode, uid_t uid, gid_t gid,
                        struct refusal *why)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(file_path, '/');
    size_t len = slash ? (size_t)(slash - file_path) : 0;
    if (len >= sizeof(folder))
        return refuse(why, "%s: %s", file_path, strerror(ENAMETOOLONG));
    memcpy(folder, file_path, len);
    folder[len] = '\0';
    return len == 0 || directory_make(folder, mode, uid, gid, why);
}

int directory_open_own(const char *path, uid_t uid, struct refusal *why)
{
    struct stat about;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        refuse(why, "%s: %s", path,
               errno == ELOOP || errno == ENOTDIR ? "not a directory of its own" : strerror(errno));
        return -1;
    }
    if (fstat(fd, &about) != 0)
        refuse(why, "%s: %s", path, strerror(errno));
    else if (about.st_uid != uid)
        refuse(why, "%s: belongs to uid %u, not to uid %u: change its owner, or name another", path,
               about.st_uid, uid);
    else if (about.st_mode & (S_IWGRP | S_IWOTH))
        refuse(why, "%s: others may write to it: chmod 0700 %s", path, path);
    else
        return fd;
    close(fd);
    return -1;
}
