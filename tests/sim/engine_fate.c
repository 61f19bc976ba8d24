#include "tests/sim/engine_fate.h"

#include "engine/base/check.h"

#define PAUSE_US_REFUSED 500000u // as who starts services again does
#define LIVES_TROUBLED_MAX 12u   // from then on the disk is good
#define GRACE_US 1000000u
#define GRACE_REQUESTS 40u // one after the other, until what is known is on the disk

// --- a life is over

// What one life has told or met longer ago than this is on the disk when it ends, unless the disk
// was such that it could not be.
static uint64_t grace_us(const struct scene *s)
{
    const struct world_options *w = &s->plan->world;
    const struct world_faults *f = &w->faults;
    uint64_t request_us = (uint64_t)w->latency_us_max + w->file_latency_us_max +
                          w->sync_latency_us_max;
    bool bad = f->sync_failure + f->write_failure + f->no_space > 0 || s->plan->disk.fills ||
               s->plan->disk.fail_nth > 0;
    return bad ? UINT64_MAX / 2 : GRACE_US + GRACE_REQUESTS * request_us;
}

// A sync that failed has parted what the cache shows from what is on the disk: what happens to be
// believed next is only sure where both agree.
static void survey_both(struct scene *s, struct survey *seen)
{
    struct survey durable;
    survey_read(seen, s->world, PLAN_FOLDER, WORLD_CACHED);
    survey_read(&durable, s->world, PLAN_FOLDER, WORLD_DURABLE);
    survey_agree(seen, &durable);
    survey_release(&durable);
}

static void life_over(struct scene *s, const struct books_life *how)
{
    struct books_life life = *how;
    struct survey survey;
    life.end_us = world_now_us(s->world);
    life.grace_us = grace_us(s);
    life.cursorless = s->life.cursorless;
    for (uint32_t i = 0; i < s->plan->sink_count; i++)
        life.sessions[i] = s->sinks[i].worker->session_count;
    if (s->life.complaint[0])
        books_complain(&s->books, "%s", s->life.complaint);
    if (!s->plan->durable) {
        books_life_over(&s->books, &life, NULL);
        return;
    }
    survey_both(s, &survey);
    if (s->trace)
        survey_print(&survey, s->trace);
    books_life_over(&s->books, &life, &survey);
    survey_release(&survey);
}

static void next_life_in(struct scene *s, uint64_t us)
{
    s->next_life_us = world_now_us(s->world) + us;
    io_wait(s->keeper, fate_due_us(s));
}

static void life_has_finished(struct scene *s)
{
    bool stopped = s->life_is_stopped, last = s->phase >= PHASE_STOPPING;
    struct books_life how = {
        .orderly = true,
        .cut_off = atomic_load(&s->life.shared.stop) == STOP_AT_ONCE,
        .broken = life_broken(&s->life),
    };
    s->sum = life_counters(&s->life);
    s->rates_are_kept = s->plan->rates_survive && !how.broken && !how.cut_off;
    life_end(&s->life);
    life_over(s, &how);
    s->life_is_stopped = false;
    if (!last && !how.broken && !stopped)
        books_complain(&s->books, "life %u ended by itself", s->life.number);
    if (!last)
        next_life_in(s, stopped ? s->plan->deaths[s->deaths_done - 1].pause_us : PAUSE_US_REFUSED);
}

static void life_is_lost(struct scene *s, bool power_cut, uint64_t pause_us)
{
    life_kill(&s->life, power_cut);
    life_over(s, &(struct books_life){0});
    s->life_is_stopped = false;
    next_life_in(s, pause_us);
}

// --- deaths

static const struct plan_death *next_death(const struct scene *s)
{
    return s->deaths_done < s->plan->death_count && s->phase == PHASE_LOADING &&
                   s->life.state != LIFE_NONE && !s->life_is_stopped
               ? &s->plan->deaths[s->deaths_done]
               : NULL;
}

