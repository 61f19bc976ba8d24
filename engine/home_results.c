// What comes back: from a result to its record, its event, and the job's next way.
//
//   result -> record and event ------------------------------> the job is home: waits, or is over
//         \-> failed, and its sender is to be told: record and event come with the report
//             (engine/notices.h), and until then the job is held

#include "engine/base/check.h"
#include "engine/home_parts.h"

#define PUT_OFF_S 60u // a failure whose sender cannot be told

// An attempt has ended. What was deferred waits in the calendar; else the job is over. Its slot
// stays until all jobs of the message are.
static void job_comes_home(struct home *h, struct job *j, bool untried)
{
    struct entry *e = j->entry;
    bool waits = false;
    atomic_store_explicit(&j->place, JOB_HOME, memory_order_relaxed);
    for (uint32_t rcpt = j->rcpt_first; rcpt < (uint32_t)j->rcpt_first + j->rcpt_count; rcpt++)
        if (job_rcpt_state(j, rcpt) == RCPT_DEFERRED) {
            job_set_rcpt_state(j, rcpt, RCPT_OPEN);
            waits = true;
        }
    CHECK(entry_out_count(e) > 0 && entry_open_count(e) > 0);
    entry_set_out_count(e, entry_out_count(e) - 1);
    if (waits) {
        if (j->attempt_count < JOB_ATTEMPTS_MAX)
            j->attempt_count++;
        job_set_given_back(j, 0);
        if (j->due_s == 0) // it was put off here, while its owner had it
            j->due_s = home_now_s(h) + PUT_OFF_S;
    }
    if (untried) {
        job_park(j);
        h->parked_count++;
    } else if (job_open_count(j) > 0) {
        calendar_add(&h->calendar, j);
    } else {
        domain_unref(j->domain);
        home_job_over(h, e);
        if (entry_open_count(e) == 0) {
            home_entry_done(h, e);
            return;
        }
    }
    home_drop_message(h, e);
}

// Unless it was moved meanwhile, and so could be read.
static void note_damage(struct home *h, const struct entry *e, uint32_t segment)
{
    if (place_segment(e->place) == segment)
        segment_at(h->segments.table, segment)->damaged = true;
}

void home_tell(struct home *h, const struct result *r)
{
    uint16_t campaign = r->job->entry->campaign;
    events_result(h->events, r);
    home_suppress_failed(h, r);
    if (r->kind == RESULT_DELIVERED)
        campaigns_note(&h->campaigns, campaign, CAMPAIGN_DELIVERED);
    else if (r->kind == RESULT_DEFERRED)
        campaigns_note(&h->campaigns, campaign, CAMPAIGN_DEFERRED);
    else if (r->kind == RESULT_FAILED)
        campaigns_note(&h->campaigns, campaign, CAMPAIGN_FAILED);
}

// A failure whose sender cannot be told counts as a deferral, and comes again.
static void put_off(struct home *h, const struct result *r)
{
    struct result deferred = *r;
    deferred.kind = RESULT_DEFERRED;
    deferred.delay_s = PUT_OFF_S;
    job_set_rcpt_state(r->job, r->rcpt, RCPT_DEFERRED);
    h->counters.failures_put_off++;
    journal_result(&h->journal, &deferred);
    home_tell(h, &deferred);
}

static void end_result(struct home *h, enum notice_end end, const struct result *r)
{
    if (r->kind != RESULT_FAILED)
        return; // it was recorded when it came
    if (end == NOTICE_PUT_OFF || (end == NOTICE_UNREAD && r->attempt < JOB_ATTEMPTS_MAX)) {
        put_off(h, r);
        return;
    }
    job_set_rcpt_state(r->job, r->rcpt, RCPT_FAILED);
    if (end != NOTICE_REPORTED)
        journal_result(&h->journal, r);
    home_tell(h, r);
}

void home_end_notices(struct home *h)
{
    struct notice *t;
    while ((t = notices_next_over(&h->notices))) {
        struct result r;
        size_t offset = 0;
        while (notice_next_result(t, &offset, &r))
            end_result(h, (enum notice_end)t->end, &r);
        for (struct job *j = notices_forget(&h->notices, t), *next; j; j = next) {
            next = j->next;
            job_comes_home(h, j, false); // what was not tried is, and held again if it must be
        }
    }
}

// The wait that begins now passes the time after which a sender is told, once.
static bool is_worth_a_word(const struct home *h, const struct result *r)
{
    uint64_t since_us = message_id_wall_us(r->job->entry->id);
    uint64_t age_us = r->wall_us > since_us ? r->wall_us - since_us : 0;
    return retry_wait_passes(age_us, r->delay_s * UINT64_C(1000000), h->delay_report_us);
}

// True: what there is to record and to tell comes when its sender has been told.
static bool is_for_notices(struct home *h, const struct result *r)
{
    if (!r->notice || (r->kind == RESULT_DEFERRED && !is_worth_a_word(h, r)))
        return false;
    bool taken = notices_take(&h->notices, r);
    if (!taken && r->kind == RESULT_FAILED)
        put_off(h, r);
    return r->kind == RESULT_FAILED;
}

void home_take_result(struct home *h, const struct result *r)
{
    CHECK(r->job->home == h->number);
    if (r->kind == RESULT_DAMAGED) {
        note_damage(h, r->job->entry, r->rcpt);
    } else if (!is_for_notices(h, r)) {
        journal_result(&h->journal, r);
        if (r->kind != RESULT_ATTEMPT && r->kind != RESULT_JOB_HOME && r->kind != RESULT_JOB_HELD)
            home_tell(h, r);
    }
    if (r->job_comes_home && !notices_hold(&h->notices, r->job))
        job_comes_home(h, r->job, r->kind == RESULT_JOB_HELD);
}

void home_take_results(struct home *h, struct result_page *p)
{
    struct result r;
    uint32_t offset = 0;
    while (result_page_next(p, &offset, &r))
        home_take_result(h, &r);
    p->letter.kind = LETTER_PAGE_BACK;
    post_leave(h->post, p->from, &p->letter);
}
