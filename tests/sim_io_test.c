// tests/sim_io_test.c: the simulator keeps the promises of engine/io/io.h, and none besides.
#include "engine/base/check.h"
#include "engine/base/random.h"
#include "tests/sim/world.h"
#include "tests/suite.h"

#if defined(__SANITIZE_ADDRESS__)
#define UNDER_ASAN
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define UNDER_ASAN
#endif
#endif

#include <errno.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define SEEDS 300
#define SECOND 1000000u

// For what is looked at millions of times: says nothing while it holds.
#define PROMISE(condition)                                                                         \
    do {                                                                                           \
        if (!(condition))                                                                          \
            CU_FAIL_FATAL(#condition);                                                             \
    } while (0)

// --- an echo: clients send, a server sends back, all of it must come home or the line breaks

#define PAIRS_MAX 8
#define BYTES_MAX 20000

enum op { OP_ACCEPT, OP_CONNECT, OP_RECEIVE, OP_SEND };

struct end {
    int fd; // -1: none
    bool receiving, sending, connecting;
    bool got_end, failed;
    uint16_t generation;
    uint32_t sent, got, size;
    struct iovec pieces[3];
    char out[BYTES_MAX]; // what is to be sent; `got` of it has come to a server's end
    char in[BYTES_MAX];
};

struct party {
    struct io *io;
    bool is_server;
    bool waits_first; // where in its turn it calls io_wait()
    int listen_fd;
    struct end ends[PAIRS_MAX];
    uint32_t end_count;
    uint32_t turns;
};

struct scene {
    struct world *world;
    struct party parties[4]; // the first is the server
    struct io_address address;
    uint32_t failed_count;
};

static struct io_token token_of(uint32_t i, const struct end *e, enum op op)
{
    return (struct io_token){
        .owner = 1, .op = (uint8_t)op, .index = i, .generation = e ? e->generation : 0};
}

static void start_receive(struct party *p, uint32_t i)
{
    struct end *e = &p->ends[i];
    if (e->fd < 0 || e->receiving || e->got_end || e->failed)
        return;
    e->receiving = true;
    io_receive(p->io, e->fd, token_of(i, e, OP_RECEIVE));
}

// Sends what is there: all that it has (client), or all that has come (server), in three pieces.
static void start_send(struct party *p, uint32_t i)
{
    struct end *e = &p->ends[i];
    uint32_t have = p->is_server ? e->got : e->size;
    if (e->fd < 0 || e->sending || e->connecting || e->failed || have == e->sent)
        return;
    const char *bytes = p->is_server ? e->in : e->out;
    uint32_t left = have - e->sent, third = left / 3;
    uint32_t lens[3] = {third, third, left - 2 * third};
    unsigned count = 0;
    for (unsigned k = 0; k < 3; k++) {
        if (lens[k] == 0)
            continue;
        e->pieces[count++] = (struct iovec){(void *)(uintptr_t)(bytes + e->sent), lens[k]};
        bytes += lens[k];
    }
    e->sending = true;
    io_send(p->io, e->fd, e->pieces, count, token_of(i, e, OP_SEND));
}

static void hang_up(struct party *p, uint32_t i)
{
    struct end *e = &p->ends[i];
    if (e->fd >= 0)
        io_close(p->io, e->fd);
    e->fd = -1;
}

static void accepted(struct party *p, int fd)
{
    struct end *e = &p->ends[p->end_count];
    PROMISE(p->end_count < PAIRS_MAX);
    e->fd = fd;
    e->generation = (uint16_t)(p->end_count + 1);
    start_receive(p, p->end_count++);
}

static void received(struct party *p, uint32_t i, const struct io_done *done)
{
    struct end *e = &p->ends[i];
    PROMISE(e->receiving);
    e->receiving = !done->ended;
    PROMISE(done->lends == (done->result > 0));
    if (done->lends) {
        PROMISE(done->bytes.len == (size_t)done->result);
        PROMISE(e->got + done->bytes.len <= BYTES_MAX);
        memcpy(e->in + e->got, done->bytes.data, done->bytes.len);
        e->got += (uint32_t)done->bytes.len;
        io_return(p->io, done->lent);
    } else {
        PROMISE(done->ended);
    }
    if (done->result == 0)
        e->got_end = true;
    else if (done->result < 0 && done->result != -ENOBUFS && e->fd >= 0)
        e->failed = true;
}

static void on_done(struct party *p, const struct io_done *done)
{
    uint32_t i = done->token.index;
    struct end *e = &p->ends[i];
    switch ((enum op)done->token.op) {
    case OP_ACCEPT:
        if (done->result >= 0)
            accepted(p, done->result);
        if (done->ended && done->result != -ECANCELED)
            io_accept(p->io, p->listen_fd, token_of(0, NULL, OP_ACCEPT));
        return;
    case OP_CONNECT:
        PROMISE(done->ended && e->connecting);
        e->connecting = false;
        e->failed = e->failed || (done->result < 0 && e->fd >= 0);
        break;
    case OP_RECEIVE: received(p, i, done); break;
    case OP_SEND:
        PROMISE(done->ended && e->sending);
        e->sending = false;
        if (done->result < 0)
            e->failed = e->failed || e->fd >= 0;
        else
            e->sent += (uint32_t)done->result;
        break;
    }
}

static void work(struct party *p)
{
    for (uint32_t i = 0; i < p->end_count; i++) {
        struct end *e = &p->ends[i];
        bool complete = p->is_server ? e->got_end && e->sent == e->got : e->got == e->size;
        if (e->failed || complete)
            hang_up(p, i);
        if (e->connecting)
            continue;
        start_receive(p, i);
        start_send(p, i);
    }
}

static void turn(struct party *p)
{
    struct io_done done;
    p->turns++;
    if (p->waits_first)
        io_wait(p->io, UINT64_MAX);
    while (io_next(p->io, &done))
        on_done(p, &done);
    work(p);
    if (!p->waits_first)
        io_wait(p->io, UINT64_MAX);
}

static void start_scene(struct scene *s, const struct world_options *options)
{
    memset(s, 0, sizeof(*s));
    s->world = world_new(options);
    struct random *dice = world_dice(s->world);
    CHECK(io_address_parse(SLICE("127.0.0.1:0"), 0, &s->address));
    for (unsigned k = 0; k < 4; k++) {
        struct party *p = &s->parties[k];
        CU_ASSERT_EQUAL_FATAL(io_new(&p->io, &(struct io_options){.receive_buffer_count = 4,
                                                                  .receive_buffer_bytes = 512}),
                              0);
        p->waits_first = random_below(dice, 2);
        p->is_server = k == 0;
        if (k == 0) {
            p->listen_fd = io_listen(p->io, &s->address, NULL);
            PROMISE(p->listen_fd >= 0);
            io_accept(p->io, p->listen_fd, token_of(0, NULL, OP_ACCEPT));
            continue;
        }
        p->end_count = 2;
        for (uint32_t i = 0; i < p->end_count; i++) {
            struct end *e = &p->ends[i];
            e->generation = 1;
            e->connecting = true;
            e->size = 1 + random_below(dice, random_below(dice, 2) ? 100 : BYTES_MAX);
            for (uint32_t b = 0; b < e->size; b++)
                e->out[b] = (char)random_u64(dice);
            e->fd = io_connect(p->io, &s->address, NULL, token_of(i, e, OP_CONNECT));
            PROMISE(e->fd >= 0);
        }
    }
}

static void end_scene(struct scene *s)
{
    // All but the listener and its accept are gone, whatever happened.
    PROMISE(world_descriptors_open(s->world) == 1);
    PROMISE(world_requests_in_flight(s->world) == 1);
    PROMISE(world_buffers_lent(s->world) == 0);
    io_close(s->parties[0].io, s->parties[0].listen_fd);
    for (unsigned k = 0; k < 4; k++)
        io_free(s->parties[k].io);
    world_free(s->world);
}

static uint64_t play(const struct world_options *options, uint32_t *ret_failed)
{
    struct scene *s = malloc(sizeof(*s));
    struct io *io;
    start_scene(s, options);
    while (world_next(s->world, &io))
        for (unsigned k = 0; k < 4; k++)
            if (s->parties[k].io == io)
                turn(&s->parties[k]);
    uint64_t trace = world_trace(s->world);
    *ret_failed = 0;
    for (unsigned k = 1; k < 4; k++)
        for (uint32_t i = 0; i < s->parties[k].end_count; i++) {
            struct end *e = &s->parties[k].ends[i];
            *ret_failed += e->failed;
            PROMISE(e->failed || e->got == e->size);
            PROMISE(memcmp(e->in, e->out, e->got) == 0);
        }
    end_scene(s);
    free(s);
    return trace;
}

static const struct world_faults many_faults = {
    .reset = 2000,
    .connect_failure = 50000,
    .accept_failure = 50000,
    .early_end = 20000,
    .stall = 10000,
};

// Without faults all bytes come home; with them they do or the line has broken, and nothing is
// left behind.
static void test_echo(void)
{
    uint32_t failed, failed_total = 0, whole_total = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        play(&(struct world_options){.seed = seed}, &failed);
        CU_ASSERT_EQUAL(failed, 0);
        play(&(struct world_options){.seed = seed, .faults = many_faults}, &failed);
        failed_total += failed;
        whole_total += 6 - failed;
    }
    CU_ASSERT(failed_total > SEEDS / 10 && whole_total > SEEDS / 10);
}

