// The ring behind io.h, on real sockets, pipes and files of this host.
#include "engine/base/check.h"
#include "tests/io_asker.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <unistd.h>

static int int_option(int fd, int level, int option)
{
    int value = -1;
    socklen_t len = sizeof(value);
    getsockopt(fd, level, option, &value, &len);
    return value;
}

static void connection_of_every_kind(void)
{
    for (enum kind kind = 0; kind < KINDS; kind++) {
        struct asker *me = asker_new(NULL);
        struct io_address a;
        int listen_fd = listener(me, kind, &a);
        if (listen_fd < 0) {
            asker_free(me);
            continue;
        }
        CU_ASSERT_EQUAL(io_address_port(&a) != 0, kind != UNIX);
        io_accept(me->io, listen_fd, token(0));
        int client = io_connect(me->io, &a, NULL, token(1));
        TURN_UNTIL(me, me->slots[0].count == 1 && me->slots[1].count == 1);
        int server = me->slots[0].last;
        CU_ASSERT_FALSE(ended(me, 0)); // standing
        CU_ASSERT_TRUE(ended(me, 1));
        CU_ASSERT_EQUAL(me->slots[1].last, 0);
        CU_ASSERT_EQUAL(me->slots[1].token.generation, 7);
        CU_ASSERT_EQUAL(me->slots[1].token.owner, 3);
        CU_ASSERT_EQUAL(me->slots[1].token.op, 9);
        int fds[] = {listen_fd, client, server};
        for (unsigned i = 0; i < 3; i++) {
            CU_ASSERT_TRUE(fcntl(fds[i], F_GETFD) & FD_CLOEXEC);
            if (kind != UNIX)
                CU_ASSERT_EQUAL(int_option(fds[i], IPPROTO_TCP, TCP_NODELAY), 1);
        }

        struct io_peer peer;
        CU_ASSERT_EQUAL(io_peer_of(me->io, client, &peer), 0);
        CU_ASSERT_TRUE(io_address_equal(&peer.address, &a));
        CU_ASSERT_EQUAL(io_peer_of(me->io, server, &peer), 0);
        CU_ASSERT_TRUE(io_address_is_loopback(&peer.address));
        CU_ASSERT_EQUAL(peer.uid_known, kind == UNIX);
        CU_ASSERT_TRUE(!peer.uid_known || peer.uid == geteuid());
        CU_ASSERT_EQUAL(io_peer_of(me->io, listen_fd, &peer), -ENOTCONN);

        struct iovec pieces[] = {
            {(char[]){"220 "}, 4}, {(char[]){""}, 0}, {(char[]){"hello\r\n"}, 7}};
        io_receive(me->io, client, token(2));
        io_receive(me->io, server, token(3));
        io_send(me->io, server, pieces, 3, token(4));
        io_send(me->io, client, pieces, 1, token(5));
        TURN_UNTIL(me, me->slots[2].bytes == 11 && me->slots[3].bytes == 4);
        TURN_UNTIL(me, ended(me, 4) && ended(me, 5));
        CU_ASSERT_TRUE(says(me, 2, "220 hello\r\n") && says(me, 3, "220 "));
        CU_ASSERT_EQUAL(me->slots[4].last, 11);
        CU_ASSERT_EQUAL(me->slots[5].last, 4);
        CU_ASSERT_FALSE(ended(me, 2) || ended(me, 3));

        // A second one by the same standing accept.
        int second = io_connect(me->io, &a, NULL, token(6));
        TURN_UNTIL(me, me->slots[0].count == 2 && ended(me, 6));
        io_close(me->io, me->slots[0].last);
        io_close(me->io, second);
        io_close(me->io, server);
        TURN_UNTIL(me, ended(me, 2) && ended(me, 3));
        CU_ASSERT_EQUAL(me->slots[2].last, 0); // the peer has ended its side
        CU_ASSERT_EQUAL(me->slots[3].last, -ECANCELED);
        io_close(me->io, client);
        io_close(me->io, listen_fd);
        TURN_UNTIL(me, ended(me, 0));
        CU_ASSERT_EQUAL(io_receive_buffers_free(me->io), IO_RECEIVE_BUFFER_COUNT_DEFAULT);
        asker_free(me);
        for (unsigned i = 0; i < 3; i++)
            CU_ASSERT_FALSE(is_open(fds[i]));
    }
}

