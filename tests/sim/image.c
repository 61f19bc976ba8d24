// tests/sim/image.c: files and their bytes, as they are written and read.
#include "tests/sim/disk.h"

#include <stdlib.h>

// --- inodes

struct sim_inode *sim_inode_new(struct sim_disk *d)
{
    struct sim_inode *inode = calloc(1, sizeof(*inode));
    CHECK(inode);
    inode->refs = 1;
    inode->next = d->inodes;
    d->inodes = inode;
    return inode;
}

struct sim_inode *sim_inode_ref(struct sim_inode *inode)
{
    inode->refs++;
    return inode;
}

struct sim_version *sim_version_free(struct sim_disk *d, struct sim_version *v)
{
    struct sim_version *older = v->older;
    v->older = d->free_versions;
    d->free_versions = v;
    return older;
}

static void sector_settle(struct sim_disk *d, struct sim_block *b, unsigned sector)
{
    while (b->pending[sector])
        b->pending[sector] = sim_version_free(d, b->pending[sector]);
}

void sim_inode_unref(struct sim_disk *d, struct sim_inode *inode)
{
    if (!inode || --inode->refs > 0)
        return;
    struct sim_inode **link = &d->inodes;
    while (*link != inode)
        link = &(*link)->next;
    *link = inode->next;
    for (uint32_t i = 0; i < inode->block_count; i++) {
        for (unsigned k = 0; inode->blocks[i] && k < SIM_BLOCK_SECTORS; k++)
            sector_settle(d, inode->blocks[i], k);
        free(inode->blocks[i]);
    }
    free(inode->blocks);
    free(inode);
}

uint64_t sim_inode_space(const struct sim_inode *inode)
{
    const struct sim_extent *e = &inode->now;
    uint64_t bytes = e->bytes > e->allocated ? e->bytes : e->allocated;
    return (bytes + SIM_BLOCK_BYTES - 1) / SIM_BLOCK_BYTES * SIM_BLOCK_BYTES;
}

// --- writing and reading

static struct sim_block *block_at(struct sim_inode *inode, uint64_t offset)
{
    uint32_t at = (uint32_t)(offset / SIM_BLOCK_BYTES);
    if (at >= inode->block_count) {
        uint32_t count = at < 8 ? 16 : at * 2;
        inode->blocks = realloc(inode->blocks, count * sizeof(inode->blocks[0]));
        CHECK(inode->blocks);
        memset(inode->blocks + inode->block_count, 0,
               (count - inode->block_count) * sizeof(inode->blocks[0]));
        inode->block_count = count;
    }
    if (!inode->blocks[at])
        inode->blocks[at] = calloc(1, sizeof(*inode->blocks[at]));
    CHECK(inode->blocks[at]);
    return inode->blocks[at];
}

void sim_sector_write_back(struct sim_block *b, unsigned sector, const struct sim_version *v)
{
    memcpy(b->durable + sector * SIM_SECTOR_BYTES, v->bytes, SIM_SECTOR_BYTES);
}

// The kernel may write a page back whenever it likes.
static void write_oldest_back(struct sim_disk *d, struct sim_block *b, unsigned sector)
{
    struct sim_version **link = &b->pending[sector];
    unsigned count = 1;
    for (; (*link)->older; link = &(*link)->older)
        count++;
    if (count < SIM_VERSIONS_MAX)
        return;
    sim_sector_write_back(b, sector, *link);
    *link = sim_version_free(d, *link);
}

static void sector_changed(struct sim_disk *d, struct sim_inode *inode, struct sim_block *b,
                           unsigned sector, uint64_t serial)
{
    struct sim_version *v = b->pending[sector];
    if (!v || v->serial != serial) {
        if (v)
            write_oldest_back(d, b, sector);
        v = d->free_versions;
        if (v)
            d->free_versions = v->older;
        else
            v = malloc(sizeof(*v));
        CHECK(v);
        v->older = b->pending[sector];
        v->serial = serial;
        b->pending[sector] = v;
    }
    memcpy(v->bytes, b->cached + sector * SIM_SECTOR_BYTES, SIM_SECTOR_BYTES);
    if (b->is_dirty)
        return;
    b->is_dirty = true;
    b->dirty_next = inode->dirty;
    inode->dirty = b;
}

