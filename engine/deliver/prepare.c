// A job may go to a connection when its message is in memory, and ready for the wire. What it lacks
// is asked for, for as many jobs as there is room for; those that have it wait in the site's list.

#include "engine/base/check.h"
#include "engine/deliver/parts.h"

// Jobs behind the first one that are looked at for one whose message is in memory. Now and then, at
// all of them: what these keep in memory may be what the first one waits for.
#define LOOKS_NEAR 16u

void prepare_done(struct deliver *d, struct site *s, struct job *j)
{
    CHECK(s->fetch_count > 0);
    s->fetch_count--;
    dispatch_site(d, s);
    j->next = NULL;
    if (s->fetched_last)
        s->fetched_last->next = j;
    else
        s->fetched_first = j;
    s->fetched_last = j;
    s->fetched_count++;
}

void prepare_failed(struct deliver *d, struct site *s, struct job *j, enum verdict v,
                    const struct failure *why)
{
    struct target *t = job_target(j);
    CHECK(s->fetch_count > 0);
    s->fetch_count--;
    dispatch_site(d, s);
    outbox_whole_job(d, j, v, why, NULL);
    target_job_left(d, t);
}

struct job *prepare_take(struct site *s)
{
    struct job *j = s->fetched_first;
    if (!j)
        return NULL;
    s->fetched_first = j->next;
    if (!s->fetched_first)
        s->fetched_last = NULL;
    s->fetched_count--;
    return j;
}

// Must it be read back or made ready, and is there no memory for that now?
static bool job_starves(const struct deliver *d, const struct job *j)
{
    return !dress_has_room(d) || (!entry_message(j->entry) && !fetch_has_room(d, j));
}

// How many more messages its connections can take, those that are being opened too, unless they
// have waited for long.
static uint32_t site_room(struct deliver *d, struct site *s)
{
    uint64_t room = (uint64_t)(s->open_count - s->stuck_count) * s->pace.window;
    uint32_t may_begin = dispatch_may_begin(d, s);
    room = room > s->transaction_count ? room - s->transaction_count : 0;
    return room < may_begin ? (uint32_t)room : may_begin;
}

bool prepare_message(struct deliver *d, struct site *s, struct job *j, bool in_7bit)
{
    struct failure why;
    s->fetch_count++;
    switch (dress_job(d, j, in_7bit, &why)) {
    case DRESS_READY: s->fetch_count--; return true;
    case DRESS_ASKED: break;
    case DRESS_FAILED: prepare_failed(d, s, j, VERDICT_LATER, &why); break;
    }
    return false;
}

// Asks for what the job that was taken lacks: its message, or what is to be done to that. It comes
// back by prepare_done(). False: no memory now.
static bool job_prepare(struct deliver *d, struct site *s, struct job *j, bool *ret_ready)
{
    *ret_ready = job_is_held(d, j, j->message); // nothing is done for that in vain
    if (*ret_ready)
        return true;
    if (!j->message) {
        bool asked = fetch_ask(d, j, FETCH_TO_DELIVER);
        s->fetch_count += asked;
        return asked;
    }
    *ret_ready = prepare_message(d, s, j, site_is_7bit(s, io_now_us(d->io)));
    return true;
}

struct job *prepare_next_job(struct deliver *d, struct site *s, struct loan **ret_loan,
                             uint32_t *ret_item)
{
    struct job *j = prepare_take(s);
    if (!j)
        j = lend_take_job(s, ret_loan, ret_item);
    while (!j && s->fetch_count + s->fetched_count < site_room(d, s) && target_first(s)) {
        bool ready, starves = job_starves(d, target_first(s));
        if (starves)
            site_starves(d, s, REASON_MEMORY); // until some is given back
        j = starves ? target_take_in_memory(s, d->looks_far ? UINT32_MAX : LOOKS_NEAR)
                    : target_take(s);
        if (!j)
            return NULL;
        if (!job_prepare(d, s, j, &ready)) {
            target_requeue(d, job_target(j), j);
            site_starves(d, s, REASON_MEMORY);
            return NULL;
        }
        if (!ready)
            j = NULL;
    }
    return j;
}
