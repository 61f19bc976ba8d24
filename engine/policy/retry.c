#include "engine/policy/retry.h"

#define RETRY_DELAY_US_MIN 1000000u

#define GROWTH_PER_100_DEFAULT 200u

// After so many failures, without dice.
static uint64_t step_us(const struct retry_policy *p, uint32_t attempt_count)
{
    uint32_t growth = p->growth_per_100 ? p->growth_per_100 : GROWTH_PER_100_DEFAULT;
    uint64_t delay_us = p->delay_us_first;
    if (p->steps.count > 0)
        return p->steps.us[attempt_count < p->steps.count ? attempt_count - 1 : p->steps.count - 1];
    // One that does not grow has reached its end, too.
    for (uint32_t i = 1; i < attempt_count && delay_us < p->delay_us_max && growth > 100; i++)
        delay_us = delay_us / 100 * growth + delay_us % 100 * growth / 100;
    return delay_us < p->delay_us_max ? delay_us : p->delay_us_max;
}

uint64_t retry_delay_us(const struct retry_policy *p, uint32_t attempt_count, bool in_doubt,
                        uint32_t dice)
{
    uint64_t delay_us = step_us(p, attempt_count);
    if (in_doubt && delay_us < p->delay_us_in_doubt)
        delay_us = p->delay_us_in_doubt;
    // Jitter only adds: a receiver's grey-listing delay, configured to the second, still holds.
    delay_us += delay_us / 1000 * (dice % RETRY_JITTER_PER_1000);
    return delay_us < RETRY_DELAY_US_MIN ? RETRY_DELAY_US_MIN : delay_us;
}

uint64_t retry_wait_us(const struct retry_policy *p, uint32_t attempt_count, bool in_doubt,
                       uint32_t dice, uint64_t age_us, uint64_t not_before_us)
{
    uint64_t left_us = age_us < p->lifetime_us ? p->lifetime_us - age_us : 0;
    uint64_t delay_us = retry_delay_us(p, attempt_count, in_doubt, dice);
    if (delay_us < not_before_us) // spread, too: others wait for the same moment
        delay_us = not_before_us + not_before_us / 1000 * (dice % RETRY_JITTER_PER_1000);
    if (!in_doubt && delay_us > left_us)
        delay_us = left_us;
    return delay_us < RETRY_DELAY_US_MIN ? RETRY_DELAY_US_MIN : delay_us;
}

uint64_t retry_site_us(const struct retry_policy *p, uint32_t failure_count, uint32_t dice)
{
    uint64_t delay_us = retry_delay_us(p, failure_count, false, dice);
    return delay_us < RETRY_SITE_US_MAX ? delay_us : RETRY_SITE_US_MAX;
}

uint64_t retry_address_us(const struct retry_policy *p)
{
    uint64_t delay_us = step_us(p, 1);
    return delay_us < RETRY_ADDRESS_US_MAX ? delay_us : RETRY_ADDRESS_US_MAX;
}

uint64_t retry_age_us(uint64_t since_wall_us, uint64_t steady_us, uint64_t wall_us)
{
    uint64_t earlier_us = steady_us < wall_us ? steady_us : wall_us;
    uint64_t later_us = steady_us < wall_us ? wall_us : steady_us;
    if (since_wall_us <= earlier_us)
        return earlier_us - since_wall_us;
    return since_wall_us <= later_us ? later_us - since_wall_us : 0;
}

bool retry_expired(const struct retry_policy *p, uint64_t age_us)
{
    return age_us >= p->lifetime_us;
}

bool retry_wait_passes(uint64_t age_us, uint64_t delay_us, uint64_t mark_us)
{
    return age_us < mark_us && mark_us - age_us <= delay_us;
}
