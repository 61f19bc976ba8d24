// engine/submit/session.h: one client that submits mail: its socket around smtp/server, TLS between
// the two where there is any, who the client is, and the message it is building.
//
// Owns:    the descriptor, requests in flight, the machine, replies, received bytes that must wait.
// Dying:   session_close() asks; session_flush() says true once nothing is lent any more.
#ifndef POSTHASTE_SUBMIT_SESSION_H
#define POSTHASTE_SUBMIT_SESSION_H

#include "engine/message/trace.h"
#include "engine/submit/body_hash.h"
#include "engine/submit/submit.h"
#include "engine/tls/digest.h"

// What may arrive between the turn in which a session stops receiving and the next: the whole ring
// of buffers. They are copied, so that no session keeps buffers from the others.
#define SESSION_HELD_BYTES_MAX                                                                     \
    ((size_t)IO_RECEIVE_BUFFER_COUNT_DEFAULT * IO_RECEIVE_BUFFER_BYTES_DEFAULT * 2)

#define SESSION_STOPPING "421 4.3.2 Shutting down"
#define SESSION_TOO_MANY "450 4.7.1 Too many messages of this user, try again later"

#define SESSION_HANDSHAKE_US 30000000u // a client that takes longer is left
#define SESSION_TICKET_KEY_US (UINT64_C(3600) * 1000 * 1000)
// Of what is sealed, and of what is on its way.
#define SESSION_SEALED_BYTES_MAX (SERVER_OUT_BYTES_MAX + TLS_SEND_BYTES_MIN)

// A listener's, on this worker.
struct session_certificates {
    struct tls_context *context; // NULL: none
    uint64_t key_us;             // when its tickets got their key
};

// What all sessions of a worker share.
struct session_room {
    struct submit_options o;
    struct submit_counters counters;
    uint64_t last_id;
    struct message_list complete; // for submit_next_message()
    struct sha256 *sha256;
    struct body_cache bodies;
    struct gate *gate;
    struct users *users;              // NULL: none
    struct session_certificates *tls; // of each listener
    struct buffer plain;              // what a record held, for the moment
    bool stopping;
    uint64_t stop_us; // then transactions are ended
};

enum session_op { SESSION_OP_RECEIVE, SESSION_OP_SEND, SESSION_OP_VERIFY };

// What is known of a message whose verdict has not left, because an older one's has not.
enum fate {
    FATE_UNKNOWN,
    FATE_TAKEN, // under its id
    FATE_NO_MEMORY,
    FATE_LOOP,
    FATE_NO_ROOM,
    FATE_FAILED,
    FATE_KEY_OTHER,
    FATE_KEY_BAD,
    FATE_PRIORITY_BAD,
    FATE_CAMPAIGN_BAD,
    FATE_CAMPAIGN_DENIED,
    FATE_AUTHOR_DENIED,
    FATE_RATE,
};

struct session {
    uint32_t index;
    uint16_t generation;
    uint16_t listener;
    int fd;
    uint8_t ops_in_flight;
    bool receiving;
    bool sending;
    bool closing;         // io_close() was asked
    bool close_when_sent; // after the replies
    bool hung_up;         // told 421: no verdict is given any more
    bool peer_ended;      // the client sends no more
    bool want_flush;
    bool waiting; // the machine takes no bytes before a verdict
    bool may_relay;
    bool no_memory;  // for the message being built: 452 when it ends
    bool tls_ready;  // the handshake is done
    bool tls_ended;  // so is all that we say
    bool identified; // as `user`
    uint8_t user_len;
    char user[USERS_NAME_BYTES_MAX];
    struct gate_ask *asked; // an AUTH that is being verified
    uint64_t asked_us;      // when the last one was
    uint64_t refuse_us;     // when it hears that it was refused; 0: it was not
    struct tls *tls;        // NULL: in the clear
    struct buffer sealed;   // of TLS: what is to be sent next
    struct session *flush_next;
    uint64_t progress_us;   // when the client last moved
    uint32_t content_bytes; // received since then
    struct wheel_timer timer;
    struct io_peer peer;
    struct message *message;   // being built
    struct header_scan header; // of its content
    struct body_hash body_hash;
    uint8_t fates[SERVER_UNCOMMITTED_MAX]; // enum fate: a ring, of messages without verdict
    uint64_t ids[SERVER_UNCOMMITTED_MAX];  // of those with FATE_TAKEN
    uint8_t fate_first, fate_count;
    struct buffer held; // received bytes that wait for a verdict
    size_t held_used;   // of these, fed to the machine
    struct buffer out;  // replies that gather
    struct buffer sent; // replies lent to the kernel
    size_t sent_bytes;  // of these
    struct iovec sent_piece;
    struct smtp_server machine;
};

void session_open(struct session *s, struct session_room *room, int fd, const char *refusal);
void session_on_done(struct session *s, struct session_room *room, const struct io_done *done);
void session_on_timer(struct session *s, struct session_room *room);
// Anew: when it must have moved. Also when the engine stops.
void session_await(struct session *s, struct session_room *room);
void session_verdict(struct session *s, struct session_room *room, const struct message *m,
                     enum journal_fate fate);
// What a client hears whose mail is not taken.
const char *session_refusal(enum fate fate);
// Where the message that ends now stands among those without verdict.
uint8_t session_next_slot(const struct session *s);
// The message that has just ended waits for its verdict (FATE_UNKNOWN), or is refused in its turn.
void session_message_ended(struct session *s, enum fate fate);
// Says `reply` and closes once it has left.
void session_hang_up(struct session *s, struct session_room *room, const char *reply);
void session_close(struct session *s, struct session_room *room);
// Sends what has gathered. True: it is closed, nothing is in flight, the slot may go.
bool session_flush(struct session *s, struct session_room *room);
void session_release(struct session *s, struct session_room *room);

// Bytes that the client has said, out of TLS where there is any. Lent for this call.
void session_take(struct session *s, struct session_room *room, struct slice bytes);
// The machine waited for this, and may take bytes again.
void session_go_on(struct session *s, struct session_room *room);

// session_tls.c. False: there is no certificate, or no memory.
bool session_tls_begin(struct session *s, struct session_room *room);
void session_tls_take(struct session *s, struct session_room *room, struct slice sealed);
// What there is to say is sealed, as far as it can be now.
void session_tls_seal(struct session *s, struct session_room *room);
// All is said: so is that.
void session_tls_end(struct session *s);

// session_auth.c: who the client is, and what he may do.
void session_auth_ask(struct session *s, struct session_room *room,
                      const struct smtp_server_event *e);
void session_auth_on_done(struct session *s, struct session_room *room, int32_t result);
void session_auth_on_time(struct session *s, struct session_room *room);
// NULL: he may begin a message from there.
const char *session_may_send(const struct session *s, struct session_room *room,
                             const struct address *sender);
// FATE_TAKEN: he may send that message, as far as this goes; it was counted.
enum fate session_may_finish(const struct session *s, struct session_room *room,
                             const struct message *m, struct slice campaign);

// intake.c: what the machine's events mean for the message.
void intake_event(struct session *s, struct session_room *room, const struct smtp_server_event *e);

#endif
