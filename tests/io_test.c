// The ring behind io.h, on real sockets, pipes and files of this host.
#include "engine/base/check.h"
#include "engine/io/io.h"
#include "tests/suite.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_US 10000000u
#define SLOTS 2100 // requests of one test; a slot is a token's index

// What has come back for one request.
struct slot {
    unsigned count; // completions
    unsigned ended_count;
    int32_t last;
    uint64_t bytes;
    uint64_t checksum;
    char text[64]; // the first bytes
    size_t text_len;
    struct io_token token; // as it came back
};

// Most tests: one ring, its slots, and what was lent and kept.
struct bench {
    struct io *io;
    struct slot slots[SLOTS];
    bool keep_lent;
    uint16_t lent[64];
    unsigned lent_count;
};

static struct io_token token(uint32_t slot)
{
    return (struct io_token){.index = slot, .generation = 7, .owner = 3, .op = 9};
}

static struct bench *bench_new(const struct io_options *options)
{
    struct bench *b = calloc(1, sizeof(*b));
    CU_ASSERT_PTR_NOT_NULL_FATAL(b);
    CU_ASSERT_EQUAL_FATAL(io_new(&b->io, options), 0);
    return b;
}

static void bench_free(struct bench *b)
{
    io_free(b->io);
    free(b);
}

static uint64_t checksum_of(uint64_t sum, struct slice bytes)
{
    for (size_t i = 0; i < bytes.len; i++)
        sum = sum * 31 + (unsigned char)bytes.data[i];
    return sum;
}

static void record(struct bench *b, const struct io_done *done)
{
    CU_ASSERT_TRUE_FATAL(done->token.index < SLOTS);
    struct slot *s = &b->slots[done->token.index];
    CU_ASSERT_EQUAL(s->ended_count, 0); // nothing comes after the end
    s->count++;
    s->ended_count += done->ended;
    s->last = done->result;
    s->token = done->token;
    CU_ASSERT_EQUAL(done->lends, done->bytes.len > 0);
    if (!done->lends)
        return;
    CU_ASSERT_EQUAL(done->bytes.len, (size_t)done->result);
    s->bytes += done->bytes.len;
    s->checksum = checksum_of(s->checksum, done->bytes);
    struct slice head = slice_take(done->bytes, sizeof(s->text) - s->text_len);
    memcpy(s->text + s->text_len, head.data, head.len);
    s->text_len += head.len;
    if (b->keep_lent && b->lent_count < COUNT_OF(b->lent))
        b->lent[b->lent_count++] = done->lent;
    else
        io_return(b->io, done->lent);
}

static void turn(struct bench *b, uint64_t wait_us)
{
    struct io_done done;
    io_wait(b->io, io_now_us(b->io) + wait_us);
    while (io_next(b->io, &done))
        record(b, &done);
}

// Turns until the condition holds; the test fails when it never does.
#define TURN_UNTIL(b, condition)                                                                   \
    do {                                                                                           \
        uint64_t until_us = io_now_us((b)->io) + PATIENCE_US;                                      \
        while (!(condition) && io_now_us((b)->io) < until_us)                                      \
            turn(b, 10000);                                                                        \
        CU_ASSERT_TRUE(condition);                                                                 \
    } while (0)

static bool ended(const struct bench *b, uint32_t slot)
{
    return b->slots[slot].ended_count > 0;
}

static void forget(struct bench *b, uint32_t slot)
{
    memset(&b->slots[slot], 0, sizeof(b->slots[slot]));
}

static bool says(const struct bench *b, uint32_t slot, const char *text)
{
    return slice_equal(slice_make(b->slots[slot].text, b->slots[slot].text_len),
                       slice_of_text(text));
}

// --- addresses to listen on

enum kind { TCP4, TCP6, UNIX, KINDS };

static char unix_directory[] = "/tmp/io_test.XXXXXX";

static struct io_address address_of(enum kind kind)
{
    struct io_address a;
    char text[100] = "127.0.0.1:0";
    if (kind == TCP6)
        strcpy(text, "[::1]:0");
    if (kind == UNIX)
        snprintf(text, sizeof(text), "unix:%s/socket", unix_directory);
    CU_ASSERT_TRUE_FATAL(io_address_parse(slice_of_text(text), 0, &a));
    return a;
}

static void remove_socket(void)
{
    char path[100];
    snprintf(path, sizeof(path), "%s/socket", unix_directory);
    unlink(path);
}

// A listener of that kind; -1 where the host has no IPv6.
static int listener(struct bench *b, enum kind kind, struct io_address *ret)
{
    *ret = address_of(kind);
    if (kind == UNIX)
        remove_socket();
    int fd = io_listen(b->io, ret, NULL);
    if (kind == TCP6 && (fd == -EADDRNOTAVAIL || fd == -EAFNOSUPPORT))
        return -1;
    CU_ASSERT_TRUE_FATAL(fd >= 0);
    return fd;
}

