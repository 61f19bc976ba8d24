#include "engine/order_tally.h"

#include <stdlib.h>

#define SLOTS (2u * TALLY_DOMAINS_MAX)
#define NAMES_BYTES_MAX (16u * 1024 * 1024)

bool tally_init(struct tally *t)
{
    *t = (struct tally){.slots = calloc(SLOTS, sizeof(*t->slots))};
    buffer_init(&t->names, NAMES_BYTES_MAX);
    return t->slots;
}

void tally_release(struct tally *t)
{
    free(t->rows);
    free(t->slots);
    free(t->order);
    buffer_release(&t->names);
}

struct slice tally_name(const struct tally *t, const struct tally_row *row)
{
    return slice_make(t->names.data + row->name_offset, row->name_len);
}

static bool rows_grow(struct tally *t)
{
    uint32_t room = t->room ? 2 * t->room : 256;
    struct tally_row *rows = realloc(t->rows, room * sizeof(*rows));
    if (!rows)
        return false;
    t->rows = rows;
    t->room = room;
    return true;
}

static struct tally_row *row_new(struct tally *t, struct slice name, uint32_t *slot)
{
    if (t->count == TALLY_DOMAINS_MAX || (t->count == t->room && !rows_grow(t)))
        return &t->others;
    uint32_t offset = (uint32_t)t->names.len;
    if (!buffer_append(&t->names, name))
        return &t->others;
    struct tally_row *row = &t->rows[t->count++];
    *row = (struct tally_row){.name_offset = offset, .name_len = (uint32_t)name.len};
    *slot = t->count;
    return row;
}

struct tally_row *tally_row(struct tally *t, struct slice name)
{
    uint32_t at = (uint32_t)(slice_hash(name, 0) % SLOTS);
    while (t->slots[at]) {
        struct tally_row *row = &t->rows[t->slots[at] - 1];
        if (slice_equal(tally_name(t, row), name))
            return row;
        at = (at + 1) % SLOTS;
    }
    return row_new(t, name, &t->slots[at]);
}

static uint64_t jobs_of(const struct tally_row *row)
{
    uint64_t jobs = 0;
    for (uint32_t state = 0; state < QUEUE_STATE_COUNT; state++)
        jobs += row->jobs[state];
    return jobs;
}

static int compare(const void *a, const void *b, void *tally)
{
    const struct tally *t = tally;
    uint64_t left = jobs_of(&t->rows[*(const uint32_t *)a]);
    uint64_t right = jobs_of(&t->rows[*(const uint32_t *)b]);
    return (right > left) - (right < left);
}

void tally_sort(struct tally *t)
{
    t->order = t->count ? calloc(t->count, sizeof(*t->order)) : NULL;
    for (uint32_t i = 0; t->order && i < t->count; i++)
        t->order[i] = i;
    if (t->order)
        qsort_r(t->order, t->count, sizeof(*t->order), compare, t);
}

const struct tally_row *tally_at(const struct tally *t, uint32_t nth)
{
    return &t->rows[t->order ? t->order[nth] : nth];
}
