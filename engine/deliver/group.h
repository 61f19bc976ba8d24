// engine/deliver/group.h: sites that are limited together, since their hosts are one provider's
// (site "outlook" { mx = {"*.mail.protection.outlook.com"} }), or since one route with limits of
// its own leads to them (route "relay" { connections = 5 }), whatever its hosts are at the moment.
//
// Each keeps its own hosts, health and window. They share connections, rates, and what complaints
// have taught. Who finds nothing left of these stands in line; whenever there is some, the first
// one has its turn, and takes what there is.
//
// So do sites of the same exchangers that need different sessions: sisters.c makes a group of
// these.
//
// Owns:    what is shared, and the line.
// Threads: one worker owns a group and all sites of it.
#ifndef POSTHASTE_DELIVER_GROUP_H
#define POSTHASTE_DELIVER_GROUP_H

#include "engine/base/wheel.h"
#include "engine/deliver/allowance.h"
#include "engine/deliver/failure.h"
#include "engine/deliver/source.h"

struct conn;
struct deliver;
struct site;

struct site_group {
    const char *name;
    const struct limits *limits;
    const struct route *route; // whose it is; NULL: a section's, or sisters'
    bool is_of_sisters;        // made by sisters.c, not configured
    uint32_t owner;            // worker
    struct source_book sources;
    uint64_t place; // what its rates are remembered by
    struct allowance allowance;
    struct failure complaint;   // the last of any of its sites that made it slower
    uint32_t open_count;        // connections of all its sites, not being closed, and lent ones
    uint32_t opening_count;     // of these, not ready yet
    uint32_t transaction_count; // on all of them
    struct site *line_first, *line_last;
    bool has_turn; // who was first in line was told, and has not had its turn yet
    struct conn *idle_first;
    struct wheel_timer timer; // armed while the line waits for what time brings
};

// Routes have theirs when they are first taken. More of them than this, over all tables of limits,
// are limited site by site alone.
#define GROUPS_MAX 8192u

// One for each site section. False without memory.
bool groups_init(struct deliver *d);
void groups_release(struct deliver *d);
// That of mail to these hosts, by that route (NULL: the domain's exchangers). Where a section
// matches the hosts of a route it is the section's; then the route's limits are those of its site.
// NULL: none.
struct site_group *group_of(struct deliver *d, const struct mx_set *set, const struct route *r);
// A route's group goes by what the route says now.
void group_follow(struct site_group *g, const struct route *r);

// sisters.c. The group of all sites of this set, made if need be; NULL: there is none yet.
struct site_group *sisters_group(struct deliver *d, const struct mx_set *set, uint64_t hash);
size_t sisters_bytes(void); // of an item of deliver.sisters
// What the rates of such a group are remembered by, whose sites' sets have that hash.
uint64_t sisters_place(uint64_t hash);
// A site of it was made, or goes. All three: nothing for NULL, and for a group that is configured.
void sisters_release(struct deliver *d);
bool sisters_print_counted(struct deliver *d, struct buffer *out, const struct rate_clock *clock);
void sisters_join(struct site_group *g);
void sisters_leave(struct deliver *d, struct site_group *g);
void sisters_learn_limits(struct deliver *d, struct site_group *g, const struct limits *l);

// All for a site without a group, too: nothing holds it back then.
// Messages that it may begin now.
uint32_t group_messages(struct deliver *d, struct site *s);
// Connections that it may have now.
uint32_t group_connections(struct deliver *d, struct site *s);
// More are open than it may have; false for NULL.
bool group_has_too_many(const struct site_group *g);
void group_message_begins(struct deliver *d, struct site *s);
void group_connection_opens(struct deliver *d, struct site *s);
// Why it may begin nothing, or open nothing, now, as far as that is the group's.
struct reason group_reason(struct deliver *d, struct site *s);
// It has looked at what it may do. If there is not enough for it, it stands in line.
void group_turn_ends(struct deliver *d, struct site *s);
void group_next(struct deliver *d, struct site_group *g);
// Its idle connections from there are closed.
void group_source_suspended(struct deliver *d, struct site_group *g, const struct source_use *u);

// A connection has become idle, or is so no longer.
void group_conn_idle(struct conn *c);
void group_conn_not_idle(struct conn *c);

#endif
