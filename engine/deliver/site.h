// engine/deliver/site.h: a site, the domains that share an MX set: hosts by preference, their
// addresses and health, and what is connected to them.
//
// Owns:    the choice of the next address. Connections and domains hang on it by links, owned by
//          conn.c and target*.c.
// Threads: the worker that hash(MX set) names.
#ifndef POSTHASTE_DELIVER_SITE_H
#define POSTHASTE_DELIVER_SITE_H

#include "dns/resolver.h"
#include "dns/tlsa.h"
#include "engine/base/wheel.h"
#include "engine/deliver/allowance.h"
#include "engine/deliver/failure.h"
#include "engine/deliver/group.h"
#include "engine/deliver/source.h"
#include "engine/policy/category.h"
#include "engine/policy/limits.h"
#include "engine/policy/pace.h"
#include "engine/policy/reason.h"
#include "engine/policy/tls.h"
#include "engine/policy/turns.h"
#include "engine/policy/verdict.h"
#include "engine/tls/tls.h"

#define SITE_ADDRESSES_PER_HOST_MAX 16
// An address that failed comes behind those that did not, for so long after its rest: else the walk
// over several dead ones begins anew before it has come to the one that serves.
#define SITE_FAILURE_KEPT_US (UINT64_C(600) * 1000 * 1000)
// So many new sessions in a row that break before a message has its verdict: the host is ill, not
// the message. The first three may be about pipelining (pace.h): lockstep has a chance as well.
#define SITE_BREAKS_MAX (2 * PACE_BREAKS_MAX)
// What was learned of a host's addresses serves for so long at least, for the same reason.
#define SITE_ADDRESSES_KEPT_US (UINT64_C(60) * 1000 * 1000)
// A site one of whose hosts took no 8-bit content is known for that.
#define SITE_7BIT_KEPT_US (UINT64_C(3600) * 1000 * 1000)

struct conn;
struct lease;
struct loan;
struct target;

enum site_host_state { HOST_UNKNOWN, HOST_ASKED, HOST_KNOWN, HOST_NONE, HOST_NONE_FOR_NOW };

struct site_address {
    struct io_address address;
    uint64_t rests_until_us; // it did not answer, or refused the session: not before then
    uint32_t walk;           // in which that was; 0: never
    uint64_t plain_until_us; // a handshake with it has failed: TLS is not tried before then
};

enum host_dane_state { HOST_DANE_UNKNOWN, HOST_DANE_ASKED, HOST_DANE_KNOWN };

// What the DNS demands of TLS with a host: dane.c's.
struct host_dane {
    struct dane_facts facts;
    struct dane_decision decision; // what is asked, or what holds
    uint64_t expires_us;
    uint32_t tlsa_count; // usable ones, of the name that counts
    struct tls_tlsa tlsa[TLS_TLSA_MAX];
    char *bytes; // what these point to
    uint8_t canonical_len;
    char canonical[DNS_NAME_BYTES_MAX]; // where its CNAMEs lead
};

struct site_host {
    uint8_t state;          // enum site_host_state
    uint8_t dane_state;     // enum host_dane_state
    struct host_dane *dane; // once its addresses are known; NULL where nobody asks
    uint8_t address_count;
    uint64_t expires_us;
    struct site_address *addresses;
};

// What a session must be for a domain's mail to go on it. It belongs to the domain: those of the
// same exchangers that need different sessions are different sites, so that none weakens another's
// or waits for it.
struct site_need {
    enum tls_level level;
    bool implicit;             // TLS from the first byte on
    bool mx_secure;            // what named the hosts: else DANE says nothing of them
    bool sts;                  // an MTA-STS policy of the domain's is enforced,
    uint64_t sts_hosts;        // and names these, a bit for each host of the set
    const struct route *login; // who we are there; NULL: nobody
    // RFC 7672 3.2.2: a certificate by DANE's usage 2 may bear these names, too: that whose MX
    // records led here, and where its CNAMEs lead. Empty: the hosts' names alone are asked for.
    struct slice domain, canonical;
};
// There. A password is for the hosts that its route names, and for no others.
struct site_need site_need_of(const struct limits *domain, const struct mx_set *set);
_Static_assert(MX_HOSTS_MAX <= 64, "a bit for each");
bool site_need_equal(const struct site_need *a, const struct site_need *b);

// Domains that have ready jobs of one class, in turn.
struct site_ring {
    struct target *first, *last;
    uint32_t job_count;
};

struct site_loans {
    struct loan *first, *last;
};

struct site {
    uint32_t index; // in the worker's slab
    uint64_t hash;
    struct site *bucket_next;
    struct mx_set *set;
    struct site_need need;
    char *need_names;           // what the names in it point to
    struct site_host *hosts;    // set->count of them, in its order
    struct limits limits;       // the tightest of its domains'
    uint32_t limits_turn;       // of the table that these are from (deliver.limits_turn)
    struct allowance allowance; // their rates, and what its answers have taught
    struct wheel_timer timer;   // armed while it waits for something that time brings
    struct site_group *group;   // NULL: it is limited by itself alone
    bool has_turn;              // in its group: it was the first in line
    bool reserved;              // what it opened in its turn has not been used yet
    bool in_line;
    struct site *line_next;

