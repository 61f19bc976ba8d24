#include "engine/private_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

// Others could use it, or put another in its place.
static bool is_private(int fd, const char *path, uid_t uid, const struct private_kind *kind,
                       struct refusal *why)
{
    struct stat about;
    if (fstat(fd, &about) != 0)
        return refuse(why, "%s: %s", path, strerror(errno));
    if (!S_ISREG(about.st_mode))
        return refuse(why, "%s: not a file", path);
    if (about.st_uid != 0 && about.st_uid != uid)
        return refuse(why, "%s: %s must belong to root or to the engine's user", path, kind->what);
    if (about.st_mode & kind->forbidden)
        return refuse(
            why, "%s: %s must be %s, and this one has mode %04o: chmod %04o it", path, kind->what,
            kind->forbidden == PRIVATE_FOR_OWNER ? "for its owner alone" : "kept from others",
            (unsigned)about.st_mode & 07777, 0666u & ~kind->forbidden);
    return true;
}

// The whole of it, as far as there is room; -1: errno says why.
static ssize_t read_whole(int fd, char *to, size_t room)
{
    size_t len = 0;
    ssize_t got;
    while (len < room && (got = read(fd, to + len, room - len)) != 0) {
        if (got < 0)
            return -1;
        len += (size_t)got;
    }
    return (ssize_t)len;
}

static enum private_file missing(const char *path, struct refusal *why)
{
    refuse(why, "%s: %s", path, strerror(errno));
    return PRIVATE_FILE_MISSING;
}

enum private_file private_file_read(const char *path, uid_t uid, const struct private_kind *kind,
                                    char *to, size_t room, size_t *ret_len, struct refusal *why)
{
    const int follows = kind->refuses_links ? O_NOFOLLOW : 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | follows);
    if (fd < 0 && errno == ELOOP && follows) {
        refuse(why, "%s: %s must be no symbolic link", path, kind->what);
        return PRIVATE_FILE_REFUSED;
    }
    if (fd < 0)
        return missing(path, why);
    if (!is_private(fd, path, uid, kind, why)) {
        close(fd);
        return PRIVATE_FILE_REFUSED;
    }
    ssize_t len = read_whole(fd, to, room);
    int error = errno;
    close(fd);
    errno = error;
    if (len < 0)
        return missing(path, why);
    if ((size_t)len == room) {
        explicit_bzero(to, room);
        refuse(why, "%s: longer than %zu bytes", path, room - 1);
        return PRIVATE_FILE_REFUSED;
    }
    *ret_len = (size_t)len;
    return PRIVATE_FILE_READ;
}
