#include "engine/policy/verdict.h"

#define PATIENCE_QUIT_US (UINT64_C(5) * 1000 * 1000)
#define MINUTES(n) (UINT64_C(60) * 1000 * 1000 * (n))

enum verdict verdict_of_reply(enum smtp_phase phase, uint16_t code)
{
    if (code / 100 == 5)
        return VERDICT_NEVER;
    if (code / 100 == 2 && phase == SMTP_PHASE_CONTENT)
        return VERDICT_DELIVERED;
    return VERDICT_LATER;
}

enum verdict verdict_turned(enum verdict v, enum rules_turn turn)
{
    if (v == VERDICT_DELIVERED || turn == RULES_AS_SAID)
        return v;
    return turn == RULES_LATER ? VERDICT_LATER : VERDICT_NEVER;
}

bool verdict_is_rcpt_limit(uint16_t code, struct enhanced_code enhanced)
{
    // Old servers say 552, without enhanced code; 452 may also mean a full disk, and says so.
    if (enhanced.class != 0)
        return (code == 452 || code == 552) && enhanced.subject == 5 && enhanced.detail == 3;
    return code == 452 || code == 552;
}

struct local_verdict verdict_of_mx(enum dns_status status)
{
    switch (status) {
    case DNS_NO_DOMAIN:
        return (struct local_verdict){
            VERDICT_NEVER, 550, {5, 1, 2}, "domain does not exist", REASON_NO_MX};
    case DNS_NULL_MX:
        return (struct local_verdict){VERDICT_NEVER,
                                      556,
                                      {5, 1, 10},
                                      "domain does not accept mail (null MX)",
                                      REASON_NULL_MX};
    case DNS_NO_RECORDS:
        return (struct local_verdict){
            VERDICT_NEVER, 550, {5, 4, 4}, "domain has no usable mail exchanger", REASON_NO_MX};
    case DNS_FOUND:
    case DNS_TRY_LATER: break;
    }
    return (struct local_verdict){
        VERDICT_LATER, 451, {4, 4, 3}, "MX lookup failed for now", REASON_DNS_FAILED};
}

struct local_verdict verdict_of_no_address(bool temporary)
{
    if (temporary)
        return (struct local_verdict){VERDICT_LATER,
                                      451,
                                      {4, 4, 3},
                                      "address lookup of the mail exchangers failed for now",
                                      REASON_DNS_FAILED};
    return (struct local_verdict){
        VERDICT_NEVER, 550, {5, 4, 4}, "no mail exchanger has a usable address", REASON_NO_ADDRESS};
}

struct local_verdict verdict_of_discarding(void)
{
    return (struct local_verdict){
        VERDICT_DELIVERED, 250, {2, 0, 0}, "discarded: via null", REASON_DELIVERED};
}

struct local_verdict verdict_of_failing(const struct route *r)
{
    return (struct local_verdict){r->fail.code >= 500 ? VERDICT_NEVER : VERDICT_LATER, r->fail.code,
                                  r->fail.enhanced, r->fail.text, REASON_ROUTE_FAIL};
}

struct local_verdict verdict_of_lost_route(void)
{
    return (struct local_verdict){
        VERDICT_LATER, 451, {4, 4, 4}, "the route's hosts cannot be found", REASON_NO_ADDRESS};
}

struct local_verdict verdict_of_old_age(void)
{
    return (struct local_verdict){
        VERDICT_NEVER, 554, {5, 4, 7}, "it has waited for too long", REASON_EXPIRED};
}

uint64_t patience_us(enum smtp_phase phase)
{
    switch (phase) {
    case SMTP_PHASE_GREETING:
    case SMTP_PHASE_EHLO:
    case SMTP_PHASE_HELO:
    case SMTP_PHASE_MAIL:
    case SMTP_PHASE_RCPT:
    case SMTP_PHASE_STARTTLS:
    case SMTP_PHASE_AUTH:
    case SMTP_PHASE_RSET: return MINUTES(5);
    case SMTP_PHASE_DATA: return MINUTES(2);
    // Ten minutes, never less: a receiver that took the message and was not waited for gets it
    // twice (RFC 1047).
    case SMTP_PHASE_CONTENT: return MINUTES(10);
    case SMTP_PHASE_QUIT: // of courtesy: nothing depends on it any more
    case SMTP_PHASE_COUNT: break;
    }
    return PATIENCE_QUIT_US;
}

uint64_t patience_send_us(uint64_t bytes)
{
    return PATIENCE_SEND_US + bytes / PATIENCE_SEND_BYTES_PER_S * 1000000;
}
