// engine/io/io.h: the only door to network, disk and clock.
//
// Owns:         requests in flight, receive buffers, the time of this turn.
// Knows not of: mail, or who asked: a completion carries the asker's token, never a pointer.
// Threads:      one `struct io` belongs to one thread: io_new() and all else is called there.
//               Only io_wake() names another thread's.
// Behind it:    ring.c and its neighbours (io_uring; ring.c and ring_file.c alone see liburing), or
//               tests/sim/ (seeded network, virtual time). The linker chooses.
//
// A turn: io_wait(), then io_next() until false; requests asked meanwhile go to the kernel
// together at the next io_wait(). Asking never fails and never blocks: what goes wrong comes back
// as a completion. Memory lent to a request stays lent until its completion with `ended`.
//
// Every request ends with exactly one completion that has `ended` set. One-shot requests (connect,
// send, poll, offload, all of files but watch) have only that one; standing ones (accept, receive,
// watch) go on until an error, the end of the stream, or io_cancel(). A standing request may also
// end with a good result, when the kernel has no room left to keep it: take the result, and ask
// again if more is wanted.
#ifndef POSTHASTE_IO_IO_H
#define POSTHASTE_IO_IO_H

#include "engine/base/slice.h"
#include "engine/io/address.h"

#include <sys/uio.h>

struct io;

// What the asker wants to have told back. All four are the asker's; a good `owner` says which part
// of the program asked, `op` which of its requests this was. Two requests in flight must not carry
// equal tokens, else io_cancel() could not tell them apart.
struct io_token {
    uint32_t index;
    uint16_t generation;
    uint8_t owner; // < IO_OWNER_RESERVED
    uint8_t op;
};
_Static_assert(sizeof(struct io_token) == sizeof(uint64_t), "fits io_uring's user_data");
#define IO_OWNER_RESERVED 0xff // io's own requests

struct io_done {
    struct io_token token;
    int32_t result; // >= 0, or -errno
    bool ended;     // nothing more comes for this request
    bool lends;     // `bytes` is lent: give it back with io_return(io, lent)
    uint16_t lent;
    struct slice bytes; // what a receive brought (result is its length), or names (io_watch())
};

struct io_options {
    uint32_t entries;              // submission queue; 0: IO_ENTRIES_DEFAULT
    uint32_t receive_buffer_count; // power of two, at most 32768; 0: the default
    uint32_t receive_buffer_bytes; // 0: the default
    unsigned offload_threads;      // at most IO_OFFLOAD_THREADS_MAX; 0: one
};
// Newer kernels (seen on 6.18) count a ring against the user's RLIMIT_MEMLOCK, often 8 MiB: at this
// size, 110 KiB, it holds some 70.
#define IO_ENTRIES_DEFAULT 512
#define IO_RECEIVE_BUFFER_COUNT_DEFAULT 512
#define IO_RECEIVE_BUFFER_BYTES_DEFAULT (16 * 1024)
#define IO_SEND_PIECES_MAX 64 // iovecs in one io_send()
#define IO_OFFLOAD_THREADS_MAX 16

// -ENOSYS, -EPERM or -EACCES: the kernel or the container forbids io_uring (io_new_explain()).
int io_new(struct io **ret_io, const struct io_options *options);
// What to change so that io_new() works: one line, names the sysctl or the seccomp option.
const char *io_new_explain(int error);
// Cancels what is in flight, waits for it, and frees. NULL is fine. Descriptors stay the caller's;
// one that a request has brought and io_next() has not told of is closed.
void io_free(struct io *io);

uint64_t io_now_us(const struct io *io);  // monotonic; read once a turn
uint64_t io_wall_us(const struct io *io); // since 1970; read once a turn
uint64_t io_seed(struct io *io);          // randomness for seeding; the simulator's is its seed

