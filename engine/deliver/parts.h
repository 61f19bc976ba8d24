// engine/deliver/parts.h: the state of delivery on one worker, for the files of this room alone.
#ifndef POSTHASTE_DELIVER_PARTS_H
#define POSTHASTE_DELIVER_PARTS_H

#include "engine/base/slab.h"
#include "engine/deliver/change.h"
#include "engine/deliver/conn.h"
#include "engine/deliver/deliver.h"
#include "engine/deliver/gather.h"

#define SITE_BUCKETS 4096u
#define SITES_MAX 1000000u
#define QUESTIONS_MAX 1000000u
#define FETCHES_MAX 100000u
#define TRANSACTIONS_MAX 1000000u
#define DRESSING_BUCKETS 1024u
#define LOAN_JOBS_MAX 64u

enum target_state {
    TARGET_NEW,    // nothing is known
    TARGET_ASKING, // its MX set is being looked up; jobs wait
    TARGET_PLACED, // belongs to target.site
};

// Why all ready jobs of a domain end, while it lasts: those whose messages must be read back first
// end one after the other.
struct ending {
    enum verdict verdict;
    struct failure why;
    bool has_host;
    uint8_t host_len;
    uint8_t address_len;
    char host[UINT8_MAX];
    char address[IO_ADDRESS_TEXT_BYTES];
};

// Where a domain stands in a ring of its site.
struct ring_place {
    struct target *next, *prev;
    uint32_t counted; // of its jobs, by the ring; 0: it is not in it
};

struct setback; // explain.c

// A recipient domain, with what delivery keeps about it while this worker owns it.
struct target {
    struct domain domain; // first: domain_table allocates it
    uint8_t state;        // enum target_state
    bool asking;          // a question is under way (also while PLACED, when the answer got old)
    bool in_ring;         // its ready jobs are its site's to take
    bool drain_again;     // a producer was half way when we drained
    bool idle;            // in the list of idle domains
    bool unlinked;        // no longer in the table
    uint8_t epoch_count;  // that have passed since, each marked in `mark`
    uint32_t busy_count;  // jobs that left the ready list: being read back, or in transactions
    uint32_t ending_fetch_count; // of these, read back only to be ended
    struct ending *ending;       // NULL: its ready jobs are for its site
    struct site *site;
    struct ring_place ring[PRIORITY_CLASSES]; // of its site
    struct target *again_next;
    struct target *idle_next, *idle_prev;
    uint64_t idle_since_us;
    uint64_t mx_expires_us;
    uint64_t looked_us;          // at the ages of its ready jobs
    uint32_t limits_turn;        // its site knows its limits of this turn (deliver.limits_turn)
    struct mx_set *carried;      // the answer, on its way to a new owner
    struct mx_set *next_set;     // moves there once none of its jobs is in a transaction, and no
                                 // question is under way
    struct gathering *gathering; // where its route leads, while that is being looked up
    struct epoch_mark *mark;
    struct setback *setback; // NULL: none is known
    // target_sts.c's:
    bool mx_secure;           // the answer that its exchangers are from
    uint8_t mx_canonical_len; // and where CNAMEs led to it; 0: they did not
    char *mx_canonical;
    uint64_t apart_until_us;       // its mail goes on sessions of its own: target_apart.c's
    bool sts_waits;                // for the first answer about its policy
    struct question *sts_question; // under way; NULL: none
    struct sts_policy *sts;        // NULL: none is known
    uint64_t sts_due_us;           // then it is asked for again
    struct held_mx *held_mx;       // an answer that waits for the policy
};

// What a message is read back for.
enum fetch_purpose {
    FETCH_TO_DELIVER,
    FETCH_TO_END,    // with all others of its domain
    FETCH_TO_EXPIRE, // alone: it has waited for too long
};

// A message on its way back from disk.
struct fetch {
    struct job *job;
    struct message *message; // filled meanwhile
    uint64_t place;
    char *to;
    size_t bytes;
    size_t bytes_read;
    enum fetch_purpose purpose;
};

enum question_kind { QUESTION_MX, QUESTION_ADDRESS, QUESTION_RECORDS, QUESTION_STS };

// Who asked the resolver, or for an MTA-STS policy.
struct question {
    uint8_t kind; // enum question_kind
    uint8_t host;
    struct target *target; // stays while it asks: an asking domain is never idle. NULL: of a
                           // policy, when it has left
    struct site *site;     // stays while it asks: `ask_count`
};

// Connections that wait for an answer, the longest first.
struct conn_queue {
    struct conn *first, *last;
};

