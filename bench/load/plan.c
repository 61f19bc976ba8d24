#include "bench/load/plan.h"

// The share of `whole` that falls to one of `count`; the first ones get what is left over.
static uint64_t share_of(uint64_t whole, uint32_t count, uint32_t nth)
{
    return whole == UINT64_MAX ? UINT64_MAX : whole / count + (nth < whole % count ? 1 : 0);
}

struct load_plan load_plan_share(const struct load_plan *all, uint32_t worker)
{
    struct load_plan plan = *all;
    plan.worker = worker;
    plan.message_count = share_of(all->message_count, all->worker_count, worker);
    plan.session_count = (uint32_t)share_of(all->session_count, all->worker_count, worker);
    plan.rate_per_s = all->rate_per_s / all->worker_count;
    return plan;
}
