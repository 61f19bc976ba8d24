// tests/sim/disk.c: the end of the process, space, and what tests ask of the disk.
#include "tests/sim/disk.h"

#include <stdlib.h>

struct sim_disk *sim_disk_new(uint64_t bytes_max)
{
    struct sim_disk *d = calloc(1, sizeof(*d));
    CHECK(d);
    d->bytes_max = bytes_max;
    return d;
}

void sim_disk_free(struct sim_disk *d)
{
    sim_folders_free(d);
    CHECK(!d->inodes);
    for (struct sim_version *v = d->free_versions, *older; v; v = older) {
        older = v->older;
        free(v);
    }
    free(d);
}

// --- the process ends

void world_is_elsewhere(struct io *io)
{
    CHECK(io->request_count == 0);
    io->is_elsewhere = true;
}

static bool is_on_disk(const struct sim_socket *s)
{
    return s->kind == SIM_OPENED || s->kind == SIM_FOLDER;
}

static void close_sockets(struct world *w, bool power_cut)
{
    for (uint32_t i = 0; i < w->descriptor_top; i++) {
        struct sim_socket *s = w->descriptors[i];
        if (!s || s->kind == SIM_FILE || s->is_elsewhere || is_on_disk(s))
            continue;
        if (power_cut && s->kind == SIM_STREAM)
            sim_break_connection(w, s);
        sim_socket_close(w, s);
    }
}

static void bury_all(struct world *w)
{
    for (struct io *io = w->ios, *next; io; io = next) {
        next = io->next;
        if (!io->is_elsewhere)
            sim_io_bury(io);
    }
    // Only now: a request acts, or does not, while its file is open.
    for (uint32_t i = 0; i < w->descriptor_top; i++) {
        struct sim_socket *s = w->descriptors[i];
        if (s && is_on_disk(s) && !s->is_elsewhere)
            sim_socket_close(w, s);
    }
}

void world_process_killed(struct world *w)
{
    close_sockets(w, false);
    bury_all(w);
}

void world_power_cut(struct world *w)
{
    close_sockets(w, true);
    bury_all(w);
    for (uint32_t i = 0; i < w->descriptor_top; i++)
        CHECK(!w->descriptors[i] || !is_on_disk(w->descriptors[i]));
    for (struct sim_inode *inode = w->disk->inodes; inode; inode = inode->next)
        sim_image_cut(w, inode);
    sim_folders_cut(w);
}

// --- faults by position

void world_fail_file_operation(struct world *w, uint64_t nth, int result, bool from_then_on)
{
    CHECK(result <= WORLD_SHORT_ALL_BUT_ONE && (nth == 0 || result != 0));
    w->disk->fail_nth = nth;
    w->disk->fail_result = result;
    w->disk->fail_from_then_on = from_then_on;
}

uint64_t world_file_operation_count(const struct world *w)
{
    return w->disk->operation_count;
}

uint64_t world_file_failure_count(const struct world *w)
{
    return w->disk->failure_count;
}

// --- space

void world_set_disk_bytes_max(struct world *w, uint64_t bytes)
{
    w->disk->bytes_max = bytes;
}

uint64_t world_disk_bytes_used(const struct world *w)
{
    uint64_t bytes = 0;
    for (const struct sim_inode *inode = w->disk->inodes; inode; inode = inode->next)
        if (inode->link_count > 0 || inode->opened > 0)
            bytes += sim_inode_space(inode);
    return bytes;
}

uint64_t sim_disk_fit(const struct world *w, const struct sim_inode *inode, uint64_t end)
{
    uint64_t has = sim_inode_space(inode), most = w->disk->bytes_max;
    if (end <= has || most == 0)
        return end;
    uint64_t used = world_disk_bytes_used(w);
    if (most > used)
        has += (most - used) / SIM_BLOCK_BYTES * SIM_BLOCK_BYTES;
    return end < has ? end : has;
}

bool sim_disk_is_full(const struct world *w)
{
    uint64_t most = w->disk->bytes_max;
    return most > 0 && world_disk_bytes_used(w) + SIM_BLOCK_BYTES > most;
}

// --- looking, and tampering

int world_folder(struct world *w, const char *name)
{
    struct sim_socket *s;
    int fd = sim_socket_new(w, SIM_FOLDER, true, &s);
    if (fd >= 0) {
        s->folder = sim_folder_make(w->disk, name);
        s->folder_errors = s->folder->errors;
    }
    return fd;
}

// Cuts "folder/name" in two. NULL: no such folder.
static struct sim_folder *folder_of(const struct world *w, const char *path, const char **ret_name)
{
    char folder[SIM_NAME_BYTES_MAX + 1];
    const char *slash = strrchr(path, '/');
    CHECK(slash && (size_t)(slash - path) < sizeof(folder));
    memcpy(folder, path, (size_t)(slash - path));
    folder[slash - path] = '\0';
    *ret_name = slash + 1;
    return sim_folder_named(w->disk, folder);
}

static const struct sim_names *names_of(const struct sim_folder *f, enum world_view view)
{
    return view == WORLD_CACHED ? &f->now : &f->durable;
}

static struct sim_inode *inode_at(const struct world *w, const char *path, enum world_view view)
{
    const char *name;
    const struct sim_folder *f = folder_of(w, path, &name);
    return f ? sim_names_find(names_of(f, view), name) : NULL;
}

bool world_disk_size(const struct world *w, const char *path, enum world_view view,
                     uint64_t *ret_bytes)
{
    const struct sim_inode *inode = inode_at(w, path, view);
    if (!inode)
        return false;
    *ret_bytes = view == WORLD_CACHED ? inode->now.bytes : inode->durable.bytes;
    return true;
}

size_t world_disk_read(const struct world *w, const char *path, enum world_view view,
                       uint64_t offset, void *to, size_t bytes)
{
    const struct sim_inode *inode = inode_at(w, path, view);
    return inode ? sim_image_read(inode, view, offset, to, bytes) : 0;
}

const char *world_disk_name(const struct world *w, const char *folder, enum world_view view,
                            uint32_t index)
{
    const struct sim_folder *f = sim_folder_named(w->disk, folder);
    const struct sim_names *names = f ? names_of(f, view) : NULL;
    return names && index < names->count ? names->entries[index].name : NULL;
}

void world_disk_put(struct world *w, const char *path, struct slice bytes)
{
    struct sim_disk *d = w->disk;
    const char *name;
    struct sim_folder *f = folder_of(w, path, &name);
    CHECK(f);
    struct sim_inode *inode = sim_inode_new(d);
    sim_image_write(d, inode, 0, bytes, ++d->serial);
    sim_image_sync(w, inode, d->serial, false);
    sim_folder_put(d, f, name, inode);
    sim_inode_unref(d, inode); // its name holds it
    sim_folder_tell(w, f);
}

void world_flip_file_byte(struct world *w, const char *path, uint64_t offset)
{
    struct sim_inode *inode = inode_at(w, path, WORLD_CACHED);
    CHECK(inode);
    sim_image_flip(inode, offset);
}