    struct site_source *sources; // what its mail leaves from: one or more
    uint32_t source_count;
    uint32_t source_turn;           // which comes next, of equal ones
    struct source_book own_sources; // those of a group are in its book
    uint64_t place;                 // what its rates are remembered by

    struct site_ring rings[PRIORITY_CLASSES]; // of its domains
    struct turns turns;                       // of the classes
    uint32_t ready_count;                     // jobs
    uint32_t target_count;                    // domains attached
    struct job *fetched_first, *fetched_last; // out of the ready lists, read back or signed
    uint32_t fetched_count;
    uint32_t fetch_count; // of jobs that are being read back, or signed

    struct conn *willing_first;  // connections that may be given one more message
    uint32_t conn_count;         // all of its connections
    uint32_t open_count;         // of these, not being closed
    uint32_t spare_count;        // of these, idle or being opened
    uint32_t opening_count;      // of these, not ready yet
    uint32_t transaction_count;  // on all of them
    struct pace pace;            // learned: how far they speak ahead of its replies
    uint64_t only_7bit_until_us; // one of its hosts takes no 8-bit content
    bool proven;                 // a session became ready, and none has failed to since
    bool is_prompt;              // it has answered in time lately: crowd.c's, as is the next
    uint32_t stuck_count;        // connections that have waited for long

    bool hot;                                  // other workers help: see lend.c
    uint32_t lent_count;                       // connections
    struct lease *lease_first;                 // to others
    struct lease *borrowed;                    // NULL: it is ours
    struct site_loans loans[PRIORITY_CLASSES]; // borrowed jobs that have not begun

    uint32_t walk; // counts the walks over its addresses: one ends when all of them have failed
    uint32_t failure_count;    // such walks in a row, and no session became ready since
    uint64_t rests_until_us;   // after such a walk; then one connection finds out
    uint32_t break_count;      // new sessions in a row that broke in their first message
    struct failure failure;    // the last of a whole connection
    struct failure complaint;  // the last that made us slower
    uint64_t took_us;          // a message, the last one; 0: none
    uint32_t connections_told; // that it may have at a time, as was told last (lesson.c)
    uint8_t failure_host;
    struct io_address failure_peer;
    uint32_t ask_count; // address questions under way

    bool dirty; // dispatch looks at it in this turn
    struct site *dirty_next;
    bool has_dispatch; // dispatch is looking at it: nothing frees it meanwhile
    bool starved;      // no connection was to be had for it, or no memory:
    enum reason_kind starved_of;
    struct site *starved_next;
};

// A site with copies of set and need; its sources are still to come. False without memory.
bool site_init(struct site *s, const struct mx_set *set, uint64_t hash, const struct limits *l,
               const struct site_need *need);
void site_release(struct site *s);

enum site_choice {
    SITE_CONNECT,    // *ret_host, *ret_address
    SITE_ASK,        // the addresses of *ret_host must be asked for; then choose again
    SITE_ASK_DANE,   // what DANE says of *ret_host is not known yet; then choose again
    SITE_WAIT,       // an answer is awaited
    SITE_BARRED,     // none may be used: *ret_host, the most preferred of them, for *ret_bar
    SITE_RESTING,    // it rests, or every address does or has failed in this walk (site.failure)
    SITE_NO_ADDRESS, // *ret_temporary
};
// Addresses of other families (enum source_family) do not count.
enum site_choice site_choose(struct site *s, uint8_t families, uint64_t now_us, struct random *dice,
                             uint8_t *ret_host, uint8_t *ret_address, bool *ret_temporary,
                             enum tls_bar *ret_bar);
// What is known of one of its hosts, for policy/tls.h.
struct tls_facts site_tls_facts(const struct site *s, uint8_t host);
bool site_asks_dane(const struct site *s); // of its hosts
// What DNS said. Addresses that we may not connect to are left out unless private_targets.
void site_learn_addresses(struct site *s, uint8_t host, const struct dns_address_answer *a,
                          bool private_targets, uint16_t port);
// This address did not serve us: it rests, and others come first.
void site_rest_address(struct site *s, const struct io_address *a, uint64_t until_us);
// It took us on, and let us down: it rests not, but others come first.
void site_suspect_address(struct site *s, const struct io_address *a, uint64_t now_us);
// A walk is over, and none of its addresses served: it rests for so long, and longer each time.
void site_rest(struct site *s, uint64_t now_us, struct random *dice);
// Somebody says that it is worth a try: neither it nor any of its addresses rests.
void site_try_now(struct site *s);
// NULL: none of them has it any more.
struct site_address *site_address_of(const struct site *s, const struct io_address *a);
static inline bool site_is_7bit(const struct site *s, uint64_t now_us)
{
    return s->only_7bit_until_us > now_us;
}
void site_serves(struct site *s); // a session became ready: forgets such walks
void site_address_serves(struct site *s, const struct io_address *a); // forgets that it failed
// What site.failure says: nobody answers, or who answers will not serve us.
enum reason_kind site_failure_reason(const struct site *s);

#endif