// Both ends of a connection, by accept and connect on slots 0 and 1, which end.
static void connect_pair(struct bench *b, enum kind kind, int ret_fds[2])
{
    struct io_address a;
    int listen_fd = listener(b, kind, &a);
    io_accept(b->io, listen_fd, token(0));
    ret_fds[0] = io_connect(b->io, &a, NULL, token(1));
    CU_ASSERT_TRUE_FATAL(ret_fds[0] >= 0);
    TURN_UNTIL(b, b->slots[0].count == 1 && ended(b, 1));
    CU_ASSERT_EQUAL(b->slots[1].last, 0);
    ret_fds[1] = b->slots[0].last;
    io_close(b->io, listen_fd);
    TURN_UNTIL(b, ended(b, 0));
    CU_ASSERT_EQUAL(b->slots[0].last, -ECANCELED);
    forget(b, 0);
    forget(b, 1);
}

static bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

static int int_option(int fd, int level, int option)
{
    int value = -1;
    socklen_t len = sizeof(value);
    getsockopt(fd, level, option, &value, &len);
    return value;
}

// --- connections

static void connection_of_every_kind(void)
{
    for (enum kind kind = 0; kind < KINDS; kind++) {
        struct bench *b = bench_new(NULL);
        struct io_address a;
        int listen_fd = listener(b, kind, &a);
        if (listen_fd < 0) {
            bench_free(b);
            continue;
        }
        CU_ASSERT_EQUAL(io_address_port(&a) != 0, kind != UNIX);
        io_accept(b->io, listen_fd, token(0));
        int client = io_connect(b->io, &a, NULL, token(1));
        TURN_UNTIL(b, b->slots[0].count == 1 && b->slots[1].count == 1);
        int server = b->slots[0].last;
        CU_ASSERT_FALSE(ended(b, 0)); // standing
        CU_ASSERT_TRUE(ended(b, 1));
        CU_ASSERT_EQUAL(b->slots[1].last, 0);
        CU_ASSERT_EQUAL(b->slots[1].token.generation, 7);
        CU_ASSERT_EQUAL(b->slots[1].token.owner, 3);
        CU_ASSERT_EQUAL(b->slots[1].token.op, 9);
        int fds[] = {listen_fd, client, server};
        for (unsigned i = 0; i < 3; i++) {
            CU_ASSERT_TRUE(fcntl(fds[i], F_GETFD) & FD_CLOEXEC);
            if (kind != UNIX)
                CU_ASSERT_EQUAL(int_option(fds[i], IPPROTO_TCP, TCP_NODELAY), 1);
        }

        struct io_peer peer;
        CU_ASSERT_EQUAL(io_peer_of(b->io, client, &peer), 0);
        CU_ASSERT_TRUE(io_address_equal(&peer.address, &a));
        CU_ASSERT_EQUAL(io_peer_of(b->io, server, &peer), 0);
        CU_ASSERT_TRUE(io_address_is_loopback(&peer.address));
        CU_ASSERT_EQUAL(peer.uid_known, kind == UNIX);
        CU_ASSERT_TRUE(!peer.uid_known || peer.uid == geteuid());
        CU_ASSERT_EQUAL(io_peer_of(b->io, listen_fd, &peer), -ENOTCONN);

        struct iovec pieces[] = {
            {(char[]){"220 "}, 4}, {(char[]){""}, 0}, {(char[]){"hello\r\n"}, 7}};
        io_receive(b->io, client, token(2));
        io_receive(b->io, server, token(3));
        io_send(b->io, server, pieces, 3, token(4));
        io_send(b->io, client, pieces, 1, token(5));
        TURN_UNTIL(b, b->slots[2].bytes == 11 && b->slots[3].bytes == 4);
        TURN_UNTIL(b, ended(b, 4) && ended(b, 5));
        CU_ASSERT_TRUE(says(b, 2, "220 hello\r\n") && says(b, 3, "220 "));
        CU_ASSERT_EQUAL(b->slots[4].last, 11);
        CU_ASSERT_EQUAL(b->slots[5].last, 4);
        CU_ASSERT_FALSE(ended(b, 2) || ended(b, 3));

        // A second one by the same standing accept.
        int second = io_connect(b->io, &a, NULL, token(6));
        TURN_UNTIL(b, b->slots[0].count == 2 && ended(b, 6));
        io_close(b->io, b->slots[0].last);
        io_close(b->io, second);
        io_close(b->io, server);
        TURN_UNTIL(b, ended(b, 2) && ended(b, 3));
        CU_ASSERT_EQUAL(b->slots[2].last, 0); // the peer has ended its side
        CU_ASSERT_EQUAL(b->slots[3].last, -ECANCELED);
        io_close(b->io, client);
        io_close(b->io, listen_fd);
        TURN_UNTIL(b, ended(b, 0));
        CU_ASSERT_EQUAL(io_receive_buffers_free(b->io), IO_RECEIVE_BUFFER_COUNT_DEFAULT);
        bench_free(b);
        for (unsigned i = 0; i < 3; i++)
            CU_ASSERT_FALSE(is_open(fds[i]));
    }
}

