#include "queue/job.h"

#include "engine/base/check.h"

void job_list_add(struct job_list *l, struct job *j)
{
    j->next = NULL;
    j->prev = l->last;
    if (l->last)
        l->last->next = j;
    else
        l->first = j;
    l->last = j;
    l->count++;
}

void job_list_add_front(struct job_list *l, struct job *j)
{
    j->prev = NULL;
    j->next = l->first;
    if (l->first)
        l->first->prev = j;
    else
        l->last = j;
    l->first = j;
    l->count++;
}

void job_list_remove(struct job_list *l, struct job *j)
{
    CHECK(l->count > 0);
    if (j->prev)
        j->prev->next = j->next;
    else
        l->first = j->next;
    if (j->next)
        j->next->prev = j->prev;
    else
        l->last = j->prev;
    j->next = j->prev = NULL;
    l->count--;
}

struct job *job_list_take(struct job_list *l)
{
    struct job *j = l->first;
    if (j)
        job_list_remove(l, j);
    return j;
}

uint32_t job_open_count(const struct job *j)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < j->rcpt_count; i++)
        count += job_rcpt_state(j, j->rcpt_first + i) == RCPT_OPEN;
    return count;
}
