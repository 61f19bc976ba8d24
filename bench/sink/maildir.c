#include "bench/sink/maildir.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME_BYTES_MAX 160

struct sink_maildir {
    int fd;
    char host[65];
};

static int make_folder(int at, const char *path)
{
    return mkdirat(at, path, 0700) < 0 && errno != EEXIST ? -errno : 0;
}

int sink_maildir_open(struct sink_maildir **ret_maildir, const char *path)
{
    static const char *const folders[] = {"tmp", "new", "cur"};
    struct sink_maildir *m = calloc(1, sizeof(*m));
    if (!m)
        return -ENOMEM;
    gethostname(m->host, sizeof(m->host) - 1);
    for (char *c = m->host; *c; c++)
        if (*c == '/' || *c == ':')
            *c = '_';
    int error = make_folder(AT_FDCWD, path);
    m->fd = error ? -1 : open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (!error && m->fd < 0)
        error = -errno;
    for (unsigned i = 0; !error && i < 3; i++)
        error = make_folder(m->fd, folders[i]);
    if (error) {
        sink_maildir_close(m);
        return error;
    }
    *ret_maildir = m;
    return 0;
}

void sink_maildir_close(struct sink_maildir *m)
{
    if (!m)
        return;
    if (m->fd >= 0)
        close(m->fd);
    free(m);
}

// Stored content has CRLF lines alone, so that dropping each CR gives what a file should hold.
static void write_mail(FILE *file, const struct arrival *a)
{
    struct slice rcpts = buffer_slice(&a->rcpts), address, content = buffer_slice(&a->content);
    fprintf(file, "Return-Path: <%.*s>\n", SLICE_ARG(buffer_slice(&a->sender)));
    while (arrival_next_rcpt(&rcpts, &address))
        fprintf(file, "Delivered-To: %.*s\n", SLICE_ARG(address));
    while (content.len > 0) {
        struct slice line = slice_cut(&content, '\n');
        fwrite(line.data, 1, line.len > 0 ? line.len - 1 : 0, file);
        fputc('\n', file);
    }
}

static int write_file(int fd, const struct arrival *a)
{
    FILE *file = fdopen(fd, "w");
    if (!file) {
        close(fd);
        return -ENOMEM;
    }
    write_mail(file, a);
    bool written = ferror(file) == 0;
    return fclose(file) == 0 && written ? 0 : -EIO;
}

int sink_maildir_store(const struct sink_maildir *m, const struct arrival *a, uint64_t number,
                       uint64_t wall_us)
{
    char tmp[NAME_BYTES_MAX], new[NAME_BYTES_MAX];
    snprintf(tmp, sizeof(tmp), "tmp/%" PRIu64 ".M%06uP%dQ%" PRIu64 ".%s", wall_us / 1000000,
             (unsigned)(wall_us % 1000000), getpid(), number, m->host);
    snprintf(new, sizeof(new), "new%s", tmp + 3);
    int fd = openat(m->fd, tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    int error = write_file(fd, a);
    if (!error && renameat(m->fd, tmp, m->fd, new) < 0)
        error = -errno;
    if (error)
        unlinkat(m->fd, tmp, 0);
    return error;
}
