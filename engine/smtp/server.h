// engine/smtp/server.h: the server side of SMTP (RFC 5321, 2920, 3030, 1870, 6152, 6531, 3461,
// 2034, 6710, 3207, 4954), without I/O and without a clock.
//
// Owns:         the order of commands, replies and their order, content unframed.
// Knows not of: sockets, TLS itself, whose password is right, who may relay, where content goes,
//               what a message's fate is.
// Read first:   smtp_server_feed().
//
// Bytes from the client go into smtp_server_feed(), events come out one at a time; replies are
// appended to the buffer that the owner lent. Events marked [answer] wait for one call of
// smtp_server_answer() before the next feed. SERVER_MESSAGE is answered later if the owner likes:
// the machine goes on with the client's next commands, and holds back what it replies to them
// until the owner's smtp_server_verdict(), so that replies leave in order.
//
//   -> greeted -> (EHLO | HELO) -> ready -> MAIL -> RCPT... -> DATA or BDAT... -> ready
//   RSET, EHLO, HELO: back to ready, the transaction is dropped
//   bad content is read to its end and then refused: nothing half accepted
//   a refused BDAT is read to its end and ends the transaction: what comes behind it is 503
//   STARTTLS -> its reply -> (the owner's handshake, and smtp_server_secured()) -> greeted, and all
//               that was said before is forgotten; a byte behind STARTTLS in the clear -> closing
//   AUTH -> 334 ... -> the owner's answer, now or later -> as before
//   too many errors, an endless line, a BDAT without readable size, 421 -> closing
//
// A transaction that was opened (SERVER_MAIL accepted) ends in one SERVER_MESSAGE or one
// SERVER_DROPPED, unless the owner ends the session itself.
//
// Refusals that the machine makes: 500 5.5.2 for what is no command, 501 5.5.4 for its arguments,
// 503 5.5.1 for the wrong moment, 538 5.7.11 for a password that would be heard by others, 501 for
// an AUTH that was cancelled or is no base64, 555 5.5.4 for a parameter that was not offered.
// Content that is not sound is 550 5.6.0: the registry of enhanced codes has none for a bare LF
// (the 5.6.11 that some servers send is not registered). Content over the limit is 552 5.3.4.
#ifndef POSTHASTE_SMTP_SERVER_H
#define POSTHASTE_SMTP_SERVER_H

#include "engine/base/buffer.h"
#include "engine/smtp/command.h"
#include "engine/smtp/content.h"
#include "engine/smtp/reply_queue.h"
#include "engine/smtp/unstuff.h"

#define SERVER_COMMAND_BYTES_MAX 2048     // 512 (RFC 5321 4.5.3.1.4) and what extensions add
#define SERVER_LINE_BYTES_MAX (64 * 1024) // of a longer line that is read and refused; then 421
#define SERVER_ERRORS_MAX 20              // bad commands in one session, then 421
#define SERVER_UNCOMMITTED_MAX REPLY_QUEUE_VERDICTS_MAX // without verdict; then input waits
#define SERVER_HELO_BYTES_MAX 255
#define SERVER_AUTH_TRIES_MAX 3        // refused in one session, then 421
#define SERVER_AUTH_NAME_BYTES_MAX 255 // a user's
#define SERVER_AUTH_PASSWORD_BYTES_MAX 511
#define SERVER_REPLY_BYTES_MAX (64 * 1024) // replies not yet sent, or held back; then input waits
// What an owner's reply buffer must be able to take: the above, and a verdict (of up to 512 bytes)
// for each uncommitted message on top.
#define SERVER_OUT_BYTES_MAX (SERVER_REPLY_BYTES_MAX + 64 * 1024)

// What EHLO offers, and limits. Lent for the machine's life; may be shared by all sessions.
struct smtp_server_options {
    struct slice hostname;
    struct slice banner;        // behind the hostname in the 220; "ESMTP posthaste"
    uint64_t message_bytes_max; // SIZE, of the stored form; 0: no limit
    uint32_t rcpt_count_max;    // in one transaction; 0: no limit
    bool pipelining, chunking, eightbitmime, smtputf8, dsn, enhanced_codes, verp, mt_priority;
    bool starttls; // offered until it was done
    bool auth;     // PLAIN and LOGIN, where nobody else hears them: smtp_server_secured()
};

