// engine/deliver/allowance.h: what may begin now: the rates that are set, what was counted against
// them, and what answers have taught (policy/throttle.h), put together. Of the latter a restart
// keeps until when the site is to be left alone.
//
// Owns:    the rates that hold here, and what was counted (counted.h).
// Knows not of: connections, jobs, timers: whoever is told "not now" sleeps until it is due.
// Threads: the site's owner. A site with an allowance that is limited is not lent to others: so
//          what is counted here is all that there is.
#ifndef POSTHASTE_DELIVER_ALLOWANCE_H
#define POSTHASTE_DELIVER_ALLOWANCE_H

#include "engine/deliver/counted.h"
#include "engine/policy/limits.h"
#include "engine/policy/throttle.h"

struct allowance {
    struct counted messages;
    struct counted connections;
    struct throttle throttle;
};

// False without memory: then there is nothing to release.
bool allowance_init(struct allowance *a, const struct limits *l);
void allowance_release(struct allowance *a);
// What was counted there before counts on, and so does a back-off.
void allowance_remember(struct allowance *a, const struct rate_memory *memory, uint64_t place);
// From now on it is remembered by that.
void allowance_moves(struct allowance *a, uint64_t place);
// What the other has counted counts here, too, where that is more.
void allowance_inherit(struct allowance *a, const struct allowance *from);
bool allowance_print(struct allowance *a, struct buffer *out, const struct rate_clock *clock);
// From now on these rates hold, too. False without memory: then it holds less than it should.
bool allowance_tighten(struct allowance *a, const struct limits *l);
// These rates hold from now on, instead of all others; what was counted in a window of the same
// length is kept. False without memory.
bool allowance_renew(struct allowance *a, const struct limits *l);

// Messages that may begin now, when so many are under way.
uint32_t allowance_messages(struct allowance *a, uint32_t under_way, uint64_t now_us);
// Connections that may be opened now, as far as their rate is concerned.
uint32_t allowance_connections(struct allowance *a, uint64_t now_us);
// Without room: when there is some again. now_us: that is no matter of time.
uint64_t allowance_messages_due_us(struct allowance *a, uint64_t now_us);
uint64_t allowance_connections_due_us(struct allowance *a, uint64_t now_us);

void allowance_message_begins(struct allowance *a, uint64_t now_us);
void allowance_connection_opens(struct allowance *a, uint64_t now_us);

// There is more to keep to than a number of connections.
bool allowance_is_limited(const struct allowance *a, uint64_t now_us);
// What was counted must be remembered until then; now_us: nothing.
uint64_t allowance_kept_until_us(struct allowance *a, uint64_t now_us);
// Why nothing begins now, or no more connections are opened.
struct reason allowance_reason(struct allowance *a, uint64_t now_us);

#endif
