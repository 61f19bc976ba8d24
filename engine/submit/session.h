// engine/submit/session.h: one client that submits mail: its socket around smtp/server, and the
// message it is building.
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

// What all sessions of a worker share.
struct session_room {
    struct submit_options o;
    struct submit_counters counters;
    uint64_t last_id;
    struct message_list complete; // for submit_next_message()
    struct sha256 *sha256;
    bool stopping;
    uint64_t stop_us; // then transactions are ended
};

enum session_op { SESSION_OP_RECEIVE, SESSION_OP_SEND };

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
    bool no_memory; // for the message being built: 452 when it ends
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
// The engine stops.
void session_stop(struct session *s, struct session_room *room);
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

// intake.c: what the machine's events mean for the message.
void intake_event(struct session *s, struct session_room *room, const struct smtp_server_event *e);

#endif
