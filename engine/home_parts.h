// engine/home_parts.h: what home.c, home_accept.c, home_results.c and home_suppress.c share.
#ifndef POSTHASTE_HOME_PARTS_H
#define POSTHASTE_HOME_PARTS_H

#include "engine/home.h"

static inline uint32_t home_now_s(const struct home *h)
{
    return (uint32_t)(io_now_us(h->io) / 1000000);
}

void home_job_push(struct home *h, struct job *j);
// False where there is no room for one more domain: then the job waits in the calendar.
bool home_find_domain(struct home *h, struct job *j, struct slice name);
bool home_domains_known(struct entry *e); // of all jobs
// What is over with reports to senders: events, records, and jobs that were held.
void home_end_notices(struct home *h);
// Its bytes leave the memory when nobody needs them for now.
void home_drop_message(struct home *h, struct entry *e);
// One more of its jobs is over.
static inline void home_job_over(struct home *h, struct entry *e)
{
    entry_set_open_count(e, entry_open_count(e) - 1);
    h->over_count++;
}
// All its jobs are over.
void home_entry_done(struct home *h, struct entry *e);

// What became of a recipient is told, and counted for its campaign.
void home_tell(struct home *h, const struct result *r);

// home_suppress.c
// Puts the recipient of a failure on the list, where its category is among those that do.
void home_suppress_failed(struct home *h, const struct result *r);
void home_suppress_free(struct home *h);
// A new message's recipients that are on the list fail. True: all jobs of it are over.
bool home_drop_suppressed(struct home *h, struct entry *e, const struct message *m);

#endif
