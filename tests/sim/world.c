// tests/sim/world.c: whose turn it is, and what time.
#include "tests/sim/sim.h"
#include "tests/sim/world_disk.h"

#include <stdlib.h>

#define LATENCY_US_MAX_DEFAULT 1000
#define STALL_US_MAX_DEFAULT 50000
#define DNS_LATENCY_US_MAX_DEFAULT 20000
#define PIPE_BYTES_MAX_DEFAULT 65536
#define DESCRIPTORS_MAX_DEFAULT 65536
#define START_US (1000u * 1000000u) // a machine that has been up for a while
#define BATCH_MAX 256               // completions that one turn finds
#define FNV_OFFSET 14695981039346656037u

static struct world *the_world;

struct world *sim_world(void)
{
    CHECK(the_world);
    return the_world;
}

static uint32_t or_default(uint32_t value, uint32_t when_zero)
{
    return value ? value : when_zero;
}

struct world *world_new(const struct world_options *options)
{
    CHECK(!the_world);
    struct world *w = calloc(1, sizeof(*w));
    CHECK(w);
    struct world_options *o = &w->options;
    *o = *options;
    o->latency_us_max = or_default(o->latency_us_max, LATENCY_US_MAX_DEFAULT);
    o->stall_us_max = or_default(o->stall_us_max, STALL_US_MAX_DEFAULT);
    o->dns_latency_us_max = or_default(o->dns_latency_us_max, DNS_LATENCY_US_MAX_DEFAULT);
    o->pipe_bytes_max = or_default(o->pipe_bytes_max, PIPE_BYTES_MAX_DEFAULT);
    o->descriptors_max = or_default(o->descriptors_max, DESCRIPTORS_MAX_DEFAULT);
    o->file_latency_us_max = or_default(o->file_latency_us_max, o->latency_us_max);
    o->sync_latency_us_max = or_default(o->sync_latency_us_max, o->file_latency_us_max);
    o->work_latency_us_max = or_default(o->work_latency_us_max, o->latency_us_max);
    random_init(&w->dice, options->seed);
    w->now_us = START_US;
    w->trace = FNV_OFFSET;
    w->port_next = SIM_PORT_FIRST;
    w->descriptors = calloc(o->descriptors_max, sizeof(w->descriptors[0]));
    CHECK(w->descriptors);
    w->disk = sim_disk_new(o->disk_bytes_max);
    the_world = w;
    return w;
}

void world_free(struct world *w)
{
    CHECK(w == the_world && !w->ios && w->heap_count == 0);
    for (uint32_t i = 0; i < w->descriptor_top; i++)
        if (w->descriptors[i])
            sim_socket_close(w, w->descriptors[i]);
    for (struct sim_request *r = w->free_requests, *next; r; r = next) {
        next = r->next;
        free(r);
    }
    for (uint32_t i = 0; i < w->file_count; i++) {
        free(w->files[i]->bytes);
        free(w->files[i]);
    }
    sim_disk_free(w->disk);
    sim_dns_free(w->dns);
    free(w->heap);
    free(w->counted);
    free(w->listeners);
    free(w->descriptors);
    free(w);
    the_world = NULL;
}

// --- turns

// When, at the earliest, its owner has something to do.
static uint64_t reason_us(const struct io *io)
{
    uint64_t at_us = io->waiting && !io->woken && io->ready_count == 0 && io->arrived_count == 0
                         ? io->due_us
                         : io->world->now_us;
    return at_us > io->stalled_until_us ? at_us : io->stalled_until_us;
}

// One of those that have something to do, each as likely as the other.
static struct io *pick(struct world *w)
{
    struct io *picked = NULL;
    uint32_t candidate_count = 0;
    for (struct io *io = w->ios; io; io = io->next)
        if (reason_us(io) <= w->now_us && random_below(&w->dice, ++candidate_count) == 0)
            picked = io;
    return picked;
}

// Moves the clock to when something happens next. False: never.
static bool advance(struct world *w)
{
    uint64_t next_us = w->heap_count > 0 ? w->heap[0]->ready_us : UINT64_MAX;
    for (struct io *io = w->ios; io; io = io->next) {
        uint64_t at_us = reason_us(io);
        if (at_us < next_us)
            next_us = at_us;
    }
    if (next_us == UINT64_MAX)
        return false;
    CHECK(next_us > w->now_us);
    w->now_us = next_us;
    w->turns_at_this_time = 0;
    return true;
}

