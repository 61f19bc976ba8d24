// engine/tls/tls.h: TLS (1.2 and 1.3, by OpenSSL 3) as a filter on bytes, for clients and servers.
//
// Owns:         the handshake, records, what a certificate is held against, sessions kept to be
//               resumed. This room alone (and DKIM) sees OpenSSL.
// Knows not of: sockets, time-outs, SMTP, whether TLS is wanted at all, or what a failure means.
// Read first:   tls_feed() and tls_seal().
// Threads:      a context and its sessions belong to one thread. Each worker has contexts of its
//               own.
// Memory:       OpenSSL allocates per session, and gives its record buffers back whenever a session
//               is quiet. We allocate nothing per message: buffers are the owner's, and keep their
//               room.
//
//   client:  tls_new_client -> tls_start (ClientHello in `send`) -> tls_feed ... TLS_READY
//   server:  tls_new_server ->                                      tls_feed ... TLS_READY
//   both:    tls_feed (sealed bytes to plain), tls_seal (plain to sealed), tls_close (close_notify)
//
// Whatever gathers in `send` is to go to the peer: after every call here, also after TLS_CLOSED and
// TLS_FAILED (then it is the alert that says why), and in the order in which it was appended.
//
// A session under STARTTLS begins with an empty buffer on both sides: bytes that came in the clear
// behind the server's 220, or behind the client's STARTTLS, must never be given to tls_feed(), nor
// be obeyed: the owner ends the session.
#ifndef POSTHASTE_TLS_TLS_H
#define POSTHASTE_TLS_TLS_H

#include "engine/base/buffer.h"
#include "engine/tls/names.h"

#include <sys/uio.h>

#define TLS_RECORD_BYTES_MAX (16 * 1024) // of plain bytes, in one record
#define TLS_RECORD_OVERHEAD_BYTES 512    // more than any record adds to them
// What a `send` buffer must be able to hold (its bytes_max) beside what is not yet sent: a record,
// and the flight of a handshake (our certificates), or answers that TLS itself gives.
#define TLS_SEND_SPARE_BYTES (24 * 1024)
#define TLS_SEND_BYTES_MIN (TLS_SEND_SPARE_BYTES + TLS_RECORD_BYTES_MAX + TLS_RECORD_OVERHEAD_BYTES)
#define TLS_CERTIFICATES_MAX 4 // of a server: one for each type of key
#define TLS_NAMES_MAX 4        // a certificate may bear one of so many
#define TLS_TLSA_MAX 32        // records of one host
#define TLS_NAME_BYTES_MAX 253
#define TLS_TEXT_BYTES_MAX 192 // of a failure
#define TLS_PEM_BYTES_MAX (256 * 1024)
#define TLS_SESSIONS_MAX 4096 // kept by one context, to be resumed

// ------------------------------------------------------------------------------------- contexts

struct tls_context;

// Trust anchors, and sessions that may be resumed. All given is copied.
struct tls_client_options {
    struct slice trusted_pem; // certificates; empty: the system's store
    uint32_t session_count;   // kept at most; 0: none is resumed
};

struct tls_certificate {
    struct slice chain_pem; // the server's own first, then those between it and the root
    struct slice key_pem;   // without a password
};

struct tls_server_options {
    struct tls_certificate certificates[TLS_CERTIFICATES_MAX];
    uint32_t certificate_count; // 1 to TLS_CERTIFICATES_MAX, of different key types
    struct slice service;       // tickets of one service are worth nothing at another: the
                                // listener's name. At most 32 bytes count.
};

// NULL: *ret_why says why not, in a constant text. Reading the system's store takes some
// milliseconds: at start and reload, never on the message path.
struct tls_context *tls_context_new_client(const struct tls_client_options *o,
                                           const char **ret_why);
struct tls_context *tls_context_new_server(const struct tls_server_options *o,
                                           const char **ret_why);
// Sessions hold on to their context: after a reload the owner unrefs the old one at once, and what
// is under way goes on with the old certificate. NULL is fine.
void tls_context_unref(struct tls_context *c);
// Server: tickets are sealed by a new key from now on; those of the key before are still taken, of
// older ones not. Called every hour, a ticket lives two at most. A fresh context has a key.
void tls_context_turn_ticket_key(struct tls_context *c);

// ------------------------------------------------------------------------------------- sessions

// What the peer's certificate must be, for the handshake to succeed.
enum tls_check {
    TLS_CHECK_NONE, // anything: the verdict is told all the same (tls_info), for who wants to know
    TLS_CHECK_NAME, // a chain to a trust anchor, and one of `names` among its alternative names
    TLS_CHECK_DANE, // one of `tlsa` (RFC 7672: DANE-EE without dates and names; DANE-TA with both)
};

