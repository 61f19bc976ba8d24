#include "engine/policy/retry.h"

#define RETRY_DELAY_US_MIN 1000000u

uint64_t retry_delay_us(const struct retry_policy *p, uint32_t attempt_count, bool in_doubt,
                        uint32_t dice)
{
    uint64_t delay_us = p->delay_us_first;
    for (uint32_t i = 1; i < attempt_count && delay_us < p->delay_us_max; i++)
        delay_us *= 2;
    if (delay_us > p->delay_us_max)
        delay_us = p->delay_us_max;
    if (in_doubt && delay_us < p->delay_us_in_doubt)
        delay_us = p->delay_us_in_doubt;
    // Jitter only adds: a receiver's grey-listing delay, configured to the second, still holds.
    delay_us += delay_us / 1000 * (dice % RETRY_JITTER_PER_1000);
    return delay_us < RETRY_DELAY_US_MIN ? RETRY_DELAY_US_MIN : delay_us;
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
