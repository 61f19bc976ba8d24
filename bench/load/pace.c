#include "bench/load/pace.h"

static uint64_t intended_us(const struct pace *p)
{
    return p->rate_per_s > 0 ? p->start_us + (uint64_t)((double)p->count * 1e6 / p->rate_per_s)
                             : p->start_us;
}

bool pace_over(const struct pace *p, uint64_t now_us)
{
    return p->count >= p->count_max || now_us >= p->end_us;
}

bool pace_take(struct pace *p, uint64_t now_us, uint64_t *ret_intended_us)
{
    uint64_t due_us = intended_us(p);
    if (pace_over(p, now_us) || due_us > now_us)
        return false;
    *ret_intended_us = p->rate_per_s > 0 ? due_us : now_us;
    p->count++;
    return true;
}

uint64_t pace_due_us(const struct pace *p)
{
    uint64_t due_us = intended_us(p);
    return p->count >= p->count_max || due_us >= p->end_us ? UINT64_MAX : due_us;
}

void pace_stop(struct pace *p)
{
    p->end_us = 0;
}

uint64_t pace_overdue(const struct pace *p, uint64_t now_us)
{
    if (p->rate_per_s <= 0)
        return 0;
    uint64_t until_us = now_us < p->end_us ? now_us : p->end_us;
    if (until_us <= p->start_us)
        return 0;
    uint64_t due = (uint64_t)((double)(until_us - p->start_us) * p->rate_per_s / 1e6);
    if (due > p->count_max)
        due = p->count_max;
    return due > p->count ? due - p->count : 0;
}
