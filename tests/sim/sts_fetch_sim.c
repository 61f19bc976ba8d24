// tests/sim/sts_fetch_sim.c: dns/sts_fetch.h where there is no web: no policy is ever had.
#include "dns/sts_fetch.h"

bool sts_fetch_prepare(void)
{
    return true;
}

void sts_fetch_get(struct sts_fetch *f)
{
    f->trouble = STS_TROUBLE_FETCH;
    f->why[0] = '\0';
    buffer_init(&f->text, STS_TEXT_BYTES_MAX);
}
