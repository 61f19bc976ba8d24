// engine/policy/retry.h: when to try again. Pure.
#ifndef POSTHASTE_POLICY_RETRY_H
#define POSTHASTE_POLICY_RETRY_H

#include <stdbool.h>
#include <stdint.h>

#define RETRY_STEPS_MAX 16

struct retry_steps {
    uint32_t count;
    uint64_t us[RETRY_STEPS_MAX];
};

struct retry_policy {
    uint64_t delay_us_first; // after the first failure; then it grows
    uint64_t delay_us_max;
    uint64_t lifetime_us;       // since the message was accepted; then it fails for good
    uint64_t delay_us_in_doubt; // at least this, when the message may have arrived (RFC 1047)
    uint32_t growth_per_100;    // of each delay over the one before; 0: doubled
    struct retry_steps steps;   // if there are any, these instead; the last one repeats
};

#define RETRY_JITTER_PER_1000 100 // so that what failed together is not tried again together

// How long to wait after `attempt_count` (>= 1) failures. `dice`: any 32 random bits. Never less
// than a second.
uint64_t retry_delay_us(const struct retry_policy *p, uint32_t attempt_count, bool in_doubt,
                        uint32_t dice);

// The same for a message of that age: one whose life ends before then is tried for the last time
// at its end, since nobody learns of an end that waits for a later attempt. Not when it is in
// doubt. `not_before_us`: at least so long, since its site rests until then.
uint64_t retry_wait_us(const struct retry_policy *p, uint32_t attempt_count, bool in_doubt,
                       uint32_t dice, uint64_t age_us, uint64_t not_before_us);

// A site of which no address serves is left alone for so long, after `failure_count` (>= 1) walks
// over all of them in a row: as the messages are, but no longer than this.
#define RETRY_SITE_US_MAX (UINT64_C(1800) * 1000 * 1000)
uint64_t retry_site_us(const struct retry_policy *p, uint32_t failure_count, uint32_t dice);
// And one of its addresses before it is tried again.
#define RETRY_ADDRESS_US_MAX (UINT64_C(60) * 1000 * 1000)
uint64_t retry_address_us(const struct retry_policy *p);

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
