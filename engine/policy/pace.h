// engine/policy/pace.h: how far we speak ahead of a site's replies. Pure.
//
// What is unanswered when a connection breaks may arrive twice (RFC 1047). So a site begins with a
// window of one message; each message that it takes widens it, up to the limit; a connection that
// breaks in the middle closes it again, and from then on it takes more to widen it. A site that
// breaks the rules, or hangs up again and again on what we say first, is spoken to in lockstep for
// an hour.
#ifndef POSTHASTE_POLICY_PACE_H
#define POSTHASTE_POLICY_PACE_H

#include <stdbool.h>
#include <stdint.h>

// Connections in a row that broke in their first transaction, before any of it was answered:
// pipelining is blamed.
#define PACE_BREAKS_MAX 3
#define PACE_LOCKSTEP_US (UINT64_C(3600) * 1000 * 1000)
// After a break each step wants so many times as many messages as before, up to the maximum.
#define PACE_STEP_GROWTH 16
#define PACE_STEP_MESSAGES_MAX 4096

struct pace {
    uint16_t window;        // unanswered messages on one connection, at most; 1 or more
    uint16_t step_messages; // that must be taken before it widens by one
    uint16_t taken;         // of these, so far
    uint8_t breaks;         // in a row
    uint64_t lockstep_until_us;
};

enum pace_break {
    PACE_BROKE_LATE,  // it ended, or was silent for too long, with messages under way
    PACE_BROKE_FIRST, // so did this one, and nothing that was said of any message was answered
    PACE_BROKE_RULES, // what it answered fits no command
};

void pace_init(struct pace *p);
void pace_took(struct pace *p, uint16_t window_max); // it said 2xx to a message
void pace_answered(struct pace *p);                  // it said anything else to one
void pace_broke(struct pace *p, enum pace_break how, uint64_t now_us);
// No command before the last one's reply.
bool pace_is_lockstep(const struct pace *p, uint64_t now_us);

#endif
