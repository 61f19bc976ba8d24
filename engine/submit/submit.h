// engine/submit/submit.h: the way in. Clients' sessions on one worker; complete messages are there
// for submit_next_message(), and what becomes of them goes back to the clients.
//
// Owns:    sessions, and messages under construction.
// Knows not of: delivery, or how a message becomes jobs.
// Who may relay: local peers (unix socket, loopback), the networks a listener names, and who has
//          proved to be one of the users.
// A turn:  submit_serve(), submit_on_done(), submit_on_timer(), submit_next_message(),
//          submit_verdict() as they come, and then one submit_flush().
#ifndef POSTHASTE_SUBMIT_SUBMIT_H
#define POSTHASTE_SUBMIT_SUBMIT_H

#include "engine/base/slab.h"
#include "engine/base/wheel.h"
#include "engine/io/io.h"
#include "engine/io/network.h"
#include "engine/smtp/server.h"
#include "engine/submit/gate.h"
#include "engine/tls/tls.h"
#include "queue/journal.h"
#include "queue/suppression.h"

// How long a client may take to end its transaction once the engine stops, and then to hear so.
#define SUBMIT_GRACE_US 30000000u

struct submit;

// One way in, as all workers know it.
struct submit_listener {
    struct smtp_server_options server;
    const struct io_network *relay_from;
    uint32_t relay_from_count;
    uint32_t session_count_max;
    _Atomic uint32_t *session_count; // on all workers
    int8_t priority;                 // of mail that comes here and says nothing else
    uint64_t idle_us;                // no command and no content for so long: 421
    bool events_only;                // its senders get no reports
    bool verp;                       // all of its messages have it
    bool tls_implicit;               // from the first byte
    bool tls_required;               // no mail without
    bool auth_required;              // of local peers too
};

struct dkim_table;

struct submit_options {
    struct io *io;
    struct wheel *wheel;
    struct block_pool *blocks;
    const struct journal *journal;         // only to ask whether it accepts
    const _Atomic uint32_t *troubled;      // journals of any worker that cannot be written
    const _Atomic bool *draining;          // an operator wants no more mail to be taken
    const struct dkim_table *dkim;         // NULL: no mail is signed
    const struct suppression *suppression; // whose addresses are refused; NULL: nobody's
    const struct submit_listener *listeners;
    uint32_t listener_count;
    uint32_t worker;
    uint8_t io_owner;
    uint32_t session_count_max;
    struct gate_watch *watch; // of guesses
    uint64_t id_last;         // ids go on behind this one
};

struct submit_counters {
    uint64_t sessions_opened, messages, refused;
    uint32_t sessions, sessions_peak;
    uint64_t tls_sessions, tls_failed; // handshakes
    uint64_t auth_accepted, auth_refused;
};

int submit_new(struct submit **ret, const struct submit_options *options);
// submit_stopped() has said true, or it was never used. NULL is fine.
void submit_free(struct submit *s);

// Certificates for a listener that has TLS: for sessions from now on. False: *ret_why says why, and
// those of before stay.
bool submit_set_certificates(struct submit *s, uint32_t listener,
                             const struct tls_server_options *certificates, const char **ret_why);
// Who may hand in mail, from now on. Lent; of those before, nothing is kept. NULL: nobody by name.
void submit_set_users(struct submit *s, struct users *users);

// Takes over an accepted connection.
void submit_serve(struct submit *s, int fd, uint32_t listener);
void submit_on_done(struct submit *s, const struct io_done *done);
void submit_on_timer(struct submit *s, struct wheel_timer *t);
// The next message that a client has completed, or a pickup directory: the caller's. For each there
// is a submit_verdict() later. NULL: none.
struct message *submit_next_message(struct submit *s);
// What became of that one: JOURNAL_COMMITTED (or KEY_SAME) under m->id, or refused. Verdicts may
// come in any order; the client may be gone by now.
void submit_verdict(struct submit *s, const struct message *m, enum journal_fate fate);
void submit_flush(struct submit *s); // replies leave

// No new sessions; those that exist end with their transaction, or after SUBMIT_GRACE_US. A message
// that was complete by then has its verdict first.
void submit_stop(struct submit *s);
bool submit_stopped(const struct submit *s);
void submit_abandon(struct submit *s); // closes all at once

// What pickup directories on this worker share with the sessions (pickup_options.room, .last_id).
struct session_room *submit_room(struct submit *s);
uint64_t *submit_last_id(struct submit *s);

struct submit_counters submit_counters(const struct submit *s);

#endif