void sim_image_write(struct sim_disk *d, struct sim_inode *inode, uint64_t offset,
                     struct slice bytes, uint64_t serial)
{
    CHECK(offset + bytes.len <= SIM_FILE_BYTES_MAX);
    while (bytes.len > 0) {
        size_t in_block = offset % SIM_BLOCK_BYTES;
        size_t len = SIM_SECTOR_BYTES - offset % SIM_SECTOR_BYTES;
        struct sim_block *b = block_at(inode, offset);
        if (len > bytes.len)
            len = bytes.len;
        memcpy(b->cached + in_block, bytes.data, len);
        sector_changed(d, inode, b, (unsigned)(in_block / SIM_SECTOR_BYTES), serial);
        bytes = slice_skip(bytes, len);
        offset += len;
    }
    if (offset > inode->now.bytes)
        inode->now.bytes = offset;
    // Also where a sync that failed has lost the size, and the file is not longer for this write.
    if (offset > inode->durable.bytes)
        inode->extent_pending = true;
}

size_t sim_image_read(const struct sim_inode *inode, enum world_view view, uint64_t offset,
                      char *to, size_t bytes)
{
    uint64_t end = view == WORLD_CACHED ? inode->now.bytes : inode->durable.bytes;
    if (offset >= end)
        return 0;
    if (bytes > end - offset)
        bytes = (size_t)(end - offset);
    for (size_t done = 0, len; done < bytes; done += len, offset += len) {
        size_t in_block = offset % SIM_BLOCK_BYTES, at = offset / SIM_BLOCK_BYTES;
        const struct sim_block *b = at < inode->block_count ? inode->blocks[at] : NULL;
        len = SIM_BLOCK_BYTES - in_block;
        if (len > bytes - done)
            len = bytes - done;
        if (b)
            memcpy(to + done, (view == WORLD_CACHED ? b->cached : b->durable) + in_block, len);
        else
            memset(to + done, 0, len);
    }
    return bytes;
}

void sim_image_allocate(struct sim_inode *inode, uint64_t bytes)
{
    CHECK(bytes <= SIM_FILE_BYTES_MAX);
    if (inode->now.allocated < bytes)
        inode->now.allocated = bytes;
    if (inode->now.bytes < bytes)
        inode->now.bytes = bytes;
    inode->extent_pending = true;
}

// Its sectors become zeros, each when it pleases, as with any write.
void sim_image_truncate(struct sim_disk *d, struct sim_inode *inode)
{
    uint64_t serial = ++d->serial;
    for (uint32_t i = 0; i < inode->block_count; i++) {
        struct sim_block *b = inode->blocks[i];
        if (!b)
            continue;
        memset(b->cached, 0, sizeof(b->cached));
        for (unsigned k = 0; k < SIM_BLOCK_SECTORS; k++)
            sector_changed(d, inode, b, k, serial);
    }
    inode->now = (struct sim_extent){0};
    inode->extent_pending = true;
}

void sim_image_flip(struct sim_inode *inode, uint64_t offset)
{
    struct sim_block *b = block_at(inode, offset);
    size_t at = offset % SIM_BLOCK_BYTES;
    CHECK(offset < inode->now.bytes);
    b->cached[at] = (char)~b->cached[at];
    b->durable[at] = (char)~b->durable[at];
    for (struct sim_version *v = b->pending[at / SIM_SECTOR_BYTES]; v; v = v->older)
        v->bytes[at % SIM_SECTOR_BYTES] = (char)~v->bytes[at % SIM_SECTOR_BYTES];
}
