// engine/policy/throttle.h: how fast a site is used, learned from what it answers. Pure.
//
// Nothing is held back until the site complains: with 421, or with another 4xx that speaks of the
// site or of us, not of a message (throttle_is_complaint()). Then two things are learned, each by
// itself: how many messages a second it takes, and how many connections at a time.
//
//   first complaint   a second's rest; the rate becomes what it took in the second before
//   another one       the last step back, or else a sixteenth less. Soon after the last: an eighth.
//                     Nothing taken in between: a quarter, then half, and a rest that doubles, up
//                     to a minute
//   a calm round      5 s, 40 messages, no complaint, and mail waited for the rate: a twentieth
//                     more; from the third round on in a row more and more, up to twice as much
//   ten minutes calm  the rate is forgotten
//
// At a learned rate messages begin evenly: a receiver that counts by the second sees no bursts.
// What began before a cut says nothing of the rate after it, so that one overload is one cut.
//
// Before there was any complaint, messages under way are two and one more for each that was
// answered: whatever the site's limits are, few messages find that out.
//
// A connection refused while others are open: their number is the limit; after a minute one more is
// tried, then two, then four.
//
// Read first: throttle_room(), throttle_complains().
#ifndef POSTHASTE_POLICY_THROTTLE_H
#define POSTHASTE_POLICY_THROTTLE_H

#include "engine/policy/reason.h"
#include "engine/smtp/phase.h"
#include "engine/smtp/reply.h"

#define THROTTLE_SLOTS 16u // of what was taken in the last second
#define THROTTLE_BEGIN 2u  // messages under way, before anything is known

struct throttle {
    uint64_t rate;          // messages in a thousand seconds; 0: not learned
    uint64_t next_us;       // at that rate the next one is due
    uint64_t held_until_us; // nothing begins before
    uint64_t cut_us;        // the last complaint that counted
    uint64_t round_us;      // the round began
    uint64_t rate_before;   // what was good before this round
    uint32_t round_taken;   // messages in this round
    uint8_t calm;           // rounds since the last complaint
    uint8_t complaints;     // since the last message that was taken
    bool bound;             // mail waited for the rate in this round
    uint32_t answered;      // messages, up to a limit: how far it is known
    uint64_t slot;          // the newest of taken[]
    uint32_t taken[THROTTLE_SLOTS];

    uint32_t connections; // at most; UINT32_MAX: not learned
    uint32_t connections_step;
    uint64_t connections_us; // when more may be tried
};

void throttle_init(struct throttle *t);

// Does this reply say that the site, not the message, has had enough of us for now?
bool throttle_is_complaint(enum smtp_phase phase, uint16_t code, struct enhanced_code enhanced,
                           struct slice text);

// How many messages may begin now, when so many are under way; UINT32_MAX: any number.
uint32_t throttle_room(struct throttle *t, uint32_t under_way, uint64_t now_us);
// Without room: when there is some again, as far as that is a matter of time; else now_us.
uint64_t throttle_due_us(const struct throttle *t, uint64_t now_us);
void throttle_begins(struct throttle *t, uint64_t now_us); // a message

// What it says. The last three: true when something was changed by it that people want to know.
void throttle_answers(struct throttle *t); // anything else than the other two
bool throttle_takes(struct throttle *t, uint64_t now_us);
bool throttle_complains(struct throttle *t, uint64_t began_us, uint64_t now_us); // of that message
bool throttle_back_off(struct throttle *t, uint64_t now_us, uint64_t for_us);    // nothing begins

// It refused one connection while it served others.
void throttle_refuses_connection(struct throttle *t, uint32_t open_count, uint64_t now_us);
// How many it may have at a time.
uint32_t throttle_connections(struct throttle *t, uint64_t now_us);

// Something is learned that holds us back, or has lately.
bool throttle_is_active(const struct throttle *t, uint64_t now_us);
// Why no message begins now.
struct reason throttle_reason(const struct throttle *t, uint64_t now_us);

#endif
