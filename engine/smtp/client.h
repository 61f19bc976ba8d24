// engine/smtp/client.h: the client side of SMTP (RFC 5321, 2920, 3030, 1870, 6152, 6531, 3461,
// 3207, 4954, 6710, 9422), without I/O and without a clock.
//
// Owns:         what is said when, and which reply answers what. The queue of awaited replies is
//               the session's state.
// Knows not of: sockets, time-outs, DNS, retries, or what a verdict means for a message.
// Read first:   smtp_client_fill() and smtp_client_feed(); then client_hear.c (what replies do) and
//               client_say.c (what is said).
//
// Bytes from the server go into smtp_client_feed(), events come out one at a time. When they are
// used up, and whenever a wire has been sent, smtp_client_fill() appends what may be said now: not
// before, so that a reply which was there before its command is seen as what it is, a reply to no
// command. Nothing is called back: the owner may release the machine on any event.
//
//   GREETING -> EHLO (-> HELO when 5xx) [-> STARTTLS -> handshake -> EHLO] [-> AUTH] -> ready
//   ready -> MAIL -> RCPT... -> DATA -> 354 -> content -> ready
//   all recipients refused, or DATA -> ready, and RSET goes before the next MAIL
//   354 with no recipient accepted -> a lone dot, its reply is forgotten -> ready
//   ready, nothing under way, smtp_client_quit() -> QUIT -> closed
//   421, a broken reply, a reply to no command or of the wrong class, RSET refused,
//   2xx to RCPT after a refused MAIL -> closed
//   STARTTLS or AUTH refused, or wanted and not offered, or a byte behind STARTTLS's 220 -> closed
//
// STARTTLS is asked for before all else, and what the server said before it is forgotten. The
// handshake is the owner's: SMTP_TLS asks for it, smtp_client_secured() says that it has succeeded;
// from then on only what was sealed may be fed. Under implicit TLS the machine knows of none.
//
// How far the machine runs ahead of the replies depends on what the server offers:
//   lockstep   no PIPELINING: one command, one reply.
//   pipelined  PIPELINING: MAIL RCPT... DATA in one write. With window > 1 a second transaction may
//              start: its MAIL RCPT... DATA goes right behind the first one's content (RFC 2920
//              3.1). Content itself is never sent before its 354.
//   streamed   PIPELINING, CHUNKING and window > 1: groups of [RSET] MAIL RCPT... BDAT n LAST back
//              to back, up to `window` of them without verdict. RSET stands before each group that
//              follows an unanswered or refused one: a BDAT refused for want of a recipient leaves
//              the sender standing at some servers, and RFC 3030 2 asks for it after a failed one.
// With window 1 DATA is used though CHUNKING is offered: it costs a round trip, but sends content
// only to a server that has accepted a recipient. QUIT is never pipelined.
#ifndef POSTHASTE_SMTP_CLIENT_H
#define POSTHASTE_SMTP_CLIENT_H

#include "engine/smtp/content.h"
#include "engine/smtp/phase.h"
#include "engine/smtp/reply.h"
#include "engine/smtp/wire.h"

#define SMTP_WINDOW_MAX 32
#define SMTP_PENDING_MAX 512 // replies awaited
#define SMTP_RCPTS_PER_TRANSACTION_MAX 1000
#define SMTP_DSN_BYTES_MAX 640 // DSN parameters of one command (RFC 3461 4: ENVID 100, ORCPT 500)
#define SMTP_HELO_BYTES_MAX 255
#define SMTP_LOGIN_BYTES_MAX 255 // a user's name, a password

struct smtp_recipient {
    struct slice address;
    struct slice dsn; // DSN parameters as they go on the line ("NOTIFY=... ORCPT=..."), or empty
};

// One message to some recipients of one site. Lent to the machine, all that it points to included,
// from smtp_client_start() to its SMTP_DONE, or to SMTP_CLOSED (and, as all content, until the
// wire that holds it has been sent).
struct smtp_transaction {
    uint64_t tag;        // the owner's
    struct slice sender; // empty: the null sender
    struct slice dsn;    // DSN parameters of MAIL ("RET=... ENVID=..."), or empty
    const struct smtp_recipient *rcpts;
    uint32_t rcpt_count; // 1 to SMTP_RCPTS_PER_TRANSACTION_MAX
    bool is_8bit;        // declares BODY=8BITMIME where offered; where not, is sent as it is
    bool smtputf8;       // needs SMTPUTF8: refused with SMTP_DONE 553 5.6.7 where not offered
    bool verp;       // the server is to make a sender of each recipient (XVERP): refused with 501
                     // 5.5.4 where not offered
    int8_t priority; // MT-PRIORITY (RFC 6710), said where it is offered; 0 is not
    struct content content;
};