static void test_one_seed_one_trace(void)
{
    uint32_t failed[3];
    for (uint64_t seed = 1; seed <= 50; seed++) {
        struct world_options o = {.seed = seed, .faults = many_faults};
        uint64_t first = play(&o, &failed[0]), second = play(&o, &failed[1]);
        o.seed += 1000;
        uint64_t other = play(&o, &failed[2]);
        CU_ASSERT_EQUAL(first, second);
        CU_ASSERT_EQUAL(failed[0], failed[1]);
        CU_ASSERT_NOT_EQUAL(first, other);
    }
}

// --- single promises

struct stage {
    struct world *world;
    struct io *io;
    int listen_fd, client_fd, server_fd;
    struct io_done seen[64]; // not asked for yet
    unsigned seen_count;
};

static struct io_token token(uint32_t index)
{
    return (struct io_token){.index = index, .owner = 2};
}

static bool take_seen(struct stage *s, uint32_t index, struct io_done *ret)
{
    for (unsigned i = 0; i < s->seen_count; i++) {
        if (s->seen[i].token.index != index)
            continue;
        *ret = s->seen[i];
        s->seen_count--;
        memmove(&s->seen[i], &s->seen[i + 1], (s->seen_count - i) * sizeof(s->seen[0]));
        return true;
    }
    return false;
}

