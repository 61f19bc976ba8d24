// engine/io/ring.c: engine/io/io.h on io_uring. Files are asked for in ring_file.c; only these two
// see liburing.
//
// One ring a thread, made by that thread (SINGLE_ISSUER); completions are worked out only when we
// enter the kernel for them (DEFER_TASKRUN), so that a turn finds a whole batch and nothing
// interrupts it. Linux 6.1 has all that is used here; liburing 2.3 is enough to build.
//
// One io_uring_enter() a turn submits what was asked and waits. What a completion means is in its
// token and in the completion itself; of a request in flight we keep little more than the token and
// the descriptor (flight.h).
#include "engine/io/ring.h"
#include "engine/io/watch.h"

#include "engine/base/check.h"
#include "engine/io/offload.h"
#include "engine/io/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#define ENTRIES_MIN 2           // a write and its sync
#define COMPLETIONS_PER_ENTRY 8 // room for what standing requests bring between two turns
#define RECEIVE_BUFFER_COUNT_MAX 32768
#define RECEIVE_GROUP 0     // the one group of buffers in this ring
#define FREE_US_MAX 2000000 // for the kernel to let go of what is in flight
#define FREE_ROUND_US 10000
#define US_PER_S 1000000u

// What the kernel reads when a request is submitted (IORING_FEAT_SUBMIT_STABLE), one beside each
// submission entry: it is free again when its entry is.
union ring_note {
    struct msghdr message;
    struct io_address address;
};

struct io {
    struct io_uring ring;
    bool ring_made;
    union ring_note *notes;
    struct flight flight;
    uint32_t closes_in_flight;
    bool ending;               // in io_free()
    uint32_t completions_left; // of this turn
    uint64_t now_us;
    uint64_t wall_us;

    struct io_uring_buf_ring *lending; // shared with the kernel: the buffers that it may fill
    char *buffers;
    bool *buffer_lent; // to our user
    uint32_t buffer_count;
    uint32_t buffer_bytes;
    uint32_t buffers_free;
    struct offload *offload; // NULL: nobody has asked for it yet
    unsigned offload_threads;
    char watch_names[WATCH_NAMES_BYTES];
};

char *ring_watch_names(struct io *io)
{
    return io->watch_names;
}

// --- tokens of our own requests, whose completions stay in here

enum ring_own { RING_WAKE, RING_CANCEL, RING_CLOSE, RING_OFFLOAD };

static uint64_t token_bits(struct io_token token)
{
    uint64_t bits;
    memcpy(&bits, &token, sizeof(bits));
    return bits;
}

static uint64_t own_token(enum ring_own what)
{
    return token_bits((struct io_token){.owner = IO_OWNER_RESERVED, .op = (uint8_t)what});
}

// --- life

static size_t lending_bytes(const struct io *io)
{
    return io->buffer_count * sizeof(struct io_uring_buf);
}

static void *map_memory(size_t bytes)
{
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return at == MAP_FAILED ? NULL : at;
}

static void lend_to_kernel(struct io *io, uint16_t buffer)
{
    io_uring_buf_ring_add(io->lending, io->buffers + (size_t)buffer * io->buffer_bytes,
                          io->buffer_bytes, buffer, io_uring_buf_ring_mask(io->buffer_count), 0);
    io_uring_buf_ring_advance(io->lending, 1);
}

static int make_ring(struct io *io, uint32_t asked)
{
    uint32_t entries = asked < ENTRIES_MIN ? ENTRIES_MIN : asked;
    struct io_uring_params params = {
        .flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SUBMIT_ALL |
                 IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP,
        .cq_entries = entries * COMPLETIONS_PER_ENTRY,
    };
    int error = io_uring_queue_init_params(entries, &io->ring, &params);
    if (error)
        return error;
    io->ring_made = true;
    io_uring_register_ring_fd(&io->ring); // spares a look-up in each enter; fine without
    io->notes = calloc(params.sq_entries, sizeof(*io->notes));
    return io->notes ? 0 : -ENOMEM;
}

static int make_buffers(struct io *io, uint32_t count, uint32_t bytes)
{
    CHECK(count <= RECEIVE_BUFFER_COUNT_MAX && (count & (count - 1)) == 0);
    io->buffer_count = io->buffers_free = count;
    io->buffer_bytes = bytes;
    io->buffer_lent = calloc(count, sizeof(*io->buffer_lent));
    io->buffers = map_memory((size_t)count * bytes);
    io->lending = map_memory(lending_bytes(io));
    if (!io->buffer_lent || !io->buffers || !io->lending)
        return -ENOMEM;
    struct io_uring_buf_reg registration = {
        .ring_addr = (uintptr_t)io->lending, .ring_entries = count, .bgid = RECEIVE_GROUP};
    int error = io_uring_register_buf_ring(&io->ring, &registration, 0);
    for (uint32_t i = 0; !error && i < count; i++)
        lend_to_kernel(io, (uint16_t)i);
    return error;
}

