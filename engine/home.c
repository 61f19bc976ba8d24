#include "engine/home.h"

#include "engine/base/check.h"
#include "engine/home_parts.h"

#include <errno.h>
#include <stdlib.h>

#define JOBS_MAX 20000000u
#define NO_DOMAIN_DELAY_S 60u

int home_init(struct home *h, const struct home_options *o)
{
    h->suppress = o->suppress;
    block_pool_init(&h->blocks, o->memory_bytes_max);
    calendar_init(&h->calendar, home_now_s(h));
    if (o->found) {
        h->jobs = o->found->jobs;
        o->found->jobs = (struct slab){0};
        h->campaigns = o->found->campaigns;
        o->found->campaigns = (struct campaigns){0};
        h->journal_messages_found = o->found->message_count;
    } else {
        slab_init(&h->jobs, sizeof(struct job), JOBS_MAX);
    }
    if (o->table)
        segments_init(&h->segments, o->table, h->number, o->segment_bytes, io_seed(h->io));
    for (uint32_t i = 0; o->found && i < o->found->segment_count; i++)
        segments_inherit(&h->segments, o->found->segments[i]);
    struct segments *segments = o->table ? &h->segments : NULL;
    if (!journal_init(&h->journal, segments) ||
        !storage_init(&h->storage, h->io, &h->journal, segments, o->dir_fd, o->io_owner_storage))
        return -ENOMEM;
    h->journal.counters.messages = h->journal_messages_found;
    if (!keyring_init(&h->keyring, &h->journal, KEYS_COUNT_MAX / o->worker_count, io_seed(h->io)))
        return -ENOMEM;
    if (o->found && !keyring_restore(&h->keyring, o->keys, o->key_count, h->number, o->worker_count,
                                     io_now_us(h->io), io_wall_us(h->io)))
        return -ENOMEM;
    mover_init(&h->mover, h->io, &h->journal, &h->jobs, &h->blocks, o->io_owner_mover);
    h->mover.notices = &h->notices;
    h->delay_report_us = o->delay_report_us;
    h->notices = (struct notices){.io = h->io,
                                  .journal = &h->journal,
                                  .mover = &h->mover,
                                  .jobs = &h->jobs,
                                  .blocks = &h->blocks,
                                  .hostname = o->hostname,
                                  .limits = o->limits,
                                  .home = h->number,
                                  .io_owner = o->io_owner_notices};
    return notices_init(&h->notices) ? 0 : -ENOMEM;
}

void home_number_by(struct home *h, uint64_t *id_last)
{
    h->notices.id_last = id_last;
}

// What is still waiting, when we end before it is delivered.
static void free_messages(struct home *h)
{
    struct message *m;
    while ((m = journal_take_any(&h->journal)) || (m = message_list_take(&h->decided)) ||
           (m = message_list_take(&h->keyring.keys.waiting)) ||
           (m = message_list_take(&h->keyring.keys.released)))
        message_free(&h->blocks, m);
    for (uint32_t i = slab_next(&h->jobs, 0); i != SLAB_NONE; i = slab_next(&h->jobs, i + 1)) {
        struct job *j = slab_at(&h->jobs, i);
        if (j->entry != &j->own_entry)
            continue;
        message_free(&h->blocks, entry_message(j->entry));
        free(entry_spread(j->entry));
    }
}

void home_release(struct home *h)
{
    home_suppress_free(h);
    mover_release(&h->mover);
    free_messages(h);
    notices_release(&h->notices);
    slab_release(&h->jobs);
    campaigns_release(&h->campaigns);
    keyring_release(&h->keyring);
    journal_release(&h->journal);
    storage_release(&h->storage);
    block_pool_release(&h->blocks);
}

void home_job_push(struct home *h, struct job *j)
{
    struct domain *d = j->domain;
    uint32_t owner = atomic_load_explicit(&d->owner, memory_order_relaxed);
    h->counters.jobs++;
    h->counters.jobs_crossed += owner != h->number;
    if (domain_push(d, j)) {
        // Read again: whoever hands the domain over passes on letters that came to him.
        owner = atomic_load_explicit(&d->owner, memory_order_acquire);
        post_leave(h->post, owner, &d->dirty_letter);
    }
}

