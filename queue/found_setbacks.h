// queue/found_setbacks.h: what each domain's mail was last deferred for, as the journal has it: for
// posthaste explain, until delivery hears something itself (engine/deliver/explain.h).
//
// Shape:   sets of four, by the domain's name. A set that is full loses what was heard of longest
//          ago: so that of very many domains most are known, and never more than
//          FOUND_SETBACKS_MAX.
// Not there: what was written about a message before it was moved to another segment.
// Threads: recovery's; read by all once the workers have started.
#ifndef POSTHASTE_QUEUE_FOUND_SETBACKS_H
#define POSTHASTE_QUEUE_FOUND_SETBACKS_H

#include "engine/base/slice.h"
#include "queue/format.h"

#define FOUND_SETBACKS_SETS 16384u
#define FOUND_SETBACKS_SET 4u
#define FOUND_SETBACKS_MAX (FOUND_SETBACKS_SETS * FOUND_SETBACKS_SET)
#define FOUND_SETBACK_TEXT_BYTES 200u // of a reply; more is cut off

struct found_setbacks;

struct found_setback {
    uint64_t wall_us;
    uint16_t code; // 0: nobody said anything
    uint16_t enhanced[3];
    uint8_t reason; // 0: not known (an older engine wrote it)
    bool in_doubt;
    struct slice host, address, text; // good as long as the table
};

struct found_setbacks *found_setbacks_new(void); // NULL without memory
void found_setbacks_free(struct found_setbacks *f);

// A record that says "deferred"; `texts`: what stands behind it. Without memory nothing is kept.
void found_setbacks_note(struct found_setbacks *f, struct slice domain,
                         const struct record_result *r, struct slice texts);
// False: nothing is known of it.
bool found_setbacks_look(const struct found_setbacks *f, struct slice domain,
                         struct found_setback *ret);

#endif
