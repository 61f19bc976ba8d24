#include "engine/command/journal_folder.h"

#include "engine/base/check.h"
#include "engine/base/slice.h"
#include "queue/format.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define JOURNAL_NAME "journal"
#define LOCK_NAME "lock"

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool is_segment(const char *name)
{
    struct slice suffix = SLICE(FORMAT_SEGMENT_SUFFIX);
    struct slice s = slice_of_text(name);
    return s.len >= suffix.len && slice_equal(slice_skip(s, s.len - suffix.len), suffix);
}

static int add_name(struct journal_folder *f, const char *name)
{
    if ((f->name_count & (f->name_count - 1)) == 0) { // full at each power of two
        size_t room = f->name_count ? 2 * (size_t)f->name_count : 1;
        char **names = reallocarray(f->names, room, sizeof(*names));
        if (!names)
            return -ENOMEM;
        f->names = names;
    }
    char *copy = strdup(name);
    if (!copy)
        return -ENOMEM;
    f->names[f->name_count++] = copy;
    return 0;
}

static int list_segments(struct journal_folder *f)
{
    int error = 0;
    int fd = openat(f->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (!dir) {
        error = -errno;
        if (fd >= 0)
            close(fd);
        return error;
    }
    while (error == 0) {
        errno = 0;
        struct dirent *entry = readdir(dir);
        if (!entry) {
            error = -errno;
            break;
        }
        if (is_segment(entry->d_name))
            error = add_name(f, entry->d_name);
    }
    closedir(dir);
    if (error == 0 && f->name_count == 0)
        error = -ENOENT;
    if (f->name_count > 0)
        qsort(f->names, f->name_count, sizeof(*f->names), by_name);
    return error;
}

// Asking does not take: the engine's own lock is not in the way of ours, nor ours of its.
static enum journal_lock look_at_lock(int state_fd, const char *name)
{
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int fd = openat(state_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? JOURNAL_STOPPED : JOURNAL_UNKNOWN;
    int error = fcntl(fd, F_OFD_GETLK, &whole);
    close(fd);
    if (error < 0)
        return JOURNAL_UNKNOWN;
    return whole.l_type == F_UNLCK ? JOURNAL_STOPPED : JOURNAL_RUNNING;
}

int journal_folder_open(struct journal_folder *f, const char *path)
{
    *f = (struct journal_folder){.fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    if (f->fd < 0)
        return errno == ENOTDIR ? -ENOENT : -errno;
    int inner = openat(f->fd, JOURNAL_NAME, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    f->lock = look_at_lock(f->fd, inner >= 0 ? LOCK_NAME : "../" LOCK_NAME);
    if (inner >= 0) {
        close(f->fd);
        f->fd = inner;
    }
    int error = list_segments(f);
    if (error != 0)
        journal_folder_release(f);
    return error;
}

void journal_folder_release(struct journal_folder *f)
{
    for (uint32_t i = 0; i < f->name_count; i++)
        free(f->names[i]);
    free(f->names);
    if (f->fd >= 0)
        close(f->fd);
    *f = (struct journal_folder){.fd = -1};
}

int journal_folder_open_segment(const struct journal_folder *f, const char *name,
                                uint64_t *ret_file_bytes)
{
    struct stat about;
    int fd = openat(f->fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int error = fstat(fd, &about) < 0 ? -errno : 0;
    if (error == 0 && !S_ISREG(about.st_mode))
        error = -EINVAL;
    if (error != 0) {
        close(fd);
        return error;
    }
    *ret_file_bytes = (uint64_t)about.st_size;
    return fd;
}

void journal_window_init(struct journal_window *w, int fd, uint64_t file_bytes)
{
    w->fd = fd;
    w->file_bytes = file_bytes;
    w->offset = 0;
    w->len = 0;
    w->error = 0;
}

static void fill(struct journal_window *w, uint64_t offset)
{
    uint64_t rest = w->file_bytes - offset;
    size_t want = rest < JOURNAL_WINDOW_BYTES ? (size_t)rest : JOURNAL_WINDOW_BYTES;
    w->offset = offset;
    w->len = 0;
    w->error = 0;
    while (w->len < want) {
        ssize_t got = pread(w->fd, w->bytes + w->len, want - w->len, (off_t)(offset + w->len));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            w->error = errno;
        if (got <= 0)
            return;
        w->len += (uint32_t)got;
    }
}

const char *journal_window_at(struct journal_window *w, uint64_t offset, size_t len)
{
    CHECK(len <= JOURNAL_WINDOW_BYTES);
    if (offset > w->file_bytes || len > w->file_bytes - offset)
        return NULL;
    if (offset < w->offset || offset - w->offset > w->len || len > w->len - (offset - w->offset))
        fill(w, offset);
    return len <= w->len - (offset - w->offset) ? w->bytes + (offset - w->offset) : NULL;
}

uint64_t journal_window_skip_hole(const struct journal_window *w, uint64_t offset)
{
    off_t data = lseek(w->fd, (off_t)offset, SEEK_DATA);
    if (data < 0) // ENXIO: nothing but a hole; else this file system does not know
        return errno == ENXIO ? w->file_bytes : offset;
    return (uint64_t)data;
}