// A TLSA record (RFC 6698) as it stands in DNS.
struct tls_tlsa {
    uint8_t usage, selector, matching;
    struct slice data;
};
// RFC 7672 3.1: usage 2 or 3, a known selector and matching type, data of the right length (and a
// certificate or key that can be read where it stands there whole). Unusable ones are left out by
// tls_new_client(); when none is left, TLS_CHECK_DANE fails.
bool tls_tlsa_usable(const struct tls_tlsa *r);

struct tls_client_session {
    enum tls_check check;
    struct slice server_name;          // SNI: the reference name; empty: none is sent
    struct slice names[TLS_NAMES_MAX]; // in lower-case A-labels, without a final dot
    uint32_t name_count;               // 0 with TLS_CHECK_NONE alone
    const struct tls_tlsa *tlsa;       // for TLS_CHECK_DANE
    uint32_t tlsa_count;
    // Whom a session may be resumed with: address and port, host name. Sessions are kept under this
    // and all of the above together, so that none is ever resumed under another policy. Empty: the
    // session is neither resumed nor kept.
    struct slice peer;
    uint64_t wall_s; // the time that certificates are held against; 0: OpenSSL's own clock
};

struct tls;

// NULL without memory, or for a name that cannot be one. What the options point to is copied.
struct tls *tls_new_client(struct tls_context *c, const struct tls_client_session *o);
struct tls *tls_new_server(struct tls_context *c);
void tls_free(struct tls *t); // NULL is fine

enum tls_status {
    TLS_MORE,   // all sealed bytes are used; the peer must send more
    TLS_READY,  // the handshake has succeeded: tls_info() is known, tls_seal() works. Told once;
                // sealed bytes may be left
    TLS_FULL,   // `plain` has no more room: call again with some, though no sealed bytes be left
    TLS_CLOSED, // the peer has said that it sends no more (close_notify); so may we (tls_close())
    TLS_FAILED, // the session is over: tls_failure()
};

// Client: appends the first flight to `send`. TLS_MORE or TLS_FAILED.
enum tls_status tls_start(struct tls *t, struct buffer *send);

// Uses sealed bytes from the front of *sealed. Plain bytes are appended to `plain`, as many as fit
// its limit (give it TLS_RECORD_BYTES_MAX: one buffer serves all sessions of a thread), and what
// the handshake says to `send`. Call until TLS_MORE, TLS_CLOSED or TLS_FAILED; take the plain bytes
// first in any case: they came before.
enum tls_status tls_feed(struct tls *t, struct slice *sealed, struct buffer *plain,
                         struct buffer *send);

// Seals plain bytes from the front of `pieces`, gathered into full records, as far as `send` has
// room beside TLS_SEND_SPARE_BYTES. Returns how many plain bytes were used: fewer than there are
// when `send` is full (0 when it is), or when the session has failed. Never before TLS_READY.
size_t tls_seal(struct tls *t, const struct iovec *pieces, unsigned count, struct buffer *send);

// Appends our close_notify, once. Nothing is sealed after that.
void tls_close(struct tls *t, struct buffer *send);

// ------------------------------------------------------------------------ what came of it, as data

// What the peer's certificate is worth, against what was asked for: also where nothing depends on
// it (TLS_CHECK_NONE).
enum tls_verdict {
    TLS_PEER_UNKNOWN,    // no certificate was looked at: a server's side, or no handshake yet
    TLS_PEER_VERIFIED,   // by trust anchor and name (if any was given), or by a TLSA record
    TLS_PEER_UNTRUSTED,  // no chain to a trust anchor, self-signed, revoked, too weak
    TLS_PEER_EXPIRED,    // or not yet valid
    TLS_PEER_WRONG_NAME, // a good chain for somebody else
    TLS_PEER_NO_TLSA,    // no TLSA record matches, or none was usable
};

enum tls_trouble {
    TLS_NO_TROUBLE,
    TLS_TROUBLE_PROTOCOL, // the peer does not speak TLS as it must, or no version or cipher fits
    TLS_TROUBLE_ALERT,    // the peer refused us, and said so
    TLS_TROUBLE_VERDICT,  // its certificate: tls_info().verdict says how
    TLS_TROUBLE_OURS,     // no memory, or `send` had no room
};

struct tls_info {
    struct tls_numbers numbers; // of the next two; 0 before
    bool ready;                 // the handshake has succeeded
    bool resumed;               // of an earlier session, with its verdict
    const char *version;        // "TLSv1.3"; "" before
    const char *cipher;         // "TLS_AES_256_GCM_SHA384"; "" before
    enum tls_verdict verdict;
    const char *verdict_text; // OpenSSL's own words, constant; "" when there is nothing to say
    struct slice server_name; // server: the SNI that the client sent; valid while the session lives
};
struct tls_info tls_info(const struct tls *t);

struct tls_failure {
    enum tls_trouble trouble;
    bool in_handshake; // before TLS_READY: nothing has passed under TLS
    const char *text;  // printable, at most TLS_TEXT_BYTES_MAX; valid while the session lives
};
struct tls_failure tls_failure(const struct tls *t); // after TLS_FAILED

#endif