static void start_turn(struct io *io)
{
    struct world *w = io->world;
    uint32_t batch = 1 + random_below(&w->dice, random_below(&w->dice, 2) ? 4 : BATCH_MAX);
    io->has_reason = io->woken || io->ready_count > 0 || (io->waiting && io->due_us <= w->now_us);
    io->now_us = w->now_us;
    io->waiting = io->woken = io->drained = false;
    while (batch-- > 0 && io->ready_count > 0)
        sim_complete(io->ready[random_below(&w->dice, io->ready_count)]);
    if (sim_chance(w, w->options.faults.stall))
        io->stalled_until_us = w->now_us + random_below(&w->dice, w->options.stall_us_max);
}

bool world_next(struct world *w, struct io **ret)
{
    for (;;) {
        sim_promote(w);
        struct io *io = pick(w);
        if (io) {
            CHECK(++w->turns_at_this_time < WORLD_TURNS_AT_ONE_TIME_MAX);
            start_turn(io);
            *ret = io;
            return true;
        }
        if (!advance(w))
            return false;
    }
}

// --- what tests ask

uint64_t world_now_us(const struct world *w)
{
    return w->now_us;
}

uint64_t world_trace(const struct world *w)
{
    return w->trace;
}

struct random *world_dice(struct world *w)
{
    return &w->dice;
}

void world_set_faults(struct world *w, const struct world_faults *faults)
{
    w->options.faults = *faults;
}

void world_heal(struct world *w)
{
    world_set_faults(w, &(struct world_faults){0});
    world_fail_file_operation(w, 0, 0, false);
}

void world_black_hole(struct world *w, const struct io_address *address, bool gone)
{
    for (uint32_t i = 0; i < w->black_hole_count; i++)
        if (io_address_equal(&w->black_holes[i], address)) {
            w->black_holes[i] = w->black_holes[--w->black_hole_count];
            break;
        }
    if (!gone)
        return;
    CHECK(w->black_hole_count < SIM_BLACK_HOLES_MAX);
    w->black_holes[w->black_hole_count++] = *address;
}

void world_count_connections(struct world *w, const struct io_address *address, uint32_t group)
{
    CHECK(group < WORLD_GROUPS_MAX);
    if (w->counted_count == w->counted_room) {
        w->counted_room = w->counted_room ? w->counted_room * 2 : 16;
        w->counted = realloc(w->counted, w->counted_room * sizeof(w->counted[0]));
        CHECK(w->counted);
    }
    w->counted[w->counted_count++] = (struct sim_counted){*address, group};
}

uint32_t world_connections_peak(const struct world *w, uint32_t group)
{
    CHECK(group < WORLD_GROUPS_MAX);
    return w->groups[group].open_peak;
}

bool world_is_awake(const struct io *io)
{
    return !io->waiting || io->woken || io->ready_count > 0 || io->arrived_count > 0 ||
           io->due_us <= io->world->now_us;
}

uint32_t world_descriptors_open(const struct world *w)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < w->descriptor_top; i++)
        count += w->descriptors[i] != NULL;
    return count;
}

uint32_t world_requests_in_flight(const struct world *w)
{
    uint32_t count = 0;
    for (const struct io *io = w->ios; io; io = io->next)
        count += io->request_count;
    return count;
}

uint32_t world_buffers_lent(const struct world *w)
{
    uint32_t count = 0;
    for (const struct io *io = w->ios; io; io = io->next)
        count += io->buffer_count - io->buffers_free;
    return count;
}

// --- files

static struct sim_file *find_file(const struct world *w, const char *name)
{
    for (uint32_t i = 0; i < w->file_count; i++)
        if (strcmp(w->files[i]->name, name) == 0)
            return w->files[i];
    return NULL;
}

int world_open_file(struct world *w, const char *name)
{
    struct sim_file *file = find_file(w, name);
    struct sim_socket *s;
    int fd = sim_socket_new(w, SIM_FILE, true, &s);
    if (fd < 0)
        return fd;
    if (!file) {
        CHECK(w->file_count < SIM_FILES_MAX && strlen(name) < sizeof(file->name));
        file = w->files[w->file_count++] = calloc(1, sizeof(*file));
        CHECK(file);
        strcpy(file->name, name);
    }
    s->file = file;
    return fd;
}

struct slice world_file(const struct world *w, const char *name)
{
    const struct sim_file *file = find_file(w, name);
    return file ? slice_make(file->bytes, file->len) : SLICE_EMPTY;
}
