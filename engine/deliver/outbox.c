// Results on their way home: pages are filled during a turn and left at its end, one letter each.

#include "engine/base/check.h"
#include "engine/deliver/parts.h"
#include "engine/message/notify.h"

#include <stdlib.h>

static struct result_page *page_new(struct deliver *d)
{
    struct result_page *p = d->free_pages;
    if (p) {
        d->free_pages = p->next;
    } else {
        p = malloc(sizeof(*p));
        CHECK(p); // as many as results are under way: bounded by jobs, which are bounded
        p->letter = (struct letter){0};
        d->page_count++;
    }
    p->from = (uint8_t)d->o.worker;
    p->used_bytes = 0;
    p->result_count = 0;
    return p;
}

static void page_leave(struct deliver *d, uint32_t home)
{
    struct result_page *p = d->pages[home];
    d->pages[home] = NULL;
    p->letter.kind = LETTER_RESULTS;
    post_leave(d->o.post, home, &p->letter);
}

static void outbox_add(struct deliver *d, const struct result *r)
{
    uint32_t home = r->job->home;
    CHECK(home < d->o.post->worker_count);
    if (d->pages[home] && result_page_add(d->pages[home], r))
        return;
    if (d->pages[home])
        page_leave(d, home);
    d->pages[home] = page_new(d);
    CHECK(result_page_add(d->pages[home], r));
}

void outbox_flush(struct deliver *d)
{
    for (uint32_t home = 0; home < d->o.post->worker_count; home++)
        if (d->pages[home])
            page_leave(d, home);
}

void outbox_page_back(struct deliver *d, struct result_page *p)
{
    CHECK(p->from == d->o.worker);
    p->next = d->free_pages;
    d->free_pages = p;
}

void outbox_let_go(struct deliver *d, struct message *m, const struct job *j)
{
    while (m && m != entry_message(j->entry)) {
        struct message *shown = m->view_of;
        CHECK(m->loan_count > 0);
        if (--m->loan_count > 0)
            return;
        if (shown)
            (void)dress_view_over(d, m);
        else
            dress_copy_over(d, m);
        m = shown;
        starved_wake(d, 1); // there is room for another
    }
}

// The job leaves us. Its message is freed with the last of our jobs that use it, unless it is its
// home's own.
void outbox_forget_message(struct deliver *d, struct job *j)
{
    struct message *m = j->message;
    j->message = NULL;
    outbox_let_go(d, m, j);
}

static uint64_t job_age_us(const struct deliver *d, const struct job *j)
{
    return retry_age_us(message_id_wall_us(j->entry->id), io_now_us(d->io) + d->wall_ahead_us,
                        io_wall_us(d->io));
}

// Until when a deferred job waits: the longest that any of its recipients asks for.
static uint32_t defer_job(struct deliver *d, struct job *j, const struct failure *why,
                          bool in_doubt)
{
    const struct limits *l = limits_of_domain(d->o.limits, domain_name(j->domain));
    uint64_t now_us = io_now_us(d->io);
    uint64_t rest_us = why->not_before_us > now_us ? why->not_before_us - now_us : 0;
    uint64_t delay_us = retry_wait_us(&l->retry, j->attempt_count + 1u, in_doubt,
                                      (uint32_t)random_u64(&d->dice), job_age_us(d, j), rest_us);
    uint32_t due_s = (uint32_t)((now_us + delay_us + 999999) / 1000000);
    if (due_s > j->due_s)
        j->due_s = due_s;
    return (uint32_t)((delay_us + 999999) / 1000000);
}

bool outbox_job_expired(const struct deliver *d, const struct job *j)
{
    const struct limits *l = limits_of_domain(d->o.limits, domain_name(j->domain));
    return retry_expired(&l->retry, job_age_us(d, j));
}

// May its sender want to be told? Where its message could not be read back, its home finds out.
static bool is_notice(const struct deliver *d, const struct job *j, uint32_t rcpt, enum verdict v,
                      const struct attempt *at)
{
    const struct message *m = j->message;
    if (v == VERDICT_DELIVERED && (!at || at->reports))
        return false; // without a look at the message: it may lie in another core's cache
    if (!m || m->sender_len == 0 || m->events_only)
        return !m && v == VERDICT_NEVER;
    uint32_t notify = notify_of_rcpt(message_rcpt_dsn(m, rcpt));
    switch (v) {
    case VERDICT_NEVER: return notify & NOTIFY_FAILURE;
    case VERDICT_LATER:
        return notify & NOTIFY_DELAY || (d->o.reports_delays && !(notify & NOTIFY_ASKED));
    case VERDICT_DELIVERED: return notify & NOTIFY_SUCCESS;
    }
    return false;
}

