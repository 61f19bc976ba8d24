#include "engine/io/offload.h"

#include "engine/base/check.h"
#include "engine/base/slab.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define THREAD_NAME_BYTES 16 // the kernel's limit

struct piece {
    struct piece *next;
    io_work *work;
    void *argument;
    struct io_token token;
    uint32_t index; // in the slab
    enum io_haste haste;
};

struct pieces {
    struct piece *first, *last;
};

// In the order in which they are to be done.
struct agenda {
    struct pieces urgent, others;
};

struct thread {
    struct offload *offload;
    unsigned number;
    pthread_t id;
};

struct offload {
    int event_fd;
    struct slab slab;      // of pieces: the asker's
    struct agenda asked;   // the asker's
    struct pieces fetched; // the asker's
    pthread_mutex_t lock;  // guards the next ones
    struct agenda waiting; // no thread has begun them
    struct pieces done;    // not fetched
    uint32_t done_count;
    uint64_t done_us; // the first of these
    bool told;        // that some are done
    bool ending;
    pthread_cond_t work_there;
    unsigned thread_count;
    struct thread threads[IO_OFFLOAD_THREADS_MAX];
};

static void pieces_add(struct pieces *list, struct piece *p)
{
    p->next = NULL;
    if (list->last)
        list->last->next = p;
    else
        list->first = p;
    list->last = p;
}

static struct piece *pieces_take(struct pieces *list)
{
    struct piece *p = list->first;
    if (!p)
        return NULL;
    list->first = p->next;
    if (!list->first)
        list->last = NULL;
    return p;
}

// All of `from` behind those of `to`.
static void pieces_move(struct pieces *to, struct pieces *from)
{
    if (!from->first)
        return;
    if (to->last)
        to->last->next = from->first;
    else
        to->first = from->first;
    to->last = from->last;
    *from = (struct pieces){NULL, NULL};
}

static const struct piece *agenda_next(const struct agenda *a)
{
    return a->urgent.first ? a->urgent.first : a->others.first;
}

static struct piece *agenda_take(struct agenda *a)
{
    return pieces_take(a->urgent.first ? &a->urgent : &a->others);
}

// --- the threads

static uint64_t clock_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

// What this thread takes next is over soon, and it comes by again: then there is more to tell of.
static bool may_wait(const struct offload *o, uint64_t now_us)
{
    const struct piece *next = agenda_next(&o->waiting);
    return next && next->haste == IO_BRIEF && o->done_count < OFFLOAD_UNTOLD_MAX &&
           now_us - o->done_us < IO_OFFLOAD_UNTOLD_US;
}

static void piece_done(struct offload *o, struct piece *p)
{
    const uint64_t one = 1, now_us = clock_us();
    if (o->done_count++ == 0)
        o->done_us = now_us;
    pieces_add(&o->done, p);
    if (o->told || (p->haste == IO_BRIEF && may_wait(o, now_us)))
        return;
    o->told = true;
    CHECK(write(o->event_fd, &one, sizeof(one)) == sizeof(one));
}

// A batch's thread does not push aside one that has just woken: the loops come first.
static void *thread_main(void *argument)
{
    const struct thread *t = argument;
    const struct sched_param none = {0};
    struct offload *o = t->offload;
    char name[THREAD_NAME_BYTES];
    snprintf(name, sizeof(name), "offload-%u", t->number);
    pthread_setname_np(pthread_self(), name);
    (void)pthread_setschedparam(pthread_self(), SCHED_BATCH, &none); // as well without
    pthread_mutex_lock(&o->lock);
    while (!o->ending) {
        struct piece *p = agenda_take(&o->waiting);
        if (!p) {
            pthread_cond_wait(&o->work_there, &o->lock);
            continue;
        }
        pthread_mutex_unlock(&o->lock);
        p->work(p->argument, t->number);
        pthread_mutex_lock(&o->lock);
        piece_done(o, p);
    }
    pthread_mutex_unlock(&o->lock);
    return NULL;
}

static bool thread_start(struct offload *o, unsigned number)
{
    struct thread *t = &o->threads[number];
    *t = (struct thread){.offload = o, .number = number};
    return pthread_create(&t->id, NULL, thread_main, t) == 0;
}

int offload_new(struct offload **ret, unsigned thread_count)
{
    CHECK(thread_count > 0 && thread_count <= IO_OFFLOAD_THREADS_MAX);
    struct offload *o = calloc(1, sizeof(*o));
    if (!o)
        return -ENOMEM;
    o->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (o->event_fd < 0) {
        int error = -errno;
        free(o);
        return error;
    }
    slab_init(&o->slab, sizeof(struct piece), OFFLOAD_COUNT_MAX);
    pthread_mutex_init(&o->lock, NULL);
    pthread_cond_init(&o->work_there, NULL);
    while (o->thread_count < thread_count && thread_start(o, o->thread_count))
        o->thread_count++;
    if (o->thread_count == 0) {
        offload_free(o);
        return -EAGAIN;
    }
    *ret = o;
    return 0;
}

void offload_free(struct offload *o)
{
    if (!o)
        return;
    pthread_mutex_lock(&o->lock);
    o->ending = true;
    pthread_cond_broadcast(&o->work_there);
    pthread_mutex_unlock(&o->lock);
    for (unsigned i = 0; i < o->thread_count; i++)
        pthread_join(o->threads[i].id, NULL);
    pthread_cond_destroy(&o->work_there);
    pthread_mutex_destroy(&o->lock);
    slab_release(&o->slab);
    close(o->event_fd);
    free(o);
}

// --- the asker

int offload_fd(const struct offload *o)
{
    return o->event_fd;
}

void offload_ask(struct offload *o, enum io_haste haste, io_work *work, void *argument,
                 struct io_token token)
{
    uint32_t index;
    struct piece *p = slab_take(&o->slab, &index);
    CHECK(p); // as with requests of the ring
    *p = (struct piece){
        .work = work, .argument = argument, .token = token, .index = index, .haste = haste};
    pieces_add(haste == IO_URGENT ? &o->asked.urgent : &o->asked.others, p);
}

void offload_hand_over(struct offload *o)
{
    const struct piece *first = agenda_next(&o->asked);
    if (!first)
        return;
    bool several = first->next || (o->asked.urgent.first && o->asked.others.first);
    pthread_mutex_lock(&o->lock);
    pieces_move(&o->waiting.urgent, &o->asked.urgent);
    pieces_move(&o->waiting.others, &o->asked.others);
    if (several)
        pthread_cond_broadcast(&o->work_there);
    else
        pthread_cond_signal(&o->work_there);
    pthread_mutex_unlock(&o->lock);
}

void offload_fetch(struct offload *o)
{
    uint64_t count;
    pthread_mutex_lock(&o->lock);
    if (read(o->event_fd, &count, sizeof(count)) < 0)
        CHECK(errno == EAGAIN);
    pieces_move(&o->fetched, &o->done);
    o->done_count = 0;
    o->told = false;
    pthread_mutex_unlock(&o->lock);
}

bool offload_has_next(const struct offload *o)
{
    return o->fetched.first != NULL;
}

bool offload_next(struct offload *o, struct io_token *ret)
{
    struct piece *p = pieces_take(&o->fetched);
    if (!p)
        return false;
    *ret = p->token;
    slab_give(&o->slab, p->index);
    return true;
}
