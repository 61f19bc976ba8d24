// engine/deliver/change.h: how a site is used has changed, for the log and the events: what held
// before, what holds from now on, and the reply that made it so.
//
// Owns:    the changes of this turn, in a ring. They are told of at most once and never waited for:
//          of what comes beyond CHANGES_KEPT in one turn the log alone has heard.
// Threads: delivery's.
#ifndef POSTHASTE_DELIVER_CHANGE_H
#define POSTHASTE_DELIVER_CHANGE_H

#include "engine/deliver/site.h"

#define CHANGES_KEPT 64u
#define CHANGE_SITE_BYTES 256u

struct deliver;

// What answers, or their absence, let us do.
struct site_use {
    uint64_t rate;        // messages in a thousand seconds; 0: as it takes them
    uint32_t connections; // at a time; UINT32_MAX: as is set
    uint64_t back_off_us; // nothing begins for so long
    uint64_t rest_us;     // nobody connects for so long
};

enum change_cause {
    CHANGE_REPLY,       // the site has complained: why
    CHANGE_CALM,        // it has taken what it was given
    CHANGE_UNREACHABLE, // all of its addresses have failed: why
    CHANGE_SERVES,      // a session became ready
};
#define CHANGE_SOURCE_BYTES 32u

struct deliver_change {
    char site[CHANGE_SITE_BYTES]; // its first host, or its name in the configuration
    struct site_use before, now;
    enum change_cause cause;
    char source[CHANGE_SOURCE_BYTES]; // that is suspended there; empty: it is not about one
    uint64_t suspended_us;            // for so long
    uint16_t code;                    // 0: nobody said anything
    struct enhanced_code enhanced;
    uint16_t text_len;
    char text[SITE_TEXT_BYTES_MAX];
};

// The oldest that was not taken yet. False: there is none.
bool deliver_next_change(struct deliver *d, struct deliver_change *ret);

const char *change_cause_word(enum change_cause c);

#endif
