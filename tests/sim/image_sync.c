// tests/sim/image_sync.c: which bytes of a file reach the disk, by a sync or before the power is
// gone.
#include "tests/sim/disk.h"

// Version k of the pending ones, from the newest; NULL: there are no more.
static const struct sim_version *version_at(const struct sim_version *v, uint32_t k)
{
    while (v && k-- > 0)
        v = v->older;
    return v;
}

static uint32_t version_count(const struct sim_version *v)
{
    uint32_t count = 0;
    for (; v; v = v->older)
        count++;
    return count;
}

static void sync_sector(struct world *w, struct sim_block *b, unsigned sector, uint64_t covered,
                        bool fails)
{
    struct sim_version **link = &b->pending[sector];
    while (*link && (*link)->serial > covered)
        link = &(*link)->older;
    const struct sim_version *written = *link;
    if (!written)
        return;
    if (fails)
        written = random_below(&w->dice, 2)
                      ? version_at(*link, random_below(&w->dice, version_count(*link)))
                      : NULL;
    if (written)
        sim_sector_write_back(b, sector, written);
    while (*link)
        *link = sim_version_free(w->disk, *link);
}

static void clear_behind_end(struct sim_inode *inode)
{
    uint64_t end = inode->durable.bytes;
    for (uint64_t i = end / SIM_BLOCK_BYTES; i < inode->block_count; i++) {
        size_t kept = i == end / SIM_BLOCK_BYTES ? end % SIM_BLOCK_BYTES : 0;
        if (inode->blocks[i])
            memset(inode->blocks[i]->durable + kept, 0, SIM_BLOCK_BYTES - kept);
    }
}

void sim_image_sync(struct world *w, struct sim_inode *inode, uint64_t covered, bool fails)
{
    struct sim_block **link = &inode->dirty, *b;
    while ((b = *link)) {
        b->is_dirty = false;
        for (unsigned k = 0; k < SIM_BLOCK_SECTORS; k++) {
            sync_sector(w, b, k, covered, fails);
            b->is_dirty = b->is_dirty || b->pending[k];
        }
        if (b->is_dirty)
            link = &b->dirty_next;
        else
            *link = b->dirty_next;
    }
    if (inode->extent_pending && !(fails && random_below(&w->dice, 2))) {
        inode->durable = inode->now;
        clear_behind_end(inode);
    }
    inode->extent_pending = false;
}

void sim_image_forget(struct sim_inode *inode)
{
    for (uint32_t i = 0; i < inode->block_count; i++) {
        struct sim_block *b = inode->blocks[i];
        if (b && !b->is_dirty)
            memcpy(b->cached, b->durable, sizeof(b->cached));
    }
}

// --- the power is gone

static void cut_sector(struct world *w, struct sim_block *b, unsigned sector)
{
    uint32_t count = version_count(b->pending[sector]);
    if (count == 0)
        return;
    const struct sim_version *kept = version_at(b->pending[sector],
                                                random_below(&w->dice, count + 1));
    if (kept)
        sim_sector_write_back(b, sector, kept);
    if (sim_chance(w, w->options.faults.torn_sector))
        for (unsigned i = 0; i < SIM_SECTOR_BYTES; i++)
            b->durable[sector * SIM_SECTOR_BYTES + i] = (char)random_u64(&w->dice);
    while (b->pending[sector])
        b->pending[sector] = sim_version_free(w->disk, b->pending[sector]);
}

// Either, or anything between the two.
static uint64_t cut_size(struct world *w, uint64_t a, uint64_t b)
{
    uint64_t least = a < b ? a : b, most = a < b ? b : a;
    switch (random_below(&w->dice, 3)) {
    case 0: return a;
    case 1: return b;
    default: return least + random_below(&w->dice, (uint32_t)(most - least) + 1);
    }
}

void sim_image_cut(struct world *w, struct sim_inode *inode)
{
    for (struct sim_block *b = inode->dirty; b; b = b->dirty_next) {
        for (unsigned k = 0; k < SIM_BLOCK_SECTORS; k++)
            cut_sector(w, b, k);
        b->is_dirty = false;
    }
    inode->dirty = NULL;
    if (inode->extent_pending) {
        struct sim_extent *e = &inode->durable;
        e->bytes = cut_size(w, e->bytes, inode->now.bytes);
        e->allocated = random_below(&w->dice, 2) ? e->allocated : inode->now.allocated;
    }
    inode->extent_pending = false;
    inode->now = inode->durable;
    clear_behind_end(inode);
    sim_image_forget(inode);
}
