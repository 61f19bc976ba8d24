// engine/policy/verdict.h: what an answer means for the recipients that it is about. Pure.
#ifndef POSTHASTE_POLICY_VERDICT_H
#define POSTHASTE_POLICY_VERDICT_H

#include "dns/answer.h"
#include "engine/policy/reason.h"
#include "engine/policy/route.h"
#include "engine/policy/rules.h"
#include "engine/smtp/phase.h"
#include "engine/smtp/reply.h"

enum verdict { VERDICT_DELIVERED, VERDICT_LATER, VERDICT_NEVER };

// A reply of an exchanger to a command of a transaction. Delivered is only a 2xx after the content;
// any 2xx counts (RFC 5321 4.3.2). What fits no rule is tried again later, never dropped.
enum verdict verdict_of_reply(enum smtp_phase phase, uint16_t code);

// What is left of it when a rule says otherwise. A success stays one.
enum verdict verdict_turned(enum verdict v, enum rules_turn turn);

// "Too many recipients" for this transaction, not for this recipient (RFC 5321 4.5.3.1.10).
bool verdict_is_rcpt_limit(uint16_t code, struct enhanced_code enhanced);

// No exchanger was, or could be, asked: why, in the words and codes of an SMTP reply.
struct local_verdict {
    enum verdict verdict;
    uint16_t code;
    struct enhanced_code enhanced;
    const char *text;
    enum reason_kind reason;
};
struct local_verdict verdict_of_mx(enum dns_status status);
// None of the hosts has an address that we may connect to. `temporary`: some lookup failed for now.
struct local_verdict verdict_of_no_address(bool temporary);

// ROUTE_NULL.
struct local_verdict verdict_of_discarding(void);
// ROUTE_FAIL. The text is the route's.
struct local_verdict verdict_of_failing(const struct route *r);
// Where a route leads cannot be found. It is we who named it: nothing is said of the recipients.
struct local_verdict verdict_of_lost_route(void);

// The message has waited for longer than it may live, and nobody could be asked.
struct local_verdict verdict_of_old_age(void);

// How long the answer to a command may take (RFC 5321 4.5.3.2).
uint64_t patience_us(enum smtp_phase phase);
// How long it may take until so many bytes have been taken: three minutes (4.5.3.2.5), and what a
// very slow line needs.
#define PATIENCE_SEND_US (UINT64_C(180) * 1000 * 1000)
#define PATIENCE_SEND_BYTES_PER_S 4096
uint64_t patience_send_us(uint64_t bytes);

#endif