static void refused_and_bound(void)
{
    struct bench *b = bench_new(NULL);
    struct io_address a, local;
    int listen_fd = listener(b, TCP4, &a);
    CU_ASSERT_TRUE(io_address_parse(SLICE("127.0.0.77:0"), 0, &local));
    io_accept(b->io, listen_fd, token(0));
    int client = io_connect(b->io, &a, &local, token(1));
    memset(&local, 0xff, sizeof(local)); // both were copied
    struct io_address to = a;
    memset(&a, 0xff, sizeof(a));
    TURN_UNTIL(b, b->slots[0].count == 1 && ended(b, 1));
    struct io_peer peer;
    char text[IO_ADDRESS_TEXT_BYTES];
    CU_ASSERT_EQUAL(io_peer_of(b->io, b->slots[0].last, &peer), 0);
    CU_ASSERT_STRING_EQUAL(io_address_print_host(&peer.address, text), "127.0.0.77");
    CU_ASSERT_NOT_EQUAL(io_address_port(&peer.address), 0);
    io_close(b->io, b->slots[0].last);
    io_close(b->io, client);
    io_close(b->io, listen_fd);
    TURN_UNTIL(b, ended(b, 0));

    client = io_connect(b->io, &to, NULL, token(2)); // nobody listens there now
    TURN_UNTIL(b, ended(b, 2));
    CU_ASSERT_EQUAL(b->slots[2].last, -ECONNREFUSED);
    io_close(b->io, client);
    remove_socket();
    to = address_of(UNIX);
    client = io_connect(b->io, &to, NULL, token(3));
    TURN_UNTIL(b, ended(b, 3));
    CU_ASSERT_EQUAL(b->slots[3].last, -ENOENT);
    io_close(b->io, client);

    CU_ASSERT_TRUE(io_address_parse(SLICE("192.0.2.1:0"), 0, &local)); // not an address of ours
    CU_ASSERT_TRUE(io_address_parse(SLICE("127.0.0.1:1"), 0, &to));
    CU_ASSERT_EQUAL(io_connect(b->io, &to, &local, token(4)), -EADDRNOTAVAIL);
    turn(b, 1000);
    CU_ASSERT_EQUAL(b->slots[4].count, 0);
    bench_free(b);
}