static uint64_t clock_us(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * US_PER_S + (uint64_t)now.tv_nsec / 1000;
}

static void read_clocks(struct io *io)
{
    io->now_us = clock_us(CLOCK_MONOTONIC);
    io->wall_us = clock_us(CLOCK_REALTIME);
}

int io_new(struct io **ret_io, const struct io_options *options)
{
    struct io_options o = options ? *options : (struct io_options){0};
    struct io *io = calloc(1, sizeof(*io));
    if (!io)
        return -ENOMEM;
    io->offload_threads = o.offload_threads ? o.offload_threads : 1;
    int error = flight_init(&io->flight) ? 0 : -ENOMEM;
    if (!error)
        error = make_ring(io, o.entries ? o.entries : IO_ENTRIES_DEFAULT);
    if (!error)
        error = make_buffers(
            io, o.receive_buffer_count ? o.receive_buffer_count : IO_RECEIVE_BUFFER_COUNT_DEFAULT,
            o.receive_buffer_bytes ? o.receive_buffer_bytes : IO_RECEIVE_BUFFER_BYTES_DEFAULT);
    if (error) {
        io_free(io);
        return error;
    }
    read_clocks(io);
    *ret_io = io;
    return 0;
}

// '0', '1' or '2'; '0' also where the kernel (before 6.6) has no such setting.
static char io_uring_disabled(void)
{
    char setting = '0';
    int fd = open("/proc/sys/kernel/io_uring_disabled", O_RDONLY | O_CLOEXEC);
    if (fd >= 0 && read(fd, &setting, 1) != 1)
        setting = '0';
    if (fd >= 0)
        close(fd);
    return setting;
}

const char *io_new_explain(int error)
{
    switch (error) {
    case -EPERM:
    case -EACCES:
        switch (io_uring_disabled()) {
        case '2':
            return "io_uring is switched off: set the sysctl kernel.io_uring_disabled to 0 (or 1)";
        case '1':
            return "io_uring is kept for a group: set the sysctl kernel.io_uring_disabled to 0, or "
                   "kernel.io_uring_group to a group of this user";
        }
        return "a seccomp filter forbids io_uring: allow io_uring_setup, io_uring_enter and "
               "io_uring_register in the container's profile (docker and podman: --security-opt "
               "seccomp=FILE; systemd: SystemCallFilter=@aio)";
    case -ENOSYS:
        return "no io_uring: this kernel is built without it, or a seccomp filter hides it "
               "(docker and podman: --security-opt seccomp=FILE)";
    case -EINVAL: return "this kernel's io_uring is too old: Linux 6.1 or later is needed";
    case -ENOMEM:
        return "no memory for an io_uring: raise RLIMIT_MEMLOCK (ulimit -l; systemd: "
               "LimitMEMLOCK=) or the memory limit of the container";
    case -EMFILE:
    case -ENFILE:
        return "no descriptor left for an io_uring: raise RLIMIT_NOFILE (ulimit -n; systemd: "
               "LimitNOFILE=)";
    }
    return strerrordesc_np(-error) ? strerrordesc_np(-error) : "unknown error";
}

// --- asking

// Short of memory, the kernel may take a write and leave behind the sync that is linked to it, and
// so has lost the link: that sync must not go out alone, and say of bytes that were not written yet
// that they are safe.
static void mend_link(struct io *io)
{
    const struct io_uring_sq *queue = &io->ring.sq;
    if (io_uring_sq_ready(&io->ring) == 0)
        return;
    struct io_uring_sqe *left = &queue->sqes[*queue->khead & queue->ring_mask];
    if (!(queue->sqes[(*queue->khead - 1) & queue->ring_mask].flags & IOSQE_IO_LINK))
        return;
    struct flight_request *request = flight_find(&io->flight, left->user_data);
    request->kind = FLIGHT_FAILED;
    request->value = -ECANCELED;
    io_uring_prep_nop(left);
}

