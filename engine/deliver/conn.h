// engine/deliver/conn.h: one connection to an exchanger: socket, time-outs and bytes around
// smtp/client, maybe under TLS (channel.h; secure.c begins it).
//
// Owns:    the descriptor, its requests in flight, the machine, the wire, the channel.
// Knows not of: jobs, sites, or what an event means: attempt.c asks the machine.
// Dying:   in two steps, because the kernel may still hold our memory: conn_close() asks, and the
//          last completion (conn_on_done() says CONN_GONE) gives it back.
#ifndef POSTHASTE_DELIVER_CONN_H
#define POSTHASTE_DELIVER_CONN_H

#include "engine/base/wheel.h"
#include "engine/deliver/channel.h"
#include "engine/deliver/site.h"
#include "engine/deliver/transaction.h"

// Exim lets ten commands go that bring no message (smtp_accept_max_nonmail), and hangs up in the
// middle of a stream at the eleventh. A message that is refused leaves one such RSET behind.
#define CONN_REFUSED_MAX 10

// A server that limits the domains of one session (RFC 9422) gets so many at most.
#define CONN_DOMAINS_MAX 16

// A session is counted for so many domains whose mail goes on it.
#define CONN_TALLIED_MAX 8

enum conn_state {
    CONN_CONNECTING,
    CONN_OPENING, // greeting and EHLO
    CONN_IDLE,    // ready
    CONN_BUSY,    // transactions are under way
    CONN_QUITTING,
    CONN_CLOSING,
};

enum conn_op { CONN_OP_CONNECT, CONN_OP_RECEIVE, CONN_OP_SEND, CONN_OP_TIMER, CONN_OP_COUNT };

struct conn {
    uint32_t index;
    uint16_t generation;
    uint8_t state; // enum conn_state; set by conn.c and conn_enter()
    uint8_t ops_in_flight;
    uint8_t io_owner;
    uint8_t host;   // of the site
    uint8_t source; // of the site: what it leaves from
    bool sending;
    bool receiving;
    bool want_send;     // in the turn's list of connections with something to say
    bool willing;       // in its site's list of those that may be given one more message
    bool moved;         // since the deadline was set: a reply, a change of state
    bool sends_sealed;  // what is being sent is the channel's, not the wire's
    bool tries_anew;    // it ended since TLS began in the wrong way: the next one takes another
    bool send_broke;    // nothing more goes out; what the server has said is still read
    bool broke_rules;   // it ended since the server said what fits no command
    bool timed_out;     // it was silent for too long
    bool spent;         // it may be given no more messages: the server's limits are reached
    bool gone;          // nothing is lent any more; the turn's list still holds it
    bool is_waiting;    // in a list of those that wait for an answer: crowd.c's, with the next two
    bool is_stuck;      // they have waited for long
    bool replied;       // to a command of ours, since crowd_moved()
    bool session_ready; // it has been IDLE once: a failure now is not the host's refusal
    int fd;
    uint32_t message_count; // that got a verdict
    uint32_t started_count; // messages
    uint32_t tx_count;      // under way
    uint32_t domain_count;  // of recipients, while the server limits them
    uint64_t domain_hashes[CONN_DOMAINS_MAX];
    uint32_t refused_count; // messages that nobody was accepted for, or whose content was not
    struct site *site;
    struct conn *next;                  // the list of the willing
    struct conn *prev;                  // the list of the willing
    struct conn *send_next;             // the turn's list
    struct conn *idle_next, *idle_prev; // of its site's group
    struct conn *wait_next, *wait_prev;
    uint64_t waits_since_us;
    struct wheel_timer timer;
    uint64_t deadline_us;   // the timer may fire earlier, and is armed again then
    uint64_t sent_bytes;    // stream position, of plain bytes: all of it was taken by the kernel
    uint64_t left_bytes;    // some of it may have been: beyond sent_bytes under TLS alone
    struct tls_facts facts; // that the plan is from
    struct tls_plan plan;
    uint8_t tallied_count;
    const struct target *tallied[CONN_TALLIED_MAX]; // only to be compared
    struct tls_numbers tls;                         // what was negotiated
    struct channel *channel;                        // NULL: in the clear
    struct io_address peer;
    const struct io_address *local; // NULL: the kernel's choice
    uint8_t peer_text_len;
    char peer_text[IO_ADDRESS_TEXT_BYTES]; // for results
    struct failure failure;                // why it closes
    struct transaction *tx_first, *tx_last;
    struct wire wire;
    struct smtp_client client;
};

// Asks for the connection to c->peer, from c->local. 0, or -errno (nothing is in flight then).
int conn_open(struct conn *c, struct io *io, const struct smtp_client_options *options);

enum conn_news {
    CONN_NOTHING,
    CONN_CONNECTED,
    CONN_BYTES, // *ret_bytes: from the peer, until the caller returns them to io
    CONN_SENT,  // some went out; there may be room again
    CONN_LOST,  // the connection broke: c->failure says how; the caller closes
    CONN_GONE,  // closed, and nothing is lent any more: the slot is free
};
enum conn_news conn_on_done(struct conn *c, struct io *io, const struct io_done *done,
                            struct slice *ret_bytes);

// Takes the TLS session: from here on all goes under it. False without memory: then it is freed.
bool conn_secure(struct conn *c, struct tls *t);
// Fills the wire with what the machine says now, and sends it unless a send is under way.
void conn_flush(struct conn *c, struct io *io);
void conn_close(struct conn *c, struct io *io);
size_t conn_unsent(const struct conn *c); // bytes that the kernel has not taken yet
// Its transactions, oldest first. Each gets a tag of its own, that none on it has had before.
void conn_add_transaction(struct conn *c, struct transaction *tx);
void conn_remove_transaction(struct conn *c, struct transaction *tx);
void conn_release(struct conn *c);

// What the server says that it takes (RFC 9422), and `limit`, which is ours: the smaller.
uint32_t conn_messages_max(const struct conn *c, uint32_t limit);
uint32_t conn_rcpts_max(const struct conn *c, uint32_t limit); // in one transaction
bool conn_offers(const struct conn *c, enum smtp_extension extension);
// Does it take recipients of this domain, too? If so it is counted.
bool conn_takes_domain(struct conn *c, struct slice domain);

// How long each wait may take that no RFC has a number for.
struct conn_patience {
    uint64_t connect_us;
    uint64_t tls_us; // for the answer to STARTTLS, and in the handshake
    uint64_t idle_us;
};
// When the peer must have moved by, given what the session waits for.
uint64_t conn_patience_us(const struct conn *c, const struct conn_patience *p);

#endif