enum smtp_server_event_kind {
    SERVER_MORE,     // all bytes used
    SERVER_WAIT,     // keep the rest of the bytes, and feed again after a verdict, or when the
                     // buffer of replies has been sent
    SERVER_EHLO,     // [answer] text: the name; esmtp tells EHLO from HELO
    SERVER_MAIL,     // [answer] address, mail
    SERVER_RCPT,     // [answer] address, text: DSN parameters as given, checked, or empty
    SERVER_DATA,     // [answer] content begins: DATA, or the first BDAT of a message
    SERVER_CONTENT,  // text: the next bytes of the stored form (unstuffed), cut anywhere. A CRLF
                     // that BDAT left out at the end is added
    SERVER_MESSAGE,  // the content has ended and is sound: give a verdict, now or later
    SERVER_DROPPED,  // the transaction is over without a message (RSET, refused content, ...)
    SERVER_OTHER,    // [answer] RSET, NOOP, HELP, VRFY, EXPN, VERB: verb
    SERVER_STARTTLS, // [answer] all verdicts have been given. Accepted: the handshake follows the
                     // reply, and then smtp_server_secured(). Bytes that are fed before it were
                     // sent in the clear: they are thrown away, and SERVER_CLOSE follows
    SERVER_AUTH,     // [answer] text: the user, secret: the password. The answer may come later:
                     // until then it is SERVER_WAIT
    SERVER_QUIT,     // [answer] then SERVER_CLOSE, when all verdicts have been given
    SERVER_CLOSE,    // all is said: flush and close
};

struct smtp_server_event {
    enum smtp_server_event_kind kind;
    enum smtp_verb verb; // of the command that led here
    bool esmtp;
    struct address address; // valid until the next feed, as is text
    struct smtp_mail_params mail;
    struct slice text;
    struct slice secret;      // for nobody but who verifies it, and for no log
    enum content_fault fault; // SERVER_DROPPED for bad content
    // SERVER_MESSAGE: of its stored form
    uint64_t content_bytes;
    bool has_dot_lines, has_8bit;
};

// The struct stands at the end of this header, for embedding; its members are server.c's alone.
struct smtp_server;

void smtp_server_init(struct smtp_server *s, const struct smtp_server_options *options);
void smtp_server_release(struct smtp_server *s);

// The greeting. `refusal` (a whole reply line without CRLF, "554 5.3.2 ...") instead of the 220
// turns the client away; NULL greets.
void smtp_server_greet(struct smtp_server *s, const char *refusal, struct buffer *out);

// From here on nobody but the client hears what is said: before the greeting (a unix socket, TLS
// from the first byte), or when the handshake that SERVER_STARTTLS has asked for is done. The
// client says EHLO anew.
void smtp_server_secured(struct smtp_server *s);

// Uses bytes from the front of *bytes until there is an event to tell. Call until SERVER_MORE or
// SERVER_WAIT. Appends replies to *out.
struct smtp_server_event smtp_server_feed(struct smtp_server *s, struct slice *bytes,
                                          struct buffer *out);

// Answers the event just told. `reply`: NULL for the usual one (2xx, 354, the EHLO list), or a
// whole reply without CRLF, "452 4.3.1 Out of memory": 4xx and 5xx refuse what was asked, and any
// 2xx (354 for SERVER_DATA) accepts it in other words. A 421 closes. To the SERVER_DATA of a BDAT,
// the usual reply is none: first the chunk is read, and then its last has the verdict. EHLO, HELO
// and RSET drop the transaction, and QUIT ends the session, whatever the answer.
void smtp_server_answer(struct smtp_server *s, const char *reply, struct buffer *out);

