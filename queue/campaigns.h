// queue/campaigns.h: the campaigns that a home has messages of: their names, by number, and what
// has become of them since this home knows of it.
//
// Life:    from the first message until the last one is over; and then until CAMPAIGNS_OVER_MAX
//          others are over, for who asks.
// Numbers: a name's is campaign_number(), the same on each worker and in every life, as long as no
//          other name of this home has it; else the next one that is free. Where there is none near
//          by, or no memory, it is CAMPAIGN_CROWD, which has no name: such messages share turns.
// Threads: the home's. Others find the number in the entry of a job that they have.
#ifndef POSTHASTE_QUEUE_CAMPAIGNS_H
#define POSTHASTE_QUEUE_CAMPAIGNS_H

#include "queue/priority.h"

#define CAMPAIGN_CROWD UINT16_MAX
#define CAMPAIGN_LOOKS_MAX 64 // for a free number
#define CAMPAIGNS_OVER_MAX 256

enum campaign_count { CAMPAIGN_DELIVERED, CAMPAIGN_DEFERRED, CAMPAIGN_FAILED, CAMPAIGN_COUNTS };

struct campaign {
    uint64_t message_count;           // that are not over
    uint64_t over_count;              // messages that are
    uint64_t first_us;                // when the first one came, or this life began
    uint64_t counts[CAMPAIGN_COUNTS]; // of recipients; of deferrals, each time
    struct campaign *newer;           // among those that are over
    uint16_t number;
    uint8_t name_len;
    char name[CAMPAIGN_NAME_BYTES_MAX];
};

// Zeroed: none.
struct campaigns {
    struct campaign **numbers;               // CAMPAIGN_CROWD of them; NULL: not one yet
    uint32_t count;                          // of campaigns, those that are over too
    struct campaign *over_first, *over_last; // the longest first
    uint32_t over_count;
};

void campaigns_release(struct campaigns *c); // zeroed again

// One more message: its campaign's number. CAMPAIGN_NONE for an empty name.
uint16_t campaigns_take(struct campaigns *c, struct slice name, uint64_t now_us);
// One less: it is over, or was never one of this home's.
void campaigns_drop(struct campaigns *c, uint16_t number, bool is_over);
void campaigns_note(struct campaigns *c, uint16_t number, enum campaign_count what);
// CAMPAIGN_NONE: it has no message here, or is in the crowd.
uint16_t campaigns_find(const struct campaigns *c, struct slice name);
// NULL: nothing is known of that number.
const struct campaign *campaigns_at(const struct campaigns *c, uint16_t number);

static inline struct slice campaign_name(const struct campaign *c)
{
    return slice_make(c->name, c->name_len);
}

#endif
