// A transaction's end, and what it means for the jobs in it.

#include "engine/base/check.h"
#include "engine/deliver/attempt_parts.h"

void job_waits_again(struct deliver *d, struct loan *loan, struct job *j)
{
    if (loan)
        lend_job_back(d, loan);
    else
        target_requeue(d, job_target(j), j);
}

// A job of that domain has gone home.
static void job_left(struct deliver *d, const struct transaction *tx, struct target *t)
{
    if (tx->loan)
        lend_job_ended(d, tx->loan, tx->loan_item);
    else
        target_job_left(d, t);
}

// None of its recipients is open: it goes home, all of whose results have gone before.
static void job_over(struct deliver *d, const struct transaction *tx, struct job *j)
{
    struct target *t = job_target(j);
    outbox_job(d, j);
    job_left(d, tx, t);
}

// What becomes of a recipient when the transaction comes to its end.
struct fate {
    enum verdict verdict;
    const struct failure *why;
    bool in_doubt;
};

// One that was too many for this transaction shares nothing with the others: there was no place for
// him, and when these have been served there is. Where nobody at all was taken it cannot have been
// that.
static struct fate fate_of_one_too_many(const struct transaction *tx)
{
    bool nobody = tx->refused_count == tx->rcpt_count;
    return (struct fate){nobody ? verdict_of_reply(SMTP_PHASE_RCPT, tx->again_why.code)
                                : VERDICT_LATER,
                         &tx->again_why, false};
}

// All recipients of one job that took part: rcpts[first..end). Returns with the job home, or back
// among the ready ones.
static void finish_job(struct deliver *d, struct conn *c, const struct transaction *tx,
                       uint32_t first, uint32_t end, const struct failure *why, bool in_doubt)
{
    struct job *j = tx->rcpts[first].job;
    struct target *t = job_target(j);
    struct attempt at = conn_attempt(c);
    uint32_t open_left = job_open_count(j);
    bool gone = false;
    for (uint32_t i = first; i < end; i++) {
        const struct transaction_rcpt *r = &tx->rcpts[i];
        if ((r->again && tx->verdict == VERDICT_DELIVERED) ||
            job_rcpt_state(j, r->rcpt) != RCPT_OPEN)
            continue;
        struct fate f = r->again ? fate_of_one_too_many(tx)
                                 : (struct fate){tx->verdict, why, in_doubt};
        gone = --open_left == 0;
        outbox_result(d, j, r->rcpt, f.verdict, f.why, &at, f.in_doubt, gone);
        if (gone)
            break;
    }
    if (open_left > 0)
        job_waits_again(d, tx->loan, j);
    else if (gone)
        job_left(d, tx, t);
    else
        job_over(d, tx, j);
}

static void transaction_over(struct deliver *d, struct conn *c, struct transaction *tx)
{
    conn_remove_transaction(c, tx);
    transaction_release(tx);
    slab_give(&d->transactions, tx->index);
}

void transaction_finish(struct deliver *d, struct conn *c, struct transaction *tx,
                        const struct failure *why, bool in_doubt)
{
    uint32_t count = tx->rcpt_count;
    for (uint32_t first = 0, end; first < count; first = end) {
        for (end = first + 1; end < count && tx->rcpts[end].job == tx->rcpts[first].job;)
            end++;
        finish_job(d, c, tx, first, end, why, in_doubt);
    }
    transaction_over(d, c, tx);
}

// Nothing of it was answered: the server let the connection go just then, did not take us on, or
// was still at an older message; or the session itself has failed. Its jobs are ready again, as if
// they had not been taken; up to a limit, since it may also be this message that the server
// dislikes. A session that had served before is likely to have ended for reasons of its own, and
// one with an older message because of that one: they weigh less.
void transaction_give_back(struct deliver *d, struct conn *c, struct transaction *tx,
                           uint8_t weight)
{
    struct job *last = NULL;
    for (uint32_t i = 0; i < tx->rcpt_count; i++) {
        struct job *j = tx->rcpts[i].job;
        if (j == last)
            continue;
        last = j;
        if (job_open_count(j) == 0) { // each of its recipients has been answered
            job_over(d, tx, j);
            continue;
        }
        job_set_given_back(j, job_given_back(j) + weight);
        job_waits_again(d, tx->loan, j);
    }
    transaction_over(d, c, tx);
}

void verdict_carry_out(struct deliver *d, struct conn *c, struct transaction *tx,
                       const struct failure *why)
{
    if (tx->verdict == VERDICT_DELIVERED) {
        pace_took(&c->site->pace, (uint16_t)c->site->limits.window);
        lesson_taken(d, c->site);
    } else {
        pace_answered(&c->site->pace);
        lesson_answered(d, c->site, SMTP_PHASE_CONTENT, why, tx->began_us);
    }
    c->site->break_count = 0;
    c->message_count++;
    c->refused_count += tx->verdict != VERDICT_DELIVERED;
    transaction_finish(d, c, tx, why, false);
}