static void reset_and_broken_pipe(void)
{
    struct bench *b = bench_new(NULL);
    int fds[2];
    connect_pair(b, TCP4, fds);
    io_receive(b->io, fds[0], token(2));
    turn(b, 1000);
    struct linger hard = {.l_onoff = 1};
    setsockopt(fds[1], SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
    io_close(b->io, fds[1]);
    TURN_UNTIL(b, ended(b, 2));
    CU_ASSERT_EQUAL(b->slots[2].last, -ECONNRESET);
    CU_ASSERT_EQUAL(b->slots[2].bytes, 0);
    struct iovec piece = {(char[]){"x"}, 1};
    io_send(b->io, fds[0], &piece, 1, token(3)); // no SIGPIPE
    TURN_UNTIL(b, ended(b, 3));
    CU_ASSERT_EQUAL(b->slots[3].last, -EPIPE);
    io_close(b->io, fds[0]);
    bench_free(b);
}

// --- cancel and close

static void cancel_of_every_kind(void)
{
    struct bench *b = bench_new(NULL);
    struct io_address a;
    int fds[2], pipe_fds[2];
    connect_pair(b, UNIX, fds);
    int listen_fd = listener(b, TCP4, &a);
    CU_ASSERT_EQUAL_FATAL(pipe(pipe_fds), 0);
    static char big[8 << 20]; // more than a socket takes
    struct iovec pieces[] = {{big, sizeof(big) / 2}, {big, sizeof(big) / 2}};
    io_accept(b->io, listen_fd, token(0));
    io_receive(b->io, fds[0], token(1));
    io_poll(b->io, pipe_fds[0], POLLIN, token(2));
    io_send(b->io, fds[0], pieces, 2, token(3));
    turn(b, 1000);
    io_append(b->io, pipe_fds[0], SLICE("x"), token(4)); // fails by itself: not open for writing
    for (uint32_t slot = 0; slot < 10; slot++) {         // those after 4 are not there
        CU_ASSERT_FALSE(ended(b, slot));
        io_cancel(b->io, token(slot));
    }
    TURN_UNTIL(b, ended(b, 0) && ended(b, 1) && ended(b, 2) && ended(b, 3) && ended(b, 4));
    for (uint32_t slot = 0; slot < 3; slot++)
        CU_ASSERT_EQUAL(b->slots[slot].last, -ECANCELED);
    CU_ASSERT_TRUE(b->slots[3].last > 0 && b->slots[3].last < (int32_t)sizeof(big));
    CU_ASSERT_EQUAL(b->slots[4].last, -EBADF);
    turn(b, 1000);
    for (uint32_t slot = 0; slot < 10; slot++)
        CU_ASSERT_EQUAL(b->slots[slot].count, slot < 5);

    // Asked and cancelled in one turn; and the descriptors are still good.
    forget(b, 1);
    forget(b, 2);
    io_receive(b->io, fds[0], token(1));
    io_cancel(b->io, token(1));
    io_poll(b->io, pipe_fds[1], POLLOUT, token(2));
    TURN_UNTIL(b, ended(b, 1) && ended(b, 2));
    CU_ASSERT_EQUAL(b->slots[1].last, -ECANCELED);
    CU_ASSERT_EQUAL(b->slots[2].last, POLLOUT);
    io_close(b->io, fds[0]);
    io_close(b->io, fds[1]);
    io_close(b->io, listen_fd);
    io_close(b->io, pipe_fds[0]);
    io_close(b->io, pipe_fds[1]);
    bench_free(b);
}

// Nobody answers: the listener's queue is full, so that the kernel drops our SYN.
static void cancel_of_a_connect(void)
{
    struct bench *b = bench_new(NULL);
    struct io_address a = address_of(TCP4);
    int listen_fd = socket(AF_INET, SOCK_STREAM, 0);
    CU_ASSERT_EQUAL(bind(listen_fd, &a.as.any, a.len), 0);
    CU_ASSERT_EQUAL(getsockname(listen_fd, &a.as.any, &a.len), 0);
    CU_ASSERT_EQUAL(listen(listen_fd, 0), 0);
    int fds[8];
    for (uint32_t i = 0; i < 8; i++)
        fds[i] = io_connect(b->io, &a, NULL, token(i));
    for (int i = 0; i < 20; i++)
        turn(b, 1000);
    CU_ASSERT_FALSE(ended(b, 7));
    io_cancel(b->io, token(7));
    TURN_UNTIL(b, ended(b, 7));
    CU_ASSERT_EQUAL(b->slots[7].last, -ECANCELED);
    for (uint32_t i = 0; i < 8; i++)
        io_close(b->io, fds[i]); // cancels those that still try
    for (uint32_t i = 0; i < 8; i++)
        TURN_UNTIL(b, ended(b, i));
    close(listen_fd);
    bench_free(b);
}

static void close_ends_all_requests_once(void)
{
    for (enum kind kind = 0; kind < KINDS; kind += 2) { // TCP and unix
        struct bench *b = bench_new(NULL);
        int fds[2];
        static char big[8 << 20];
        struct iovec piece = {big, sizeof(big)};
        connect_pair(b, kind, fds);
        io_receive(b->io, fds[0], token(0));
        io_send(b->io, fds[0], &piece, 1, token(1));
        io_poll(b->io, fds[0], POLLPRI, token(2));
        turn(b, 1000);
        io_receive(b->io, fds[1], token(3)); // in the same turn as the close
        io_close(b->io, fds[0]);
        TURN_UNTIL(b, ended(b, 0) && ended(b, 1) && ended(b, 2) && ended(b, 3));
        CU_ASSERT_EQUAL(b->slots[0].last, -ECANCELED);
        CU_ASSERT_TRUE(b->slots[1].last > 0);
        CU_ASSERT_EQUAL(b->slots[2].last, -ECANCELED);
        CU_ASSERT_EQUAL(b->slots[3].bytes, (uint64_t)b->slots[1].last);
        CU_ASSERT_EQUAL(b->slots[3].last, 0); // the end reached the peer
        for (int i = 0; i < 5; i++)
            turn(b, 1000);
        CU_ASSERT_EQUAL(b->slots[0].count, 1);
        CU_ASSERT_FALSE(is_open(fds[0]));
        io_close(b->io, fds[1]);
        bench_free(b);
    }
}

// A farewell: what is asked before the close, in the same turn, is sent.
static void send_then_close(void)
{
    struct bench *b = bench_new(NULL);
    int fds[2];
    connect_pair(b, TCP4, fds);
    struct iovec pieces[] = {{(char[]){"QUIT"}, 4}, {(char[]){"\r\n"}, 2}};
    io_receive(b->io, fds[0], token(0));
    io_send(b->io, fds[0], pieces, 2, token(1));
    io_close(b->io, fds[0]);
    io_receive(b->io, fds[1], token(2));
    TURN_UNTIL(b, ended(b, 0) && ended(b, 1) && ended(b, 2));
    CU_ASSERT_EQUAL(b->slots[1].last, 6);
    CU_ASSERT_TRUE(says(b, 2, "QUIT\r\n"));
    CU_ASSERT_EQUAL(b->slots[2].last, 0);
    io_close(b->io, fds[1]);
    bench_free(b);
}

static void free_with_everything_in_flight(void)
{
    for (int waited = 0; waited < 2; waited++) {
        struct bench *b = bench_new(NULL);
        struct io_address a;
        int fds[2], pipe_fds[2];
        static char big[8 << 20];
        struct iovec piece = {big, sizeof(big)};
        connect_pair(b, TCP4, fds);
        int listen_fd = listener(b, TCP4, &a);
        CU_ASSERT_EQUAL_FATAL(pipe(pipe_fds), 0);
        io_accept(b->io, listen_fd, token(0));
        io_receive(b->io, fds[0], token(1));
        io_receive(b->io, fds[1], token(2));
        io_send(b->io, fds[0], &piece, 1, token(3));
        io_poll(b->io, pipe_fds[0], POLLIN, token(4));
        b->keep_lent = true;
        if (waited)
            turn(b, 1000);
        bench_free(b);
        // Descriptors stay the caller's; the kernel holds the port no longer than they do.
        CU_ASSERT_TRUE(is_open(listen_fd) && is_open(fds[0]) && is_open(pipe_fds[0]));
        int all[] = {listen_fd, fds[0], fds[1], pipe_fds[0], pipe_fds[1]};
        for (size_t i = 0; i < COUNT_OF(all); i++)
            close(all[i]);
        b = bench_new(NULL);
        listen_fd = io_listen(b->io, &a, NULL);
        CU_ASSERT_TRUE(listen_fd >= 0);
        io_close(b->io, listen_fd); // even a close that was only asked for is done
        bench_free(b);
        CU_ASSERT_FALSE(is_open(listen_fd));
    }
    io_free(NULL);
}

// --- buffers, rings that are too small, large amounts

static void buffers_run_dry(void)
{
    struct bench *b = bench_new(
        &(struct io_options){.receive_buffer_count = 4, .receive_buffer_bytes = 64});
    int fds[2];
    char text[1000];
    struct iovec piece = {text, sizeof(text)};
    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = (char)(i * 7);
    connect_pair(b, UNIX, fds);
    b->keep_lent = true;
    io_receive(b->io, fds[1], token(0));
    io_send(b->io, fds[0], &piece, 1, token(1));
    uint64_t got = 0, sum = 0;
    unsigned dry_count = 0;
    while (got < sizeof(text) && dry_count < 100) {
        TURN_UNTIL(b, ended(b, 0) || b->slots[0].bytes + got == sizeof(text));
        got += b->slots[0].bytes;
        CU_ASSERT_TRUE(b->slots[0].bytes <= 4 * 64);
        CU_ASSERT_EQUAL(io_receive_buffers_free(b->io), 4 - b->lent_count);
        if (ended(b, 0)) {
            CU_ASSERT_EQUAL(b->slots[0].last, -ENOBUFS);
            CU_ASSERT_EQUAL(io_receive_buffers_free(b->io), 0);
            dry_count++;
            sum = b->slots[0].checksum;
            forget(b, 0);
            b->slots[0].checksum = sum;
            while (b->lent_count > 0)
                io_return(b->io, b->lent[--b->lent_count]);
            io_receive(b->io, fds[1], token(0));
        }
    }
    CU_ASSERT_EQUAL(got, sizeof(text));
    CU_ASSERT_EQUAL(dry_count, sizeof(text) / (4 * 64));
    CU_ASSERT_EQUAL(b->slots[0].checksum, checksum_of(0, slice_make(text, sizeof(text))));
    io_close(b->io, fds[0]);
    io_close(b->io, fds[1]);
    bench_free(b);
}

// 500 connections through rings of every size, smaller than what is asked and comes at once.
// Slots: 0 accept, 500+i connect, 1000+i send, 1500+i receive at the accepting end.
static void many_connections(uint32_t entries)
{
    enum { COUNT = 500 };
    struct bench *b = bench_new(&(struct io_options){.entries = entries});
    struct io_address a;
    int listen_fd = listener(b, TCP4, &a);
    static int clients[COUNT], servers[COUNT];
    static uint32_t numbers[COUNT];
    unsigned accepted_count = 0, open_count = COUNT;
    uint64_t sum = 0;
    io_accept(b->io, listen_fd, token(0));
    for (uint32_t i = 0; i < COUNT; i++) {
        clients[i] = io_connect(b->io, &a, NULL, token(COUNT + i));
        CU_ASSERT_TRUE_FATAL(clients[i] >= 0);
    }
    uint64_t until_us = io_now_us(b->io) + PATIENCE_US;
    while (open_count > 0 && io_now_us(b->io) < until_us) {
        struct io_done done;
        io_wait(b->io, io_now_us(b->io) + 10000);
        while (io_next(b->io, &done)) {
            uint32_t i = done.token.index % COUNT;
            switch (done.token.index / COUNT) {
            case 0:
                CU_ASSERT_TRUE_FATAL(done.result >= 0 && accepted_count < COUNT);
                servers[accepted_count] = done.result;
                io_receive(b->io, done.result, token(3 * COUNT + accepted_count));
                accepted_count++;
                if (done.ended) // the kernel had no room for more
                    io_accept(b->io, listen_fd, token(0));
                break;
            case 1: {
                CU_ASSERT_EQUAL(done.result, 0);
                numbers[i] = i;
                static struct iovec pieces[COUNT][2];
                pieces[i][0] = (struct iovec){&numbers[i], 2};
                pieces[i][1] = (struct iovec){(char *)&numbers[i] + 2, 2};
                io_send(b->io, clients[i], pieces[i], 2, token(2 * COUNT + i));
            } break;
            case 2:
                CU_ASSERT_EQUAL(done.result, 4);
                io_close(b->io, clients[i]);
                break;
            case 3:
                if (done.lends) {
                    uint32_t number = 0;
                    CU_ASSERT_EQUAL(done.bytes.len, 4);
                    memcpy(&number, done.bytes.data, 4);
                    sum += number;
                    io_return(b->io, done.lent);
                    if (done.ended)
                        io_receive(b->io, servers[i], token(3 * COUNT + i));
                } else {
                    CU_ASSERT_TRUE(done.ended && done.result == 0);
                    io_close(b->io, servers[i]);
                    open_count--;
                }
                break;
            }
        }
    }
    CU_ASSERT_EQUAL(accepted_count, COUNT);
    CU_ASSERT_EQUAL(open_count, 0);
    CU_ASSERT_EQUAL(sum, COUNT * (COUNT - 1) / 2);
    io_close(b->io, listen_fd);
    bench_free(b);
    for (uint32_t i = 0; i < COUNT; i++)
        CU_ASSERT_FALSE(is_open(clients[i]) || is_open(servers[i]));
}

static void many_connections_through_small_rings(void)
{
    static const uint32_t entries[] = {1, 2, 4, 8, 100, 4096};
    for (size_t i = 0; i < COUNT_OF(entries); i++)
        many_connections(entries[i]);
}

static void twenty_megabytes(void)
{
    size_t total = 20 * 1000 * 1000;
    char *content = malloc(total);
    for (size_t i = 0; i < total; i++)
        content[i] = (char)(i * 2654435761u >> 24);
    uint64_t want = checksum_of(0, slice_make(content, total));
    for (enum kind kind = 0; kind < KINDS; kind += 2)
        for (unsigned count = 1; count <= IO_SEND_PIECES_MAX; count += IO_SEND_PIECES_MAX - 1) {
            struct bench *b = bench_new(NULL);
            struct iovec pieces[IO_SEND_PIECES_MAX];
            int fds[2];
            for (size_t i = 0; i < count; i++)
                pieces[i] = (struct iovec){content + total / count * i, total / count};
            connect_pair(b, kind, fds);
            io_receive(b->io, fds[1], token(0));
            io_send(b->io, fds[0], pieces, count, token(1));
            TURN_UNTIL(b, ended(b, 1) && b->slots[0].bytes == total);
            CU_ASSERT_EQUAL(b->slots[1].last, (int32_t)total);
            CU_ASSERT_EQUAL(b->slots[0].checksum, want);
            io_close(b->io, fds[0]);
            io_close(b->io, fds[1]);
            bench_free(b);
        }
    free(content);
}

// --- waiting

static void due_is_honoured(void)
{
    struct bench *b = bench_new(NULL);
    struct timespec before, after;
    uint64_t start_us = io_now_us(b->io);
    io_wait(b->io, 0);
    io_wait(b->io, start_us);
    CU_ASSERT_TRUE(io_now_us(b->io) - start_us < 1000000);
    for (int i = 0; i < 5; i++) {
        start_us = io_now_us(b->io);
        clock_gettime(CLOCK_MONOTONIC, &before);
        io_wait(b->io, start_us + 20000);
        clock_gettime(CLOCK_MONOTONIC, &after);
        uint64_t waited_us = io_now_us(b->io) - start_us;
        CU_ASSERT_TRUE(waited_us >= 20000 && waited_us < 1000000);
        CU_ASSERT_TRUE((after.tv_sec - before.tv_sec) * 1000000 +
                           (after.tv_nsec - before.tv_nsec) / 1000 >=
                       19000);
    }
    // The clock stands still in a turn.
    start_us = io_now_us(b->io);
    usleep(2000);
    CU_ASSERT_EQUAL(io_now_us(b->io), start_us);
    int64_t wall_off_s = (int64_t)(io_wall_us(b->io) / 1000000) - time(NULL);
    CU_ASSERT_TRUE(wall_off_s >= -2 && wall_off_s <= 2);
    CU_ASSERT_NOT_EQUAL(io_seed(b->io), io_seed(b->io));
    bench_free(b);
}

static void completions_not_taken_are_kept(void)
{
    struct bench *b = bench_new(NULL);
    int pipe_fds[2];
    struct io_done done;
    CU_ASSERT_EQUAL_FATAL(pipe(pipe_fds), 0);
    for (uint32_t i = 0; i < 10; i++)
        io_append(b->io, pipe_fds[1], SLICE("x"), token(i));
    for (uint32_t i = 0; i < 10; i++) {
        io_wait(b->io, UINT64_MAX); // comes back, for there is one to take
        CU_ASSERT_TRUE_FATAL(io_next(b->io, &done));
        record(b, &done);
    }
    CU_ASSERT_FALSE(io_next(b->io, &done));
    for (uint32_t i = 0; i < 10; i++)
        CU_ASSERT_TRUE(ended(b, i));
    close(pipe_fds[0]);
    close(pipe_fds[1]);
    bench_free(b);
}

// Two threads that sleep until the other wakes them, in turn.
struct sleeper {
    struct io *io;
    pthread_barrier_t *both_made;
    struct sleeper *other;
    unsigned rounds;
    unsigned woken;
    _Atomic unsigned *ball; // counts up; even: the first one's
    unsigned parity;
};

static void *sleep_and_wake(void *argument)
{
    struct sleeper *s = argument;
    struct io_done done;
    CU_ASSERT_EQUAL_FATAL(io_new(&s->io, NULL), 0); // on its own thread
    pthread_barrier_wait(s->both_made);
    uint64_t until_us = io_now_us(s->io) + PATIENCE_US;
    while (*s->ball < s->rounds && io_now_us(s->io) < until_us) {
        if (*s->ball % 2 == s->parity) {
            ++*s->ball;
            io_wake(s->io, s->other->io);
        }
        // Nobody but the other ends this wait in time.
        io_wait(s->io, until_us);
        s->woken++;
        CU_ASSERT_FALSE(io_next(s->io, &done));
    }
    io_wake(s->io, s->other->io); // the last throw has ended both loops
    io_wait(s->io, 0);
    pthread_barrier_wait(s->both_made);
    io_free(s->io);
    return NULL;
}

static void wake_between_threads(void)
{
    pthread_barrier_t both_made;
    pthread_t threads[2];
    _Atomic unsigned ball = 0;
    struct sleeper s[2] = {0};
    pthread_barrier_init(&both_made, NULL, 2);
    for (unsigned i = 0; i < 2; i++)
        s[i] = (struct sleeper){
            .both_made = &both_made, .other = &s[!i], .rounds = 2000, .ball = &ball, .parity = i};
    for (unsigned i = 0; i < 2; i++)
        CU_ASSERT_EQUAL(pthread_create(&threads[i], NULL, sleep_and_wake, &s[i]), 0);
    for (unsigned i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    CU_ASSERT_TRUE(ball >= 2000);
    CU_ASSERT_TRUE(s[0].woken >= 1000 && s[1].woken >= 1000);
    pthread_barrier_destroy(&both_made);
}

// --- descriptors of others, files

static void poll_answers_while_it_is_true(void)
{
    struct bench *b = bench_new(NULL);
    int pipe_fds[2];
    char byte;
    CU_ASSERT_EQUAL_FATAL(pipe(pipe_fds), 0);
    io_poll(b->io, pipe_fds[0], POLLIN, token(0));
    turn(b, 1000);
    CU_ASSERT_EQUAL(b->slots[0].count, 0);
    CU_ASSERT_EQUAL(write(pipe_fds[1], "ab", 2), 2);
    TURN_UNTIL(b, ended(b, 0));
    CU_ASSERT_EQUAL(b->slots[0].last, POLLIN);
    CU_ASSERT_EQUAL(read(pipe_fds[0], &byte, 1), 1);
    forget(b, 0);
    io_poll(b->io, pipe_fds[0], POLLIN, token(0)); // one byte is still there
    TURN_UNTIL(b, ended(b, 0));
    CU_ASSERT_EQUAL(read(pipe_fds[0], &byte, 1), 1);
    forget(b, 0);
    io_poll(b->io, pipe_fds[0], POLLIN, token(0));
    turn(b, 1000);
    CU_ASSERT_EQUAL(b->slots[0].count, 0);
    close(pipe_fds[1]);
    TURN_UNTIL(b, ended(b, 0));
    CU_ASSERT_EQUAL(b->slots[0].last, POLLHUP);
    close(pipe_fds[0]);
    bench_free(b);
}

static void append_writes_at_the_end(void)
{
    struct bench *b = bench_new(NULL);
    char path[100], got[64] = "";
    snprintf(path, sizeof(path), "%s/file", unix_directory);
    int fd = open(path, O_CREAT | O_RDWR | O_APPEND | O_CLOEXEC, 0600);
    int full_fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
    CU_ASSERT_TRUE_FATAL(fd >= 0);
    static const char *lines[] = {"one\n", "two\n", "three\n"};
    for (uint32_t i = 0; i < 3; i++) {
        io_append(b->io, fd, slice_of_text(lines[i]), token(i));
        TURN_UNTIL(b, ended(b, i));
        CU_ASSERT_EQUAL(b->slots[i].last, (int32_t)strlen(lines[i]));
        if (i == 0)
            CU_ASSERT_EQUAL(pwrite(fd, "", 0, 0), 0);
        lseek(fd, 0, SEEK_SET); // where the descriptor stands does not matter
    }
    CU_ASSERT_EQUAL(pread(fd, got, sizeof(got), 0), 14);
    CU_ASSERT_STRING_EQUAL(got, "one\ntwo\nthree\n");
    if (full_fd >= 0) {
        io_append(b->io, full_fd, SLICE("x"), token(4));
        TURN_UNTIL(b, ended(b, 4));
        CU_ASSERT_EQUAL(b->slots[4].last, -ENOSPC);
        io_close(b->io, full_fd);
    }
    io_append(b->io, -1, SLICE("x"), token(5));
    TURN_UNTIL(b, ended(b, 5));
    CU_ASSERT_EQUAL(b->slots[5].last, -EBADF);
    io_close(b->io, fd);
    bench_free(b);
    unlink(path);
}

// --- listening

static void listen_on_taken_addresses(void)
{
    struct bench *b = bench_new(NULL);
    struct io_address a, again;
    int tcp = listener(b, TCP4, &a);
    again = a;
    CU_ASSERT_EQUAL(io_listen(b->io, &again, NULL), -EADDRINUSE);
    struct io_listen_options shared = {.shared_port = true};
    CU_ASSERT_EQUAL(io_listen(b->io, &again, &shared), -EADDRINUSE); // the first does not share
    close(tcp);
    int first = io_listen(b->io, &again, &shared);
    int second = io_listen(b->io, &again, &shared);
    CU_ASSERT_TRUE(first >= 0 && second >= 0);
    close(first);
    close(second);
    CU_ASSERT_TRUE(io_address_parse(SLICE("192.0.2.1:0"), 0, &again));
    CU_ASSERT_EQUAL(io_listen(b->io, &again, NULL), -EADDRNOTAVAIL);

    // A connection that our side closed first leaves TIME_WAIT on the port: that is not in use.
    tcp = listener(b, TCP4, &a);
    io_accept(b->io, tcp, token(0));
    int client = io_connect(b->io, &a, NULL, token(1));
    TURN_UNTIL(b, b->slots[0].count == 1 && ended(b, 1));
    io_receive(b->io, client, token(2));
    io_close(b->io, b->slots[0].last);
    io_close(b->io, tcp);
    TURN_UNTIL(b, ended(b, 0) && ended(b, 2));
    io_close(b->io, client);
    turn(b, 1000);
    tcp = io_listen(b->io, &a, NULL);
    CU_ASSERT_TRUE(tcp >= 0);
    close(tcp);
    bench_free(b);
}

static void listen_on_a_path(void)
{
    struct bench *b = bench_new(NULL);
    struct io_address a;
    struct stat status;
    mode_t old_mask = umask(0077);
    int first = listener(b, UNIX, &a);
    const char *path = a.as.un.sun_path;
    CU_ASSERT_EQUAL(stat(path, &status), 0);
    CU_ASSERT_EQUAL(status.st_mode & 0777, 0660);             // whatever the umask
    CU_ASSERT_EQUAL(io_listen(b->io, &a, NULL), -EADDRINUSE); // alive, though nobody accepts
    CU_ASSERT_EQUAL(stat(path, &status), 0);
    close(first); // the file stays, and refuses
    int second = io_listen(b->io, &a, &(struct io_listen_options){.mode = 0622});
    CU_ASSERT_TRUE(second >= 0);
    CU_ASSERT_EQUAL(stat(path, &status), 0);
    CU_ASSERT_EQUAL(status.st_mode & 0777, 0622);
    int client = io_connect(b->io, &a, NULL, token(0));
    TURN_UNTIL(b, ended(b, 0));
    CU_ASSERT_EQUAL(b->slots[0].last, 0);
    close(client);
    close(second);
    umask(old_mask);

    // What is not a socket is never removed.
    CU_ASSERT_EQUAL(unlink(path), 0);
    int fd = open(path, O_CREAT | O_WRONLY, 0600);
    CU_ASSERT_TRUE(fd >= 0);
    CU_ASSERT_EQUAL(io_listen(b->io, &a, NULL), -ENOTSOCK);
    CU_ASSERT_EQUAL(stat(path, &status), 0);
    close(fd);
    unlink(path);
    strcpy(a.as.un.sun_path, "/nonexistent/x");
    CU_ASSERT_EQUAL(io_listen(b->io, &a, NULL), -ENOENT);
    bench_free(b);
}

// --- where there is no ring to be had

// In a child: io_new() after `harm`; exits 0 when it says `want`, and why.
static bool refused_after(void (*harm)(void), int want, const char *explains)
{
    pid_t child = fork();
    if (child == 0) {
        struct io *io;
        harm();
        int error = io_new(&io, NULL);
        _exit(error == want && strstr(io_new_explain(error), explains) ? 0 : 1);
    }
    int status = -1;
    waitpid(child, &status, 0);
    return status == 0;
}

static void deny_rings(uint32_t error)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = COUNT_OF(filter), .filter = filter};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
        _exit(2);
}

