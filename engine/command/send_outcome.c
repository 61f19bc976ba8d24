// What the engine's answers mean for the recipients, and for the exit code.

#include "engine/command/send.h"
#include "engine/policy/verdict.h"

enum send_outcome send_outcome_of(enum smtp_phase phase, const struct reply *r)
{
    switch (verdict_of_reply(phase, r->code)) {
    case VERDICT_DELIVERED: return SEND_ACCEPTED;
    case VERDICT_LATER: return SEND_LATER;
    case VERDICT_NEVER: break;
    }
    bool of_address = phase == SMTP_PHASE_MAIL || phase == SMTP_PHASE_RCPT;
    bool is_bad = r->enhanced.class != 0 ? r->enhanced.subject == 1 // X.1.X: addressing
                                         : r->code == 501 || r->code == 553;
    return of_address && is_bad ? SEND_BAD_ADDRESS : SEND_REFUSED;
}

static uint32_t count_outcome(const struct send_mail *m, enum send_outcome outcome)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < m->rcpt_count; i++)
        count += m->rcpts[i].outcome == outcome;
    return count;
}

int send_exit_code(const struct send_mail *m)
{
    uint32_t accepted = count_outcome(m, SEND_ACCEPTED);
    if (accepted == m->rcpt_count)
        return EX_OK;
    if (accepted > 0) // not EX_TEMPFAIL: who then sends all of it again sends some of it twice
        return send_failed(EX_UNAVAILABLE, "queued for %u of %u recipients", accepted,
                           m->rcpt_count);
    if (count_outcome(m, SEND_LATER) > 0)
        return EX_TEMPFAIL;
    return count_outcome(m, SEND_BAD_ADDRESS) == m->rcpt_count ? EX_NOUSER : EX_UNAVAILABLE;
}