static void refused_and_bound(void)
{
    struct asker *me = asker_new(NULL);
    struct io_address a, local;
    int listen_fd = listener(me, TCP4, &a);
    CU_ASSERT_TRUE(io_address_parse(SLICE("127.0.0.77:0"), 0, &local));
    io_accept(me->io, listen_fd, token(0));
    int client = io_connect(me->io, &a, &local, token(1));
    memset(&local, 0xff, sizeof(local)); // both were copied
    struct io_address to = a;
    memset(&a, 0xff, sizeof(a));
    TURN_UNTIL(me, me->slots[0].count == 1 && ended(me, 1));
    struct io_peer peer;
    char text[IO_ADDRESS_TEXT_BYTES];
    CU_ASSERT_EQUAL(io_peer_of(me->io, me->slots[0].last, &peer), 0);
    CU_ASSERT_STRING_EQUAL(io_address_print_host(&peer.address, text), "127.0.0.77");
    CU_ASSERT_NOT_EQUAL(io_address_port(&peer.address), 0);
    io_close(me->io, me->slots[0].last);
    io_close(me->io, client);
    io_close(me->io, listen_fd);
    TURN_UNTIL(me, ended(me, 0));

    client = io_connect(me->io, &to, NULL, token(2)); // nobody listens there now
    TURN_UNTIL(me, ended(me, 2));
    CU_ASSERT_EQUAL(me->slots[2].last, -ECONNREFUSED);
    io_close(me->io, client);
    remove_socket();
    to = address_of(UNIX);
    client = io_connect(me->io, &to, NULL, token(3));
    TURN_UNTIL(me, ended(me, 3));
    CU_ASSERT_EQUAL(me->slots[3].last, -ENOENT);
    io_close(me->io, client);

    CU_ASSERT_TRUE(io_address_parse(SLICE("192.0.2.1:0"), 0, &local)); // not an address of ours
    CU_ASSERT_TRUE(io_address_parse(SLICE("127.0.0.1:1"), 0, &to));
    CU_ASSERT_EQUAL(io_connect(me->io, &to, &local, token(4)), -EADDRNOTAVAIL);
    turn(me, 1000);
    CU_ASSERT_EQUAL(me->slots[4].count, 0);
    asker_free(me);
}