// Sites that want a connection and can have none now, the longest first; by who is served first.
enum starved_rank { STARVED_PROMPT, STARVED_OTHERS, STARVED_RANKS };
struct starved_queue {
    struct site *first, *last;
};

struct deliver {
    struct deliver_options o;
    struct io *io;
    struct random dice;
    struct rules_reader rules;
    uint64_t wall_ahead_us; // of the monotonic clock, when we began
    struct slab conns;
    struct slab transactions;
    struct slab sites;
    struct slab questions;
    struct slab fetches;
    struct slab sisters;                                 // groups of sites: sisters.c has these
    struct slab dressings, views;                        // dress.c has these
    struct dressing *dressing_buckets[DRESSING_BUCKETS]; // under way, by message
    struct message *beyond; // our memory's limit: a copy that was encoded; NULL: none is
    struct dkim_signer *signers[IO_OFFLOAD_THREADS_MAX]; // each for the thread of that number
    size_t sign_room;                                    // of a message's signatures
    struct site *site_buckets[SITE_BUCKETS];
    const struct limits_table *group_limits; // as they were at first: whose sites have groups
    struct site_group **groups;              // one for each of these; then those of routes
    uint32_t group_count;
    struct source_use *suspended; // sources that are, or were
    uint64_t rest_count;          // of replies that told us to leave a site alone, or a source
    struct site *dirty_sites;     // dispatch looks at them in this turn
    struct starved_queue starved[STARVED_RANKS];
    struct conn_queue waiting, stuck; // crowd.c's, as is the next
    uint32_t slow_count;              // connections of sites that are not prompt
    struct conn *send_first;
    struct target *again_first;            // to drain again
    struct target *idle_first, *idle_last; // by idle_since_us
    struct target *unlinked_first;
    struct wheel_timer sweep_timer;
    struct result_page **pages; // being filled, one a home
    struct result_page *free_pages;
    uint32_t page_count;
    uint32_t lease_count;         // of our sites, to others
    uint32_t borrowed_site_count; // of others
    uint32_t borrowed_count;      // loans
    uint32_t limits_turn;         // counts the tables of limits
    bool looks_far;               // in this turn: see prepare.c
    bool stopping;
    bool paused; // no new transactions: what became of them could not be written
    struct setback *setback_newest, *setback_oldest;
    uint32_t setback_count;
    struct buffer plain;                   // what was sealed, while a connection hears it
    uint32_t setback_counts[REASON_COUNT]; // of these, by what they were for
    struct deliver_counters counters;
    uint32_t change_first, change_count;
    struct deliver_change changes[CHANGES_KEPT]; // a ring
};

static inline struct target *target_of(struct domain *d)
{
    return (struct target *)(void *)d; // it stands first
}

static inline struct target *job_target(const struct job *j)
{
    return target_of(j->domain);
}

// token.op beyond those of connections (conn.h).
enum {
    DELIVER_OP_SWEEP = CONN_OP_COUNT,
    DELIVER_OP_FETCH,
    DELIVER_OP_DRESS,
    DELIVER_OP_SITE,
    DELIVER_OP_GROUP,
    DELIVER_OP_SISTERS,
};

// sites.c
// Hosts alone do not make a site: what is limited with others, leaves from other addresses, or
// needs another kind of connection, is another one.
bool site_is(const struct site *s, const struct mx_set *set, const struct site_group *g,
             const struct limits *l, const struct site_need *need);
struct site *site_find(struct deliver *d, const struct mx_set *set, uint64_t hash,
                       const struct site_group *g, const struct limits *l,
                       const struct site_need *need);
struct site *site_make(struct deliver *d, const struct mx_set *set, uint64_t hash,
                       struct site_group *g, const struct limits *l,
                       const struct site_need *need);     // NULL: too many, or no memory
void site_joins(struct site *s, struct site_group *g);    // one that was alone
void site_free_unused(struct deliver *d, struct site *s); // when nothing hangs on it

// target.c
void target_dirty(struct deliver *d, struct target *t); // its queue became non-empty
void target_handed_over(struct deliver *d, struct target *t);
void targets_drain_again(struct deliver *d);
void target_requeue(struct deliver *d, struct target *t, struct job *j); // to the front
void target_job_left(struct deliver *d, struct target *t); // one that was taken has ended

// target_look.c
void target_on_mx(struct deliver *d, struct target *t, const struct dns_mx_answer *a);

// target_place.c
void target_forget_next(struct target *t);   // the exchangers that it was to move to
void targets_take_limits(struct deliver *d); // there is another table of limits

