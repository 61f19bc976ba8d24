#include "queue/journal.h"

#include "engine/base/check.h"

void journal_init(struct journal *j)
{
    *j = (struct journal){0};
}

void journal_append(struct journal *j, struct message *m)
{
    CHECK(m->envelope_sealed);
    m->next_waiting = NULL;
    if (j->waiting_last)
        j->waiting_last->next_waiting = m;
    else
        j->waiting_first = m;
    j->waiting_last = m;
    j->message_count++;
}

void journal_turn(struct journal *j)
{
    if (!j->waiting_first)
        return;
    if (j->committed_last)
        j->committed_last->next_waiting = j->waiting_first;
    else
        j->committed_first = j->waiting_first;
    j->committed_last = j->waiting_last;
    j->waiting_first = j->waiting_last = NULL;
}

struct message *journal_committed(struct journal *j)
{
    struct message *m = j->committed_first;
    if (!m)
        return NULL;
    j->committed_first = m->next_waiting;
    if (!j->committed_first)
        j->committed_last = NULL;
    m->next_waiting = NULL;
    return m;
}

void journal_result(struct journal *j, const struct result *r)
{
    CHECK(r->job->message);
    j->result_count++;
}

void journal_forget(struct journal *j, struct message *m)
{
    CHECK(m->next_waiting == NULL && m != j->waiting_last && m != j->committed_last);
    j->forgotten_count++;
    CHECK(j->forgotten_count <= j->message_count);
}