static uint64_t death_us(const struct scene *s)
{
    const struct plan_death *d = next_death(s);
    return d ? s->life.began_us + d->after_us : UINT64_MAX;
}

static void die(struct scene *s)
{
    const struct plan_death *d = &s->plan->deaths[s->deaths_done++];
    if (d->kind == DEATH_STOPPED && s->life.state == LIFE_SERVING) {
        s->life_is_stopped = true;
        life_tell(&s->life, STOP_GRACEFULLY);
    } else {
        life_is_lost(s, d->kind == DEATH_POWER_CUT, d->pause_us);
    }
}

bool fate_is_fulfilled(const struct scene *s)
{
    return s->deaths_done == s->plan->death_count && !s->life_is_stopped &&
           s->life.state == LIFE_SERVING;
}

// --- the disk

static void disk_turns(struct scene *s)
{
    const struct plan_disk *d = &s->plan->disk;
    struct random *r = world_dice(s->world);
    uint64_t used = world_disk_bytes_used(s->world);
    s->disk_is_full = !s->disk_is_full;
    world_set_disk_bytes_max(s->world, s->disk_is_full ? used + random_below(r, 200000) + 1 : 0);
    uint64_t most = s->disk_is_full ? d->full_us_max : d->room_us_max;
    s->disk_turns_us = world_now_us(s->world) + 1 + random_below(r, (uint32_t)most);
}

static uint64_t disk_turns_us(const struct scene *s)
{
    return s->plan->disk.fills && !s->healed ? s->disk_turns_us : UINT64_MAX;
}

static uint64_t disk_heals_us(const struct scene *s)
{
    return s->plan->disk.fail_from_then_on && s->disk_good_us > 0 && !s->disk_healed
               ? s->disk_good_us
               : UINT64_MAX;
}

static void watch_failures(struct scene *s, uint64_t now_us)
{
    const struct plan_disk *d = &s->plan->disk;
    if (s->disk_good_us == 0 && world_file_failure_count(s->world) > 0)
        s->disk_good_us = now_us + (d->fail_from_then_on ? d->fail_us : 0);
    if (now_us < disk_heals_us(s))
        return;
    world_fail_file_operation(s->world, 0, 0, false);
    s->disk_healed = true;
}

static void spare_the_disk(struct scene *s)
{
    struct world_faults f = s->plan->world.faults;
    f.sync_failure = f.write_failure = f.read_failure = f.no_space = 0;
    if (!s->healed)
        world_set_faults(s->world, &f);
}

// --- all of it

uint64_t fate_due_us(const struct scene *s)
{
    bool begins = s->life.state == LIFE_NONE && s->phase < PHASE_STOPPING;
    uint64_t due_us = begins ? s->next_life_us : UINT64_MAX;
    if (death_us(s) < due_us)
        due_us = death_us(s);
    if (disk_heals_us(s) < due_us)
        due_us = disk_heals_us(s);
    return disk_turns_us(s) < due_us ? disk_turns_us(s) : due_us;
}

void fate_look(struct scene *s)
{
    uint64_t now_us = world_now_us(s->world);
    if (now_us >= disk_turns_us(s))
        disk_turns(s);
    if (s->plan->disk.fail_nth > 0)
        watch_failures(s, now_us);
    if (s->life.state == LIFE_NONE) {
        if (now_us < s->next_life_us || s->phase >= PHASE_STOPPING)
            return;
        if (s->books.life_count >= LIVES_TROUBLED_MAX)
            spare_the_disk(s);
        cast_life(s);
        io_wait(s->keeper, fate_due_us(s));
    } else if (now_us >= death_us(s)) {
        die(s);
    } else if (s->life.state == LIFE_REFUSED) {
        life_is_lost(s, false, PAUSE_US_REFUSED);
    } else if (life_finished(&s->life)) {
        life_has_finished(s);
    }
}
