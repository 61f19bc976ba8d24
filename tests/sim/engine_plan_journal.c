// What a scenario's engine keeps on disk, and how that is lost. Behind engine_plan.c.
#include "tests/sim/engine_plan.h"
#include "tests/sim/engine_plan_dice.h"

#include <errno.h>

// From milliseconds to minutes, short times as likely as long ones.
static uint64_t some_time_us(struct random *r, uint32_t bits_min, uint32_t bits_max)
{
    uint64_t us = UINT64_C(1) << between(r, bits_min, bits_max);
    return us + random_below(r, (uint32_t)us);
}

static void draw_deaths(struct plan *p, struct random *r, bool fair)
{
    p->death_count = fair || percent(r, 30) ? 0 : between(r, 1, PLAN_DEATHS_MAX);
    for (uint32_t i = 0; i < p->death_count; i++) {
        struct plan_death *d = &p->deaths[i];
        d->kind = percent(r, 10) ? DEATH_STOPPED : percent(r, 50) ? DEATH_KILLED : DEATH_POWER_CUT;
        d->after_us = percent(r, 30) ? some_time_us(r, 8, 14) : some_time_us(r, 14, 26);
        d->pause_us = percent(r, 50) ? 0 : some_time_us(r, 10, 22);
        d->worker_count = percent(r, 50) ? p->worker_count : between(r, 1, PLAN_WORKERS_MAX);
    }
}

static void draw_disk(struct plan *p, struct random *r, bool fair)
{
    struct world_options *w = &p->world;
    if (percent(r, 30))
        w->file_latency_us_max = 1u << between(r, 4, 14);
    if (percent(r, 30)) // up to some seconds
        w->sync_latency_us_max = 1u << between(r, 8, fair ? 16 : 21);
    w->faults.short_transfer = rate(r, 200000);
    if (fair)
        return;
    w->faults.torn_sector = percent(r, 50) ? 200000 : 0;
    if (percent(r, 20))
        w->faults.read_failure = rate(r, 20000);
    if (percent(r, 15))
        w->faults.no_space = rate(r, 300000);
    if (percent(r, 10))
        w->faults.sync_failure = rate(r, 5000);
    if (percent(r, 10))
        w->faults.write_failure = rate(r, 5000);
    if (percent(r, 20)) {
        p->disk.fail_nth = between(r, 1, 1u << between(r, 5, 10));
        p->disk.fail_result = percent(r, 70) ? -EIO : -ENOSPC;
    }
    p->disk.fills = percent(r, 15);
    p->disk.full_us_max = some_time_us(r, 16, 25);
    p->disk.room_us_max = some_time_us(r, 14, 24);
}

void plan_draw_journal(struct plan *p, struct random *r, bool fair)
{
    struct config *c = &p->config;
    p->durable = percent(r, 80);
    c->durable = p->durable;
    if (!p->durable)
        return;
    c->segment_bytes = (percent(r, 80) ? between(r, 16, 40) : between(r, 41, 256)) * 4 * KiB;
    c->journal_bytes_max = 1024 * KiB * KiB;
    if (!fair && percent(r, 25)) // then 452
        c->journal_bytes_max = between(r, 4, 10) * c->segment_bytes * PLAN_WORKERS_MAX;
    draw_deaths(p, r, fair);
    draw_disk(p, r, fair);
}
