// Work off the loop: done once each, in its order of asking where there is one thread, and told of
// when it is done; what is begun at the end is waited for, and what is not is not done.
#include "tests/io_asker.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#define PIECES 1000

struct piece {
    _Atomic unsigned *clock;
    unsigned begun_at; // 1: the first of all
    unsigned thread;
    unsigned done_count;
    bool slow;
    _Atomic bool *gate; // NULL: none; waits until it is open
    char name[16];      // of the thread
};

static void work(void *argument, unsigned thread)
{
    struct piece *p = argument;
    p->begun_at = atomic_fetch_add(p->clock, 1) + 1;
    p->thread = thread;
    pthread_getname_np(pthread_self(), p->name, sizeof(p->name));
    while (p->gate && !atomic_load(p->gate))
        usleep(100);
    if (p->slow)
        usleep(1000);
    p->done_count++;
}

static struct asker *asker_with(unsigned threads)
{
    return asker_new(&(struct io_options){.offload_threads = threads});
}

static bool all_ended(const struct asker *me, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (!ended(me, i))
            return false;
    return true;
}

static void each_once(void)
{
    static const unsigned threads[] = {0, 1, 2, IO_OFFLOAD_THREADS_MAX};
    for (unsigned t = 0; t < sizeof(threads) / sizeof(threads[0]); t++) {
        struct asker *me = asker_with(threads[t]);
        struct piece pieces[PIECES] = {{0}};
        _Atomic unsigned clock = 0;
        for (uint32_t i = 0; i < PIECES; i++) {
            pieces[i].clock = &clock;
            pieces[i].slow = i % 50 == 0;
            io_offload(me->io, i % 3 == 0 ? IO_PLAIN : IO_BRIEF, work, &pieces[i], token(i));
            if (i % 100 == 99)
                turn(me, 0); // hands over what there is, while others are done
        }
        TURN_UNTIL(me, all_ended(me, PIECES));
        for (uint32_t i = 0; i < PIECES; i++) {
            CU_ASSERT_EQUAL(me->slots[i].count, 1);
            CU_ASSERT_EQUAL(me->slots[i].last, 0);
            CU_ASSERT_EQUAL(pieces[i].done_count, 1);
            CU_ASSERT_TRUE(pieces[i].thread < (threads[t] ? threads[t] : 1));
            CU_ASSERT_TRUE(threads[t] > 1 || pieces[i].begun_at == i + 1);
            CU_ASSERT_EQUAL(strncmp(pieces[i].name, "offload-", 8), 0);
        }
        asker_free(me);
    }
}

// The loop goes on meanwhile, sleeps, and is woken by what is done.
static void the_loop_goes_on(void)
{
    struct asker *me = asker_with(1);
    _Atomic unsigned clock = 0;
    _Atomic bool gate = false;
    struct piece p = {.clock = &clock, .gate = &gate};
    int pipe_fds[2];
    CU_ASSERT_EQUAL_FATAL(pipe(pipe_fds), 0);
    io_offload(me->io, IO_PLAIN, work, &p, token(0));
    io_append(me->io, pipe_fds[1], SLICE("x"), token(1));
    TURN_UNTIL(me, ended(me, 1));
    TURN_UNTIL(me, atomic_load(&clock) == 1);
    CU_ASSERT_FALSE(ended(me, 0));
    io_cancel(me->io, token(0)); // which it is not
    turn(me, 0);
    CU_ASSERT_FALSE(ended(me, 0));
    atomic_store(&gate, true);
    uint64_t start_us = io_now_us(me->io);
    while (!ended(me, 0) && io_now_us(me->io) - start_us < PATIENCE_US)
        turn(me, PATIENCE_US);
    CU_ASSERT_TRUE(io_now_us(me->io) - start_us < PATIENCE_US / 2);
    CU_ASSERT_EQUAL(me->slots[0].last, 0);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
    asker_free(me);
}

static uint32_t ended_count(const struct asker *me, uint32_t count)
{
    uint32_t sum = 0;
    for (uint32_t i = 0; i < count; i++)
        sum += ended(me, i);
    return sum;
}

// Many brief ones are told of together, and the last as soon as it is done.
static void brief_ones_together(void)
{
    struct asker *me = asker_with(1);
    struct piece pieces[PIECES] = {{0}};
    _Atomic unsigned clock = 0;
    uint64_t start_us = io_now_us(me->io);
    for (uint32_t i = 0; i < PIECES; i++) {
        pieces[i].clock = &clock;
        io_offload(me->io, IO_BRIEF, work, &pieces[i], token(i));
    }
    while (ended_count(me, PIECES) == 0)
        turn(me, PATIENCE_US);
    CU_ASSERT_TRUE(ended_count(me, PIECES) >= 64 ||
                   io_now_us(me->io) - start_us >= IO_OFFLOAD_UNTOLD_US);
    TURN_UNTIL(me, all_ended(me, PIECES));
    CU_ASSERT_TRUE(io_now_us(me->io) - start_us < PATIENCE_US / 2);
    asker_free(me);
}

