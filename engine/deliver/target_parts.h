// engine/deliver/target_parts.h: what the files target*.c share about recipient domains. What
// others may ask of them is in parts.h.
#ifndef POSTHASTE_DELIVER_TARGET_PARTS_H
#define POSTHASTE_DELIVER_TARGET_PARTS_H

#include "engine/deliver/parts.h"

// target.c
void target_check(const struct target *t);
void target_forget_drain(struct deliver *d, struct target *t); // that was to come once more

// target_ready.c
void target_serves(struct target *t, bool serves); // its ready jobs are its site's to take, or not
void target_withdraw(struct target *t);            // its ready jobs are the site's no longer

// target_look.c
const struct route *target_route(const struct deliver *d, const struct target *t);
// Where its mail goes is to be found out. True: it is still ours.
bool target_look(struct deliver *d, struct target *t);

// target_place.c
void target_leave_site(struct deliver *d, struct target *t);
void target_tell_limits(struct deliver *d, struct target *t, struct site *s);
// To the site with these exchangers. True: it is still ours. None of its jobs is in a transaction:
// these would tie it to its site; and no answer is awaited: that would tie it to us.
bool target_place(struct deliver *d, struct target *t, const struct mx_set *set);
// Other exchangers than before: no more jobs go to the old ones. It moves when those under way
// there have ended, and what it asks is answered. True: it is still ours.
bool target_move(struct deliver *d, struct target *t, const struct mx_set *set);
// A job of it has left its transaction, or an answer has come. True: it is still ours.
bool target_moves_on(struct deliver *d, struct target *t);
struct mx_set *target_copy_set(const struct mx_set *set); // on the heap

// target_sts.c
// Asks for its policy, where one may count and it is time to.
void target_ask_sts(struct deliver *d, struct target *t);
// No answer comes to it any more: it goes over to another worker, or ends.
void target_leave_sts(struct target *t);
void target_forget_answers(struct target *t); // at its end
// What a session must be for its mail to go to one of these.
struct site_need target_need(const struct deliver *d, const struct target *t,
                             const struct mx_set *set, const struct limits *l);
// An answer that has come before the policy: true when it was kept until then.
bool target_holds_mx(struct target *t, const struct dns_mx_answer *a);
void target_hear_held_mx(struct deliver *d, struct target *t, const struct dns_mx_answer *a);

// target_apart.c
void target_keep_canonical(struct target *t, struct slice name);
// The names of its need, where secure MX records lead to hosts and sessions are not for all.
void target_add_names(const struct deliver *d, const struct target *t, const struct route *r,
                      struct site_need *need);

// target_end.c
// Ends what can be ended now; for the rest their messages are read back first.
void target_end_step(struct deliver *d, struct target *t);
void target_end_locally(struct deliver *d, struct target *t, struct local_verdict v);
// What was not in memory is not read back for this: its events lack sender and recipient.
void target_discard(struct deliver *d, struct target *t);

// target_idle.c
void target_maybe_idle(struct deliver *d, struct target *t);
void target_not_idle(struct deliver *d, struct target *t); // any more, if it was

#endif