// Lets the world go on until there is a completion of `index`.
static struct io_done await(struct stage *s, uint32_t index)
{
    struct io_done found = {0};
    struct io *io;
    bool is_found;
    while (!(is_found = take_seen(s, index, &found)) && world_next(s->world, &io)) {
        while (s->seen_count < COUNT_OF(s->seen) && io_next(io, &s->seen[s->seen_count]))
            s->seen_count++;
        io_wait(io, UINT64_MAX);
    }
    CU_ASSERT_TRUE(is_found);
    return found;
}

static bool is_quiet(struct stage *s)
{
    struct io_done done;
    struct io *io;
    while (world_next(s->world, &io)) {
        if (io_next(io, &done))
            return false;
        io_wait(io, UINT64_MAX);
    }
    return true;
}

static void start_stage(struct stage *s, const struct world_options *options)
{
    struct io_address address;
    s->seen_count = 0;
    s->world = world_new(options);
    CU_ASSERT_EQUAL_FATAL(io_new(&s->io, NULL), 0);
    CHECK(io_address_parse(SLICE("127.0.0.1:0"), 0, &address));
    s->listen_fd = io_listen(s->io, &address, NULL);
    io_accept(s->io, s->listen_fd, token(1));
    s->client_fd = io_connect(s->io, &address, NULL, token(2));
    s->server_fd = await(s, 1).result;
    CU_ASSERT_EQUAL_FATAL(await(s, 2).result, 0);
}

