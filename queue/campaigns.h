// queue/campaigns.h: the campaigns that a home has messages of: their names, by number, and how
// many messages each has that are not over.
//
// Numbers: a name's is campaign_number(), the same on each worker and in every life, as long as no
//          other name of this home has it; else the next one that is free. Where there is none near
//          by, or no memory, it is CAMPAIGN_CROWD, which has no name: such messages share turns.
// Threads: the home's. Others find the number in the entry of a job that they have.
#ifndef POSTHASTE_QUEUE_CAMPAIGNS_H
#define POSTHASTE_QUEUE_CAMPAIGNS_H

#include "queue/priority.h"

#define CAMPAIGN_CROWD UINT16_MAX
#define CAMPAIGN_LOOKS_MAX 64 // for a free number

struct campaign {
    uint64_t message_count;
    uint8_t name_len;
    char name[CAMPAIGN_NAME_BYTES_MAX];
};

// Zeroed: none.
struct campaigns {
    struct campaign **numbers; // CAMPAIGN_CROWD of them; NULL: not one yet
    uint32_t count;            // of campaigns
};

void campaigns_release(struct campaigns *c); // zeroed again

// One more message: its campaign's number. CAMPAIGN_NONE for an empty name.
uint16_t campaigns_take(struct campaigns *c, struct slice name);
void campaigns_drop(struct campaigns *c, uint16_t number); // one less
// CAMPAIGN_NONE: it has no message here, or is in the crowd.
uint16_t campaigns_find(const struct campaigns *c, struct slice name);
// NULL: nothing is known of that number.
const struct campaign *campaigns_at(const struct campaigns *c, uint16_t number);

static inline struct slice campaign_name(const struct campaign *c)
{
    return slice_make(c->name, c->name_len);
}

#endif
