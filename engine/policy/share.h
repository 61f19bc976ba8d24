// engine/policy/share.h: who may open one more connection when all sites together want more of them
// than the engine may have. Pure.
//
// A site is prompt when it has answered in time lately. Prompt sites may use all connections; the
// others together no more than three quarters of them. So however many hosts take minutes for a
// line, or have yet to show what they do, those that answer find room at once. Of what the others
// may use each gets a few when it becomes scarce; when it is used up, a site that has none may have
// that of the session that has waited longest for an answer, and long enough.
#ifndef POSTHASTE_POLICY_SHARE_H
#define POSTHASTE_POLICY_SHARE_H

#include <stdbool.h>
#include <stdint.h>

#define SHARE_STUCK_US (UINT64_C(10) * 1000 * 1000) // without an answer
#define SHARE_FEW                                                                                  \
    2 // connections of a site that is not prompt, when half of what they may use is used

struct share_load {
    uint32_t count_max;  // connections of the engine, or of this worker's part of it
    uint32_t count;      // there are now
    uint32_t slow_count; // of these, at sites that are not prompt
    uint32_t site_count; // at this one
    bool is_prompt;      // this one
};

enum share {
    SHARE_OPEN,
    SHARE_WAIT,     // until one is closed
    SHARE_REPLACES, // the same; and one that is stuck may be closed for it
};
enum share share_of(const struct share_load *load);

#endif