static void end_stage(struct stage *s)
{
    io_free(s->io);
    world_free(s->world);
}

static const struct world_options plain = {.seed = 1, .cut_mode = WORLD_CUT_NONE};

static void test_lowest_descriptor(void)
{
    struct stage s;
    start_stage(&s, &plain);
    CU_ASSERT_EQUAL(s.client_fd, s.listen_fd + 1);
    CU_ASSERT_EQUAL(s.server_fd, s.listen_fd + 2);
    io_close(s.io, s.client_fd);
    CU_ASSERT_EQUAL(world_open_file(s.world, "x"), s.client_fd);
    end_stage(&s);
}

static void test_close_ends_all(void)
{
    for (uint64_t seed = 1; seed < 50; seed++) {
        struct stage s;
        struct iovec piece = {(void *)(uintptr_t) "hello", 5};
        start_stage(&s, &(struct world_options){.seed = seed});
        io_receive(s.io, s.client_fd, token(3));
        io_send(s.io, s.client_fd, &piece, 1, token(4));
        io_close(s.io, s.client_fd);
        bool ended[2] = {false};
        struct io *io;
        struct io_done done;
        while (world_next(s.world, &io)) {
            while (io_next(io, &done)) {
                CU_ASSERT_TRUE_FATAL(done.ended && !ended[done.token.index - 3]);
                ended[done.token.index - 3] = true;
                CU_ASSERT_TRUE(done.result == -ECANCELED ||
                               (done.token.index == 4 && done.result > 0));
            }
            io_wait(io, UINT64_MAX);
        }
        CU_ASSERT_TRUE(ended[0] && ended[1]);
        // The other side sees what had gone out, then the end.
        io_receive(s.io, s.server_fd, token(5));
        do {
            done = await(&s, 5);
            if (done.lends)
                io_return(s.io, done.lent);
        } while (!done.ended);
        CU_ASSERT_EQUAL(done.result, 0);
        CU_ASSERT_TRUE(is_quiet(&s));
        end_stage(&s);
    }
}

static void test_cancel(void)
{
    struct stage s;
    start_stage(&s, &plain);
    io_receive(s.io, s.client_fd, token(3));
    CU_ASSERT_TRUE(is_quiet(&s));
    io_cancel(s.io, token(77)); // nobody: nothing happens
    CU_ASSERT_TRUE(is_quiet(&s));
    io_cancel(s.io, token(3));
    io_cancel(s.io, token(3));
    struct io_done done = await(&s, 3);
    CU_ASSERT_TRUE(done.ended && done.result == -ECANCELED);
    CU_ASSERT_TRUE(is_quiet(&s));
    io_poll(s.io, 0, 1, token(4));
    CU_ASSERT_TRUE(is_quiet(&s));
    io_cancel(s.io, token(4));
    done = await(&s, 4);
    CU_ASSERT_TRUE(done.ended && done.result == -ECANCELED);
    end_stage(&s);
}

static void test_no_buffers(void)
{
    struct stage s;
    struct iovec piece = {(void *)(uintptr_t) "ab", 2};
    start_stage(&s, &(struct world_options){
                        .seed = 1, .cut_mode = WORLD_CUT_NONE, .receive_buffers_max = 1});
    io_receive(s.io, s.server_fd, token(3));
    io_send(s.io, s.client_fd, &piece, 1, token(4));
    struct io_done first = await(&s, 3);
    CU_ASSERT_TRUE(first.lends && !first.ended);
    CU_ASSERT_EQUAL(io_receive_buffers_free(s.io), 0);
    is_quiet(&s);
    io_send(s.io, s.client_fd, &piece, 1, token(5));
    struct io_done done = await(&s, 3);
    CU_ASSERT_TRUE(done.ended && done.result == -ENOBUFS);
    io_return(s.io, first.lent);
    io_receive(s.io, s.server_fd, token(3));
    done = await(&s, 3);
    CU_ASSERT_TRUE(done.lends && slice_equal(done.bytes, SLICE("ab")));
    end_stage(&s);
}

