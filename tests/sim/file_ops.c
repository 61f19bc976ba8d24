// tests/sim/file_ops.c: what requests on the disk come to, when their turn has come.
#include "tests/sim/disk.h"

#include <errno.h>
#include <fcntl.h>

// --- each kind. They return what its completion tells.

static bool may_write(const struct sim_socket *s)
{
    return (s->open_flags & O_ACCMODE) != O_RDONLY;
}

static int32_t find_or_create(struct sim_request *r, struct sim_inode **ret)
{
    struct world *w = r->io->world;
    struct sim_folder *f = r->socket->folder;
    int flags = r->file.flags;
    struct sim_inode *inode = sim_names_find(&f->now, r->file.name);
    if (!inode && !(flags & O_CREAT))
        return -ENOENT;
    // On a full disk ext4 has room for a name, mostly, XFS has none.
    if (!inode && sim_disk_is_full(w) && random_below(&w->dice, 2))
        return -ENOSPC;
    if (!inode)
        return sim_folder_create(w->disk, f, r->file.name, ret);
    if (flags & O_EXCL && flags & O_CREAT)
        return -EEXIST;
    if (flags & O_DIRECTORY)
        return -ENOTDIR;
    if (flags & O_TRUNC && (flags & O_ACCMODE) != O_RDONLY)
        sim_image_truncate(w->disk, inode);
    *ret = inode;
    return 0;
}

static int32_t open_file(struct sim_request *r)
{
    struct world *w = r->io->world;
    struct sim_inode *inode;
    struct sim_socket *s;
    if (r->socket->kind != SIM_FOLDER)
        return -ENOTDIR;
    int fd = sim_socket_new(w, SIM_OPENED, true, &s);
    if (fd < 0)
        return fd;
    int32_t result = find_or_create(r, &inode);
    if (result < 0) {
        sim_socket_close(w, s);
        return result;
    }
    s->inode = sim_inode_ref(inode);
    s->inode->opened++;
    s->open_flags = r->file.flags;
    s->is_elsewhere = r->io->is_elsewhere;
    return fd;
}

static int32_t read_some(struct sim_request *r, uint64_t most)
{
    const struct sim_socket *s = r->socket;
    if (s->kind == SIM_FOLDER)
        return -EISDIR;
    if ((s->open_flags & O_ACCMODE) == O_WRONLY)
        return -EBADF;
    return (int32_t)sim_image_read(s->inode, WORLD_CACHED, r->file.offset, r->file.to, most);
}

static uint64_t write_offset(const struct sim_request *r)
{
    const struct sim_socket *s = r->socket;
    return s->open_flags & O_APPEND ? s->inode->now.bytes : r->file.offset;
}

static int32_t write_some(struct sim_request *r, uint64_t most)
{
    struct world *w = r->io->world;
    struct sim_socket *s = r->socket;
    if (s->kind == SIM_FOLDER || !may_write(s))
        return -EBADF;
    if (most == 0)
        return 0;
    uint64_t start = write_offset(r), end = sim_disk_fit(w, s->inode, start + most);
    uint64_t serial = ++w->disk->serial, at = start;
    if (end <= start)
        return -ENOSPC;
    s->was_written = true;
    for (unsigned i = 0; at < end; i++) {
        struct slice bytes = slice_make(r->pieces[i].iov_base, r->pieces[i].iov_len);
        bytes = slice_take(bytes, end - at);
        sim_image_write(w->disk, s->inode, at, bytes, serial);
        at += bytes.len;
    }
    return (int32_t)(end - start);
}

// Of what it covers at least and all that is there now, anything may be what the disk took.
static int32_t sync_file(struct sim_request *r, bool fails)
{
    struct world *w = r->io->world;
    struct sim_socket *s = r->socket;
    uint64_t since = w->disk->serial - r->file.serial;
    uint64_t covered = r->file.serial + random_below(&w->dice, (uint32_t)since + 1);
    if (s->kind != SIM_FOLDER) {
        sim_image_sync(w, s->inode, covered, fails);
        return 0;
    }
    sim_folder_sync(w, s->folder, covered, fails);
    s->folder->errors += fails;
    // Each descriptor hears once of an error, also of one that was told to another.
    bool heard = s->folder_errors == s->folder->errors;
    s->folder_errors = s->folder->errors;
    return heard ? 0 : -EIO;
}

