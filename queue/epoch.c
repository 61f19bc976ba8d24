#include "queue/epoch.h"

#include "engine/base/check.h"

#include <urcu/arch.h>

void epochs_init(struct epochs *e, uint32_t worker_count)
{
    CHECK(worker_count <= EPOCH_WORKERS_MAX);
    for (uint32_t i = 0; i < EPOCH_WORKERS_MAX; i++)
        atomic_init(&e->workers[i].turn, 0);
    e->worker_count = worker_count;
}

void epoch_turn_begins(struct epochs *e, uint32_t worker)
{
    uint64_t turn = atomic_load_explicit(&e->workers[worker].turn, memory_order_relaxed);
    CHECK(turn % 2 == 0);
    atomic_store_explicit(&e->workers[worker].turn, turn + 1, memory_order_relaxed);
    // Pairs with the barrier in epoch_mark(): either the mark shows this turn, or we do not find
    // any more what was unlinked before the mark.
    cmm_smp_mb();
}

void epoch_turn_ends(struct epochs *e, uint32_t worker)
{
    uint64_t turn = atomic_load_explicit(&e->workers[worker].turn, memory_order_relaxed);
    CHECK(turn % 2 == 1);
    atomic_store_explicit(&e->workers[worker].turn, turn + 1, memory_order_release);
}

void epoch_mark(const struct epochs *e, struct epoch_mark *ret)
{
    cmm_smp_mb();
    for (uint32_t i = 0; i < e->worker_count; i++)
        ret->turns[i] = atomic_load_explicit(&e->workers[i].turn, memory_order_acquire);
}

bool epoch_passed(const struct epochs *e, const struct epoch_mark *mark)
{
    for (uint32_t i = 0; i < e->worker_count; i++)
        if (mark->turns[i] % 2 == 1 &&
            atomic_load_explicit(&e->workers[i].turn, memory_order_acquire) == mark->turns[i])
            return false;
    return true;
}
