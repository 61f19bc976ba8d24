#include "engine/control/rates.h"

void rates_note(struct rates *r, const struct rates_sample *now)
{
    if (now->at_us >= rates_due_us(r))
        r->samples[r->taken++ % RATES_SAMPLES] = *now;
}

double rates_per_s(const struct rates *r, const struct rates_sample *now, enum rate which)
{
    if (r->taken == 0)
        return 0;
    uint32_t oldest = r->taken > RATES_SAMPLES ? r->taken - RATES_SAMPLES : 0;
    const struct rates_sample *then = &r->samples[oldest % RATES_SAMPLES];
    if (now->at_us <= then->at_us)
        return 0;
    // What one worker counts may also become less: only all together are right.
    int64_t grown = (int64_t)(now->counts[which] - then->counts[which]);
    return (double)grown * 1e6 / (double)(now->at_us - then->at_us);
}
