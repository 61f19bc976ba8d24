// engine/home_parts.h: what home.c and home_accept.c share.
#ifndef POSTHASTE_HOME_PARTS_H
#define POSTHASTE_HOME_PARTS_H

#include "engine/home.h"

void home_job_push(struct home *h, struct job *j);
// False where there is no room for one more domain: then the job waits in the calendar.
bool home_find_domain(struct home *h, struct job *j, struct slice name);
bool home_domains_known(struct entry *e); // of all jobs
// All its jobs are over.
void home_entry_done(struct home *h, struct entry *e);

#endif
