// engine/deliver/deliver.h: the way out. Jobs come in by domain, results go home.
//
// Owns:    the sites and connections of one worker, and what these have under way.
// Knows not of: where messages come from, what a home does with a result.
// Parts:   target.c  a recipient domain, from its first job to its last; and of it, target_NAME.c:
//                    look (where its mail goes), place (at a site), ready (its jobs, in turn), end,
//                    expire, idle
//          sites.c   the sites of this worker, by MX set
//          site.c    an MX set: hosts, addresses and their health, connections, limits
//          allowance.c    what may begin now: rates, and what answers have taught (lesson.c)
//          group.c   sites that are limited together, and routes; sisters.c makes such groups
//          source.c  the addresses that mail leaves from
//          gather.c  the exchangers of a route's hosts
//          conn.c    one connection: sockets and time-outs around smtp/client
//          transaction.c  jobs of one message put together for one site
//          dispatch.c     joins work, permission and connection
//          prepare.c      jobs get what they lack before they may go
//          connect.c      connections are opened for jobs
//          starved.c      sites for which there is no connection or no memory now
//          say.c     what connections have to say goes out
//          attempt.c      what a connection's replies mean; attempt_end.c, what its end does
//          conn_state.c   how many connections of a site are in which state
//          transaction_end.c   what becomes of the jobs in a transaction
//          hear.c    what kind of trouble a reply is, by the rules
//          outbox.c  results on their way home
//          crowd.c   which site may have a connection when there are too few for all
//          dane.c    what the DNS demands of TLS with a host
//          tally.c   sessions are counted, for reports
//          fetch.c   messages that are not in memory are read back
//          secure.c  TLS on a connection: handshake and failure; channel.c has its bytes
//          dress.c   messages are signed, encoded anew, get fields of their campaign
//          lend.c    a site that is too hot for one worker is served by several
//          suppress.c     recipients that get no mail any more are dropped
//          recall.c  jobs go home untried: their home has asked for them, or a hold keeps them
// A turn:  deliver_on_done(), deliver_on_timer(), deliver_on_letter() as they come, and then one
//          deliver_turn().
#ifndef POSTHASTE_DELIVER_DELIVER_H
#define POSTHASTE_DELIVER_DELIVER_H

#include "dns/resolver.h"
#include "dns/sts.h"
#include "engine/base/wheel.h"
#include "engine/io/io.h"
#include "engine/message/dkim_table.h"
#include "engine/message/list_fields.h"
#include "engine/policy/holds.h"
#include "engine/policy/limits.h"
#include "engine/policy/rate_memory.h"
#include "engine/policy/rules.h"
#include "engine/smtp/reply.h"
#include "engine/tls/tls.h"
#include "queue/post.h"
#include "queue/result.h"
#include "queue/segment.h"
#include "queue/suppression.h"
#include "queue/tls_tally.h"

struct deliver;

struct deliver_options {
    struct io *io;
    struct wheel *wheel; // the worker's; our timers carry the io owner below
    struct resolver *resolver;
    struct post *post;
    struct domain_table *domains; // made with deliver_domain_bytes()
    struct epochs *epochs;
    struct block_pool *blocks;            // for messages that are read back
    const struct segment_table *segments; // where from
    const struct limits_table *limits;
    const struct holds *holds;             // at first (deliver_set_holds()); NULL: none
    const struct suppression *suppression; // NULL: nobody is on it
    const struct dkim_table *dkim;         // NULL: no mail is signed
    const struct list_table *lists;        // fields of campaigns
    const struct rules *rules;             // about replies; NULL: none
    struct sts *sts;                       // MTA-STS policies, the worker's; NULL: not used
    struct tls_tally *tally;               // of sessions, for reports; NULL: they are not counted
    struct tls_context *tls;               // a client's, the worker's; NULL: nothing goes under TLS
    const struct rate_memory *rate_memory; // what was counted before; NULL: nothing
    struct slice helo_name;
    uint32_t worker;
    uint8_t io_owner;     // token.owner of our requests
    uint16_t port;        // of exchangers
    bool private_targets; // loopback and private addresses may be exchangers
    uint32_t conn_count_max;
    uint64_t connect_timeout_us;
    uint64_t tls_timeout_us; // of silence, when TLS is to begin
    uint64_t idle_us;        // an unused connection is kept this long
    uint64_t domain_idle_us; // an unused domain is forgotten after this
    uint32_t spread_above;   // ready jobs of a site, beyond which other workers help
    bool reports_delays;     // to senders who have not said whether they want it
};

struct deliver_counters {
    uint64_t connections_opened, connections_failed, transactions, connections_reused;
    uint64_t transactions_ahead; // that began before the one in front of them was answered
    uint64_t delivered, deferred, failed, in_doubt;
    uint64_t suppressed; // of those that failed
    uint64_t fetched, fetches_failed;
    uint64_t lent;                          // jobs, to other workers
    uint64_t gave_way;                      // connections that were closed since others wanted them
    uint64_t signatures, signatures_failed; // messages
    uint64_t tls_sessions, tls_resumed;     // handshakes; of these, in short
    uint64_t changes_left_out; // of how sites are used: too many in one turn to tell of each
    uint64_t encoded;          // messages, for sites that take no 8-bit content
    uint32_t connections, connections_peak, sites;
    uint32_t sources_suspended; // at some site, now
};

size_t deliver_domain_bytes(void); // what a domain takes with our part behind it

int deliver_new(struct deliver **ret, const struct deliver_options *options);
// deliver_stopped() has said true, or it was never used. NULL is fine.
void deliver_free(struct deliver *d);

void deliver_on_letter(struct deliver *d, struct letter *l); // domain or page letters
void deliver_on_done(struct deliver *d, const struct io_done *done);
void deliver_on_timer(struct deliver *d, struct wheel_timer *t);
void deliver_turn(struct deliver *d);
bool deliver_busy(const struct deliver *d); // a turn is due without waiting

// While paused no transaction starts; those under way go on.
void deliver_pause(struct deliver *d, bool paused);

// Mail that they fit goes back to its home untried. Borrowed until the next call. What was sent
// home before this call is in the homes' inboxes when it returns.
void deliver_set_holds(struct deliver *d, const struct holds *holds);

// Other limits, from now on. Borrowed until the end: what was read from the former may still be
// used.
void deliver_set_limits(struct deliver *d, const struct limits_table *limits);

// Sites that rest, since they could not be reached, are tried as soon as there is mail for them.
void deliver_try_now(struct deliver *d);

// Messages, connections, replies that told us to leave somebody alone, so far: grows with what
// deliver_print_counted() has to say.
uint64_t deliver_news_count(const struct deliver *d);
// Appends what was counted against rates, and who is left alone, as policy/rate_memory.h has it.
// False when `out` is full.
bool deliver_print_counted(struct deliver *d, struct buffer *out, const struct rate_clock *clock);

// Starts no more transactions, lets those under way end, and closes what is idle.
void deliver_stop(struct deliver *d);
bool deliver_stopped(const struct deliver *d); // nothing under way any more
// Closes everything at once; what was under way ends as deferred or in doubt.
void deliver_abandon(struct deliver *d);

struct deliver_counters deliver_counters(const struct deliver *d);

#endif
