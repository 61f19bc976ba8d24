#include "engine/base/log.h"
#include "engine/worker_parts.h"

#include <errno.h>
#include <string.h>

static const char *trouble_of(const struct journal *j)
{
    if (j->error == -EDQUOT)
        return "all that journal { space } allows is used, and nothing of it can be freed yet";
    return j->error ? strerrordesc_np(-j->error) : "the disk does not keep up";
}

// No journal may be in trouble while new deliveries start, whoever's it is: what comes of them
// would not be written. One that is broken ends the engine.
void worker_follow_trouble(struct worker *w)
{
    struct shared *s = w->shared;
    const struct journal *j = &w->home.journal;
    bool troubled = journal_troubled(j);
    if (!w->opened && journal_opened(j)) {
        w->opened = true;
        if (atomic_fetch_sub(&s->unopened, 1) == 1)
            worker_wake_all(w);
    }
    if (troubled != w->troubled) {
        w->troubled = troubled;
        if (troubled)
            log_line(LOG_LEVEL_ERROR,
                     "journal: %s: no mail is taken and none is sent until it can "
                     "be written again",
                     trouble_of(j));
        else
            log_line(LOG_LEVEL_WARNING, "journal: it can be written again");
        if (troubled)
            atomic_fetch_add(&s->troubled, 1);
        else
            atomic_fetch_sub(&s->troubled, 1);
        worker_wake_all(w);
    }
    if (journal_broken(j) && !w->broken) {
        w->broken = true;
        log_line(LOG_LEVEL_ERROR,
                 "journal: %s, twice: the engine ends; what was acknowledged is on "
                 "the disk, and is delivered when it is started again",
                 strerrordesc_np(-j->error));
        atomic_store(&s->broken, true);
        if (atomic_load(&s->stop) == STOP_NOT)
            atomic_store(&s->stop, STOP_GRACEFULLY);
        worker_wake_all(w);
    }
    deliver_pause(w->deliver, atomic_load(&s->troubled) + atomic_load(&s->unopened) > 0);
}

void worker_log_unrecorded(const struct home *h)
{
    static const char *const words[] = {
        [RCPT_OPEN] = "open",
        [RCPT_DELIVERED] = "delivered",
        [RCPT_FAILED] = "failed",
        [RCPT_DEFERRED] = "deferred",
    };
    struct record_result r;
    char id[MESSAGE_ID_TEXT_BYTES];
    size_t offset = 0;
    while (journal_unrecorded(&h->journal, &offset, &r))
        log_line(LOG_LEVEL_ERROR, "journal: not recorded: message %s, recipient %u: %s",
                 message_id_print(r.id, id), r.rcpt, words[r.outcome & 3]);
}
