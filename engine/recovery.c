#include "engine/base/check.h"
#include "engine/recovery_parts.h"
#include "queue/job.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define JOBS_MAX 20000000u
#define SEGMENTS_ROOM_FIRST 64u

void recovery_fail(struct recovery *r, const char *what, const char *name, int error)
{
    if (r->error)
        return;
    r->error = error;
    snprintf(r->error_text, sizeof(r->error_text), "journal: cannot %s %s: %s", what, name,
             strerrordesc_np(-error));
}

void recovery_finish(struct recovery *r)
{
    int cursor_fd = r->error ? replay_take_cursor(&r->replay) : -1;
    if (cursor_fd >= 0)
        io_close(r->o.io, cursor_fd); // nobody will take it
    r->step = STEP_DONE;
}

// --- jobs

static uint32_t delay_in_doubt_s(const void *context, const struct domain *domain)
{
    const struct limits *l = limits_of_domain(context, domain_name(domain));
    return (uint32_t)(l->retry.delay_us_in_doubt / 1000000);
}

// The configuration may give messages less time than they had when their next attempts were
// settled: then these are due at the new end, but no sooner than one in doubt may be.
static void bring_forward(const struct recovery *r, struct slab *jobs)
{
    uint64_t wall_us = io_wall_us(r->o.io), now_us = io_now_us(r->o.io);
    for (uint32_t i = slab_next(jobs, 0); i != SLAB_NONE; i = slab_next(jobs, i + 1)) {
        struct job *j = slab_at(jobs, i);
        if (!j->domain || job_open_count(j) == 0)
            continue;
        const struct retry_policy *p =
            &limits_of_domain(r->o.limits, domain_name(j->domain))->retry;
        uint64_t age_us = retry_age_us(message_id_wall_us(j->entry->id), wall_us, wall_us);
        uint64_t left_us = age_us < p->lifetime_us ? p->lifetime_us - age_us : 0;
        if (left_us < p->delay_us_in_doubt)
            left_us = p->delay_us_in_doubt;
        uint32_t end_s = (uint32_t)((now_us + left_us) / 1000000 + 1);
        if (j->due_s > end_s)
            j->due_s = end_s;
    }
}

static void all_told(struct recovery *r)
{
    r->report.events = r->replay.counters;
    atomic_store(&r->o.table->reuse_turn, 1);
    recover_finish(&r->recover, (uint32_t)(io_now_us(r->o.io) / 1000000), io_wall_us(r->o.io),
                   delay_in_doubt_s, r->o.limits);
    r->report.counters = r->recover.counters;
    r->report.id_last = r->recover.id_last;
    for (uint32_t i = 0; i < r->o.home_count; i++) {
        struct home_found *home = &r->o.found[i];
        bring_forward(r, &r->homes[i]);
        home->jobs = r->homes[i];
        r->homes[i] = (struct slab){0};
        home->campaigns = r->campaigns[i];
        r->campaigns[i] = (struct campaigns){0};
        for (uint32_t k = 0; k < home->segment_count; k++)
            home->message_count += segment_at(r->o.table, home->segments[k])->live_count;
    }
    r->next = 0;
    recovery_remove_unbegun(r);
}

static void replay_came_further(struct recovery *r)
{
    if (!r->reading && replay_gathers(&r->replay)) {
        r->reading = true;
        recovery_open_segments(r);
    } else if (replay_finished(&r->replay)) {
        all_told(r);
    }
}

// --- from outside

struct recovery *recovery_new(const struct recovery_options *options)
{
    struct recovery *r = calloc(1, sizeof(*r));
    if (!r)
        return NULL;
    r->o = *options;
    r->homes = calloc(options->home_count, sizeof(*r->homes));
    r->campaigns = calloc(options->home_count, sizeof(*r->campaigns));
    r->front = malloc(SCAN_FRONT_BYTES);
    r->segment_room = SEGMENTS_ROOM_FIRST;
    r->segments = calloc(r->segment_room, sizeof(*r->segments));
    if (!r->homes || !r->campaigns || !r->front || !r->segments ||
        !recover_init(&r->recover, options->domains, options->table, r->homes)) {
        recovery_free(r);
        return NULL;
    }
    r->recover.campaigns = r->campaigns;
    r->recover.setbacks = options->setbacks;
    r->recover.now_us = io_now_us(options->io);
    for (uint32_t i = 0; i < options->home_count; i++)
        slab_init(&r->homes[i], sizeof(struct job), JOBS_MAX);
    recovery_list(r);
    replay_begin(&r->replay, r->o.io, r->o.io_owner + 1, r->o.dir_fd, r->o.events_fd, &r->recover,
                 r->o.table);
    replay_came_further(r);
    return r;
}

// Jobs that no home has taken over: something went wrong.
static void free_jobs(struct slab *jobs)
{
    for (uint32_t i = slab_next(jobs, 0); i != SLAB_NONE; i = slab_next(jobs, i + 1)) {
        struct job *j = slab_at(jobs, i);
        if (j->entry == &j->own_entry)
            free(entry_spread(j->entry));
    }
    slab_release(jobs);
}

void recovery_free(struct recovery *r)
{
    if (!r)
        return;
    for (uint32_t i = 0; r->homes && i < r->o.home_count; i++)
        free_jobs(&r->homes[i]);
    for (uint32_t i = 0; r->campaigns && i < r->o.home_count; i++)
        campaigns_release(&r->campaigns[i]);
    free(r->campaigns);
    replay_release(&r->replay);
    recover_release(&r->recover);
    free(r->homes);
    free(r->front);
    free(r->segments);
    free(r);
}

void recovery_on_done(struct recovery *r, const struct io_done *done)
{
    if (done->token.owner != r->o.io_owner) {
        replay_on_done(&r->replay, done);
        replay_came_further(r);
    } else if (done->token.op == RECOVERY_OP_STEP) {
        recovery_step_done(r, done->result);
    } else {
        recovery_read_done(r, done->token.index, done->result);
    }
}

bool recovery_finished(const struct recovery *r)
{
    return r->step == STEP_DONE;
}

bool recovery_result(const struct recovery *r, struct recovery_report *ret, struct refusal *why)
{
    CHECK(recovery_finished(r));
    *ret = r->report;
    if (!r->error)
        return true;
    return refuse(why, "%s", r->error_text);
}

int recovery_take_cursor(struct recovery *r)
{
    return replay_take_cursor(&r->replay);
}

const struct recovered_key *recovery_keys(const struct recovery *r, uint64_t *ret_count)
{
    *ret_count = r->recover.key_count;
    return r->recover.keys;
}
