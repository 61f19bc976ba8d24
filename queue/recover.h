// queue/recover.h: from records back to queued messages: what was accepted, and how far each
// recipient had come.
//
// Records come in the order of queue/format.h: oldest segment first. Entries and jobs are made at
// once, in the slab of the home that the segment was dealt to; what is over goes at the end.
// Owns:    the table of ids, for the time of the recovery.
// Threads: one, before the workers start.
#ifndef POSTHASTE_QUEUE_RECOVER_H
#define POSTHASTE_QUEUE_RECOVER_H

#include "queue/campaigns.h"
#include "queue/domain.h"
#include "queue/found_setbacks.h"
#include "queue/scan.h"
#include "queue/segment.h"

#define RECOVER_DUE_S_MAX (8u * 86400) // from now; a clock that was wrong does not hold mail longer

struct recover_counters {
    uint64_t messages, recipients, jobs; // that are still to be delivered
    uint64_t done;                       // messages of which nothing is left to do
    uint64_t moved;                      // found twice
    uint64_t in_doubt;                   // jobs
    uint64_t results, results_of_unknown, malformed;
};

struct recovered_key {
    uint8_t key[FORMAT_KEY_BYTES];
    uint64_t content, id, until_wall_us;
};

struct recover {
    struct domain_table *domains;
    const struct segment_table *segments;
    struct slab *homes;          // of struct job, one for each home
    struct campaigns *campaigns; // one for each home; NULL: numbers are enough
    uint64_t now_us;             // for these
    struct entry **ids;          // open addressing; NULL: free
    uint64_t id_slots, id_count;
    uint64_t id_last;           // the highest
    uint32_t domain_count_kept; // in the table, after it was looked through the last time
    struct recovered_key *keys;
    uint64_t key_count, key_room;
    struct recover_counters counters;
    struct found_setbacks *setbacks; // filled; NULL: nobody wants to know
};

bool recover_init(struct recover *r, struct domain_table *domains,
                  const struct segment_table *segments, struct slab *homes);
void recover_release(struct recover *r);

// One record of segment `segment`, whose home is `home`. False without memory: it cannot go on.
bool recover_record(struct recover *r, const struct scan_record *record, uint32_t segment,
                    uint32_t home);
// A message that was found, over or not, until recover_finish(). NULL: there is none.
const struct entry *recover_find(const struct recover *r, uint64_t id);
// After the last: messages that are over go, and domains that have no others; what is left knows
// when it is due (job.due_s, of `now_s`).
// `delay_in_doubt_s`: what an attempt without a result waits for at least, by its domain.
typedef uint32_t recover_delay_s(const void *context, const struct domain *domain);
void recover_finish(struct recover *r, uint32_t now_s, uint64_t wall_us,
                    recover_delay_s *delay_in_doubt_s, const void *context);

#endif
