// engine/deliver/gather.h: where a route leads whose hosts stand for their mail exchangers
// (route "relay" { host = {"a.example", "b.example"}  lookup = "mx" }): the names are asked for one
// after the other, and what is found becomes one set, those of the first name before the others.
//
// Owns:    what has been found so far. A name that cannot be looked up is passed over, as long as
//          another one leads somewhere; then the answer is kept no longer than the failure. It can
//          be believed where each that was found can (DANE).
// Threads: the domain's owner.
#ifndef POSTHASTE_DELIVER_GATHER_H
#define POSTHASTE_DELIVER_GATHER_H

#include "dns/answer.h"
#include "engine/policy/route.h"

struct gathering;

struct gathering *gathering_new(const struct route *r); // NULL without memory
void gathering_free(struct gathering *g);               // NULL is fine
struct slice gathering_name(const struct gathering *g); // that is to be asked for
// The answer about that name. True: it was the last.
bool gathering_take(struct gathering *g, const struct dns_mx_answer *a);
// What is known by now, as one answer, until gathering_free().
struct dns_mx_answer gathering_answer(const struct gathering *g);

#endif