// target_ready.c
struct job *target_first(const struct site *s); // whom target_take() would take
struct job *target_take(struct site *s);        // the next job of a site, in turn
struct job *target_first_of(const struct site *s, enum priority_class rank);
struct job *target_take_of(struct site *s, enum priority_class rank); // whosever turn it is
struct target *target_of_site(const struct site *s); // any that has ready jobs, or NULL
// The first of them whose message is in memory, among so many; NULL: there is none.
struct job *target_take_in_memory(struct site *s, uint32_t looks);
void target_took(struct job *j); // a sibling, out of its ready list
// One of its ready jobs goes home untried.
void target_gives_up(struct deliver *d, struct target *t, struct job *j);

// target_end.c
struct attempt;
// All its ready jobs end with the same verdict. NULL for `at`: nobody was reached.
void target_end_ready(struct deliver *d, struct target *t, enum verdict v,
                      const struct failure *why, const struct attempt *at);
// A job that was read back to be ended (or could not be: it has no message).
void target_end_fetched(struct deliver *d, struct target *t, struct job *j);

// target_expire.c
// What has waited among the ready ones for longer than it may live fails, now and then.
void targets_expire(struct deliver *d, uint64_t now_us);
void target_expire_fetched(struct deliver *d, struct target *t, struct job *j);

// target_idle.c
void targets_sweep(struct deliver *d, uint64_t now_us); // forgets idle domains
void targets_release(struct deliver *d);                // what the table does not know of
void targets_stop_asking(struct deliver *d);            // at the end: no answer will come

// dispatch.c
void dispatch_site(struct deliver *d, struct site *s);          // marks it for this turn
void dispatch_sites(struct deliver *d);                         // the turn of those that are marked
uint32_t dispatch_may_begin(struct deliver *d, struct site *s); // messages, now
// Ready, in a domain of ours? Any job may be asked whose slot stays.
bool job_is_ours(const struct deliver *d, const struct job *j);
// Why no ready job of it begins now, by what dispatch goes by.
struct reason dispatch_reason(struct deliver *d, struct site *s);

// starved.c
void site_starves(struct deliver *d, struct site *s, enum reason_kind of);
void starved_wake(struct deliver *d, uint32_t count_max); // of each rank, the longest first

// prepare.c
// The site's next job that may go to a connection; NULL: none now. With a loan, it was borrowed.
struct job *prepare_next_job(struct deliver *d, struct site *s, struct loan **ret_loan,
                             uint32_t *ret_item);
struct job *prepare_take(struct site *s); // one that was got ready before, or NULL
// The job that was taken has its message: is that ready for the wire? Else it comes back by
// prepare_done(), or ends. `in_7bit`: for a server that takes no other content.
bool prepare_message(struct deliver *d, struct site *s, struct job *j, bool in_7bit);
// A job that its site's fetch_count counts has its message, ready for the wire; or it ends, for now
// or for good.
void prepare_done(struct deliver *d, struct site *s, struct job *j);
void prepare_failed(struct deliver *d, struct site *s, struct job *j, enum verdict v,
                    const struct failure *why);

// connect.c
void connect_site(struct deliver *d,
                  struct site *s); // as many connections as it may have and needs
struct site_load connect_load(struct deliver *d, struct site *s); // what tells how many that are
void connect_on_address(struct deliver *d, struct site *s, uint8_t host,
                        const struct dns_address_answer *a);

// say.c
void conn_speaks(struct deliver *d, struct conn *c); // looked at, at the end of the turn
void say_all(struct deliver *d);

// recall.c
void recall(struct deliver *d, struct letter *l);
// Does a hold keep it? Without its message, as far as can be told.
bool job_is_held(const struct deliver *d, const struct job *j, const struct message *m);
// A held job that was taken, borrowed (then `loan` is not NULL) or not, goes home.
void job_stays(struct deliver *d, struct loan *loan, uint32_t item, struct job *j);

// suppress.c
// Is any of its open recipients on the list, that was not when it came?
bool job_has_suppressed(const struct deliver *d, const struct job *j, const struct message *m);
// Those of a taken job end. True: nobody is left, and it has gone home.
bool job_drops_suppressed(struct deliver *d, struct loan *loan, uint32_t item, struct job *j);

// crowd.c
bool crowd_may_connect(struct deliver *d, const struct site *s); // false: it starves
void crowd_opened(struct deliver *d, const struct site *s);      // before it counts one more
void crowd_gone(struct deliver *d, const struct site *s);        // before it counts one less
void crowd_moved(struct deliver *d, struct conn *c);             // so did its deadline
void crowd_left(struct deliver *d, struct conn *c);              // it closes
void crowd_sweep(struct deliver *d, uint64_t now_us);            // now and then

