// engine/deliver/attempt_parts.h: what attempt.c, attempt_end.c and transaction_end.c share.
#ifndef POSTHASTE_DELIVER_ATTEMPT_PARTS_H
#define POSTHASTE_DELIVER_ATTEMPT_PARTS_H

#include "engine/deliver/parts.h"

// attempt.c
struct attempt conn_attempt(const struct conn *c); // whom it speaks to

// attempt_end.c
void attempt_fail(struct deliver *d, struct conn *c); // c->failure says why

// transaction_end.c: each takes it off its connection, and its jobs go home or wait again.
// What tx->verdict says, of the content or of all its recipients.
void verdict_carry_out(struct deliver *d, struct conn *c, struct transaction *tx,
                       const struct failure *why);
// It ends with tx->verdict.
void transaction_finish(struct deliver *d, struct conn *c, struct transaction *tx,
                        const struct failure *why, bool in_doubt);
// Its jobs are ready again, as if they had not been taken.
void transaction_give_back(struct deliver *d, struct conn *c, struct transaction *tx,
                           uint8_t weight);

#endif
