#include "engine/policy/pace.h"

void pace_init(struct pace *p)
{
    *p = (struct pace){.window = 1, .step_messages = 1};
}

void pace_answered(struct pace *p)
{
    p->breaks = 0;
}

void pace_took(struct pace *p, uint16_t window_max)
{
    p->breaks = 0;
    if (p->window >= window_max) {
        p->window = window_max; // it may have become smaller
        p->step_messages = 1;   // what broke once is forgiven
        return;
    }
    if (++p->taken < p->step_messages)
        return;
    p->taken = 0;
    p->window++;
}

void pace_broke(struct pace *p, enum pace_break how, uint64_t now_us)
{
    unsigned step = p->step_messages * (unsigned)PACE_STEP_GROWTH;
    p->window = 1;
    p->taken = 0;
    p->step_messages = (uint16_t)(step < PACE_STEP_MESSAGES_MAX ? step : PACE_STEP_MESSAGES_MAX);
    if (how == PACE_BROKE_FIRST)
        p->breaks++;
    if (how == PACE_BROKE_RULES || p->breaks >= PACE_BREAKS_MAX) {
        p->breaks = 0;
        p->lockstep_until_us = now_us + PACE_LOCKSTEP_US;
    }
}

bool pace_is_lockstep(const struct pace *p, uint64_t now_us)
{
    return now_us < p->lockstep_until_us;
}
