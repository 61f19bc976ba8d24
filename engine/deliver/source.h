// engine/deliver/source.h: the addresses that a site's mail may leave from: what has left from each
// of them, and which are not wanted there for now.
//
// A source's limits hold at each site: where sites are limited together (group.h), at all of them
// together, else at each by itself. Without a configured source there is one all the same, the
// kernel's choice, which has no limits, but may be suspended like the others.
//
// Owns:    what is counted for each source, and how long it is suspended. What follows from that
//          is decided in policy/source.h.
// Threads: the site's owner. A site with configured sources is not lent to other workers.
#ifndef POSTHASTE_DELIVER_SOURCE_H
#define POSTHASTE_DELIVER_SOURCE_H

#include "engine/deliver/counted.h"
#include "engine/policy/reason.h"
#include "engine/policy/source.h"

struct conn;
struct deliver;
struct failure;
struct site;
struct source_use;

// Its name, for people; of NULL, the kernel's choice, an empty one.
const char *source_name(const struct source *s);

// Those of a site, or of a group.
struct source_book {
    struct source_use *first;
};

// As a site sees it.
struct site_source {
    struct source_use *use;
    uint32_t spare_count;   // connections of the site from there, idle or being opened
    uint32_t willing_count; // that may be given one more message
};

void source_book_release(struct deliver *d, struct source_book *b);
bool source_book_print(struct source_book *b, struct buffer *out, const struct rate_clock *clock);

// The site's mail leaves from these. False without memory.
bool sources_init(struct deliver *d, struct site *s, const struct source_list *list);
void sources_release(struct deliver *d, struct site *s);
bool sources_are(const struct site *s, const struct source_list *list); // by name
// They may have other limits now, and other addresses. False without memory.
bool sources_renew(struct site *s, const struct source_list *list);

// What all of them may do now.
struct source_sum sources_sum(struct deliver *d, struct site *s);
// Messages that may begin; UINT32_MAX: any number.
uint32_t sources_messages(struct deliver *d, struct site *s);
// Connections that the site may have, those that it has included; UINT32_MAX: any number.
uint32_t sources_connections(struct deliver *d, struct site *s);
// The site has a connection that may be given a message now.
bool sources_may_start(struct deliver *d, struct site *s);
// This one may.
bool source_serves(struct deliver *d, const struct conn *c);
// Connections that are idle or being opened, but for those whose sources may begin nothing now.
uint32_t sources_spare(struct deliver *d, struct site *s);
// Without a message or a connection to begin: when there is one; 0: that is no matter of time.
uint64_t sources_due_us(struct deliver *d, struct site *s);
// More is to be kept to than that there is one.
bool sources_are_limited(const struct deliver *d, const struct site *s);
// Which one to open a connection to `peer` from; SOURCES_MAX: none.
uint32_t sources_choose(struct deliver *d, struct site *s, const struct io_address *peer);

const struct source *conn_source(const struct conn *c);
uint32_t source_messages_max(const struct conn *c); // on that connection, as far as we limit it
bool source_has_too_many(const struct conn *c);     // connections from where that one comes from
void source_connection_opens(struct deliver *d, struct conn *c);
void source_message_begins(struct deliver *d, struct conn *c);
// Changes in what the connection counts as; each -1, 0 or 1.
void source_counts(const struct conn *c, int spare, int open);

bool sources_are_suspended(struct deliver *d, struct site *s); // all of them
bool source_is_suspended(const struct deliver *d, const struct conn *c);
// The site does not want the connection's source for so long: `why`.
void source_suspend(struct deliver *d, struct conn *c, uint64_t for_us, const struct failure *why);
// It cannot be bound to on this host.
void source_fails(struct deliver *d, struct site *s, uint32_t source, int error);
// Connections that are of no use are closed: idle ones of suspended sources; and one whose source
// may begin nothing for a while, where another source could have it.
void sources_prune(struct deliver *d, struct site *s);
void sources_sweep(struct deliver *d);                     // forgets suspensions that are over
uint32_t sources_suspended_count(const struct deliver *d); // now, at all sites

// Why nothing leaves, as far as sources are concerned.
struct reason sources_reason(struct deliver *d, struct site *s);
// The suspension that ends first: why, and of which source. Without any `why` is NULL.
struct suspension {
    const struct failure *why;
    const struct source *source;
    uint64_t until_us;
};
struct suspension sources_suspension(const struct deliver *d, const struct site *s);
// What was counted must be remembered until then; now_us: nothing.
uint64_t sources_kept_until_us(const struct site *s, uint64_t now_us);

#endif
