// How requests end before their time: cancel, close, and the end of the ring.
#include "engine/base/check.h"
#include "tests/io_asker.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

static void cancel_of_every_kind(void)
{
    struct asker *me = asker_new(NULL);
    struct io_address a;
    int fds[2], pipe_fds[2];
    connect_pair(me, UNIX, fds);
    int listen_fd = listener(me, TCP4, &a);
    CU_ASSERT_EQUAL_FATAL(pipe(pipe_fds), 0);
    static char big[8 << 20]; // more than a socket takes
    struct iovec pieces[] = {{big, sizeof(big) / 2}, {big, sizeof(big) / 2}};
    io_accept(me->io, listen_fd, token(0));
    io_receive(me->io, fds[0], token(1));
    io_poll(me->io, pipe_fds[0], POLLIN, token(2));
    io_send(me->io, fds[0], pieces, 2, token(3));
    turn(me, 1000);
    io_append(me->io, pipe_fds[0], SLICE("x"), token(4)); // fails by itself: not open for writing
    for (uint32_t slot = 0; slot < 10; slot++) {          // those after 4 are not there
        CU_ASSERT_FALSE(ended(me, slot));
        io_cancel(me->io, token(slot));
    }
    TURN_UNTIL(me, ended(me, 0) && ended(me, 1) && ended(me, 2) && ended(me, 3) && ended(me, 4));
    for (uint32_t slot = 0; slot < 3; slot++)
        CU_ASSERT_EQUAL(me->slots[slot].last, -ECANCELED);
    CU_ASSERT_TRUE(me->slots[3].last > 0 && me->slots[3].last < (int32_t)sizeof(big));
    CU_ASSERT_EQUAL(me->slots[4].last, -EBADF);
    turn(me, 1000);
    for (uint32_t slot = 0; slot < 10; slot++)
        CU_ASSERT_EQUAL(me->slots[slot].count, slot < 5);

    // Asked and cancelled in one turn; and the descriptors are still good.
    forget(me, 1);
    forget(me, 2);
    io_receive(me->io, fds[0], token(1));
    io_cancel(me->io, token(1));
    io_poll(me->io, pipe_fds[1], POLLOUT, token(2));
    TURN_UNTIL(me, ended(me, 1) && ended(me, 2));
    CU_ASSERT_EQUAL(me->slots[1].last, -ECANCELED);
    CU_ASSERT_EQUAL(me->slots[2].last, POLLOUT);
    io_close(me->io, fds[0]);
    io_close(me->io, fds[1]);
    io_close(me->io, listen_fd);
    io_close(me->io, pipe_fds[0]);
    io_close(me->io, pipe_fds[1]);
    asker_free(me);
}

// Nobody answers: the listener's queue is full, so that the kernel drops our SYN.
static void cancel_of_a_connect(void)
{
    struct asker *me = asker_new(NULL);
    struct io_address a = address_of(TCP4);
    int listen_fd = socket(AF_INET, SOCK_STREAM, 0);
    CU_ASSERT_EQUAL(bind(listen_fd, &a.as.any, a.len), 0);
    CU_ASSERT_EQUAL(getsockname(listen_fd, &a.as.any, &a.len), 0);
    CU_ASSERT_EQUAL(listen(listen_fd, 0), 0);
    int fds[8];
    for (uint32_t i = 0; i < 8; i++)
        fds[i] = io_connect(me->io, &a, NULL, token(i));
    for (int i = 0; i < 20; i++)
        turn(me, 1000);
    CU_ASSERT_FALSE(ended(me, 7));
    io_cancel(me->io, token(7));
    TURN_UNTIL(me, ended(me, 7));
    CU_ASSERT_EQUAL(me->slots[7].last, -ECANCELED);
    for (uint32_t i = 0; i < 8; i++)
        io_close(me->io, fds[i]); // cancels those that still try
    for (uint32_t i = 0; i < 8; i++)
        TURN_UNTIL(me, ended(me, i));
    close(listen_fd);
    asker_free(me);
}

static void close_ends_all_requests_once(void)
{
    for (enum kind kind = 0; kind < KINDS; kind += 2) { // TCP and unix
        struct asker *me = asker_new(NULL);
        int fds[2];
        static char big[8 << 20];
        struct iovec piece = {big, sizeof(big)};
        connect_pair(me, kind, fds);
        io_receive(me->io, fds[0], token(0));
        io_send(me->io, fds[0], &piece, 1, token(1));
        io_poll(me->io, fds[0], POLLPRI, token(2));
        turn(me, 1000);
        io_receive(me->io, fds[1], token(3)); // in the same turn as the close
        io_close(me->io, fds[0]);
        TURN_UNTIL(me, ended(me, 0) && ended(me, 1) && ended(me, 2) && ended(me, 3));
        CU_ASSERT_EQUAL(me->slots[0].last, -ECANCELED);
        CU_ASSERT_TRUE(me->slots[1].last > 0);
        CU_ASSERT_EQUAL(me->slots[2].last, -ECANCELED);
        CU_ASSERT_EQUAL(me->slots[3].bytes, (uint64_t)me->slots[1].last);
        CU_ASSERT_EQUAL(me->slots[3].last, 0); // the end reached the peer
        for (int i = 0; i < 5; i++)
            turn(me, 1000);
        CU_ASSERT_EQUAL(me->slots[0].count, 1);
        CU_ASSERT_FALSE(is_open(fds[0]));
        io_close(me->io, fds[1]);
        asker_free(me);
    }
}

static void free_with_everything_in_flight(void)
{
    for (int waited = 0; waited < 2; waited++) {
        struct asker *me = asker_new(NULL);
        struct io_address a;
        int fds[2], pipe_fds[2];
        static char big[8 << 20];
        struct iovec piece = {big, sizeof(big)};
        connect_pair(me, TCP4, fds);
        int listen_fd = listener(me, TCP4, &a);
        CU_ASSERT_EQUAL_FATAL(pipe(pipe_fds), 0);
        io_accept(me->io, listen_fd, token(0));
        io_receive(me->io, fds[0], token(1));
        io_receive(me->io, fds[1], token(2));
        io_send(me->io, fds[0], &piece, 1, token(3));
        io_poll(me->io, pipe_fds[0], POLLIN, token(4));
        me->keep_lent = true;
        if (waited)
            turn(me, 1000);
        asker_free(me);
        // Descriptors stay the caller's; the kernel holds the port no longer than they do.
        CU_ASSERT_TRUE(is_open(listen_fd) && is_open(fds[0]) && is_open(pipe_fds[0]));
        int all[] = {listen_fd, fds[0], fds[1], pipe_fds[0], pipe_fds[1]};
        for (size_t i = 0; i < COUNT_OF(all); i++)
            close(all[i]);
        me = asker_new(NULL);
        listen_fd = io_listen(me->io, &a, NULL);
        CU_ASSERT_TRUE(listen_fd >= 0);
        io_close(me->io, listen_fd); // even a close that was only asked for is done
        asker_free(me);
        CU_ASSERT_FALSE(is_open(listen_fd));
    }
    io_free(NULL);
}

static const struct suite_test tests[] = {
    {"cancel of every kind", cancel_of_every_kind},
    {"cancel of a connect", cancel_of_a_connect},
    {"close ends all requests once", close_ends_all_requests_once},
    {"free with everything in flight", free_with_everything_in_flight},
};

int main(int argc, char **argv)
{
    return asker_main("io_cancel", tests, COUNT_OF(tests), argc, argv);
}
