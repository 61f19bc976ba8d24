// queue/recall.h: a home asks for jobs of its own that are out, since an operator wants them held
// or gone. Their owner gives up those that no connection has begun yet.
//
// Why it is safe to look at them: as with siblings (queue/job.h). The home has pinned their entries
//         (home_pin()), so that the slots stay; whoever is not ready in a domain of the one who
//         looks is left alone.
// Order:  what was given up comes home as results do, and ahead of the letter that says so.
#ifndef POSTHASTE_QUEUE_RECALL_H
#define POSTHASTE_QUEUE_RECALL_H

#include "queue/inbox.h"
#include "queue/job.h"

#define RECALL_JOBS_MAX 64u

struct recall {
    struct letter letter; // LETTER_RECALL, LETTER_RECALL_BACK
    uint32_t home;        // worker
    bool is_out;          // the home's
    uint32_t job_count;
    struct job *jobs[RECALL_JOBS_MAX];
};

#endif
