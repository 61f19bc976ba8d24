#include "engine/tls_tally_file.h"

#include "engine/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#define NAME "counts"
#define NEW_NAME "counts.new"
#define SAVE_EVERY_US (UINT64_C(60) * 1000 * 1000)
#define READ_BYTES 65536

static bool read_all(int fd, struct buffer *text)
{
    for (;;) {
        char *to = buffer_reserve(text, READ_BYTES);
        ssize_t got = to ? read(fd, to, READ_BYTES) : -1;
        if (got <= 0)
            return got == 0;
        buffer_advance(text, (size_t)got);
    }
}

bool tls_tally_file_load(int dir_fd, struct tls_tally *t)
{
    struct buffer text;
    int fd = openat(dir_fd, NAME, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return errno == ENOENT;
    buffer_init(&text, TLS_TALLY_FILE_BYTES_MAX);
    bool good = read_all(fd, &text);
    close(fd);
    good &= tls_tally_read(t, buffer_slice(&text));
    buffer_release(&text);
    return good;
}

static int write_all(int fd, struct slice text)
{
    while (text.len > 0) {
        ssize_t put = write(fd, text.data, text.len);
        if (put < 0)
            return -errno;
        text = slice_skip(text, (size_t)put);
    }
    return fsync(fd) < 0 ? -errno : 0;
}

int tls_tally_file_save(int dir_fd, struct tls_tally *t, uint64_t wall_s)
{
    struct buffer text;
    int error = -ENOMEM;
    buffer_init(&text, TLS_TALLY_FILE_BYTES_MAX);
    if (tls_tally_print(t, wall_s, &text)) {
        int fd = openat(dir_fd, NEW_NAME, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
                        0600);
        error = fd < 0 ? -errno : write_all(fd, buffer_slice(&text));
        if (fd >= 0)
            close(fd);
        if (error == 0 && renameat(dir_fd, NEW_NAME, dir_fd, NAME) < 0)
            error = -errno;
    }
    buffer_release(&text);
    return error;
}

static void on_thread(void *argument, unsigned thread)
{
    struct tls_tally_file *f = argument;
    (void)thread;
    f->error = tls_tally_file_save(f->dir_fd, f->tally, f->wall_s);
}

void tls_tally_file_start(struct tls_tally_file *f, struct io *io, struct wheel *wheel, int dir_fd,
                          struct tls_tally *tally, struct io_token token)
{
    *f = (struct tls_tally_file){.io = io, .wheel = wheel, .dir_fd = dir_fd, .tally = tally};
    memcpy(&f->timer.owner, &token, sizeof(token));
    if (dir_fd >= 0)
        wheel_arm(wheel, &f->timer, io_now_us(io) + SAVE_EVERY_US);
}

void tls_tally_file_on_timer(struct tls_tally_file *f, struct io_token token)
{
    uint64_t changes = tls_tally_changes(f->tally);
    wheel_arm(f->wheel, &f->timer, io_now_us(f->io) + SAVE_EVERY_US);
    if (f->busy || changes == f->saved_changes)
        return;
    f->busy = true;
    f->saved_changes = changes;
    f->wall_s = io_wall_us(f->io) / 1000000;
    io_offload(f->io, IO_PLAIN, on_thread, f, token);
}

void tls_tally_file_on_done(struct tls_tally_file *f, const struct io_done *done)
{
    f->busy = false;
    int error = done->result < 0 ? done->result : f->error;
    if (error < 0)
        log_line(LOG_LEVEL_WARNING, "tls-report/" NAME ": %s", strerrordesc_np(-error));
}