enum smtp_extension {
    SMTP_PIPELINING = 1 << 0,
    SMTP_CHUNKING = 1 << 1,
    SMTP_SIZE = 1 << 2,
    SMTP_8BITMIME = 1 << 3,
    SMTP_SMTPUTF8 = 1 << 4,
    SMTP_DSN = 1 << 5,
    SMTP_ENHANCEDSTATUSCODES = 1 << 6,
    SMTP_STARTTLS = 1 << 7,
    SMTP_AUTH_PLAIN = 1 << 8,
    SMTP_AUTH_LOGIN = 1 << 9,
    SMTP_MT_PRIORITY = 1 << 10,
    SMTP_XVERP = 1 << 11, // Postfix's
};

// What the server says it takes of one session (LIMITS, RFC 9422). 0: not said.
struct smtp_limits {
    uint32_t mail_max;        // transactions
    uint32_t rcpt_max;        // recipients of each
    uint32_t rcpt_domain_max; // different domains, in all of them together
};

enum smtp_tls_wish {
    SMTP_TLS_NEVER,
    SMTP_TLS_IF_OFFERED,
    SMTP_TLS_ALWAYS, // where it is not offered the session is closed
};

struct smtp_client_options {
    struct slice helo_name; // lent for the machine's life, as are the next two
    struct slice user;      // who we are to the server (AUTH); empty: nobody
    struct slice password;
    enum smtp_tls_wish tls;
    uint32_t ignore;     // extensions that are not used though offered (SMTP_PIPELINING | ...)
    uint16_t window;     // unanswered messages at most; 1: one transaction at a time
    bool decisions_only; // no SMTP_REPLIED is told: most replies then cost their reading alone
};

enum smtp_event_kind {
    SMTP_MORE,         // all bytes used; nothing more to say about them
    SMTP_REPLIED,      // a reply that decides nothing (phase and reply are set; tag, too, where it
                       // belongs to a transaction, even one that has ended)
    SMTP_TLS,          // the server has agreed to STARTTLS, and awaits a handshake
    SMTP_READY,        // the session takes transactions now
    SMTP_RCPT_REFUSED, // one recipient of transaction `tag`: rcpt and reply; others go on
    SMTP_DONE,   // transaction `tag` has ended: `reply` is the verdict for each recipient that was
                 // not refused before. phase says which command it answers: only a 2xx at
                 // SMTP_PHASE_CONTENT means delivered.
    SMTP_CLOSED, // the session is over (reply may be NULL); `why` is a constant text. The owner
                 // asks smtp_client_unfinished() and closes the connection. Told once. phase says
                 // when it is about TLS or AUTH (SMTP_PHASE_STARTTLS, SMTP_PHASE_AUTH).
};

struct smtp_event {
    enum smtp_event_kind kind;
    enum smtp_phase phase;
    uint64_t tag;
    uint32_t rcpt;
    uint64_t end_bytes;        // SMTP_DONE: stream position behind all that was said of it
    const struct reply *reply; // valid until the next call
    const char *why;
    bool broke_rules; // SMTP_CLOSED: what the server said of a transaction answers none of its
                      // commands (the transaction itself may have ended before)
};

// The struct stands at the end of this header, for embedding; its members are the machine's alone.
struct smtp_client;

void smtp_client_init(struct smtp_client *c, const struct smtp_client_options *options);
void smtp_client_release(struct smtp_client *c);
// After SMTP_TLS: the handshake has succeeded. The session begins anew, with EHLO.
void smtp_client_secured(struct smtp_client *c);

// Uses bytes from the front of *bytes until there is an event to tell. Call until SMTP_MORE, which
// is also what a closed session says to everything.
struct smtp_event smtp_client_feed(struct smtp_client *c, struct slice *bytes);

// The session is ready and has room for one more transaction (window, chunking, pipelining). True
// after every SMTP_DONE, unless the session is about to quit or close.
bool smtp_client_can_start(const struct smtp_client *c);
// From here on so many messages may be unanswered. What is under way goes on; between 1 and more
// the pace changes only once nothing is.
void smtp_client_set_window(struct smtp_client *c, uint16_t window);
// False: this server cannot be told of it (SMTPUTF8, SIZE, an address that fits no command line).
// Nothing is said then, and the next smtp_client_feed() tells its SMTP_DONE, with a reply of our
// own (phase MAIL, a 5xx): call it at once, with no bytes. No other start before that.
bool smtp_client_start(struct smtp_client *c, const struct smtp_transaction *t);
// Appends what may be said now to the wire, as far as it has room.
void smtp_client_fill(struct smtp_client *c, struct wire *w);
// Says QUIT when all transactions have ended (never pipelined behind one). No start after that.
void smtp_client_quit(struct smtp_client *c);

