// tests/control_client_test.c: clients of the control socket, in virtual time: how long they may
// take, how long they are let wait, and how many requests there may be.
#include "engine/base/check.h"
#include "engine/control/control_parts.h"
#include "tests/sim/world.h"
#include "tests/suite.h"

#include <stdlib.h>

#define SECOND UINT64_C(1000000)
#define CLIENTS_MAX 100u
#define TEXT_BYTES 512u

struct caller {
    struct io *io;
    int fd;
    const char *line; // what it says once it is connected; NULL: nothing
    bool is_connected, is_over;
    struct iovec piece;
    char text[TEXT_BYTES]; // what it heard
    uint64_t over_us;
};

struct stand {
    struct world *world;
    struct io *io;
    struct wheel wheel;
    struct inbox inbox;
    struct post post;
    struct orders orders;
    struct control *control;
    struct io_address address;
    struct caller callers[CLIENTS_MAX];
    uint32_t caller_count;
};

// --- requests that take as long as the test says

static uint64_t slow_until_us;
static struct io *slow_io;

static enum order_step slow_visit(struct order_place *p, struct order *o)
{
    (void)p, (void)o;
    return io_now_us(slow_io) < slow_until_us ? ORDER_WAITS : ORDER_OVER;
}

static const struct order_kind slow = {.name = "slow", .rounds = 1, .visit = slow_visit};
static const struct order_kind change = {
    .name = "change", .changes = true, .rounds = 1, .visit = slow_visit};
static const struct order_kind *const kinds[] = {&slow, &change, NULL};

// --- both sides

static void begin(struct stand *s)
{
    static const struct world_options options_of_world = {
        .seed = 1, .cut_mode = WORLD_CUT_NONE, .pipe_bytes_min = 65536};
    *s = (struct stand){.world = world_new(&options_of_world)};
    CHECK(io_new(&s->io, NULL) == 0);
    CHECK(io_address_parse(SLICE("unix:/control.sock"), 0, &s->address));
    wheel_init(&s->wheel, io_now_us(s->io));
    inbox_init(&s->inbox);
    post_init(&s->post, &s->inbox, 1, 0);
    slow_io = s->io;
    int fd = io_listen(s->io, &s->address, &(struct io_listen_options){.mode = 0600});
    const struct control_options options = {
        .io = s->io,
        .wheel = &s->wheel,
        .post = &s->post,
        .kinds = kinds,
        .listen_fd = fd,
        .metrics_fd = -1,
        .uid = 1000, // everybody's, in the simulator
        .io_owner = 1,
    };
    CHECK(fd >= 0 && control_new(&s->control, &options) == 0);
}

static void engine_turn(struct stand *s)
{
    struct io_done done;
    struct wheel_timer *t;
    struct letter *l;
    while (io_next(s->io, &done))
        control_on_done(s->control, &done);
    while ((t = wheel_expire(&s->wheel, io_now_us(s->io))))
        control_on_timer(s->control, t);
    for (int round = 0; round < 2; round++) {
        while ((l = post_take(&s->post)))
            if (l->kind == LETTER_ORDER)
                orders_take(&s->orders, l);
            else
                control_on_back(s->control, l);
        orders_turn(&s->orders, NULL, &s->post);
    }
    while ((l = post_take(&s->post)))
        control_on_back(s->control, l);
    uint64_t due_us = wheel_next_us(&s->wheel);
    if (s->orders.first && slow_until_us < due_us)
        due_us = slow_until_us;
    io_wait(s->io, due_us);
}

static struct io_token token_of(uint8_t op)
{
    return (struct io_token){.owner = 1, .op = op};
}

enum { OP_CONNECT, OP_SEND, OP_RECEIVE };

static void caller_turn(struct stand *s, struct caller *c)
{
    struct io_done done;
    while (io_next(c->io, &done)) {
        if (done.token.op == OP_CONNECT) {
            c->is_connected = done.result == 0;
            io_receive(c->io, c->fd, token_of(OP_RECEIVE));
            c->piece = (struct iovec){(void *)(uintptr_t)c->line, c->line ? strlen(c->line) : 0};
            if (c->line)
                io_send(c->io, c->fd, &c->piece, 1, token_of(OP_SEND));
        }
        if (done.token.op == OP_RECEIVE && done.result > 0)
            strncat(c->text, done.bytes.data, (size_t)done.result);
        if (done.lends)
            io_return(c->io, done.lent);
        if (done.token.op == OP_RECEIVE && done.result <= 0 && !c->is_over) {
            c->is_over = true;
            c->over_us = world_now_us(s->world);
        }
    }
    io_wait(c->io, UINT64_MAX);
}

