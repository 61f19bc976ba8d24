// What the other side says, as far as it means trouble: the rules are asked once for each reply,
// however many recipients it is about.

#include "engine/deliver/parts.h"

enum verdict hear_reply(struct deliver *d, struct conn *c, enum smtp_phase phase,
                        const struct reply *r, struct failure *ret)
{
    struct reply_meaning m = rules_look_up(&d->rules, phase, r->code, r->enhanced, r->text);
    failure_set(ret, r->code, r->enhanced, r->text);
    ret->category = (uint8_t)m.category;
    if (m.back_off_us > 0)
        lesson_back_off(d, c->site, ret, m.back_off_us);
    if (m.suspend_us > 0)
        source_suspend(d, c, m.suspend_us, ret);
    return verdict_turned(verdict_of_reply(phase, r->code), m.turn);
}
