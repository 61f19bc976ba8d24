// bench/load/row.h: indices of sessions that wait for the same thing, first come, first served. A
// ring with room for all of them: each stands in it once at most.
#ifndef POSTHASTE_BENCH_LOAD_ROW_H
#define POSTHASTE_BENCH_LOAD_ROW_H

#include "engine/base/check.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

struct load_row {
    uint32_t *items;
    uint32_t room;
    uint32_t first;
    uint32_t count;
};

static inline int load_row_init(struct load_row *r, uint32_t room)
{
    *r = (struct load_row){.items = calloc(room, sizeof(*r->items)), .room = room};
    return r->items ? 0 : -ENOMEM;
}

static inline void load_row_release(struct load_row *r)
{
    free(r->items);
    r->items = NULL;
}

static inline void load_row_push(struct load_row *r, uint32_t item)
{
    CHECK(r->count < r->room);
    uint32_t at = r->first + r->count++;
    r->items[at < r->room ? at : at - r->room] = item;
}

static inline uint32_t load_row_pop(struct load_row *r)
{
    CHECK(r->count > 0);
    uint32_t item = r->items[r->first];
    r->first = r->first + 1 < r->room ? r->first + 1 : 0;
    r->count--;
    return item;
}

#endif
