// Sites that want a connection, or memory, and can have none now. When there is some again they are
// looked at, the longest first.

#include "engine/deliver/parts.h"

void site_starves(struct deliver *d, struct site *s, enum reason_kind of)
{
    s->starved_of = of;
    if (s->starved)
        return;
    struct starved_queue *q = &d->starved[s->is_prompt ? STARVED_PROMPT : STARVED_OTHERS];
    s->starved = true;
    s->starved_next = NULL;
    if (q->last)
        q->last->starved_next = s;
    else
        q->first = s;
    q->last = s;
}

static void wake_queue(struct deliver *d, struct starved_queue *q, uint32_t count_max)
{
    for (; q->first && count_max > 0; count_max--) {
        struct site *s = q->first;
        q->first = s->starved_next;
        if (!q->first)
            q->last = NULL;
        s->starved = false;
        dispatch_site(d, s);
    }
}

void starved_wake(struct deliver *d, uint32_t count_max)
{
    for (int rank = 0; rank < STARVED_RANKS; rank++)
        wake_queue(d, &d->starved[rank], count_max);
}
