#include "tests/io_asker.h"

#include "engine/base/check.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

struct io_token token(uint32_t slot)
{
    return (struct io_token){.index = slot, .generation = 7, .owner = 3, .op = 9};
}

struct asker *asker_new(const struct io_options *options)
{
    struct asker *me = calloc(1, sizeof(*me));
    CU_ASSERT_PTR_NOT_NULL_FATAL(me);
    CU_ASSERT_EQUAL_FATAL(io_new(&me->io, options), 0);
    return me;
}

void asker_free(struct asker *me)
{
    io_free(me->io);
    free(me);
}

uint64_t checksum_of(uint64_t sum, struct slice bytes)
{
    for (size_t i = 0; i < bytes.len; i++)
        sum = sum * 31 + (unsigned char)bytes.data[i];
    return sum;
}

void record(struct asker *me, const struct io_done *done)
{
    CU_ASSERT_TRUE_FATAL(done->token.index < SLOTS);
    struct slot *s = &me->slots[done->token.index];
    CU_ASSERT_EQUAL(s->ended_count, 0); // nothing comes after the end
    s->count++;
    s->ended_count += done->ended;
    s->last = done->result;
    s->token = done->token;
    CU_ASSERT_TRUE(!done->lends || done->bytes.len > 0); // a watch brings names, and lends nothing
    if (!done->lends)
        return;
    CU_ASSERT_EQUAL(done->bytes.len, (size_t)done->result);
    s->bytes += done->bytes.len;
    s->checksum = checksum_of(s->checksum, done->bytes);
    struct slice head = slice_take(done->bytes, sizeof(s->text) - s->text_len);
    memcpy(s->text + s->text_len, head.data, head.len);
    s->text_len += head.len;
    if (me->keep_lent && me->lent_count < COUNT_OF(me->lent))
        me->lent[me->lent_count++] = done->lent;
    else
        io_return(me->io, done->lent);
}

void turn(struct asker *me, uint64_t wait_us)
{
    struct io_done done;
    io_wait(me->io, io_now_us(me->io) + wait_us);
    while (io_next(me->io, &done))
        record(me, &done);
}

bool ended(const struct asker *me, uint32_t slot)
{
    return me->slots[slot].ended_count > 0;
}

void forget(struct asker *me, uint32_t slot)
{
    memset(&me->slots[slot], 0, sizeof(me->slots[slot]));
}

bool says(const struct asker *me, uint32_t slot, const char *text)
{
    return slice_equal(slice_make(me->slots[slot].text, me->slots[slot].text_len),
                       slice_of_text(text));
}

static char directory[] = "/tmp/io_test.XXXXXX";

const char *own_directory(void)
{
    return directory;
}

struct io_address address_of(enum kind kind)
{
    struct io_address a;
    char text[100] = "127.0.0.1:0";
    if (kind == TCP6)
        strcpy(text, "[::1]:0");
    if (kind == UNIX)
        snprintf(text, sizeof(text), "unix:%s/socket", directory);
    CU_ASSERT_TRUE_FATAL(io_address_parse(slice_of_text(text), 0, &a));
    return a;
}

void remove_socket(void)
{
    char path[100];
    snprintf(path, sizeof(path), "%s/socket", directory);
    unlink(path);
}

int listener(struct asker *me, enum kind kind, struct io_address *ret)
{
    *ret = address_of(kind);
    if (kind == UNIX)
        remove_socket();
    int fd = io_listen(me->io, ret, NULL);
    if (kind == TCP6 && (fd == -EADDRNOTAVAIL || fd == -EAFNOSUPPORT))
        return -1;
    CU_ASSERT_TRUE_FATAL(fd >= 0);
    return fd;
}

void connect_pair(struct asker *me, enum kind kind, int ret_fds[2])
{
    struct io_address a;
    int listen_fd = listener(me, kind, &a);
    io_accept(me->io, listen_fd, token(0));
    ret_fds[0] = io_connect(me->io, &a, NULL, token(1));
    CU_ASSERT_TRUE_FATAL(ret_fds[0] >= 0);
    TURN_UNTIL(me, me->slots[0].count == 1 && ended(me, 1));
    CU_ASSERT_EQUAL(me->slots[1].last, 0);
    ret_fds[1] = me->slots[0].last;
    io_close(me->io, listen_fd);
    TURN_UNTIL(me, ended(me, 0));
    CU_ASSERT_EQUAL(me->slots[0].last, -ECANCELED);
    forget(me, 0);
    forget(me, 1);
}

bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

int asker_main(const char *name, const struct suite_test *tests, size_t count, int argc,
               char **argv)
{
    if (!mkdtemp(directory))
        return 2;
    int result = suite_main(name, tests, count, argc, argv);
    remove_socket();
    rmdir(directory);
    return result;
}
