// tests/sim/files.c: engine/io/io.h's section on files: what is asked, and what answers at once.
// How requests end is in file_ops.c.
#include "tests/sim/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#define POISON 0xdd
#define FLAGS_KNOWN                                                                                \
    (O_ACCMODE | O_CREAT | O_EXCL | O_TRUNC | O_APPEND | O_CLOEXEC | O_DIRECTORY | O_NOFOLLOW |    \
     O_NONBLOCK | O_NOCTTY | O_NOATIME)

static struct sim_request *ask(struct io *io, enum sim_kind kind, int fd, struct io_token token)
{
    struct sim_socket *s = sim_socket_at(io->world, fd);
    CHECK(s->kind == SIM_OPENED || s->kind == SIM_FOLDER);
    struct sim_request *r = sim_ask(io, kind, s, token);
    s->is_elsewhere = io->is_elsewhere;
    return r;
}

// After r has all it is about.
static void go(struct sim_request *r)
{
    r->checksum = sim_checksum(r);
    sim_schedule(r);
}

// One folder has no folders in it.
static const char *checked_name(const char *name)
{
    size_t len = strlen(name);
    CHECK(len > 0 && len <= SIM_NAME_BYTES_MAX && !strchr(name, '/'));
    return name;
}

void io_open(struct io *io, int dir_fd, const char *name, int flags, uint32_t mode,
             struct io_token token)
{
    CHECK((flags & ~FLAGS_KNOWN) == 0 && (mode & ~07777u) == 0);
    if (io->is_dead)
        return;
    struct sim_request *r = ask(io, SIM_OPEN, dir_fd, token);
    r->file.name = checked_name(name);
    r->file.flags = flags;
    go(r);
}

void io_read(struct io *io, int fd, void *to, size_t bytes, uint64_t offset, struct io_token token)
{
    if (io->is_dead)
        return;
    struct sim_request *r = ask(io, SIM_READ, fd, token);
    memset(to, POISON, bytes);
    r->file.to = to;
    r->file.bytes = bytes;
    r->file.offset = offset;
    go(r);
}

static struct sim_request *ask_write(struct io *io, int fd, const struct iovec *pieces,
                                     unsigned count, uint64_t offset, struct io_token token)
{
    CHECK(count >= 1 && count <= IO_WRITE_PIECES_MAX);
    struct sim_request *r = ask(io, SIM_WRITE, fd, token);
    r->pieces = pieces;
    r->piece_count = count;
    r->file.offset = offset;
    for (unsigned i = 0; i < count; i++)
        r->file.bytes += pieces[i].iov_len;
    return r;
}

void io_write(struct io *io, int fd, const struct iovec *pieces, unsigned count, uint64_t offset,
              struct io_token token)
{
    if (!io->is_dead)
        go(ask_write(io, fd, pieces, count, offset, token));
}

static void ask_sync(struct io *io, enum sim_kind kind, int fd, struct io_token token)
{
    if (io->is_dead)
        return;
    struct sim_request *r = ask(io, kind, fd, token);
    r->file.serial = io->world->disk->serial;
    go(r);
}

void io_sync(struct io *io, int fd, struct io_token token)
{
    ask_sync(io, SIM_SYNC, fd, token);
}

void io_sync_all(struct io *io, int fd, struct io_token token)
{
    ask_sync(io, SIM_SYNC_ALL, fd, token);
}

void io_write_and_sync(struct io *io, int fd, const struct iovec *pieces, unsigned count,
                       uint64_t offset, struct io_token write, struct io_token sync)
{
    if (io->is_dead)
        return;
    struct sim_request *first = ask_write(io, fd, pieces, count, offset, write);
    struct sim_request *then = ask(io, SIM_SYNC, fd, sync);
    then->checksum = sim_checksum(then);
    then->file.waits = true;
    first->file.then = then;
    go(first);
}

void io_allocate(struct io *io, int fd, uint64_t bytes, struct io_token token)
{
    if (io->is_dead)
        return;
    struct sim_request *r = ask(io, SIM_ALLOCATE, fd, token);
    r->file.bytes = bytes;
    go(r);
}

void io_rename(struct io *io, int from_dir_fd, const char *from, int to_dir_fd, const char *to,
               struct io_token token)
{
    if (io->is_dead)
        return;
    const struct sim_socket *to_dir = sim_socket_at(io->world, to_dir_fd);
    CHECK(to_dir->kind == SIM_FOLDER);
    struct sim_request *r = ask(io, SIM_RENAME, from_dir_fd, token);
    r->file.name = checked_name(from);
    r->file.to_name = checked_name(to);
    r->file.to_folder = to_dir->folder;
    go(r);
}