static void test_connect_failures(void)
{
    struct stage s;
    struct io_address nobody, gone;
    start_stage(&s, &plain);
    CHECK(io_address_parse(SLICE("127.0.0.9:25"), 0, &nobody));
    CHECK(io_address_parse(SLICE("192.0.2.1:25"), 0, &gone));
    io_connect(s.io, &nobody, NULL, token(3));
    CU_ASSERT_EQUAL(await(&s, 3).result, -ECONNREFUSED);

    struct io_address host = gone;
    host.as.in.sin_port = 0;
    world_black_hole(s.world, &host, true);
    uint64_t start_us = world_now_us(s.world);
    io_connect(s.io, &gone, NULL, token(4));
    CU_ASSERT_EQUAL(await(&s, 4).result, -ETIMEDOUT);
    CU_ASSERT(world_now_us(s.world) - start_us > 100 * SECOND);
    world_black_hole(s.world, &host, false);
    io_connect(s.io, &gone, NULL, token(5));
    CU_ASSERT_EQUAL(await(&s, 5).result, -ECONNREFUSED);
    end_stage(&s);
}

static void test_append(void)
{
    struct stage s;
    char got[64] = "";
    start_stage(&s, &plain);
    int fd = world_open_file(s.world, "events");
    struct slice rest = SLICE("one line of an event log\n");
    while (rest.len > 0) {
        io_append(s.io, fd, rest, token(3));
        rest = slice_skip(rest, (size_t)await(&s, 3).result);
    }
    io_close(s.io, fd);
    struct slice file = world_file(s.world, "events");
    memcpy(got, file.data, file.len);
    CU_ASSERT_STRING_EQUAL(got, "one line of an event log\n");
    world_set_faults(s.world, &(struct world_faults){.append_failure = 1000000});
    fd = world_open_file(s.world, "events");
    io_append(s.io, fd, SLICE("x"), token(3));
    CU_ASSERT(await(&s, 3).result < 0);
    end_stage(&s);
}

// Owners wake one another, and sleep until they are due.
static void test_wake_and_due(void)
{
    struct world *w = world_new(&plain);
    struct io *a, *b, *io;
    io_new(&a, NULL);
    io_new(&b, NULL);
    uint64_t start_us = world_now_us(w), due_us = start_us + 5 * SECOND;
    unsigned a_turns = 0, b_turns = 0;
    while (world_next(w, &io)) {
        CU_ASSERT_FALSE(io_next(io, &(struct io_done){0}));
        if (io == a && ++a_turns == 2) {
            CU_ASSERT_EQUAL(io_now_us(a), due_us);
            io_wake(a, b);
            due_us = UINT64_MAX;
        }
        b_turns += io == b;
        io_wait(io, io == a ? due_us : UINT64_MAX);
    }
    CU_ASSERT_EQUAL(a_turns, 2);
    CU_ASSERT_EQUAL(b_turns, 2);
    CU_ASSERT_EQUAL(world_now_us(w), start_us + 5 * SECOND);
    io_free(a);
    io_free(b);
    world_free(w);
}

// An owner that waits at the start of its turn, and finds out behind that until when: what it
// named before does not count any more.
static void test_wait_first(void)
{
    struct world *w = world_new(&plain);
    struct io *waker, *sleeper, *io;
    CU_ASSERT_EQUAL_FATAL(io_new(&waker, NULL), 0);
    CU_ASSERT_EQUAL_FATAL(io_new(&sleeper, NULL), 0);
    uint64_t wake_us = world_now_us(w) + SECOND, due_us = UINT64_MAX, rang_us = 0;
    while (world_next(w, &io)) {
        if (io == waker) {
            if (io_now_us(waker) >= wake_us) {
                io_wake(waker, sleeper);
                wake_us = UINT64_MAX;
            }
            CU_ASSERT_FALSE(io_next(waker, &(struct io_done){0}));
            io_wait(waker, wake_us);
            continue;
        }
        io_wait(sleeper, due_us);
        CU_ASSERT_FALSE(io_next(sleeper, &(struct io_done){0}));
        if (wake_us == UINT64_MAX && rang_us == 0) {
            rang_us = io_now_us(sleeper);
            due_us = rang_us + SECOND;
        } else if (io_now_us(sleeper) >= due_us) {
            rang_us = io_now_us(sleeper);
            due_us = UINT64_MAX;
        }
    }
    CU_ASSERT_EQUAL(due_us, UINT64_MAX);
    CU_ASSERT_EQUAL(rang_us, world_now_us(w));
    io_free(waker);
    io_free(sleeper);
    world_free(w);
}

