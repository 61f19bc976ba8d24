// When io_wait() returns: the time, completions, another thread.
#include "engine/base/check.h"
#include "tests/io_asker.h"

#include <pthread.h>
#include <time.h>
#include <unistd.h>

static void due_is_honoured(void)
{
    struct asker *me = asker_new(NULL);
    struct timespec before, after;
    uint64_t start_us = io_now_us(me->io);
    io_wait(me->io, 0);
    io_wait(me->io, start_us);
    CU_ASSERT_TRUE(io_now_us(me->io) - start_us < 1000000);
    for (int i = 0; i < 5; i++) {
        start_us = io_now_us(me->io);
        clock_gettime(CLOCK_MONOTONIC, &before);
        io_wait(me->io, start_us + 20000);
        clock_gettime(CLOCK_MONOTONIC, &after);
        uint64_t waited_us = io_now_us(me->io) - start_us;
        CU_ASSERT_TRUE(waited_us >= 20000 && waited_us < 1000000);
        CU_ASSERT_TRUE((after.tv_sec - before.tv_sec) * 1000000 +
                           (after.tv_nsec - before.tv_nsec) / 1000 >=
                       19000);
    }
    // The clock stands still in a turn.
    start_us = io_now_us(me->io);
    usleep(2000);
    CU_ASSERT_EQUAL(io_now_us(me->io), start_us);
    int64_t wall_off_s = (int64_t)(io_wall_us(me->io) / 1000000) - time(NULL);
    CU_ASSERT_TRUE(wall_off_s >= -2 && wall_off_s <= 2);
    CU_ASSERT_NOT_EQUAL(io_seed(me->io), io_seed(me->io));
    asker_free(me);
}

static void completions_not_taken_are_kept(void)
{
    struct asker *me = asker_new(NULL);
    int pipe_fds[2];
    struct io_done done;
    CU_ASSERT_EQUAL_FATAL(pipe(pipe_fds), 0);
    for (uint32_t i = 0; i < 10; i++)
        io_append(me->io, pipe_fds[1], SLICE("x"), token(i));
    for (uint32_t i = 0; i < 10; i++) {
        io_wait(me->io, UINT64_MAX); // comes back, for there is one to take
        CU_ASSERT_TRUE_FATAL(io_next(me->io, &done));
        record(me, &done);
    }
    CU_ASSERT_FALSE(io_next(me->io, &done));
    for (uint32_t i = 0; i < 10; i++)
        CU_ASSERT_TRUE(ended(me, i));
    close(pipe_fds[0]);
    close(pipe_fds[1]);
    asker_free(me);
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

static const struct suite_test tests[] = {
    {"due is honoured", due_is_honoured},
    {"completions not taken are kept", completions_not_taken_are_kept},
    {"wake between threads", wake_between_threads},
};

int main(int argc, char **argv)
{
    return asker_main("io_wait", tests, COUNT_OF(tests), argc, argv);
}
