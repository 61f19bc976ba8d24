// Buffers that run dry, rings that are too small, large amounts.
#include "engine/base/check.h"
#include "tests/io_asker.h"

#include <errno.h>
#include <stdlib.h>

static void buffers_run_dry(void)
{
    struct asker *me = asker_new(
        &(struct io_options){.receive_buffer_count = 4, .receive_buffer_bytes = 64});
    int fds[2];
    char text[1000];
    struct iovec piece = {text, sizeof(text)};
    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = (char)(i * 7);
    connect_pair(me, UNIX, fds);
    me->keep_lent = true;
    io_receive(me->io, fds[1], token(0));
    io_send(me->io, fds[0], &piece, 1, token(1));
    uint64_t got = 0, sum = 0;
    unsigned dry_count = 0;
    while (got < sizeof(text) && dry_count < 100) {
        TURN_UNTIL(me, ended(me, 0) || me->slots[0].bytes + got == sizeof(text));
        got += me->slots[0].bytes;
        CU_ASSERT_TRUE(me->slots[0].bytes <= 4 * 64);
        CU_ASSERT_EQUAL(io_receive_buffers_free(me->io), 4 - me->lent_count);
        if (ended(me, 0)) {
            CU_ASSERT_EQUAL(me->slots[0].last, -ENOBUFS);
            CU_ASSERT_EQUAL(io_receive_buffers_free(me->io), 0);
            dry_count++;
            sum = me->slots[0].checksum;
            forget(me, 0);
            me->slots[0].checksum = sum;
            while (me->lent_count > 0)
                io_return(me->io, me->lent[--me->lent_count]);
            io_receive(me->io, fds[1], token(0));
        }
    }
    CU_ASSERT_EQUAL(got, sizeof(text));
    CU_ASSERT_EQUAL(dry_count, sizeof(text) / (4 * 64));
    CU_ASSERT_EQUAL(me->slots[0].checksum, checksum_of(0, slice_make(text, sizeof(text))));
    io_close(me->io, fds[0]);
    io_close(me->io, fds[1]);
    asker_free(me);
}

// 500 connections through rings of every size, smaller than what is asked and comes at once.
// Slots: 0 accept, 500+i connect, 1000+i send, 1500+i receive at the accepting end.
static void many_connections(uint32_t entries)
{
    enum { COUNT = 500 };
    struct asker *me = asker_new(&(struct io_options){.entries = entries});
    struct io_address a;
    int listen_fd = listener(me, TCP4, &a);
    static int clients[COUNT], servers[COUNT];
    static uint32_t numbers[COUNT];
    unsigned accepted_count = 0, open_count = COUNT;
    uint64_t sum = 0;
    io_accept(me->io, listen_fd, token(0));
    for (uint32_t i = 0; i < COUNT; i++) {
        clients[i] = io_connect(me->io, &a, NULL, token(COUNT + i));
        CU_ASSERT_TRUE_FATAL(clients[i] >= 0);
    }
    uint64_t until_us = io_now_us(me->io) + PATIENCE_US;
    while (open_count > 0 && io_now_us(me->io) < until_us) {
        struct io_done done;
        io_wait(me->io, io_now_us(me->io) + 10000);
        while (io_next(me->io, &done)) {
            uint32_t i = done.token.index % COUNT;
            switch (done.token.index / COUNT) {
            case 0:
                CU_ASSERT_TRUE_FATAL(done.result >= 0 && accepted_count < COUNT);
                servers[accepted_count] = done.result;
                io_receive(me->io, done.result, token(3 * COUNT + accepted_count));
                accepted_count++;
                if (done.ended) // the kernel had no room for more
                    io_accept(me->io, listen_fd, token(0));
                break;
            case 1: {
                CU_ASSERT_EQUAL(done.result, 0);
                numbers[i] = i;
                static struct iovec pieces[COUNT][2];
                pieces[i][0] = (struct iovec){&numbers[i], 2};
                pieces[i][1] = (struct iovec){(char *)&numbers[i] + 2, 2};
                io_send(me->io, clients[i], pieces[i], 2, token(2 * COUNT + i));
            } break;
            case 2:
                CU_ASSERT_EQUAL(done.result, 4);
                io_close(me->io, clients[i]);
                break;
            case 3:
                if (done.lends) {
                    uint32_t number = 0;
                    CU_ASSERT_EQUAL(done.bytes.len, 4);
                    memcpy(&number, done.bytes.data, 4);
                    sum += number;
                    io_return(me->io, done.lent);
                    if (done.ended)
                        io_receive(me->io, servers[i], token(3 * COUNT + i));
                } else {
                    CU_ASSERT_TRUE(done.ended && done.result == 0);
                    io_close(me->io, servers[i]);
                    open_count--;
                }
                break;
            }
        }
    }
    CU_ASSERT_EQUAL(accepted_count, COUNT);
    CU_ASSERT_EQUAL(open_count, 0);
    CU_ASSERT_EQUAL(sum, COUNT * (COUNT - 1) / 2);
    io_close(me->io, listen_fd);
    asker_free(me);
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
            struct asker *me = asker_new(NULL);
            struct iovec pieces[IO_SEND_PIECES_MAX];
            int fds[2];
            for (size_t i = 0; i < count; i++)
                pieces[i] = (struct iovec){content + total / count * i, total / count};
            connect_pair(me, kind, fds);
            io_receive(me->io, fds[1], token(0));
            io_send(me->io, fds[0], pieces, count, token(1));
            TURN_UNTIL(me, ended(me, 1) && me->slots[0].bytes == total);
            CU_ASSERT_EQUAL(me->slots[1].last, (int32_t)total);
            CU_ASSERT_EQUAL(me->slots[0].checksum, want);
            io_close(me->io, fds[0]);
            io_close(me->io, fds[1]);
            asker_free(me);
        }
    free(content);
}

static const struct suite_test tests[] = {
    {"buffers run dry", buffers_run_dry},
    {"many connections through small rings", many_connections_through_small_rings},
    {"twenty megabytes", twenty_megabytes},
};

int main(int argc, char **argv)
{
    return asker_main("io_load", tests, COUNT_OF(tests), argc, argv);
}