// No transaction is under way and no reply is awaited.
bool smtp_client_idle(const struct smtp_client *c);
// What the machine waits for: the phase of the oldest awaited reply (for time-outs, RFC 5321
// 4.5.3.2). False when it awaits none.
bool smtp_client_awaits(const struct smtp_client *c, enum smtp_phase *ret_phase);
uint32_t smtp_client_extensions(const struct smtp_client *c); // what the server offered
uint64_t smtp_client_size_max(const struct smtp_client *c);   // of SIZE; 0: not said
uint64_t smtp_client_replies(const struct smtp_client *c);    // how many it has heard, to the end
// The server has answered some command of a transaction.
bool smtp_client_has_answered(const struct smtp_client *c);
struct smtp_limits smtp_client_limits(const struct smtp_client *c);

// After SMTP_CLOSED, or when the connection broke: the transactions that have no verdict, oldest
// first, `i` from 0 until false.
struct smtp_unfinished {
    uint64_t tag;
    bool written;       // its last byte was handed to a wire, and no 421 has ended the doubt: it
                        // is in doubt once end_bytes have gone to the kernel
    bool answered;      // a command that is about it, which RSET is not
    uint64_t end_bytes; // stream position behind its last byte (all that fill ever appended)
};
bool smtp_client_unfinished(const struct smtp_client *c, uint32_t i, struct smtp_unfinished *ret);

// ------------------------------------------------------------------------- the machine's own

// What comes next on the wire.
enum smtp_turn {
    SMTP_TURN_SERVER, // a reply is awaited: the greeting, or to EHLO, HELO, STARTTLS or AUTH
    SMTP_TURN_EHLO,
    SMTP_TURN_HELO,
    SMTP_TURN_STARTTLS,
    SMTP_TURN_HANDSHAKE, // the owner's
    SMTP_TURN_AUTH,
    SMTP_TURN_NEXT, // ready: the next group, or QUIT
    SMTP_TURN_RSET,
    SMTP_TURN_MAIL,
    SMTP_TURN_RCPT,
    SMTP_TURN_DATA,
    SMTP_TURN_GO_AHEAD, // nothing until DATA is answered
    SMTP_TURN_CONTENT,
    SMTP_TURN_LONE_DOT,
    SMTP_TURN_BDAT,
    SMTP_TURN_NONE, // QUIT was said, or the session is closed
    SMTP_TURN_COUNT,
};

enum smtp_pace { SMTP_LOCKSTEP, SMTP_PIPELINED, SMTP_STREAMED };

// One transaction's commands and their replies. It outlives its SMTP_DONE while replies to what
// was pipelined are still to come.
struct smtp_group {
    const struct smtp_transaction *t; // NULL once it has ended
    uint64_t tag;
    uint64_t end_bytes;
    uint16_t awaited; // replies
    uint16_t rcpt_said;
    uint16_t rcpt_answered;
    uint16_t rcpt_accepted;
    bool written;
    bool answered; // MAIL, or more
    bool mail_accepted;
};

// Replies come in order, so that only the oldest group can have ended and still wait for some.
#define SMTP_GROUPS_MAX (SMTP_WINDOW_MAX + 1)

struct smtp_client {
    struct smtp_client_options options;
    uint32_t offered; // extensions
    uint64_t size_max;
    struct smtp_limits limits;
    uint64_t said_bytes; // all that fill ever appended
    uint64_t reply_count;

    enum smtp_turn turn;
    enum smtp_pace pace;
    uint8_t auth_lines; // that were said
    bool secured;       // by STARTTLS
    bool ready;
    bool closed; // SMTP_CLOSED was told
    bool quit_wanted;
    bool needs_rset; // the last group to be answered may have left a transaction open
    bool answered;   // some transaction's command
    bool ended_by_421;
    const char *close_next; // the next event is SMTP_CLOSED, for this reason
    bool done_next;         // the next event is SMTP_DONE for the oldest group: nobody accepted

    const struct smtp_transaction *unsayable; // the next event is its SMTP_DONE
    const struct reply *unsayable_reply;

    struct content_cursor cursor; // in the content that is being written
    uint16_t group_first;
    uint16_t group_count;
    uint16_t said_count; // of these, the oldest ones that are wholly said, or given up
    struct smtp_group groups[SMTP_GROUPS_MAX];

    uint16_t pending_first;
    uint16_t pending_count;
    uint8_t pending[SMTP_PENDING_MAX]; // enum smtp_phase
    struct reply_parser parser;
};
_Static_assert(sizeof(struct smtp_client) <= 4096, "one stands in every connection");

#endif