static void deny_by_eperm(void)
{
    deny_rings(EPERM);
}

static void deny_by_enosys(void)
{
    deny_rings(ENOSYS);
}

static void take_descriptors(void)
{
    struct rlimit none = {0};
    setrlimit(RLIMIT_NOFILE, &none);
}

static void no_ring(void)
{
    CU_ASSERT_TRUE(refused_after(deny_by_eperm, -EPERM, "seccomp"));
    CU_ASSERT_TRUE(refused_after(deny_by_enosys, -ENOSYS, "seccomp"));
    CU_ASSERT_TRUE(refused_after(take_descriptors, -EMFILE, "RLIMIT_NOFILE"));
    static const int errors[] = {-EPERM, -EACCES, -ENOSYS, -EINVAL, -ENOMEM, -EMFILE, -EIO, -9999};
    for (size_t i = 0; i < COUNT_OF(errors); i++) {
        const char *text = io_new_explain(errors[i]);
        CU_ASSERT_TRUE(strlen(text) > 10 && !strchr(text, '\n'));
    }
    CU_ASSERT_PTR_NOT_NULL(strstr(io_new_explain(-EINVAL), "6.1"));
}

static const struct suite_test tests[] = {
    {"a connection of every kind", connection_of_every_kind},
    {"refused and bound", refused_and_bound},
    {"reset and broken pipe", reset_and_broken_pipe},
    {"cancel of every kind", cancel_of_every_kind},
    {"cancel of a connect", cancel_of_a_connect},
    {"close ends all requests once", close_ends_all_requests_once},
    {"send, then close", send_then_close},
    {"free with everything in flight", free_with_everything_in_flight},
    {"buffers run dry", buffers_run_dry},
    {"many connections through small rings", many_connections_through_small_rings},
    {"twenty megabytes", twenty_megabytes},
    {"due is honoured", due_is_honoured},
    {"completions not taken are kept", completions_not_taken_are_kept},
    {"wake between threads", wake_between_threads},
    {"poll answers while it is true", poll_answers_while_it_is_true},
    {"append writes at the end", append_writes_at_the_end},
    {"listen on taken addresses", listen_on_taken_addresses},
    {"listen on a path", listen_on_a_path},
    {"no ring", no_ring},
};

int main(int argc, char **argv)
{
    if (!mkdtemp(unix_directory))
        return 2;
    int result = suite_main("io", tests, COUNT_OF(tests), argc, argv);
    remove_socket();
    rmdir(unix_directory);
    return result;
}
