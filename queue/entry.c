#include "queue/entry.h"

#include "engine/base/check.h"
#include "queue/job.h"

#include <stdlib.h>

static struct job *first_job(const struct entry *e)
{
    struct entry *held = (struct entry *)(uintptr_t)e;
    return CONTAINER_OF(held, struct job, own_entry);
}

uint32_t entry_job_count(const struct entry *e)
{
    return e->has_spread ? e->spread->job_count : 1;
}

struct job *entry_job(const struct entry *e, uint32_t nth)
{
    CHECK(nth < entry_job_count(e));
    return e->has_spread ? e->spread->jobs[nth] : first_job(e);
}

uint32_t entry_job_of_rcpt(const struct entry *e, uint32_t rcpt)
{
    uint32_t low = 0, high = entry_job_count(e);
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (entry_job(e, middle)->rcpt_first <= rcpt)
            low = middle;
        else
            high = middle;
    }
    return low;
}

static size_t spread_bytes(uint32_t job_count, uint32_t rcpt_count)
{
    return sizeof(struct spread) + job_count * sizeof(struct job *) + rcpt_count;
}

static struct spread *spread_new(uint32_t job_count, uint32_t rcpt_count)
{
    struct spread *s = calloc(1, spread_bytes(job_count, rcpt_count));
    if (s) {
        s->job_count = job_count;
        s->rcpt_count = rcpt_count;
    }
    return s;
}

size_t entry_spread_bytes(const struct entry *e)
{
    return e->has_spread ? spread_bytes(e->spread->job_count, e->spread->rcpt_count) : 0;
}

static uint32_t group_len(const struct message_rcpt *rcpts, uint32_t rcpt_count, uint32_t first)
{
    uint32_t end = first + 1;
    while (end < rcpt_count && !rcpts[end].starts_group)
        end++;
    return end - first;
}

struct entry *entry_new(struct slab *jobs, uint32_t home, const struct message_rcpt *rcpts,
                        uint32_t rcpt_count, uint32_t job_count)
{
    uint32_t index, made = 0;
    struct job *first = slab_take(jobs, &index);
    if (!first)
        return NULL;
    first->index = index;
    struct entry *e = &first->own_entry;
    *e = (struct entry){.place = PLACE_NONE};
    if (rcpt_count > 1) {
        e->spread = spread_new(job_count, rcpt_count);
        if (!e->spread) {
            slab_give(jobs, index);
            return NULL;
        }
        e->has_spread = 1;
        e->spread->jobs[0] = first;
    }
    for (uint32_t rcpt = 0; rcpt < rcpt_count; made++) {
        struct job *j = made == 0 ? first : slab_take(jobs, &index);
        if (!j)
            break;
        j->index = index;
        j->entry = e;
        j->home = (uint8_t)home;
        j->rcpt_first = (uint16_t)rcpt;
        j->rcpt_count = (uint16_t)group_len(rcpts, rcpt_count, rcpt);
        rcpt += j->rcpt_count;
        CHECK(made < job_count);
        if (e->has_spread)
            e->spread->jobs[made] = j;
    }
    entry_set_open_count(e, made);
    if (made == job_count)
        return e;
    struct spread *s = entry_spread(e);
    for (uint32_t i = 1; i < made; i++)
        slab_give(jobs, s->jobs[i]->index);
    slab_give(jobs, first->index);
    free(s);
    return NULL;
}

void entry_free(struct slab *jobs, struct entry *e)
{
    struct spread *s = entry_spread(e);
    uint32_t first = first_job(e)->index;
    for (uint32_t i = 1; s && i < s->job_count; i++)
        slab_give(jobs, s->jobs[i]->index);
    slab_give(jobs, first);
    free(s);
}