// explain.c
// What a job was deferred for, or failed, is remembered for its domain, if that is ours.
void setback_note(struct deliver *d, const struct job *j, const struct failure *why,
                  const struct attempt *at, bool in_doubt);
void setback_forget(struct deliver *d, struct target *t);
void setbacks_release(struct deliver *d);

// lend.c
void lend(struct deliver *d, struct site *s); // what a hot site cannot begin by itself
// How many connections it may have with what is lent, and about to be.
uint32_t lend_connections_max(const struct deliver *d, const struct site *s);
void lend_loan(struct deliver *d, struct letter *l);
void lend_loan_back(struct deliver *d, struct letter *l);
void lend_lease_over(struct deliver *d, struct letter *l);
// The borrower's next job that has not begun, or NULL. It is said how it ends, of that item.
struct job *lend_take_job(struct site *s, struct loan **ret_loan, uint32_t *ret_item);
void lend_job_ended(struct deliver *d, struct loan *loan, uint32_t item);
void lend_job_back(struct deliver *d, struct loan *loan);   // it is to be tried again
void lend_learns_7bit(struct loan *loan);                   // its owner shall know, when it is back
void lend_give_back_all(struct deliver *d, struct site *s); // that have not begun
// A borrowed site with no connection and no job: the lease is over.
void lend_look_over(struct deliver *d, struct site *s);

// fetch.c
// Reads the job's message back. To be delivered, prepare_done() or prepare_failed()
// gets the job then; else target_end_fetched() or target_expire_fetched(), without a message when
// that could not be. False: no memory now.
bool fetch_ask(struct deliver *d, struct job *j, enum fetch_purpose purpose);
bool fetch_has_room(const struct deliver *d, const struct job *j);
void fetch_on_done(struct deliver *d, const struct io_done *done);

// dress.c
bool dress_init(struct deliver *d); // false without memory
void dress_release(struct deliver *d);
bool dress_has_room(const struct deliver *d);
// Is it to be signed, or to get fields of its campaign, and has it none yet?
bool dress_wanted(const struct deliver *d, const struct message *m);
enum dress_step {
    DRESS_READY,  // it may go
    DRESS_ASKED,  // prepare_done() or prepare_failed() gets the job
    DRESS_FAILED, // it must wait: *ret_why
};
// `in_7bit`: for a server that takes no other content.
enum dress_step dress_job(struct deliver *d, struct job *j, bool in_7bit, struct failure *ret_why);
void dress_on_done(struct deliver *d, const struct io_done *done);
// Frees a view that no job has any more, and returns what it showed, with the view's loan of that.
struct message *dress_view_over(struct deliver *d, struct message *view);
void dress_copy_over(struct deliver *d, struct message *copy); // or what was read back

// dane.c
// When a host's addresses are known: whatever was known of it before is forgotten.
void dane_begin(struct site *s, uint8_t host, const struct dns_address_answer *a);
// Asks what is to be known next, until nothing is. False: not now.
bool dane_ask(struct deliver *d, struct site *s, uint8_t host);
void dane_on_records(struct deliver *d, struct site *s, uint8_t host,
                     const struct dns_record_answer *a);
void dane_forget(struct site_host *at);
struct slice dane_name(const struct site *s, uint8_t host); // whose records count

// target_apart.c
// A certificate was good but for its name. True: it may bear each domain's, and so they go their
// own ways. Nothing is held against the host.
bool apart_begins(struct deliver *d, struct conn *c);

// target_sts.c
void target_on_sts(struct deliver *d, const struct sts_answer *a);

// tally.c
void tally_session(struct deliver *d, struct conn *c, const struct target *t); // mail of it begins
void tally_failure(struct deliver *d, const struct conn *c, enum tls_mishap m);
void tally_policy_trouble(struct deliver *d, const struct target *t, enum sts_trouble trouble);
void tally_barred(struct deliver *d, const struct site *s, uint8_t host, enum tls_bar bar);

// attempt.c
void attempt_on_done(struct deliver *d, const struct io_done *done);
void attempt_on_timer(struct deliver *d, struct conn *c);
void attempt_quit(struct deliver *d, struct conn *c);                       // an idle one
void attempt_events(struct deliver *d, struct conn *c, struct slice bytes); // what bytes bring

