// engine/io/ring_file.c: io.h's requests on files, on the ring.
//
// The kernel does at once what needs no waiting; the rest goes to worker threads of its own.
#include "engine/base/check.h"
#include "engine/io/ring.h"
#include "engine/io/watch.h"

#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

// An offset of -1: where the descriptor stands; with O_APPEND at the end; also into a pipe.
#define AT_THE_END UINT64_MAX
#define WRITE_BYTES_MAX 0x7ffff000 // the kernel cuts a longer one, and finds nothing wrong with it

// What one request takes at most; of more the asker hears that it was not all.
static unsigned count_of(size_t bytes)
{
    return bytes < INT32_MAX ? (unsigned)bytes : INT32_MAX;
}

void io_open(struct io *io, int dir_fd, const char *name, int flags, uint32_t mode,
             struct io_token token)
{
    struct io_uring_sqe *sqe = ring_entry(io);
    io_uring_prep_openat(sqe, dir_fd, name, flags | O_CLOEXEC, mode);
    ring_ask(io, sqe, token)->kind = FLIGHT_BRINGS_FD;
}

void io_read(struct io *io, int fd, void *to, size_t bytes, uint64_t offset, struct io_token token)
{
    CHECK(offset <= INT64_MAX);
    struct io_uring_sqe *sqe = ring_entry(io);
    io_uring_prep_read(sqe, fd, to, count_of(bytes), offset);
    ring_ask(io, sqe, token);
}

static struct io_uring_sqe *ask_write(struct io *io, int fd, const struct iovec *pieces,
                                      unsigned count, uint64_t offset, struct io_token token)
{
    CHECK(count >= 1 && count <= IO_WRITE_PIECES_MAX && offset <= INT64_MAX);
    struct io_uring_sqe *sqe = ring_entry(io);
    if (count == 1)
        io_uring_prep_write(sqe, fd, pieces->iov_base, count_of(pieces->iov_len), offset);
    else
        io_uring_prep_writev(sqe, fd, pieces, count, offset);
    ring_ask(io, sqe, token);
    return sqe;
}

void io_write(struct io *io, int fd, const struct iovec *pieces, unsigned count, uint64_t offset,
              struct io_token token)
{
    ask_write(io, fd, pieces, count, offset, token);
}

void io_append(struct io *io, int fd, struct slice bytes, struct io_token token)
{
    struct io_uring_sqe *sqe = ring_entry(io);
    io_uring_prep_write(sqe, fd, bytes.data, count_of(bytes.len), AT_THE_END);
    ring_ask(io, sqe, token);
}

static void ask_sync(struct io *io, int fd, unsigned flags, struct io_token token)
{
    struct io_uring_sqe *sqe = ring_entry(io);
    io_uring_prep_fsync(sqe, fd, flags);
    ring_ask(io, sqe, token);
}

void io_sync(struct io *io, int fd, struct io_token token)
{
    ask_sync(io, fd, IORING_FSYNC_DATASYNC, token);
}

void io_sync_all(struct io *io, int fd, struct io_token token)
{
    ask_sync(io, fd, 0, token);
}

// The kernel starts a linked request once the one before it has done all that it was asked for: a
// short write breaks the link.
void io_write_and_sync(struct io *io, int fd, const struct iovec *pieces, unsigned count,
                       uint64_t offset, struct io_token write, struct io_token sync)
{
    size_t bytes = 0;
    for (unsigned i = 0; i < count; i++)
        bytes += pieces[i].iov_len;
    CHECK(bytes <= WRITE_BYTES_MAX);
    ring_keep_together(io, 2);
    ask_write(io, fd, pieces, count, offset, write)->flags |= IOSQE_IO_LINK;
    ask_sync(io, fd, IORING_FSYNC_DATASYNC, sync);
}

void io_allocate(struct io *io, int fd, uint64_t bytes, struct io_token token)
{
    CHECK(bytes <= INT64_MAX);
    struct io_uring_sqe *sqe = ring_entry(io);
    io_uring_prep_fallocate(sqe, fd, 0, 0, (off_t)bytes);
    ring_ask(io, sqe, token);
}

void io_rename(struct io *io, int from_dir_fd, const char *from, int to_dir_fd, const char *to,
               struct io_token token)
{
    struct io_uring_sqe *sqe = ring_entry(io);
    io_uring_prep_renameat(sqe, from_dir_fd, from, to_dir_fd, to, RENAME_NOREPLACE);
    ring_ask(io, sqe, token);
}

void io_unlink(struct io *io, int dir_fd, const char *name, struct io_token token)
{
    struct io_uring_sqe *sqe = ring_entry(io);
    io_uring_prep_unlinkat(sqe, dir_fd, name, 0);
    ring_ask(io, sqe, token);
}

// --- a watch: polls of an inotify descriptor, one after the other under the same token

void io_watch(struct io *io, int dir_fd, struct io_token token)
{
    int watch_fd = watch_open(dir_fd);
    if (watch_fd < 0) {
        ring_ask_to_fail(io, dir_fd, watch_fd, token);
        return;
    }
    struct io_uring_sqe *sqe = ring_entry(io);
    io_uring_prep_poll_add(sqe, watch_fd, POLLIN);
    struct flight_request *request = ring_ask_about(io, sqe, dir_fd, token);
    request->kind = FLIGHT_WATCH;
    request->value = watch_fd;
}

// Between an answer and the next poll the kernel holds nothing that a cancel could find: it is
// remembered in the request.
void ring_watch_answered(struct io *io, struct flight_request *watch, struct io_done *done)
{
    size_t names_len = 0;
    int error = watch->cancelled ? -ECANCELED : done->result;
    if (error >= 0)
        error = watch_take(watch->value, ring_watch_names(io), &names_len);
    done->ended = error < 0;
    done->result = error;
    done->bytes = slice_make(ring_watch_names(io), names_len);
    if (done->ended) {
        close(watch->value);
        return;
    }
    struct io_uring_sqe *sqe = ring_entry(io);
    io_uring_prep_poll_add(sqe, watch->value, POLLIN);
    sqe->user_data = watch->token;
}
