#include "queue/segment.h"

#include <sys/mman.h>

bool segment_table_init(struct segment_table *t, uint64_t bytes_max)
{
    *t = (struct segment_table){.bytes_max = bytes_max};
    void *items = mmap(NULL, SEGMENTS_MAX * sizeof(*t->items), PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (items == MAP_FAILED)
        return false;
    t->items = items;
    return true;
}

void segment_table_release(struct segment_table *t)
{
    if (t->items)
        munmap(t->items, SEGMENTS_MAX * sizeof(*t->items));
    t->items = NULL;
}