static int32_t allocate(struct sim_request *r)
{
    struct world *w = r->io->world;
    struct sim_socket *s = r->socket;
    if (s->kind == SIM_FOLDER || !may_write(s))
        return -EBADF;
    if (sim_disk_fit(w, s->inode, r->file.bytes) < r->file.bytes)
        return -ENOSPC;
    sim_image_allocate(s->inode, r->file.bytes);
    return 0;
}

static int32_t rename_file(struct sim_request *r)
{
    struct world *w = r->io->world;
    struct sim_folder *to = r->file.to_folder;
    if (r->socket->kind != SIM_FOLDER)
        return -ENOTDIR;
    int32_t result = sim_folder_rename(w->disk, r->socket->folder, r->file.name, to,
                                       r->file.to_name);
    if (result == 0)
        sim_folder_tell(w, to);
    return result;
}

static int32_t unlink_file(struct sim_request *r)
{
    if (r->socket->kind != SIM_FOLDER)
        return -ENOTDIR;
    return sim_folder_unlink(r->io->world->disk, r->socket->folder, r->file.name);
}

// `most`: bytes of a read or write.
static int32_t perform(struct sim_request *r, uint64_t most)
{
    switch (r->kind) {
    case SIM_OPEN: return open_file(r);
    case SIM_READ: return read_some(r, most);
    case SIM_WRITE: return write_some(r, most);
    case SIM_SYNC:
    case SIM_SYNC_ALL: return sync_file(r, false);
    case SIM_ALLOCATE: return allocate(r);
    case SIM_RENAME: return rename_file(r);
    case SIM_UNLINK: return unlink_file(r);
    default: CHECK(false);
    }
}

// --- what goes wrong

void sim_file_abandon(struct sim_request *r)
{
    struct world *w = r->io->world;
    struct sim_inode *inode;
    if (r->kind == SIM_OPEN && r->file.is_settled && r->decided >= 0)
        sim_socket_close(w, sim_socket_at(w, r->decided)); // nobody was told of it
    if (!r->socket || r->file.is_settled || r->file.waits || r->kind == SIM_WATCH ||
        r->kind == SIM_READ || random_below(&w->dice, 2) == 0)
        return;
    if (r->kind == SIM_OPEN) {
        if (r->socket->kind == SIM_FOLDER)
            find_or_create(r, &inode); // without a descriptor
    } else if (r->kind == SIM_WRITE && random_below(&w->dice, 2)) {
        perform(r, random_below(&w->dice, (uint32_t)r->file.bytes + 1));
    } else {
        perform(r, r->file.bytes);
    }
}

void sim_file_leave(struct sim_request *r)
{
    struct world *w = r->io->world;
    if (r->kind == SIM_WATCH)
        return;
    r->decided = -ECANCELED;
    if (!r->file.waits && random_below(&w->dice, 2)) {
        r->decided = perform(r, r->file.bytes);
        r->checksum = sim_checksum(r); // a read has changed what it was lent
    } else if (!r->file.waits && random_below(&w->dice, 4) == 0) {
        r->decided = -EBADF;
    }
    r->file.is_settled = true;
}

static int32_t fail(struct sim_request *r, int32_t error)
{
    if (error == -ECANCELED)
        return error; // it never ran
    if (r->kind == SIM_SYNC || r->kind == SIM_SYNC_ALL)
        sync_file(r, true);
    else if (error == -EIO || error == -EINTR)
        sim_file_abandon(r);
    return error;
}

