// What comes in: from a complete message to its jobs.
//
//   accepted -> (its key is claimed) -> journal -> settled: told to who waits -> jobs
//                     \-> it was used before: told at once, nothing is kept

#include "engine/base/check.h"
#include "engine/home_parts.h"
#include "queue/message_record.h"

// The fate of a message that does not reach the journal.
static void decide(struct home *h, struct message *m, enum journal_fate fate)
{
    m->fate = (uint8_t)fate;
    message_list_add(&h->decided, m);
}

static void append(struct home *h, struct message *m)
{
    m->entry = entry_new(&h->jobs, h->number, message_rcpts(m), m->rcpt_count, m->job_count);
    if (!m->entry) {
        if (m->has_key)
            keyring_decided(&h->keyring, m, false);
        decide(h, m, JOURNAL_NO_MEMORY);
        return;
    }
    m->entry->id = m->id;
    m->entry->priority = m->priority;
    m->entry->campaign = campaigns_take(&h->campaigns, message_campaign(m), io_now_us(h->io));
    m->entry->payload_bytes = (uint32_t)message_record_payload_bytes(m) & INT32_MAX;
    journal_append(&h->journal, m);
}

void home_accept(struct home *h, struct message *m)
{
    uint64_t id;
    CHECK(!m->entry);
    if (!m->has_key) {
        append(h, m);
        return;
    }
    switch (keys_claim(&h->keyring.keys, m, io_now_us(h->io), &id)) {
    case KEY_NEW: append(h, m); break;
    case KEY_SAME:
        m->id = id;
        decide(h, m, JOURNAL_KEY_SAME);
        break;
    case KEY_OTHER: decide(h, m, JOURNAL_KEY_OTHER); break;
    case KEY_WAITS: break;
    case KEY_NONE: decide(h, m, JOURNAL_NO_MEMORY); break;
    }
}

// A report of ours: nobody waits for it but what it tells of.
static void report_settled(struct home *h, struct message *m, enum journal_fate fate)
{
    notices_settled(&h->notices, m, fate);
    home_take_settled(h, m, fate);
    home_end_notices(h);
}

static struct message *next_of_journal(struct home *h, enum journal_fate *ret_fate)
{
    struct message *m;
    while ((m = journal_settled(&h->journal, ret_fate)) && (m->moving || m->notice)) {
        if (m->notice) {
            report_settled(h, m, *ret_fate);
            continue;
        }
        struct entry *e = mover_settled(&h->mover, m, *ret_fate);
        if (entry_open_count(e) == 0)
            home_entry_done(h, e);
    }
    if (m && m->has_key)
        keyring_decided(&h->keyring, m, *ret_fate == JOURNAL_COMMITTED);
    return m;
}

struct message *home_next_settled(struct home *h, enum journal_fate *ret_fate)
{
    struct message *m = next_of_journal(h, ret_fate);
    if (m)
        return m;
    while ((m = keys_next_released(&h->keyring.keys)))
        home_accept(h, m); // what it waited for is decided: it asks again
    m = message_list_take(&h->decided);
    if (m)
        *ret_fate = (enum journal_fate)m->fate;
    else
        home_end_notices(h); // what was written with their reports is told of in this turn, too
    return m;
}

// Jobs learn their domains before the first of them is pushed, since its new owner may look at the
// others.
static void find_domains(struct home *h, struct entry *e, const struct message *m)
{
    uint32_t count = entry_job_count(e), out_count = 0;
    h->counters.messages++;
    h->counters.recipients += m->rcpt_count;
    for (uint32_t i = 0; i < count; i++) {
        struct job *j = entry_job(e, i);
        out_count += home_find_domain(h, j, message_rcpt_domain(m, j->rcpt_first));
    }
    entry_set_out_count(e, out_count);
}

// At the end there is nobody to take them any more: they are delivered after the next start.
static void push_jobs(struct home *h, struct entry *e)
{
    if (h->journal.closing)
        return;
    uint32_t count = entry_job_count(e);
    for (uint32_t i = 0; i < count; i++) {
        struct job *j = entry_job(e, i);
        if (j->domain && job_open_count(j) > 0)
            home_job_push(h, j);
    }
}

void home_take_settled(struct home *h, struct message *m, enum journal_fate fate)
{
    struct entry *e = m->entry;
    if (fate != JOURNAL_COMMITTED) {
        if (e) {
            campaigns_drop(&h->campaigns, e->campaign, false);
            entry_free(&h->jobs, e);
        }
        message_free(&h->blocks, m);
        return;
    }
    e->place = m->place;
    histogram_add(&h->commit_us, io_now_us(h->io) - m->arrived_us);
    if (h->journal.segments)
        segments_add_live(&h->segments, m->place, sizeof(struct record_header) + e->payload_bytes);
    find_domains(h, e, m);
    // Without a domain a job waits for room in the table of domains: its name is in the message.
    bool kept = !h->journal.segments || !home_domains_known(e) ||
                h->blocks.bytes <= h->blocks.bytes_max / 4 * 3;
    entry_set_message(e, kept ? m : NULL);
    bool over = home_drop_suppressed(h, e, m);
    if (!over)
        push_jobs(h, e);
    if (!kept)
        message_free(&h->blocks, m);
    if (over)
        home_entry_done(h, e);
}
