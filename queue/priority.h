// queue/priority.h: how urgent a message is, and what campaign it is part of.
//
// Owns:    the words and numbers for both, as clients, headers and the configuration write them.
// Meaning: priorities are those of RFC 6710, -9 to 9, kept as they were given. The order of work
//          knows three classes of them. A campaign's name is kept with the message
//          (message_campaign()); in memory stands its number.
#ifndef POSTHASTE_QUEUE_PRIORITY_H
#define POSTHASTE_QUEUE_PRIORITY_H

#include "engine/base/slice.h"
#include "queue/format.h"

#define PRIORITY_TEXT_BYTES 16
#define CAMPAIGN_NAME_BYTES_MAX FORMAT_CAMPAIGN_BYTES_MAX
#define CAMPAIGN_NONE 0

enum priority_class {
    PRIORITY_TRANSACTIONAL, // above 0: somebody waits for it
    PRIORITY_NORMAL,        // 0: nobody has said anything
    PRIORITY_BULK,          // below 0
    PRIORITY_CLASSES,
};

static inline enum priority_class priority_class(int priority)
{
    if (priority > 0)
        return PRIORITY_TRANSACTIONAL;
    return priority < 0 ? PRIORITY_BULK : PRIORITY_NORMAL;
}

// "transactional", "normal", "bulk" in any case, or a number. False: *ret is untouched.
bool priority_parse(struct slice text, int8_t *ret);
// The word where there is one for exactly this, else the number. Returns `text`.
const char *priority_print(int priority, char text[PRIORITY_TEXT_BYTES]);

// 1 to CAMPAIGN_NAME_BYTES_MAX printable ASCII characters; no blank at either end.
bool campaign_name_valid(struct slice name);
// 1 to UINT16_MAX - 1, the same on each worker and in every life of the engine: the number that a
// campaign has where no other one has it (queue/campaigns.h). CAMPAIGN_NONE for an empty name.
uint16_t campaign_number(struct slice name);

#endif