// Its kind is the caller's to say.
static struct result result_of(struct deliver *d, struct job *j, uint32_t rcpt,
                               const struct failure *why, const struct attempt *at)
{
    struct result r = {
        .job = j,
        .rcpt = rcpt,
        .wall_us = io_wall_us(d->io),
        .attempt = (uint16_t)(j->attempt_count + 1u),
        .code = why->code,
        .enhanced = {why->enhanced.class, why->enhanced.subject, why->enhanced.detail},
        .category = why->category,
        .reason = (uint8_t)why->reason,
        .text = slice_make(why->text, why->text_len),
    };
    CHECK(job_rcpt_state(j, rcpt) == RCPT_OPEN);
    // What its home has in memory it finds there by itself (engine/control/events.c).
    if (j->message && j->message != entry_message(j->entry)) {
        r.sender = message_sender(j->message);
        r.recipient = message_rcpt_address(j->message, rcpt);
        r.campaign = message_campaign(j->message);
    }
    if (at) {
        r.host = at->host;
        r.address = at->address;
        r.tls_version = at->tls.version;
        r.tls_cipher = at->tls.cipher;
    }
    return r;
}

void outbox_suppressed(struct deliver *d, struct job *j, uint32_t rcpt, bool last)
{
    struct failure why;
    failure_set(&why, 550, (struct enhanced_code){5, 1, 1},
                SLICE("the recipient is on the suppression list"));
    why.category = CATEGORY_SUPPRESSED;
    why.reason = REASON_SUPPRESSED;
    struct result r = result_of(d, j, rcpt, &why, NULL);
    r.kind = RESULT_FAILED;
    r.job_comes_home = last;
    job_set_rcpt_state(j, rcpt, RCPT_FAILED);
    d->counters.failed++;
    d->counters.suppressed++;
    outbox_add(d, &r);
    if (last)
        outbox_forget_message(d, j);
}

void outbox_result(struct deliver *d, struct job *j, uint32_t rcpt, enum verdict v,
                   const struct failure *why, const struct attempt *at, bool in_doubt, bool last)
{
    struct result r = result_of(d, j, rcpt, why, at);
    r.in_doubt = in_doubt;
    r.job_comes_home = last;
    if (v == VERDICT_LATER && outbox_job_expired(d, j)) {
        v = VERDICT_NEVER;
        r.category = CATEGORY_EXPIRED;
        r.reason = REASON_EXPIRED;
    }
    r.notice = is_notice(d, j, rcpt, v, at);
    switch (v) {
    case VERDICT_DELIVERED:
        r.kind = RESULT_DELIVERED;
        r.category = CATEGORY_NONE;
        r.reason = REASON_NONE;
        job_set_rcpt_state(j, rcpt, RCPT_DELIVERED);
        d->counters.delivered++;
        break;
    case VERDICT_LATER:
        r.kind = RESULT_DEFERRED;
        job_set_rcpt_state(j, rcpt, RCPT_DEFERRED);
        r.delay_s = defer_job(d, j, why, in_doubt);
        d->counters.deferred++;
        break;
    case VERDICT_NEVER:
        r.kind = RESULT_FAILED;
        job_set_rcpt_state(j, rcpt, r.notice ? RCPT_FAILING : RCPT_FAILED);
        d->counters.failed++;
        break;
    }
    d->counters.in_doubt += in_doubt;
    if (v != VERDICT_DELIVERED)
        setback_note(d, j, why, at, in_doubt);
    outbox_add(d, &r);
    if (last)
        outbox_forget_message(d, j);
}

void outbox_job(struct deliver *d, struct job *j)
{
    outbox_add(d, &(struct result){.job = j, .kind = RESULT_JOB_HOME, .job_comes_home = true});
    outbox_forget_message(d, j);
}

void outbox_untried(struct deliver *d, struct job *j)
{
    outbox_add(d, &(struct result){.job = j, .kind = RESULT_JOB_HELD, .job_comes_home = true});
    outbox_forget_message(d, j);
}

void outbox_damaged(struct deliver *d, struct job *j, uint32_t segment)
{
    outbox_add(d, &(struct result){.job = j, .kind = RESULT_DAMAGED, .rcpt = segment});
}

void outbox_attempt(struct deliver *d, struct job *j)
{
    outbox_add(d, &(struct result){.job = j,
                                   .kind = RESULT_ATTEMPT,
                                   .wall_us = io_wall_us(d->io),
                                   .attempt = (uint16_t)(j->attempt_count + 1u)});
}

void outbox_whole_job(struct deliver *d, struct job *j, enum verdict v, const struct failure *why,
                      const struct attempt *at)
{
    uint32_t rcpt_first = j->rcpt_first, rcpt_count = j->rcpt_count;
    uint32_t open_left = job_open_count(j);
    CHECK(open_left > 0);
    for (uint32_t rcpt = rcpt_first; open_left > 0; rcpt++) {
        CHECK(rcpt < rcpt_first + rcpt_count);
        if (job_rcpt_state(j, rcpt) == RCPT_OPEN)
            outbox_result(d, j, rcpt, v, why, at, false, --open_left == 0);
    }
}