// Empties the submission queue into the kernel. The kernel takes less than all only when it is
// out of memory; waiting for that is all that is left, since asking never fails.
static void submit(struct io *io)
{
    while (io_uring_sq_ready(&io->ring) > 0) {
        int submitted = io_uring_submit(&io->ring);
        CHECK(submitted >= 0 || submitted == -EAGAIN || submitted == -EBUSY ||
              submitted == -EINTR || submitted == -ENOMEM);
        mend_link(io);
        if (submitted < 0 && submitted != -EINTR)
            nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
}

void ring_keep_together(struct io *io, unsigned count)
{
    if (io_uring_sq_space_left(&io->ring) < count)
        submit(io);
}

struct io_uring_sqe *ring_entry(struct io *io)
{
    ring_keep_together(io, 1);
    struct io_uring_sqe *sqe = io_uring_get_sqe(&io->ring);
    CHECK(sqe);
    return sqe;
}

static union ring_note *note_of(struct io *io, const struct io_uring_sqe *sqe)
{
    return &io->notes[sqe - io->ring.sq.sqes];
}

struct flight_request *ring_ask_about(struct io *io, struct io_uring_sqe *sqe, int fd,
                                      struct io_token token)
{
    CHECK(token.owner != IO_OWNER_RESERVED);
    sqe->user_data = token_bits(token);
    return flight_add(&io->flight, sqe->user_data, fd);
}

struct flight_request *ring_ask(struct io *io, struct io_uring_sqe *sqe, struct io_token token)
{
    return ring_ask_about(io, sqe, sqe->fd, token);
}

// For requests of our own that nobody waits for: only a failure brings a completion.
static void ask_silently(struct io_uring_sqe *sqe, enum ring_own what)
{
    sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
    sqe->user_data = own_token(what);
}

void ring_ask_to_fail(struct io *io, int fd, int error, struct io_token token)
{
    struct io_uring_sqe *sqe = ring_entry(io);
    io_uring_prep_nop(sqe);
    struct flight_request *request = ring_ask_about(io, sqe, fd, token);
    request->kind = FLIGHT_FAILED;
    request->value = error;
}

// What needs the kernel's network but not the ring is in socket.c.
int io_connect(struct io *io, const struct io_address *peer, const struct io_address *local,
               struct io_token token)
{
    int fd = socket_to_connect(peer, local);
    if (fd < 0)
        return fd;
    struct io_uring_sqe *sqe = ring_entry(io);
    struct io_address *to = &note_of(io, sqe)->address;
    *to = *peer;
    io_uring_prep_connect(sqe, fd, &to->as.any, to->len);
    ring_ask(io, sqe, token);
    return fd;
}

void io_accept(struct io *io, int listen_fd, struct io_token token)
{
    struct io_uring_sqe *sqe = ring_entry(io);
    io_uring_prep_multishot_accept(sqe, listen_fd, NULL, NULL, SOCK_CLOEXEC);
    ring_ask(io, sqe, token)->kind = FLIGHT_BRINGS_FD;
}

void io_receive(struct io *io, int fd, struct io_token token)
{
    struct io_uring_sqe *sqe = ring_entry(io);
    io_uring_prep_recv_multishot(sqe, fd, NULL, 0, 0);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = RECEIVE_GROUP;
    ring_ask(io, sqe, token);
}

void io_return(struct io *io, uint16_t lent)
{
    CHECK(lent < io->buffer_count && io->buffer_lent[lent]);
    io->buffer_lent[lent] = false;
    io->buffers_free++;
    lend_to_kernel(io, lent);
}

uint32_t io_receive_buffers_free(const struct io *io)
{
    return io->buffers_free;
}

// MSG_WAITALL makes the kernel go on after a short send, instead of us.
void io_send(struct io *io, int fd, const struct iovec *pieces, unsigned count,
             struct io_token token)
{
    CHECK(count >= 1 && count <= IO_SEND_PIECES_MAX);
    struct io_uring_sqe *sqe = ring_entry(io);
    if (count == 1) {
        io_uring_prep_send(sqe, fd, pieces->iov_base, pieces->iov_len, MSG_NOSIGNAL | MSG_WAITALL);
    } else {
        struct msghdr *message = &note_of(io, sqe)->message;
        *message = (struct msghdr){.msg_iovlen = count};
        memcpy(&message->msg_iov, &pieces, sizeof(pieces)); // which is not const, but only read
        io_uring_prep_sendmsg(sqe, fd, message, MSG_NOSIGNAL | MSG_WAITALL);
    }
    ring_ask(io, sqe, token);
}

// One-shot: a multishot poll tells of new bytes only, and who left some unread would never hear
// of them again.
void io_poll(struct io *io, int fd, uint32_t events, struct io_token token)
{
    struct io_uring_sqe *sqe = ring_entry(io);
    io_uring_prep_poll_add(sqe, fd, events);
    ring_ask(io, sqe, token);
}

static void ask_cancel(struct io *io, uint64_t token)
{
    flight_find(&io->flight, token)->cancelled = true;
    struct io_uring_sqe *sqe = ring_entry(io);
    io_uring_prep_cancel64(sqe, token, 0);
    ask_silently(sqe, RING_CANCEL);
}

void io_cancel(struct io *io, struct io_token token)
{
    if (flight_has(&io->flight, token_bits(token)))
        ask_cancel(io, token_bits(token));
}

// Without the cancels a receive in flight would keep the socket open behind the close. The close
// owes us a completion, so that io_free() knows when all descriptors are gone.
void io_close(struct io *io, int fd)
{
    uint32_t cursor = 0;
    uint64_t token;
    while (flight_next_on(&io->flight, fd, &cursor, &token))
        ask_cancel(io, token);
    struct io_uring_sqe *sqe = ring_entry(io);
    io_uring_prep_close(sqe, fd);
    sqe->user_data = own_token(RING_CLOSE);
    io->closes_in_flight++;
}

static void await_offloaded(struct io *io)
{
    struct io_uring_sqe *sqe = ring_entry(io);
    io_uring_prep_poll_add(sqe, offload_fd(io->offload), POLLIN);
    sqe->user_data = own_token(RING_OFFLOAD);
}

void io_offload(struct io *io, enum io_haste haste, io_work *work, void *argument,
                struct io_token token)
{
    if (!io->offload) {
        int error = offload_new(&io->offload, io->offload_threads);
        if (error < 0) {
            ring_ask_to_fail(io, -1, error, token);
            return;
        }
        await_offloaded(io);
    }
    offload_ask(io->offload, haste, work, argument, token);
}

void io_wake(struct io *io, struct io *other)
{
    struct io_uring_sqe *sqe = ring_entry(io);
    io_uring_prep_msg_ring(sqe, other->ring.ring_fd, 0, own_token(RING_WAKE), 0);
    ask_silently(sqe, RING_WAKE);
}

// --- a turn

uint64_t io_now_us(const struct io *io)
{
    return io->now_us;
}

uint64_t io_wall_us(const struct io *io)
{
    return io->wall_us;
}

uint64_t io_seed(struct io *io)
{
    uint64_t seed = io->wall_us ^ (uintptr_t)io;
    if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
        seed ^= io->now_us << 32;
    return seed;
}

// Enters the kernel once: hands over what was asked, works out what has completed, and waits for
// the first completion if there is none. A full completion queue needs no care: the kernel keeps
// what did not fit (IORING_FEAT_NODROP) and puts it in here, as we come with an empty one.
static int enter(struct io *io, uint64_t due_us)
{
    struct io_uring_cqe *first;
    if (io_uring_cq_ready(&io->ring) > 0 || due_us <= io->now_us)
        return io_uring_submit_and_get_events(&io->ring);
    if (due_us == UINT64_MAX)
        return io_uring_submit_and_wait(&io->ring, 1);
    uint64_t now_us = clock_us(CLOCK_MONOTONIC); // the turn may have taken long
    uint64_t wait_us = due_us > now_us ? due_us - now_us : 0;
    struct __kernel_timespec timeout = {.tv_sec = (int64_t)(wait_us / US_PER_S),
                                        .tv_nsec = (int64_t)(wait_us % US_PER_S) * 1000};
    return io_uring_submit_and_wait_timeout(&io->ring, &first, 1, &timeout, NULL);
}

void io_wait(struct io *io, uint64_t due_us)
{
    if (io->offload)
        offload_hand_over(io->offload);
    if (io->offload && offload_has_next(io->offload))
        due_us = 0;
    int error = enter(io, due_us);
    // Time is up; a signal came; memory is short, and what was not submitted goes out next time.
    // Not among them is -EBADR: a completion is lost, and with it what we know of our requests.
    CHECK(error >= 0 || error == -ETIME || error == -EINTR || error == -EAGAIN || error == -EBUSY ||
          error == -ENOMEM);
    mend_link(io);
    io->completions_left = io_uring_cq_ready(&io->ring);
    read_clocks(io);
}

// A buffer that the kernel has filled, or taken and not used, as at the end of a stream.
static void take_buffer(struct io *io, const struct io_uring_cqe *cqe, struct io_done *done)
{
    uint16_t buffer = (uint16_t)(cqe->flags >> IORING_CQE_BUFFER_SHIFT);
    CHECK(buffer < io->buffer_count && !io->buffer_lent[buffer]);
    if (cqe->res <= 0) {
        lend_to_kernel(io, buffer);
        return;
    }
    io->buffer_lent[buffer] = true;
    io->buffers_free--;
    done->lends = true;
    done->lent = buffer;
    done->bytes = slice_make(io->buffers + (size_t)buffer * io->buffer_bytes, (size_t)cqe->res);
}

// The kernel's last word about a request, which ours may not be.
static void end_request(struct io *io, struct flight_request *request, struct io_done *done)
{
    if (request->kind == FLIGHT_FAILED)
        done->result = request->value;
    if (request->kind == FLIGHT_WATCH)
        ring_watch_answered(io, request, done);
    if (done->ended)
        flight_remove(&io->flight, request->token);
}

// Nobody takes it any more.
static void drop_descriptor(const struct flight_request *request, int32_t result)
{
    if (request->kind == FLIGHT_BRINGS_FD && result >= 0)
        close(result);
}

// True for a completion that our user shall see.
static bool read_completion(struct io *io, const struct io_uring_cqe *cqe, struct io_done *ret_done)
{
    struct io_done done = {.result = cqe->res, .ended = !(cqe->flags & IORING_CQE_F_MORE)};
    memcpy(&done.token, &cqe->user_data, sizeof(done.token));
    if (done.token.owner == IO_OWNER_RESERVED) {
        if (done.token.op == RING_CLOSE) {
            CHECK(io->closes_in_flight > 0 && cqe->res != -EBADF); // closed twice?
            io->closes_in_flight--;
        }
        if (done.token.op == RING_OFFLOAD && !io->ending) {
            offload_fetch(io->offload);
            await_offloaded(io);
        }
        return false;
    }
    if (io->ending)
        drop_descriptor(flight_find(&io->flight, cqe->user_data), cqe->res);
    if (done.ended)
        end_request(io, flight_find(&io->flight, cqe->user_data), &done);
    if (cqe->flags & IORING_CQE_F_BUFFER)
        take_buffer(io, cqe, &done);
    *ret_done = done;
    return true;
}

static bool next_offloaded(struct io *io, struct io_done *ret_done)
{
    struct io_token token;
    if (!io->offload || !offload_next(io->offload, &token))
        return false;
    *ret_done = (struct io_done){.token = token, .ended = true};
    return true;
}

bool io_next(struct io *io, struct io_done *ret_done)
{
    if (next_offloaded(io, ret_done))
        return true;
    while (io->completions_left > 0) {
        struct io_uring_cqe *cqe;
        CHECK(io_uring_peek_cqe(&io->ring, &cqe) == 0);
        bool theirs = read_completion(io, cqe, ret_done);
        io_uring_cqe_seen(&io->ring, cqe);
        io->completions_left--;
        if (theirs || next_offloaded(io, ret_done))
            return true;
    }
    return false;
}

// --- the end

static bool in_flight(const struct io *io)
{
    return flight_count(&io->flight) > 0 || io->closes_in_flight > 0;
}

static void ask_cancel_all(struct io *io)
{
    uint32_t cursor = 0;
    uint64_t token;
    while (flight_next(&io->flight, &cursor, &token))
        ask_cancel(io, token);
}

// Gives the kernel a moment to let go of the lent memory and of the sockets: a ring that is torn
// down with requests in flight keeps their ports taken for a while after the process is gone.
static void cancel_all(struct io *io)
{
    uint64_t until_us = clock_us(CLOCK_MONOTONIC) + FREE_US_MAX;
    bool quiet = true; // the last round brought nothing: what is left may have escaped the cancel
    submit(io);
    while (in_flight(io) && io->now_us < until_us) {
        struct io_done done;
        if (quiet)
            ask_cancel_all(io);
        io_wait(io, clock_us(CLOCK_MONOTONIC) + FREE_ROUND_US);
        quiet = io->completions_left == 0;
        while (io_next(io, &done))
            if (done.lends)
                io_return(io, done.lent);
    }
}

void io_free(struct io *io)
{
    if (!io)
        return;
    io->ending = true;
    offload_free(io->offload);
    io->offload = NULL;
    if (io->ring_made) {
        cancel_all(io);
        io_uring_queue_exit(&io->ring);
    }
    if (io->lending)
        munmap(io->lending, lending_bytes(io));
    if (io->buffers)
        munmap(io->buffers, (size_t)io->buffer_count * io->buffer_bytes);
    flight_release(&io->flight);
    free(io->buffer_lent);
    free(io->notes);
    free(io);
}