// False where there is no room for one more domain: then the job waits in the calendar.
bool home_find_domain(struct home *h, struct job *j, struct slice name)
{
    j->domain = domain_find(h->domains, name);
    if (j->domain) {
        domain_ref(j->domain);
        return true;
    }
    j->due_s = home_now_s(h) + NO_DOMAIN_DELAY_S;
    calendar_add(&h->calendar, j);
    return false;
}

bool home_domains_known(struct entry *e)
{
    bool known = true;
    for (uint32_t i = 0; i < entry_job_count(e); i++)
        known &= entry_job(e, i)->domain != NULL;
    return known;
}

void home_entry_done(struct home *h, struct entry *e)
{
    if (mover_holds(&h->mover, e) || home_pins(h, e))
        return; // again when it is settled, or not pinned any more
    journal_forget(&h->journal, e);
    message_free(&h->blocks, entry_message(e));
    campaigns_drop(&h->campaigns, e->campaign, true);
    CHECK(h->over_count >= entry_job_count(e));
    h->over_count -= entry_job_count(e);
    entry_free(&h->jobs, e);
}

void home_drop_message(struct home *h, struct entry *e)
{
    if (entry_out_count(e) > 0 || !h->journal.segments || !home_domains_known(e) || home_pins(h, e))
        return;
    message_free(&h->blocks, entry_message(e));
    entry_set_message(e, NULL);
}

void home_push_due(struct home *h)
{
    if (calendar_next_s(&h->calendar) > home_now_s(h) || journal_troubled(&h->journal))
        return;
    struct job *j = calendar_take(&h->calendar, home_now_s(h));
    while (j) {
        struct job *next = j->next;
        h->counters.jobs_retried++;
        j->due_s = 0;
        const struct message *m = entry_message(j->entry);
        if (j->domain || home_find_domain(h, j, message_rcpt_domain(m, j->rcpt_first))) {
            entry_set_out_count(j->entry, entry_out_count(j->entry) + 1);
            home_job_push(h, j);
        }
        j = next;
    }
}

void home_start(struct home *h)
{
    for (uint32_t i = slab_next(&h->jobs, 0); i != SLAB_NONE; i = slab_next(&h->jobs, i + 1)) {
        struct job *j = slab_at(&h->jobs, i);
        if (job_open_count(j) > 0)
            calendar_add(&h->calendar, j);
        else // it is over, though its message is not
            h->over_count++;
    }
}

void home_write(struct home *h)
{
    mover_turn(&h->mover, &h->segments);
    keyring_turn(&h->keyring, io_now_us(h->io), io_wall_us(h->io));
    notices_turn(&h->notices);
    home_end_notices(h);
    h->storage.told_batch = events_told_batch(h->events);
    storage_turn(&h->storage);
}

void home_on_done(struct home *h, const struct io_done *done)
{
    if (done->token.owner == h->storage.io_owner) {
        storage_on_done(&h->storage, done);
        return;
    }
    if (done->token.owner == h->notices.io_owner) {
        notices_on_done(&h->notices, done);
        return;
    }
    struct entry *e = mover_on_done(&h->mover, done);
    if (e && entry_open_count(e) == 0)
        home_entry_done(h, e);
}

void home_close(struct home *h)
{
    journal_close(&h->journal);
}

bool home_busy(const struct home *h)
{
    return h->decided.first || h->keyring.keys.released.first || mover_busy(&h->mover) ||
           journal_busy(&h->journal);
}

bool home_idle(const struct home *h)
{
    return storage_idle(&h->storage) && mover_idle(&h->mover) && notices_idle(&h->notices) &&
           !h->decided.first && !h->keyring.keys.released.first &&
           (journal_idle(&h->journal) || journal_troubled(&h->journal));
}

uint64_t home_due_us(const struct home *h)
{
    uint32_t next_s = calendar_next_s(&h->calendar);
    uint64_t storage_us = storage_due_us(&h->storage);
    bool waits = next_s == UINT32_MAX || journal_troubled(&h->journal);
    uint64_t due_us = waits ? UINT64_MAX : (uint64_t)next_s * 1000000;
    uint64_t notices_us = notices_due_us(&h->notices);
    if (storage_us < due_us)
        due_us = storage_us;
    return notices_us < due_us ? notices_us : due_us;
}

uint64_t home_messages_left(const struct home *h)
{
    return h->journal.counters.messages - h->journal.counters.forgotten;
}