// Submits all that was asked, then waits for a completion, an io_wake(), or `due_us` (in the past:
// does not wait; UINT64_MAX: no limit). Reads the clock.
void io_wait(struct io *io, uint64_t due_us);
// Takes the next completion of those that had come when io_wait() returned. False: none left. Those
// not taken are kept, and the next io_wait() then does not wait.
bool io_next(struct io *io, struct io_done *ret_done);
// Makes the other's io_wait() return soon; goes out with the caller's next io_wait(). `io` is the
// caller's own. A wake-up that finds the other awake makes its next io_wait() return at once.
void io_wake(struct io *io, struct io *other);

// --- sockets. Every socket of ours is non-inheritable, TCP ones have TCP_NODELAY set.

struct io_listen_options {
    bool shared_port; // SO_REUSEPORT: several rings listen on one port
    uint32_t mode;    // unix socket: permission bits of its file; 0: 0660
};
// Binds and listens, at once. `io` may be NULL: listening comes before rights are dropped, and
// rings behind that. Returns a descriptor, or -errno. *address gets the port that the kernel chose.
// A unix socket file that nobody listens on any more is replaced; -EADDRINUSE when somebody does.
int io_listen(struct io *io, struct io_address *address, const struct io_listen_options *options);
// Standing. result: the new connection's descriptor, the asker's from then on.
void io_accept(struct io *io, int listen_fd, struct io_token token);

// Makes a socket (bound to *local unless NULL) and asks for the connection. Returns its
// descriptor, the asker's from then on, or -errno (then no completion comes). result: 0 or -errno.
// Copies both addresses.
int io_connect(struct io *io, const struct io_address *peer, const struct io_address *local,
               struct io_token token);

// Standing. Each completion lends `bytes`; result 0: the peer has ended its side. -ENOBUFS ends
// it when all buffers are lent: ask again when some are back.
void io_receive(struct io *io, int fd, struct io_token token);
void io_return(struct io *io, uint16_t lent);
// Count of receive buffers that are not lent now; for counters and tests.
uint32_t io_receive_buffers_free(const struct io *io);

// One at a time for a socket. result: bytes taken, maybe fewer than given. `pieces` and what they
// point to stay lent; 1 <= count <= IO_SEND_PIECES_MAX.
void io_send(struct io *io, int fd, const struct iovec *pieces, unsigned count,
             struct io_token token);

// result: the poll(2) events among `events` (and POLLERR, POLLHUP) that are true now, or as soon as
// one is. One-shot: asked again, it answers at once while there is still something to read, so that
// who reads only a part of it (c-ares does) loses nothing. For descriptors that others read.
void io_poll(struct io *io, int fd, uint32_t events, struct io_token token);

// Asks that the request with this token ends soon: its last completion tells how (-ECANCELED, or
// what it had come to by then). Good completions may still stand before it. Nothing happens when
// there is none.
void io_cancel(struct io *io, struct io_token token);

// Cancels every request on fd, then closes it. Their completions still come; the close has none.
// Sends asked before it are started before it: what the kernel takes at once is sent, the rest is
// cancelled. No further request may name fd.
void io_close(struct io *io, int fd);

struct io_peer {
    struct io_address address;
    bool uid_known; // unix socket: SO_PEERCRED
    uint32_t uid;
};
int io_peer_of(struct io *io, int fd, struct io_peer *ret_peer); // 0 or -errno

// --- work off the loop

// On a thread of this io, of which there are `offload_threads` once this was asked for; `thread` is
// its number.
typedef void io_work(void *argument, unsigned thread);

enum io_haste {
    IO_URGENT, // begun before what is not
    IO_PLAIN,
    // Work of a millisecond or so, of which there is much: while more of it waits its completion
    // may come up to IO_OFFLOAD_UNTOLD_US late, together with others.
    IO_BRIEF,
};
#define IO_OFFLOAD_UNTOLD_US 20000u

// Work is begun in the order in which it was asked for, but for urgent one. `argument`, and all
// that it uses, stays lent until the completion: result 0, or -errno when there is no thread for it
// and it was not done. It is not cancelled: io_free() waits for what has begun.
void io_offload(struct io *io, enum io_haste haste, io_work *work, void *argument,
                struct io_token token);