static void reset_and_broken_pipe(void)
{
    struct asker *me = asker_new(NULL);
    int fds[2];
    connect_pair(me, TCP4, fds);
    io_receive(me->io, fds[0], token(2));
    turn(me, 1000);
    struct linger hard = {.l_onoff = 1};
    setsockopt(fds[1], SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
    io_close(me->io, fds[1]);
    TURN_UNTIL(me, ended(me, 2));
    CU_ASSERT_EQUAL(me->slots[2].last, -ECONNRESET);
    CU_ASSERT_EQUAL(me->slots[2].bytes, 0);
    struct iovec piece = {(char[]){"x"}, 1};
    io_send(me->io, fds[0], &piece, 1, token(3)); // no SIGPIPE
    TURN_UNTIL(me, ended(me, 3));
    CU_ASSERT_EQUAL(me->slots[3].last, -EPIPE);
    io_close(me->io, fds[0]);
    asker_free(me);
}

// A farewell: what is asked before the close, in the same turn, is sent.
static void send_then_close(void)
{
    struct asker *me = asker_new(NULL);
    int fds[2];
    connect_pair(me, TCP4, fds);
    struct iovec pieces[] = {{(char[]){"QUIT"}, 4}, {(char[]){"\r\n"}, 2}};
    io_receive(me->io, fds[0], token(0));
    io_send(me->io, fds[0], pieces, 2, token(1));
    io_close(me->io, fds[0]);
    io_receive(me->io, fds[1], token(2));
    TURN_UNTIL(me, ended(me, 0) && ended(me, 1) && ended(me, 2));
    CU_ASSERT_EQUAL(me->slots[1].last, 6);
    CU_ASSERT_TRUE(says(me, 2, "QUIT\r\n"));
    CU_ASSERT_EQUAL(me->slots[2].last, 0);
    io_close(me->io, fds[1]);
    asker_free(me);
}

static void poll_answers_while_it_is_true(void)
{
    struct asker *me = asker_new(NULL);
    int pipe_fds[2];
    char byte;
    CU_ASSERT_EQUAL_FATAL(pipe(pipe_fds), 0);
    io_poll(me->io, pipe_fds[0], POLLIN, token(0));
    turn(me, 1000);
    CU_ASSERT_EQUAL(me->slots[0].count, 0);
    CU_ASSERT_EQUAL(write(pipe_fds[1], "ab", 2), 2);
    TURN_UNTIL(me, ended(me, 0));
    CU_ASSERT_EQUAL(me->slots[0].last, POLLIN);
    CU_ASSERT_EQUAL(read(pipe_fds[0], &byte, 1), 1);
    forget(me, 0);
    io_poll(me->io, pipe_fds[0], POLLIN, token(0)); // one byte is still there
    TURN_UNTIL(me, ended(me, 0));
    CU_ASSERT_EQUAL(read(pipe_fds[0], &byte, 1), 1);
    forget(me, 0);
    io_poll(me->io, pipe_fds[0], POLLIN, token(0));
    turn(me, 1000);
    CU_ASSERT_EQUAL(me->slots[0].count, 0);
    close(pipe_fds[1]);
    TURN_UNTIL(me, ended(me, 0));
    CU_ASSERT_EQUAL(me->slots[0].last, POLLHUP);
    close(pipe_fds[0]);
    asker_free(me);
}

static void append_writes_at_the_end(void)
{
    struct asker *me = asker_new(NULL);
    char path[100], got[64] = "";
    snprintf(path, sizeof(path), "%s/file", own_directory());
    int fd = open(path, O_CREAT | O_RDWR | O_APPEND | O_CLOEXEC, 0600);
    int full_fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
    CU_ASSERT_TRUE_FATAL(fd >= 0);
    static const char *lines[] = {"one\n", "two\n", "three\n"};
    for (uint32_t i = 0; i < 3; i++) {
        io_append(me->io, fd, slice_of_text(lines[i]), token(i));
        TURN_UNTIL(me, ended(me, i));
        CU_ASSERT_EQUAL(me->slots[i].last, (int32_t)strlen(lines[i]));
        if (i == 0)
            CU_ASSERT_EQUAL(pwrite(fd, "", 0, 0), 0);
        lseek(fd, 0, SEEK_SET); // where the descriptor stands does not matter
    }
    CU_ASSERT_EQUAL(pread(fd, got, sizeof(got), 0), 14);
    CU_ASSERT_STRING_EQUAL(got, "one\ntwo\nthree\n");
    if (full_fd >= 0) {
        io_append(me->io, full_fd, SLICE("x"), token(4));
        TURN_UNTIL(me, ended(me, 4));
        CU_ASSERT_EQUAL(me->slots[4].last, -ENOSPC);
        io_close(me->io, full_fd);
    }
    io_append(me->io, -1, SLICE("x"), token(5));
    TURN_UNTIL(me, ended(me, 5));
    CU_ASSERT_EQUAL(me->slots[5].last, -EBADF);
    io_close(me->io, fd);
    asker_free(me);
    unlink(path);
}

static const struct suite_test tests[] = {
    {"a connection of every kind", connection_of_every_kind},
    {"refused and bound", refused_and_bound},
    {"reset and broken pipe", reset_and_broken_pipe},
    {"send, then close", send_then_close},
    {"poll answers while it is true", poll_answers_while_it_is_true},
    {"append writes at the end", append_writes_at_the_end},
};

int main(int argc, char **argv)
{
    return asker_main("io", tests, COUNT_OF(tests), argc, argv);
}