static struct caller *call(struct stand *s, const char *line)
{
    CHECK(s->caller_count < CLIENTS_MAX);
    struct caller *c = &s->callers[s->caller_count++];
    *c = (struct caller){.line = line};
    CHECK(io_new(&c->io, NULL) == 0);
    c->fd = io_connect(c->io, &s->address, NULL, token_of(OP_CONNECT));
    CHECK(c->fd >= 0);
    return c;
}

static void hang_up(struct caller *c)
{
    c->is_over = true;
    io_close(c->io, c->fd);
    c->fd = -1;
}

static void play(struct stand *s, uint64_t us)
{
    struct io *io;
    uint64_t until_us = world_now_us(s->world) + us;
    while (world_now_us(s->world) < until_us && world_next(s->world, &io)) {
        if (io == s->io)
            engine_turn(s);
        for (uint32_t i = 0; i < s->caller_count; i++)
            if (io == s->callers[i].io)
                caller_turn(s, &s->callers[i]);
    }
}

static void end(struct stand *s)
{
    slow_until_us = 0;
    control_stop(s->control);
    play(s, SECOND);
    CU_ASSERT_TRUE(control_stopped(s->control));
    control_free(s->control);
    for (uint32_t i = 0; i < s->caller_count; i++)
        io_free(s->callers[i].io);
    io_free(s->io);
    world_free(s->world);
}

// --- the tests

static void test_an_answer_may_take_its_time(void)
{
    struct stand s;
    begin(&s);
    slow_until_us = world_now_us(s.world) + 20 * CONTROL_REQUEST_US;
    const struct caller *c = call(&s, "slow\n");
    play(&s, 19 * CONTROL_REQUEST_US);
    CU_ASSERT_FALSE(c->is_over);
    play(&s, 2 * CONTROL_REQUEST_US);
    CU_ASSERT_STRING_EQUAL(c->text, "{\"end\":\"done\"}\n");
    CU_ASSERT_TRUE(c->is_over);
    end(&s);
}

static void test_a_request_may_not(void)
{
    static const char *const lines[] = {NULL, "slow"}; // without its end
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        struct stand s;
        begin(&s);
        const struct caller *c = call(&s, lines[i]);
        uint64_t began_us = world_now_us(s.world);
        play(&s, 2 * CONTROL_REQUEST_US);
        CU_ASSERT_TRUE(c->is_over);
        CU_ASSERT_TRUE(c->over_us - began_us >= CONTROL_REQUEST_US);
        CU_ASSERT_STRING_EQUAL(c->text, "");
        end(&s);
    }
}

// Who asks for changes and hangs up leaves them behind: they wait for their turn.
static void test_so_many_and_no_more(void)
{
    struct stand s;
    begin(&s);
    slow_until_us = UINT64_MAX;
    for (uint32_t i = 0; i < CONTROL_ORDERS_MAX; i++) {
        struct caller *c = call(&s, "change\n");
        while (s.control->order_count <= i)
            play(&s, SECOND / 1000);
        hang_up(c);
        play(&s, SECOND / 1000);
    }
    const struct caller *c = call(&s, "slow\n");
    play(&s, SECOND);
    CU_ASSERT_PTR_NOT_NULL(strstr(c->text, "\"end\":\"later\""));
    CU_ASSERT_PTR_NOT_NULL(strstr(c->text, "64 requests are under way"));
    CU_ASSERT_EQUAL(s.control->order_count, CONTROL_ORDERS_MAX);
    end(&s);
}

static const struct suite_test tests[] = {
    {"an answer may take its time", test_an_answer_may_take_its_time},
    {"a request may not", test_a_request_may_not},
    {"so many and no more", test_so_many_and_no_more},
};

SUITE_MAIN("control_client", tests)
