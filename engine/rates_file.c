#include "engine/rates_file.h"

#include "engine/base/check.h"
#include "engine/base/log.h"
#include "engine/deliver/deliver.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define FILE_MODE 0600u
#define FILES_MAX 1024 // that are read

// --- at start

static uint64_t clock_us(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static bool read_whole(int fd, struct buffer *text)
{
    ssize_t got = 1;
    char *to;
    while (got > 0 && (to = buffer_reserve(text, 65536))) {
        got = read(fd, to, 65536);
        if (got > 0)
            buffer_advance(text, (size_t)got);
    }
    return got == 0;
}

static void load_file(struct rate_memory *m, int folder_fd, const char *name)
{
    struct rate_clock clock = {clock_us(CLOCK_MONOTONIC), clock_us(CLOCK_REALTIME)};
    struct buffer text;
    buffer_init(&text, RATE_MEMORY_BYTES_MAX + 65536);
    int fd = openat(folder_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0 || !read_whole(fd, &text) || !rate_memory_read(m, buffer_slice(&text), &clock))
        log_line(LOG_LEVEL_INFO, "rates: %s is not whole, and is passed over", name);
    buffer_release(&text);
    if (fd >= 0)
        close(fd);
}

struct rate_memory *rates_file_load(int folder_fd)
{
    struct rate_memory *m = rate_memory_new();
    int fd = openat(folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *folder = fd >= 0 ? fdopendir(fd) : NULL;
    const struct dirent *entry;
    for (int count = 0; m && folder && count < FILES_MAX && (entry = readdir(folder)); count++)
        if (entry->d_name[0] != '.')
            load_file(m, folder_fd, entry->d_name);
    if (folder)
        closedir(folder);
    else if (fd >= 0)
        close(fd);
    if (m)
        rate_memory_sort(m);
    return m;
}

// --- while the engine runs

void rates_file_init(struct rates_file *f, struct io *io, int folder_fd, uint32_t worker,
                     const struct rate_memory *memory, uint8_t io_owner)
{
    *f = (struct rates_file){
        .io = io, .folder_fd = folder_fd, .io_owner = io_owner, .memory = memory, .fds = {-1, -1}};
    for (uint32_t i = 0; i < 2; i++)
        snprintf(f->names[i], sizeof(f->names[i]), "%u.%u", worker, i);
    buffer_init(&f->text, RATE_MEMORY_BYTES_MAX);
}

void rates_file_release(struct rates_file *f)
{
    for (uint32_t i = 0; i < 2; i++)
        if (f->fds[i] >= 0)
            io_close(f->io, f->fds[i]);
    buffer_release(&f->text);
}

static struct io_token token_of(const struct rates_file *f)
{
    return (struct io_token){0, 0, f->io_owner, (uint8_t)f->step};
}

// It is over, for now or for good; `error`: how.
static void rest(struct rates_file *f, int error)
{
    f->step = f->is_last ? RATES_ENDED : RATES_RESTS;
    f->turn = !f->turn;
    f->next_us = io_now_us(f->io) + RATES_FILE_US;
    buffer_release(&f->text);
    if (error < 0 && !f->is_told_of)
        log_line(LOG_LEVEL_WARNING,
                 "rates: what was counted cannot be written down, and may be forgotten at the next "
                 "start: %s",
                 strerrordesc_np(-error));
    f->is_told_of = error < 0;
}

static void write_on(struct rates_file *f)
{
    struct iovec piece = {f->text.data + f->written, f->text.len - f->written};
    f->step = RATES_WRITES;
    f->piece = piece;
    io_write(f->io, f->fds[f->turn], &f->piece, 1, f->written, token_of(f));
}

static bool print_all(struct rates_file *f, struct deliver *d)
{
    struct rate_clock clock = {io_now_us(f->io), io_wall_us(f->io)};
    return rate_memory_begin(&f->text) && rate_memory_carry(f->memory, &f->text, &clock) &&
           deliver_print_counted(d, &f->text, &clock) && rate_memory_end(&f->text);
}

static void begin(struct rates_file *f, struct deliver *d)
{
    f->written = 0;
    if (!print_all(f, d)) {
        rest(f, -E2BIG);
        return;
    }
    if (f->fds[f->turn] >= 0) {
        write_on(f);
        return;
    }
    f->step = RATES_OPENS;
    io_open(f->io, f->folder_fd, f->names[f->turn], O_WRONLY | O_CREAT | O_NOFOLLOW, FILE_MODE,
            token_of(f));
}

void rates_file_turn(struct rates_file *f, struct deliver *d, uint64_t count, bool ending)
{
    if (f->step != RATES_RESTS)
        return;
    bool is_new = count != f->count;
    if (f->folder_fd < 0 || (ending && !is_new)) {
        f->step = ending ? RATES_ENDED : RATES_RESTS;
        return;
    }
    if (!is_new || (!ending && io_now_us(f->io) < f->next_us))
        return;
    f->is_last = ending;
    f->count = count;
    begin(f, d);
}

uint64_t rates_file_due_us(const struct rates_file *f, uint64_t count)
{
    bool waits = f->folder_fd >= 0 && f->step == RATES_RESTS && count != f->count;
    return waits ? f->next_us : UINT64_MAX;
}

bool rates_file_ended(const struct rates_file *f)
{
    return f->step == RATES_ENDED;
}

static void on_open(struct rates_file *f, int32_t result)
{
    if (result < 0) {
        rest(f, result);
        return;
    }
    f->fds[f->turn] = result;
    write_on(f);
}

static void on_write(struct rates_file *f, int32_t result)
{
    if (result <= 0) {
        rest(f, result < 0 ? result : -EIO);
        return;
    }
    f->written += (size_t)result;
    if (f->written < f->text.len) {
        write_on(f);
        return;
    }
    f->step = RATES_SYNCS;
    io_sync(f->io, f->fds[f->turn], token_of(f));
}

void rates_file_on_done(struct rates_file *f, const struct io_done *done)
{
    switch (f->step) {
    case RATES_OPENS: on_open(f, done->result); break;
    case RATES_WRITES: on_write(f, done->result); break;
    case RATES_SYNCS: rest(f, done->result); break;
    case RATES_RESTS:
    case RATES_ENDED: CHECK(false);
    }
}
