// bench/sync_probe.c: what the disk asks for a promise: writes a few blocks into a file that was
// written before, syncs them, and does that again and again.
//
//   sync_probe FILE BYTES SECONDS
//
// Prints a line of JSON: how long a pwrite and its fdatasync take together. FILE is made and
// removed. It is the floor under whoever acknowledges messages one by one.
#include "engine/base/histogram.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define FILE_BYTES (16u * 1024 * 1024) // a journal segment
#define BLOCK_BYTES 4096u
#define BYTES_MAX (1024u * 1024)
#define SECONDS_MAX 3600u
#define NS_PER_US 1000u

static char bytes[BYTES_MAX];

static _Noreturn void fail(const char *what)
{
    fprintf(stderr, "sync_probe: cannot %s: %s\n", what, strerror(errno));
    exit(1);
}

static void write_at(int fd, size_t len, uint64_t offset)
{
    ssize_t written = pwrite(fd, bytes, len, (off_t)offset);
    if (written >= 0 && (size_t)written != len)
        errno = ENOSPC;
    if (written != (ssize_t)len)
        fail("write");
}

// Zeros down to the disk: later writes change no metadata, only data.
static int make_file(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        fail("make the file");
    unlink(path);
    for (uint64_t at = 0; at < FILE_BYTES; at += sizeof(bytes))
        write_at(fd, sizeof(bytes), at);
    if (fsync(fd) < 0)
        fail("sync the new file");
    return fd;
}

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void measure(struct histogram *h, int fd, size_t len, uint64_t seconds)
{
    uint64_t at = 0, until_ns = now_ns() + seconds * 1000000000;
    uint64_t began_ns, ended_ns;
    memset(bytes, 'x', len);
    do {
        began_ns = now_ns();
        write_at(fd, len, at);
        if (fdatasync(fd) < 0)
            fail("sync");
        ended_ns = now_ns();
        histogram_add(h, ended_ns - began_ns);
        at = at + 2 * len <= FILE_BYTES ? at + len : 0;
    } while (ended_ns < until_ns);
}

int main(int argc, char **argv)
{
    static struct histogram h;
    uint64_t len = argc == 4 ? strtoull(argv[2], NULL, 10) : 0;
    uint64_t seconds = argc == 4 ? strtoull(argv[3], NULL, 10) : 0;
    if (len == 0 || len > BYTES_MAX || len % BLOCK_BYTES != 0 || seconds == 0 ||
        seconds > SECONDS_MAX) {
        fputs("usage: sync_probe FILE BYTES SECONDS      bytes: whole blocks of 4096\n", stderr);
        return 2;
    }
    int fd = make_file(argv[1]);
    measure(&h, fd, len, seconds);
    close(fd);
    printf("{\"bytes\":%" PRIu64 ",\"count\":%" PRIu64, len, h.count);
    printf(",\"p50-us\":%" PRIu64, histogram_quantile(&h, 500000) / NS_PER_US);
    printf(",\"p99-us\":%" PRIu64, histogram_quantile(&h, 990000) / NS_PER_US);
    printf(",\"p999-us\":%" PRIu64 "}\n", histogram_quantile(&h, 999000) / NS_PER_US);
    return 0;
}