// attempt_end.c
void attempt_close(struct deliver *d, struct conn *c, struct slice why);
void attempt_gone(struct deliver *d, struct conn *c); // nothing of it is under way any more

// conn_state.c
void conn_enter(struct deliver *d, struct conn *c, enum conn_state state); // the one place to
void conn_look_willing(struct deliver *d, struct conn *c); // may it be given one more message?
// More are open than its site, its group or its source may have now: the limits have changed, or
// connections were lent. It ends when it has nothing under way.
bool conn_is_one_too_many(const struct deliver *d, const struct conn *c);

// transaction_end.c
// Taken jobs, borrowed (then `loan` is not NULL) or not: ready again, or over and gone home.
void job_waits_again(struct deliver *d, struct loan *loan, struct job *j);

// secure.c
#define SECURE_PEER_BYTES (IO_ADDRESS_TEXT_BYTES + MX_HOST_BYTES_MAX + 16)
void secure_plan(const struct deliver *d, struct conn *c, struct smtp_client_options *o);
// These two: false when it fails, with the reason in c->failure.
bool secure_begin(struct deliver *d, struct conn *c);
bool secure_bytes(struct deliver *d, struct conn *c, struct slice sealed);
// What c->failure says has ended the session: was it about TLS, or AUTH?
void secure_closed(struct deliver *d, struct conn *c, const struct smtp_event *e);
void secure_lost(struct deliver *d, struct conn *c);

// For people: a provider's is its name in the configuration, any other's its first host.
const char *site_name(const struct site *s);

// lesson.c: what the site said to a message that began then, and what that teaches.
void lesson_taken(struct deliver *d, struct site *s);
void lesson_answered(struct deliver *d, struct site *s, enum smtp_phase phase,
                     const struct failure *why, uint64_t began_us);
bool lesson_serves(const struct deliver *d, const struct site *s); // it has taken some lately
void lesson_back_off(struct deliver *d, struct site *s, const struct failure *why, uint64_t for_us);
// A source is not wanted there for so long.
void lesson_source_suspended(struct deliver *d, struct site *s, const char *source, uint64_t for_us,
                             const struct failure *why);
void lesson_connection_refused(struct deliver *d, struct site *s, const struct failure *why);
void lesson_unreachable(struct deliver *d, struct site *s); // all its addresses have: it rests
void lesson_session_ready(struct deliver *d, struct site *s);

// hear.c
// Keeps a reply of the site as the reason of what follows, with its category: by the rules, that
// is, which may also leave the site alone for a time, or suspend the source of the connection.
// Returns what it means for the recipients that it answers.
enum verdict hear_reply(struct deliver *d, struct conn *c, enum smtp_phase phase,
                        const struct reply *r, struct failure *ret);

// outbox.c
// Whom an attempt spoke to, for the result. NULL where nobody was reached.
struct attempt {
    struct slice host;
    struct slice address; // with its port
    struct tls_numbers tls;
    bool reports; // it offers DSN: whoever asked for reports has them from there
};
// One recipient's outcome; writes its state. `last`: no recipient of the job is open any more, it
// goes home with this result: then j must not be touched again.
void outbox_result(struct deliver *d, struct job *j, uint32_t rcpt, enum verdict v,
                   const struct failure *why, const struct attempt *at, bool in_doubt, bool last);
// One who is on the list of suppressed addresses: the sender is not told. `last`: the same.
void outbox_suppressed(struct deliver *d, struct job *j, uint32_t rcpt, bool last);
// The job goes home; all its results have gone before.
void outbox_job(struct deliver *d, struct job *j);
// The job goes home, and its open recipients were not tried.
void outbox_untried(struct deliver *d, struct job *j);
// All its open recipients end with the same verdict, and it goes home.
void outbox_whole_job(struct deliver *d, struct job *j, enum verdict v, const struct failure *why,
                      const struct attempt *at);
bool outbox_job_expired(const struct deliver *d, const struct job *j); // it may live no longer
// Content is about to leave for the job's open recipients.
void outbox_attempt(struct deliver *d, struct job *j);
// Its message could not be read from there.
void outbox_damaged(struct deliver *d, struct job *j, uint32_t segment);
// The job needs its message no longer: it leaves, or waits its turn again.
void outbox_forget_message(struct deliver *d, struct job *j);
// One loan of a message that is not its home's is over, and it is freed with the last.
void outbox_let_go(struct deliver *d, struct message *m, const struct job *j);
void outbox_flush(struct deliver *d);
void outbox_page_back(struct deliver *d, struct result_page *p);

#endif