static void test_shared_port(void)
{
    struct world *w = world_new(&plain);
    struct io *io;
    struct io_address address, other;
    io_new(&io, NULL);
    CHECK(io_address_parse(SLICE("0.0.0.0:2525"), 0, &address));
    const struct io_listen_options shared = {.shared_port = true};
    CU_ASSERT(io_listen(io, &address, &shared) >= 0);
    CU_ASSERT(io_listen(io, &address, &shared) >= 0);
    CU_ASSERT_EQUAL(io_listen(io, &address, NULL), -EADDRINUSE);
    CHECK(io_address_parse(SLICE("unix:/run/x"), 0, &other));
    CU_ASSERT(io_listen(io, &other, NULL) >= 0);
    CU_ASSERT_EQUAL(io_listen(io, &other, NULL), -EADDRINUSE);
    io_free(io);
    world_free(w);
}

// --- what the simulator catches

static void equal_tokens(struct stage *s)
{
    io_receive(s->io, s->client_fd, token(3));
    io_receive(s->io, s->server_fd, token(3));
}

static void touched_memory(struct stage *s)
{
    char bytes[] = "hello";
    struct iovec piece = {bytes, 5};
    io_send(s->io, s->client_fd, &piece, 1, token(3));
    bytes[4] = 'x';
    await(s, 3);
}

static void touched_pieces(struct stage *s)
{
    char bytes[] = "hello";
    struct iovec piece = {bytes, 5};
    io_send(s->io, s->client_fd, &piece, 1, token(3));
    piece.iov_len = 4;
    await(s, 3);
}

static void touched_append(struct stage *s)
{
    char bytes[] = "hello";
    io_append(s->io, world_open_file(s->world, "x"), slice_make(bytes, 5), token(3));
    bytes[0] = 'x';
    await(s, 3);
}

static void returned_twice(struct stage *s)
{
    struct iovec piece = {(void *)(uintptr_t) "hello", 5};
    io_send(s->io, s->client_fd, &piece, 1, token(3));
    io_receive(s->io, s->server_fd, token(4));
    struct io_done done = await(s, 4);
    io_return(s->io, done.lent);
    io_return(s->io, done.lent);
}

static void two_sends(struct stage *s)
{
    struct iovec piece = {(void *)(uintptr_t) "hello", 5};
    io_send(s->io, s->client_fd, &piece, 1, token(3));
    io_send(s->io, s->client_fd, &piece, 1, token(4));
}

static void closed_twice(struct stage *s)
{
    io_close(s->io, s->client_fd);
    io_close(s->io, s->client_fd);
}

static void received_after_close(struct stage *s)
{
    io_close(s->io, s->client_fd);
    io_receive(s->io, s->client_fd, token(3));
}

static void reserved_owner(struct stage *s)
{
    io_receive(s->io, s->client_fd, (struct io_token){.owner = IO_OWNER_RESERVED});
}

static void spins(struct stage *s)
{
    struct io *io = s->io;
    do {
        io_wait(io, 0);
    } while (world_next(s->world, &io));
}

static void (*const misuses[])(struct stage *s) = {
    equal_tokens, touched_memory, touched_pieces,       touched_append, returned_twice,
    two_sends,    closed_twice,   received_after_close, reserved_owner, spins,
};

