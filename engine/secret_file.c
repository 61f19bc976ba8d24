#include "engine/secret_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_BYTES 4096u

static bool may_be_used(int fd, const char *path, uid_t uid, unsigned forbidden,
                        struct refusal *why)
{
    struct stat about;
    if (fstat(fd, &about) != 0)
        return refuse(why, "%s: %s", path, strerrordesc_np(errno));
    if (!S_ISREG(about.st_mode))
        return refuse(why, "%s: not a file", path);
    if (about.st_uid != 0 && about.st_uid != uid)
        return refuse(why, "%s: it must belong to root or to the engine's user", path);
    if (about.st_mode & forbidden)
        return refuse(why, "%s: its mode is %04o, and lets others read or change it: chmod %04o it",
                      path, (unsigned)about.st_mode & 07777,
                      (unsigned)about.st_mode & 0666 & ~forbidden);
    return true;
}

static bool read_whole(int fd, const char *path, struct buffer *ret, struct refusal *why)
{
    for (;;) {
        // At the limit one byte more would have to fit: the file is too long.
        char *to = buffer_reserve(
            ret, ret->bytes_max - ret->len < READ_BYTES ? ret->bytes_max - ret->len : READ_BYTES);
        if (!to || ret->len == ret->bytes_max)
            return refuse(why, "%s: longer than %zu bytes, or no memory", path, ret->bytes_max);
        const size_t room = ret->bytes_max - ret->len;
        ssize_t got = read(fd, to, room < READ_BYTES ? room : READ_BYTES);
        if (got < 0)
            return refuse(why, "%s: %s", path, strerrordesc_np(errno));
        if (got == 0)
            return true;
        buffer_advance(ret, (size_t)got);
    }
}

bool secret_file_read(const char *path, uid_t uid, unsigned forbidden, struct buffer *ret,
                      struct refusal *why)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return refuse(why, "%s: %s", path, strerrordesc_np(errno));
    bool good = may_be_used(fd, path, uid, forbidden, why) && read_whole(fd, path, ret, why);
    close(fd);
    return good;
}
