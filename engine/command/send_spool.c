#include "engine/base/check.h"
#include "engine/command/send.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

void send_spool_init(struct send_spool *s)
{
    *s = (struct send_spool){.fd = -1, .mapped = SLICE_EMPTY};
    buffer_init(&s->memory, SEND_MEMORY_BYTES_MAX);
}

void send_spool_release(struct send_spool *s)
{
    if (s->mapped.len > 0)
        munmap((void *)(uintptr_t)s->mapped.data, s->mapped.len);
    if (s->fd >= 0)
        close(s->fd);
    buffer_release(&s->memory);
    s->fd = -1;
    s->mapped = SLICE_EMPTY;
}

static int open_nameless(void)
{
    const char *dir = getenv("TMPDIR");
    char path[4096];
    dir = dir && dir[0] == '/' ? dir : "/tmp";
    int fd = open(dir, O_TMPFILE | O_RDWR | O_EXCL | O_CLOEXEC, 0600);
    if (fd >= 0)
        return fd;
    // Some file systems cannot do that.
    if ((size_t)snprintf(path, sizeof(path), "%s/posthaste-send.XXXXXX", dir) >= sizeof(path))
        return -ENAMETOOLONG;
    fd = mkostemp(path, O_CLOEXEC);
    if (fd >= 0)
        unlink(path);
    return fd >= 0 ? fd : -errno;
}

static int flush(struct send_spool *s)
{
    if (s->fd < 0) {
        int fd = open_nameless();
        if (fd < 0)
            return fd;
        s->fd = fd;
    }
    for (struct slice rest = buffer_slice(&s->memory); rest.len > 0;) {
        ssize_t written = write(s->fd, rest.data, rest.len);
        if (written < 0 && errno != EINTR)
            return -errno;
        rest = slice_skip(rest, written > 0 ? (size_t)written : 0);
    }
    buffer_clear(&s->memory);
    return 0;
}

int send_spool_append(struct send_spool *s, struct slice bytes)
{
    if (s->bytes + bytes.len > SEND_BODY_BYTES_MAX)
        return -EFBIG;
    s->bytes += bytes.len;
    if (buffer_append(&s->memory, bytes))
        return 0;
    int error = flush(s);
    if (error < 0)
        return error;
    return buffer_append(&s->memory, bytes) ? 0 : -ENOMEM;
}

int send_spool_seal(struct send_spool *s, struct slice *ret)
{
    if (s->fd < 0) {
        *ret = s->memory.len > 0 ? buffer_slice(&s->memory) : SLICE_EMPTY;
        return 0;
    }
    int error = flush(s);
    if (error < 0)
        return error;
    void *at = mmap(NULL, s->bytes, PROT_READ, MAP_PRIVATE, s->fd, 0);
    if (at == MAP_FAILED)
        return -errno;
    *ret = s->mapped = slice_make(at, s->bytes);
    return 0;
}