static bool needs_space(const struct sim_request *r)
{
    const struct sim_socket *s = r->socket;
    if (r->kind == SIM_OPEN)
        return r->file.flags & O_CREAT && s->kind == SIM_FOLDER &&
               !sim_names_find(&s->folder->now, r->file.name);
    return r->kind == SIM_ALLOCATE || (r->kind == SIM_WRITE && s->kind == SIM_OPENED &&
                                       write_offset(r) + r->file.bytes > sim_inode_space(s->inode));
}

static uint32_t error_chance(const struct world_faults *f, enum sim_kind kind)
{
    switch (kind) {
    case SIM_READ: return f->read_failure;
    case SIM_WRITE: return f->write_failure;
    case SIM_SYNC:
    case SIM_SYNC_ALL: return f->sync_failure;
    default: return 0;
    }
}

// -errno; 0: nothing does. *most becomes less for a short read or write.
static int32_t what_goes_wrong(struct sim_request *r, uint64_t *most)
{
    struct world *w = r->io->world;
    struct sim_disk *d = w->disk;
    const struct world_faults *f = &w->options.faults;
    bool transfers = r->kind == SIM_READ || r->kind == SIM_WRITE;
    uint64_t n = d->operation_count, lens[] = {
                                         [WORLD_SHORT_NOTHING] = 0,
                                         [WORLD_SHORT_ONE] = 1,
                                         [WORLD_SHORT_HALF] = *most / 2,
                                         [WORLD_SHORT_ALL_BUT_ONE] = *most - 1,
                                     };
    if (d->fail_nth > 0 && (n == d->fail_nth || (n > d->fail_nth && d->fail_from_then_on)) &&
        (d->fail_result < 0 || (transfers && *most > 0))) {
        d->failure_count++;
        if (d->fail_result < 0)
            return d->fail_result;
        *most = lens[d->fail_result];
        return 0;
    }
    if (sim_chance(w, error_chance(f, r->kind)))
        return -EIO;
    if (f->no_space > 0 && needs_space(r) && sim_chance(w, f->no_space))
        return -ENOSPC;
    if (transfers && *most > 1 && sim_chance(w, f->short_transfer))
        *most = 1 + random_below(&w->dice, (uint32_t)*most - 1);
    return 0;
}

// --- completing

static void complete_watch(struct sim_request *r)
{
    struct world *w = r->io->world;
    if (!r->socket || (r->cancelled && !(r->file.has_news && random_below(&w->dice, 2)))) {
        sim_end(r, -ECANCELED);
        return;
    }
    if (!r->file.has_news)
        return;
    r->file.has_news = false;
    bool ended = !r->cancelled && sim_chance(w, w->options.faults.early_end);
    if (r->cancelled)
        sim_schedule(r);
    sim_post(r, 0, ended, SLICE_EMPTY, 0);
}

static int32_t come_to(struct sim_request *r)
{
    uint64_t most = r->file.bytes;
    if (r->file.is_settled)
        return r->decided;
    if (r->cancelled && random_below(&r->io->world->dice, 2))
        return -ECANCELED;
    int32_t error = what_goes_wrong(r, &most);
    return error ? fail(r, error) : perform(r, most);
}

// The sync that waits for a write is to be tried, or never.
static void release_sync(struct sim_request *sync, bool is_tried)
{
    struct world *w = sync->io->world;
    sync->file.waits = false;
    sync->file.serial = w->disk->serial;
    if (!is_tried) {
        sync->decided = -ECANCELED;
        sync->file.is_settled = true;
    }
    if (is_tried || random_below(&w->dice, 2))
        sim_schedule(sync);
    else
        sim_complete_file(sync); // before the write's own completion
}

void sim_complete_file(struct sim_request *r)
{
    // What was lent has been left alone by its owner until now.
    CHECK(sim_checksum(r) == r->checksum);
    if (r->kind == SIM_WATCH) {
        complete_watch(r);
        return;
    }
    r->io->world->disk->operation_count++;
    int32_t result = come_to(r);
    if (r->file.then)
        release_sync(r->file.then, result >= 0 && (uint64_t)result == r->file.bytes);
    sim_end(r, result);
}