// A brief one does not wait for what may take long.
static void brief_before_long(void)
{
    struct asker *me = asker_with(1);
    _Atomic unsigned clock = 0;
    _Atomic bool gate = false;
    struct piece brief = {.clock = &clock}, late = {.clock = &clock, .gate = &gate};
    io_offload(me->io, IO_BRIEF, work, &brief, token(0));
    io_offload(me->io, IO_PLAIN, work, &late, token(1));
    TURN_UNTIL(me, ended(me, 0));
    CU_ASSERT_FALSE(ended(me, 1));
    atomic_store(&gate, true);
    TURN_UNTIL(me, ended(me, 1));
    asker_free(me);
}

static void urgent_ones_first(void)
{
    struct asker *me = asker_with(1);
    struct piece pieces[100] = {{0}};
    _Atomic unsigned clock = 0;
    _Atomic bool gate = false;
    for (uint32_t i = 0; i < 100; i++) {
        pieces[i].clock = &clock;
        pieces[i].gate = &gate;
        io_offload(me->io, i < 98 ? IO_BRIEF : IO_URGENT, work, &pieces[i], token(i));
        if (i == 0)
            TURN_UNTIL(me, atomic_load(&clock) == 1); // begun, and waits
    }
    turn(me, 0);
    atomic_store(&gate, true);
    TURN_UNTIL(me, all_ended(me, 100));
    CU_ASSERT_EQUAL(pieces[98].begun_at, 2);
    CU_ASSERT_EQUAL(pieces[99].begun_at, 3);
    CU_ASSERT_EQUAL(pieces[1].begun_at, 4);
    asker_free(me);
}

static void completions_not_taken_are_kept(void)
{
    struct asker *me = asker_with(1);
    _Atomic unsigned clock = 0;
    struct piece pieces[10] = {{0}};
    struct io_done done;
    for (uint32_t i = 0; i < 10; i++) {
        pieces[i].clock = &clock;
        io_offload(me->io, IO_PLAIN, work, &pieces[i], token(i));
    }
    io_wait(me->io, 0);
    for (unsigned i = 0; i < 1000 && atomic_load(&clock) < 10; i++)
        usleep(1000);
    usleep(10000);
    for (uint32_t i = 0; i < 10; i++) {
        io_wait(me->io, UINT64_MAX); // comes back, for there is one to take
        CU_ASSERT_TRUE_FATAL(io_next(me->io, &done));
        record(me, &done);
    }
    CU_ASSERT_TRUE(all_ended(me, 10));
    CU_ASSERT_FALSE(io_next(me->io, &done));
    asker_free(me);
}

static void the_end(void)
{
    struct asker *me = asker_with(1);
    _Atomic unsigned clock = 0;
    struct piece pieces[100] = {{0}};
    for (uint32_t i = 0; i < 100; i++) {
        pieces[i].clock = &clock;
        pieces[i].slow = true;
        io_offload(me->io, IO_PLAIN, work, &pieces[i], token(i));
    }
    io_wait(me->io, 0);
    while (atomic_load(&clock) == 0)
        usleep(100);
    asker_free(me);
    unsigned begun = atomic_load(&clock);
    CU_ASSERT_TRUE(begun < 100);
    for (uint32_t i = 0; i < 100; i++)
        CU_ASSERT_EQUAL(pieces[i].done_count, i < begun);

    me = asker_with(1); // asked, and never handed over
    pieces[0].done_count = 0;
    io_offload(me->io, IO_PLAIN, work, &pieces[0], token(0));
    asker_free(me);
    CU_ASSERT_EQUAL(pieces[0].done_count, 0);
}

static const struct suite_test tests[] = {
    {"each once", each_once},
    {"the loop goes on", the_loop_goes_on},
    {"brief ones together", brief_ones_together},
    {"brief before long", brief_before_long},
    {"urgent ones first", urgent_ones_first},
    {"completions not taken are kept", completions_not_taken_are_kept},
    {"the end", the_end},
};

int main(int argc, char **argv)
{
    return asker_main("io_offload", tests, sizeof(tests) / sizeof(tests[0]), argc, argv);
}
