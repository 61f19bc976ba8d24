// engine/policy/retry.h: when to try again. Pure.
#ifndef POSTHASTE_POLICY_RETRY_H
#define POSTHASTE_POLICY_RETRY_H

#include <stdbool.h>
#include <stdint.h>

struct retry_policy {
    uint64_t delay_us_first; // after the first failure; then doubled
    uint64_t delay_us_max;
    uint64_t lifetime_us;       // since the message was accepted; then it fails for good
    uint64_t delay_us_in_doubt; // at least this, when the message may have arrived (RFC 1047)
};

#define RETRY_JITTER_PER_1000 100 // so that what failed together is not tried again together

// How long to wait after `attempt_count` (>= 1) failures. `dice`: any 32 random bits. Never less
// than a second.
uint64_t retry_delay_us(const struct retry_policy *p, uint32_t attempt_count, bool in_doubt,
                        uint32_t dice);

// How old a message is that came at `since_wall_us`. Its time is the wall clock's, which may be set
// while we run, or have been wrong before: so there is a second clock, `steady_us`, the wall clock
// as it was at the start and goes on without steps. To which the message comes from the future,
// that one says nothing; else the younger age counts, since what fails for good does not come back.
uint64_t retry_age_us(uint64_t since_wall_us, uint64_t steady_us, uint64_t wall_us);

// A message as old as `age_us` waits for `delay_us` now: will it have become `mark_us` old
// meanwhile? True for one of the waits that follow each other, at most.
bool retry_wait_passes(uint64_t age_us, uint64_t delay_us, uint64_t mark_us);

// The message has waited long enough: what is deferred now is failed instead.
bool retry_expired(const struct retry_policy *p, uint64_t age_us);

#endif
