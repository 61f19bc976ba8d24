// engine/site_events.h: each change of how a site is used (engine/deliver/change.h) is an event,
// with what made it so.
//
//     {"time", "event": "site", "event-id", "site", "cause",
//      "rate-before", "rate"                   messages a second; null: as the site takes them
//      "connections-before", "connections"     at a time; null: as is set
//      "back-off-before", "back-off"           nothing begins for so many seconds
//      "rest-before", "rest"                   nobody connects for so many seconds
//      "code", "enhanced", "text"}             the reply, or what failed
//
// Each pair is there when it differs. These lines are no results: they stand in no journal, wait
// for no sync, and are written at most once. When too many bytes wait for the file they are left
// out, and counted, before they could hold up a result's.
#ifndef POSTHASTE_SITE_EVENTS_H
#define POSTHASTE_SITE_EVENTS_H

#include "engine/control/events.h"

struct deliver;

// What has changed in this turn. Returns how many changes were left out.
uint64_t site_events_tell(struct deliver *d, struct events *e);

#endif