// --- files
//
// Names are relative to the descriptor of an open folder, and stay lent, as all memory does.
//
// A cancel, or the io_close() of a descriptor, ends what the kernel has not begun (-ECANCELED);
// what it has begun goes on to its end. A file is closed when its requests have ended: what is
// asked and then loses its descriptor says -EBADF, or something about the next file with that
// number. A folder that io_rename() moves into is not among those that its io_close() cancels.

// result: a descriptor, the asker's from then on; io_close() closes it. `flags` as for openat(2);
// O_CLOEXEC is added.
void io_open(struct io *io, int dir_fd, const char *name, int flags, uint32_t mode,
             struct io_token token);
// result: bytes read, fewer at the end of the file (0 at and behind it), maybe fewer elsewhere.
void io_read(struct io *io, int fd, void *to, size_t bytes, uint64_t offset, struct io_token token);
// result: bytes written, maybe fewer. 1 <= count <= IO_WRITE_PIECES_MAX.
void io_write(struct io *io, int fd, const struct iovec *pieces, unsigned count, uint64_t offset,
              struct io_token token);
// fdatasync(2): what was written, and has completed, before this was asked is on stable storage
// once the result is 0. After an error nothing more can be learned about those bytes: asked again
// it may say 0 although they are lost.
void io_sync(struct io *io, int fd, struct io_token token);
// io_write() of less than 2 GiB, and io_sync() as soon as all has been written: one after the other
// in the kernel, two completions. -ECANCELED for the sync, which then may come before the write's:
// it was not tried, since the write failed or was short, or memory was.
void io_write_and_sync(struct io *io, int fd, const struct iovec *pieces, unsigned count,
                       uint64_t offset, struct io_token write, struct io_token sync);
// fsync(2): for folders, and files whose size or name is new.
void io_sync_all(struct io *io, int fd, struct io_token token);
// Blocks for the first `bytes` of the file, which then is that long at least. result: 0 or -errno.
void io_allocate(struct io *io, int fd, uint64_t bytes, struct io_token token);
// result: 0 or -errno; -EEXIST where `to` exists, -EINVAL on a file system that cannot promise that
// (some of those on a network).
void io_rename(struct io *io, int from_dir_fd, const char *from, int to_dir_fd, const char *to,
               struct io_token token);
void io_unlink(struct io *io, int dir_fd, const char *name, struct io_token token);
// At the end of the file (opened with O_APPEND). result: bytes written, maybe fewer.
void io_append(struct io *io, int fd, struct slice bytes, struct io_token token);

#define IO_WRITE_PIECES_MAX 1024 // iovecs in one io_write()

// These answer at once.
struct io_file {
    bool is_regular;
    uint32_t uid;
    uint32_t link_count;
    uint64_t bytes;
};
int io_file_of(struct io *io, int fd, struct io_file *ret_file); // 0 or -errno
// The kernel forgets what it knows of the file's bytes, so that they are read from the disk.
// Unsynced ones stay.
void io_forget_cached(struct io *io, int fd);

// The names in a folder, without "." and "..", in no order. What comes and goes meanwhile may or
// may not be among them.
struct io_names;
int io_names_open(struct io *io, int dir_fd, struct io_names **ret_names); // 0 or -errno
const char *io_names_next(struct io_names *names); // NULL: no more; valid until the next call
// After that NULL: 0, or -errno when it is not the end, but the folder could not be read on.
int io_names_error(const struct io_names *names);
void io_names_close(struct io_names *names); // NULL is fine

// Standing. A completion (result 0) says that files were moved into this folder, or were closed
// after they had been written there, since the one before. `bytes`, until the next io_next(): their
// names, a NUL behind each; empty: look which (io_names_open()). Now and then
// it says so without a reason. What was there before this was asked, or came before this returned,
// is not told of: look first when it has been asked. -ENOENT ends it when the folder is gone.
void io_watch(struct io *io, int dir_fd, struct io_token token);

#endif
