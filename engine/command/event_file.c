#include "engine/command/event_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_BYTES (64u * 1024)

int event_file_open(struct event_file *f, const char *path)
{
    *f = (struct event_file){.path = path, .fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY)};
    int error = f->fd < 0 ? -errno : 0;
    buffer_init(&f->bytes, EVENT_LINE_BYTES_MAX + READ_BYTES);
    return error;
}

void event_file_close(struct event_file *f)
{
    if (f->fd >= 0)
        close(f->fd);
    f->fd = -1;
    buffer_release(&f->bytes);
}

static bool take_line(struct event_file *f, struct slice *ret_line)
{
    struct slice rest = slice_skip(buffer_slice(&f->bytes), f->used);
    size_t len = slice_find(rest, '\n');
    if (len == rest.len)
        return false;
    *ret_line = slice_take(rest, len);
    f->used += len + 1;
    return true;
}

// 1: there is more, 0: not now, -errno.
static int read_more(struct event_file *f)
{
    buffer_drop_front(&f->bytes, f->used);
    f->used = 0;
    if (f->bytes.len > EVENT_LINE_BYTES_MAX) {
        buffer_clear(&f->bytes);
        f->skips = true;
    }
    char *to = buffer_reserve(&f->bytes, READ_BYTES);
    if (!to)
        return -ENOMEM;
    ssize_t count = read(f->fd, to, READ_BYTES);
    if (count < 0)
        return errno == EINTR ? 1 : -errno;
    buffer_advance(&f->bytes, (size_t)count);
    f->at += (uint64_t)count;
    return count > 0;
}

int event_file_next(struct event_file *f, struct slice *ret_line)
{
    for (;;) {
        if (take_line(f, ret_line)) {
            if (!f->skips)
                return 1;
            f->skips = false;
            continue;
        }
        int more = read_more(f);
        if (more <= 0)
            return more;
    }
}

bool event_file_was_rotated(const struct event_file *f)
{
    struct stat here, there;
    if (fstat(f->fd, &here) < 0 || stat(f->path, &there) < 0)
        return false;
    return here.st_dev != there.st_dev || here.st_ino != there.st_ino ||
           (S_ISREG(here.st_mode) && (uint64_t)here.st_size < f->at);
}