static void test_misuse(void)
{
    for (size_t i = 0; i < COUNT_OF(misuses); i++) {
        struct stage s;
        int status = 0;
        start_stage(&s, &plain);
        fflush(NULL);
        pid_t pid = fork();
        if (pid == 0) {
            CHECK(freopen("/dev/null", "w", stderr));
            misuses[i](&s);
            _exit(0);
        }
        CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
        if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT)
            printf("\n  misuse %zu went unnoticed\n", i);
        CU_ASSERT(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
        end_stage(&s);
    }
    // A buffer that was given back holds nothing any more.
    struct stage s;
    struct iovec piece = {(void *)(uintptr_t) "hello", 5};
    start_stage(&s, &plain);
    io_send(s.io, s.client_fd, &piece, 1, token(3));
    io_receive(s.io, s.server_fd, token(4));
    struct io_done done = await(&s, 4);
    io_return(s.io, done.lent);
#ifndef UNDER_ASAN // which stops at such a read by itself
    CU_ASSERT_FALSE(slice_equal(done.bytes, SLICE("hello")));
#endif
    end_stage(&s);
}

// --- the name server

static void test_resolver(void)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct world *w = world_new(
            &(struct world_options){.seed = seed, .faults = {.dns_failure = 100000}});
        struct io *io;
        struct resolver *r;
        unsigned answered = 0, found = 0, missing = 0, later = 0;
        world_dns_add_mx(w, "example.org", 20, "mx2.example.org");
        world_dns_add_mx(w, "example.org", 10, "mx1.example.org");
        world_dns_add_address(w, "mx1.example.org", "192.0.2.1");
        world_dns_add_address(w, "mx1.example.org", "[2001:db8::1]");
        world_dns_add_mx(w, "null.org", 0, ".");
        io_new(&io, NULL);
        CU_ASSERT_EQUAL_FATAL(resolver_new(&r, io, &(struct resolver_options){0}), 0);
        resolver_ask_mx(r, SLICE("example.org"), 1);
        resolver_ask_mx(r, SLICE("example.org"), 1);
        resolver_ask_mx(r, SLICE("null.org"), 2);
        resolver_ask_mx(r, SLICE("nobody.org"), 3);
        resolver_ask_address(r, SLICE("mx1.example.org"), 4);
        while (world_next(w, &io)) {
            CU_ASSERT_FALSE(io_next(io, &(struct io_done){0}));
            if (io_now_us(io) >= resolver_due_us(r))
                resolver_on_time(r, io_now_us(io));
            for (struct dns_answer a; (a = resolver_next(r)).kind != DNS_ANSWER_NONE;) {
                enum dns_status status = a.kind == DNS_ANSWER_MX ? a.mx.status : a.address.status;
                answered++;
                later += status == DNS_TRY_LATER;
                missing += status == DNS_NO_DOMAIN || status == DNS_NULL_MX;
                found += status == DNS_FOUND;
                if (a.kind == DNS_ANSWER_MX && status == DNS_FOUND)
                    CU_ASSERT_STRING_EQUAL(a.mx.hosts->hosts[0].name, "mx1.example.org");
                if (a.kind == DNS_ANSWER_ADDRESS && status == DNS_FOUND)
                    CU_ASSERT(a.address.address_count >= 1);
            }
            io_wait(io, resolver_due_us(r));
        }
        CU_ASSERT_EQUAL(answered, 5);
        CU_ASSERT(later > 0 || (found == 3 && missing == 2));
        CU_ASSERT_EQUAL(resolver_counters(r).queries, 5);
        CU_ASSERT_EQUAL(resolver_counters(r).shared, 1);
        resolver_free(r);
        io_free(io);
        world_free(w);
    }
}

static const struct suite_test tests[] = {
    {"echo", test_echo},
    {"one seed, one trace", test_one_seed_one_trace},
    {"lowest descriptor", test_lowest_descriptor},
    {"close ends all", test_close_ends_all},
    {"cancel", test_cancel},
    {"no buffers", test_no_buffers},
    {"connect failures", test_connect_failures},
    {"append", test_append},
    {"wake and due", test_wake_and_due},
    {"wait first", test_wait_first},
    {"shared port", test_shared_port},
    {"misuse", test_misuse},
    {"resolver", test_resolver},
};
SUITE_MAIN("sim_io", tests)
