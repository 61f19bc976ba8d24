// What an operator's orders do to the jobs of a home.

#include "engine/base/check.h"
#include "engine/home_parts.h"

bool home_pin(struct home *h, struct entry *e)
{
    if (h->pin_count == HOME_PINS_MAX)
        return false;
    h->pins[h->pin_count++] = e;
    return true;
}

static uint32_t pin_of(const struct home *h, const struct entry *e)
{
    uint32_t at = 0;
    while (at < h->pin_count && h->pins[at] != e)
        at++;
    return at;
}

bool home_pins(const struct home *h, const struct entry *e)
{
    return pin_of(h, e) < h->pin_count;
}

void home_unpin(struct home *h, struct entry *e)
{
    uint32_t at = pin_of(h, e);
    CHECK(at < h->pin_count);
    h->pins[at] = h->pins[--h->pin_count];
    if (entry_open_count(e) == 0)
        home_entry_done(h, e);
    else
        home_drop_message(h, e);
}

bool home_has_queued(const struct home *h, const struct job *j)
{
    const struct entry *e = j->entry;
    bool committed = h->journal.segments ? atomic_load(&e->place) != PLACE_NONE : j->domain != NULL;
    return committed && entry_open_count(e) > 0 && job_left_count(j) > 0;
}

static void take_out(struct home *h, struct job *j)
{
    CHECK(atomic_load_explicit(&j->place, memory_order_relaxed) == JOB_HOME);
    if (job_is_parked(j))
        h->parked_count--;
    else
        calendar_remove(&h->calendar, j);
}

void home_park(struct home *h, struct job *j)
{
    take_out(h, j);
    job_park(j);
    h->parked_count++;
}

void home_let_go(struct home *h, struct job *j)
{
    CHECK(job_is_parked(j));
    take_out(h, j);
    calendar_add(&h->calendar, j);
}

void home_hurry(struct home *h, struct job *j)
{
    take_out(h, j);
    j->due_s = 0;
    calendar_add(&h->calendar, j);
}

static struct result result_of(struct home *h, struct job *j, uint32_t rcpt,
                               const struct message *m, const struct home_end *end)
{
    struct result r = {
        .job = j,
        .rcpt = rcpt,
        .wall_us = io_wall_us(h->io),
        .attempt = (uint16_t)(j->attempt_count + 1u),
        .enhanced = {5, 0, 0}, // of the message, for no reason that has a code (RFC 3463)
        .kind = RESULT_FAILED,
        .notice = end->bounces, // if one is due: notices.c knows
        .text = end->text,
    };
    if (m) {
        r.sender = message_sender(m);
        r.recipient = message_rcpt_address(m, rcpt);
    }
    return r;
}

static uint32_t count_fitting(const struct job *j, const struct message *m,
                              const struct home_end *end)
{
    uint32_t count = 0;
    for (uint32_t rcpt = j->rcpt_first; rcpt < (uint32_t)j->rcpt_first + j->rcpt_count; rcpt++)
        count += job_rcpt_state(j, rcpt) == RCPT_OPEN && end->fits(end->context, m, rcpt);
    return count;
}

static void purge(struct home *h, struct job *j, const struct message *m,
                  const struct home_end *end)
{
    for (uint32_t rcpt = j->rcpt_first; rcpt < (uint32_t)j->rcpt_first + j->rcpt_count; rcpt++) {
        if (job_rcpt_state(j, rcpt) != RCPT_OPEN || !end->fits(end->context, m, rcpt))
            continue;
        struct result r = result_of(h, j, rcpt, m, end);
        job_set_rcpt_state(j, rcpt, RCPT_FAILED);
        journal_result(&h->journal, &r);
        home_tell(h, &r);
    }
    if (job_open_count(j) > 0)
        return;
    take_out(h, j);
    if (j->domain)
        domain_unref(j->domain);
    CHECK(entry_open_count(j->entry) > 0 && home_pins(h, j->entry)); // else it would be gone now
    home_job_over(h, j->entry);
}

// As if it had been out, and an exchanger had refused them: the rest waits as it did.
static void bounce(struct home *h, struct job *j, const struct message *m,
                   const struct home_end *end, uint32_t count)
{
    uint32_t rcpt_first = j->rcpt_first, rcpt_end = rcpt_first + j->rcpt_count;
    take_out(h, j);
    entry_set_out_count(j->entry, entry_out_count(j->entry) + 1);
    atomic_store_explicit(&j->place, JOB_SENDING, memory_order_relaxed);
    for (uint32_t rcpt = rcpt_first; rcpt < rcpt_end; rcpt++)
        if (job_rcpt_state(j, rcpt) == RCPT_OPEN && !end->fits(end->context, m, rcpt))
            job_set_rcpt_state(j, rcpt, RCPT_DEFERRED);
    for (uint32_t rcpt = rcpt_first; count > 0; rcpt++) {
        CHECK(rcpt < rcpt_end);
        if (job_rcpt_state(j, rcpt) != RCPT_OPEN)
            continue;
        struct result r = result_of(h, j, rcpt, m, end);
        r.job_comes_home = --count == 0;
        job_set_rcpt_state(j, rcpt, RCPT_FAILING);
        home_take_result(h, &r);
    }
}

uint32_t home_end_job(struct home *h, struct job *j, const struct message *m,
                      const struct home_end *end)
{
    uint32_t count = count_fitting(j, m, end);
    if (count == 0)
        return 0;
    h->counters.ended += count;
    if (end->bounces)
        bounce(h, j, m, end, count);
    else
        purge(h, j, m, end);
    return count;
}