void io_unlink(struct io *io, int dir_fd, const char *name, struct io_token token)
{
    if (io->is_dead)
        return;
    struct sim_request *r = ask(io, SIM_UNLINK, dir_fd, token);
    r->file.name = checked_name(name);
    go(r);
}

void io_append(struct io *io, int fd, struct slice bytes, struct io_token token)
{
    if (io->is_dead)
        return;
    struct sim_socket *s = sim_socket_at(io->world, fd);
    struct sim_request *r;
    if (s->kind == SIM_FILE) {
        r = sim_ask(io, SIM_APPEND, s, token);
        r->bytes = bytes;
    } else {
        CHECK(s->kind == SIM_OPENED && s->open_flags & O_APPEND);
        r = ask(io, SIM_WRITE, fd, token);
        r->file.piece = (struct iovec){(void *)(uintptr_t)bytes.data, bytes.len};
        r->file.bytes = bytes.len;
        r->pieces = &r->file.piece;
        r->piece_count = 1;
    }
    go(r);
}

// --- at once

int io_file_of(struct io *io, int fd, struct io_file *ret_file)
{
    if (io->is_dead)
        return -EBADF;
    const struct sim_socket *s = sim_socket_at(io->world, fd);
    *ret_file = (struct io_file){.uid = SIM_UID, .link_count = 1};
    if (s->kind == SIM_FILE) {
        ret_file->is_regular = true;
        ret_file->bytes = s->file->len;
    } else if (s->kind == SIM_OPENED) {
        ret_file->is_regular = true;
        ret_file->link_count = s->inode->link_count;
        ret_file->bytes = s->inode->now.bytes;
    }
    return 0;
}

void io_forget_cached(struct io *io, int fd)
{
    if (io->is_dead)
        return;
    const struct sim_socket *s = sim_socket_at(io->world, fd);
    CHECK(s->kind == SIM_OPENED);
    sim_image_forget(s->inode);
}

// The names that there were when it was opened, in an order of their own.
struct io_names {
    char **names;
    uint32_t count, next;
};

int io_names_open(struct io *io, int dir_fd, struct io_names **ret_names)
{
    if (io->is_dead)
        return -EBADF;
    const struct sim_socket *s = sim_socket_at(io->world, dir_fd);
    if (s->kind != SIM_FOLDER)
        return -ENOTDIR;
    const struct sim_names *now = &s->folder->now;
    struct io_names *n = calloc(1, sizeof(*n));
    CHECK(n);
    n->names = calloc(now->count + 1, sizeof(n->names[0]));
    CHECK(n->names);
    for (; n->count < now->count; n->count++) {
        uint32_t at = random_below(&io->world->dice, n->count + 1);
        n->names[n->count] = n->names[at];
        n->names[at] = strdup(now->entries[n->count].name);
        CHECK(n->names[at]);
    }
    *ret_names = n;
    return 0;
}

const char *io_names_next(struct io_names *names)
{
    return names->next < names->count ? names->names[names->next++] : NULL;
}

int io_names_error(const struct io_names *names)
{
    (void)names;
    return 0;
}

void io_names_close(struct io_names *names)
{
    if (!names)
        return;
    for (uint32_t i = 0; i < names->count; i++)
        free(names->names[i]);
    free(names->names);
    free(names);
}

// --- watching

void io_watch(struct io *io, int dir_fd, struct io_token token)
{
    if (io->is_dead)
        return;
    struct sim_request *r = ask(io, SIM_WATCH, dir_fd, token);
    CHECK(r->socket->kind == SIM_FOLDER);
    r->checksum = sim_checksum(r);
    // Now and then without a reason.
    r->file.has_news = sim_chance(io->world, io->world->options.faults.early_end);
    if (r->file.has_news)
        sim_schedule(r);
}

void sim_folder_tell(struct world *w, const struct sim_folder *f)
{
    for (uint32_t i = 0; i < w->descriptor_top; i++) {
        const struct sim_socket *s = w->descriptors[i];
        if (!s || s->kind != SIM_FOLDER || s->folder != f)
            continue;
        for (struct sim_request *r = s->asked; r; r = r->next_asked)
            if (r->kind == SIM_WATCH) {
                r->file.has_news = true;
                sim_schedule(r);
            }
    }
}

void sim_file_closed(struct world *w, struct sim_socket *s)
{
    struct sim_inode *inode = s->inode;
    if (!inode)
        return;
    if (s->was_written)
        for (struct sim_folder *f = w->disk->folders; f; f = f->next)
            for (uint32_t i = 0; i < f->now.count; i++)
                if (f->now.entries[i].inode == inode)
                    sim_folder_tell(w, f);
    inode->opened--;
    sim_inode_unref(w->disk, inode);
}
