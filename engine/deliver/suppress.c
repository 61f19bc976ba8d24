// Who was put onto the list of suppressed addresses since a message came gets it no more: looked at
// when a message goes out again, or for the first time after it was read back. What goes out at
// once its home has looked at a moment ago (engine/home_suppress.c).

#include "engine/base/check.h"
#include "engine/deliver/parts.h"
#include "queue/suppression.h"

static bool is_asked(const struct deliver *d, const struct job *j, const struct message *m)
{
    const struct suppression *list = d->o.suppression;
    return list && atomic_load_explicit(&list->count, memory_order_relaxed) > 0 &&
           (j->attempt_count > 0 || m != entry_message(j->entry));
}

static bool is_suppressed(const struct deliver *d, const struct message *m, uint32_t rcpt)
{
    char text[SUPPRESSION_ADDRESS_BYTES_MAX];
    struct slice address = suppression_text(message_rcpt_address(m, rcpt),
                                            message_rcpt_domain(m, rcpt), text);
    return suppression_holds(d->o.suppression, address, suppression_day(io_wall_us(d->io)));
}

static bool is_dropped(const struct deliver *d, const struct job *j, const struct message *m,
                       uint32_t rcpt)
{
    return job_rcpt_state(j, rcpt) == RCPT_OPEN && is_suppressed(d, m, rcpt);
}

bool job_has_suppressed(const struct deliver *d, const struct job *j, const struct message *m)
{
    for (uint32_t i = 0; is_asked(d, j, m) && i < j->rcpt_count; i++)
        if (is_dropped(d, j, m, j->rcpt_first + i))
            return true;
    return false;
}

bool job_drops_suppressed(struct deliver *d, struct loan *loan, uint32_t item, struct job *j)
{
    struct target *t = job_target(j);
    const struct message *m = j->message;
    uint32_t rcpt = j->rcpt_first, end = rcpt + j->rcpt_count, open_left = job_open_count(j);
    if (!is_asked(d, j, m))
        return false;
    for (; open_left > 0 && rcpt < end; rcpt++)
        if (is_dropped(d, j, m, rcpt))
            outbox_suppressed(d, j, rcpt, --open_left == 0);
    if (open_left > 0)
        return false;
    if (loan)
        lend_job_ended(d, loan, item);
    else
        target_job_left(d, t);
    return true;
}