// The fate of the oldest SERVER_MESSAGE without one: a whole reply without CRLF. Then follows what
// was held back behind it. A 421 hangs up. None are given after that, nor after hang_up.
void smtp_server_verdict(struct smtp_server *s, const char *reply, struct buffer *out);
uint32_t smtp_server_uncommitted(const struct smtp_server *s); // messages without verdict

// Drops everything under way, and answers with `reply` ("421 4.4.2 ..."). Messages without verdict
// get none; what was held back behind them is not said. From here on feed tells SERVER_CLOSE.
void smtp_server_hang_up(struct smtp_server *s, const char *reply, struct buffer *out);

bool smtp_server_in_transaction(const struct smtp_server *s); // after MAIL, before its end
bool smtp_server_verbose(const struct smtp_server *s);        // VERB was said
struct slice smtp_server_helo(const struct smtp_server *s);   // what the client calls itself
bool smtp_server_esmtp(const struct smtp_server *s);          // it said EHLO
bool smtp_server_authenticated(const struct smtp_server *s);  // an AUTH was accepted

// --- server.c's alone -------------------------------------------------------------------------

enum server_state {
    SERVER_SILENT,   // before the greeting
    SERVER_COMMANDS, // between commands, or within a line
    SERVER_IN_DATA,
    SERVER_IN_CHUNK,
    SERVER_IN_AUTH,      // the client's next answer is awaited
    SERVER_BEFORE_TLS,   // verdicts are awaited, then SERVER_STARTTLS is told
    SERVER_IN_HANDSHAKE, // the owner's
    SERVER_ENDED,        // nothing more is read
};

// Zeroed: none is open.
struct server_transaction {
    bool open; // MAIL was accepted
    bool smtputf8;
    bool rcpt_refused;   // one at least
    bool in_content;     // DATA or the first BDAT was accepted
    bool chunked;        // by BDAT
    uint32_t rcpt_count; // accepted
    uint64_t content_bytes;
    struct content_scan scan;
};

// What is awaited of the client: SERVER_IN_AUTH.
enum server_auth { SERVER_AUTH_PLAIN, SERVER_AUTH_LOGIN_NAME, SERVER_AUTH_LOGIN_PASSWORD };

// PLAIN may give the name twice, and has a NUL between the parts.
#define SERVER_CREDENTIALS_BYTES_MAX                                                               \
    (2 * SERVER_AUTH_NAME_BYTES_MAX + SERVER_AUTH_PASSWORD_BYTES_MAX + 2)

#define SERVER_DSN_BYTES_MAX (sizeof("RET=FULL ENVID=") + COMMAND_ENVID_BYTES_MAX)

struct smtp_server {
    const struct smtp_server_options *options;
    enum server_state state;
    enum smtp_verb unanswered; // the event told last waits for an answer; VERB_NONE: it doesn't
    struct server_transaction transaction;
    enum unstuff unstuff;
    bool esmtp, verbose;
    bool secured; // nobody else listens
    bool authenticated;
    bool turned_away;   // greeted with a refusal
    bool after_refusal; // MAIL or BDAT was refused: what stands pipelined behind it is no error
    bool broken;        // a reply could not be said
    uint8_t error_count;
    uint8_t auth_refused_count;
    uint8_t auth; // enum server_auth

    bool drop_due; // SERVER_DROPPED is to be told, with the next two
    enum smtp_verb drop_verb;
    enum content_fault drop_fault;

    bool chunk_last;
    bool chunk_refused; // `line` holds the reply
    uint64_t chunk_bytes_left;

    // A command line that came in pieces; released when the session is idle.
    struct buffer line;
    uint32_t line_bytes; // of the line so far, also of what is too long to be kept
    bool line_cr;        // the last of them was CR
    struct reply_queue replies;
    // AUTH: the name, and the password behind it. Overwritten and released with the answer.
    struct buffer credentials;
    uint16_t credentials_name_len;

    uint8_t helo_len;
    char helo[SERVER_HELO_BYTES_MAX];
    char dsn[SERVER_DSN_BYTES_MAX];
};

_Static_assert(sizeof(struct smtp_server) <= 1024, "ten thousand idle sessions fit in 10 MiB");

#endif
