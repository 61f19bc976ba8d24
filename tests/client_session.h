// tests/client_session.h: a client machine, a wire and the other end of the session, with the
// network between them in the test's hand: how much of the wire goes out at once, and where what
// the server says is cut.
//
// The test is the server: it answers each command (or content) with some bytes. And it is the
// owner: it sees each event before the session goes on.
#ifndef POSTHASTE_TESTS_CLIENT_SESSION_H
#define POSTHASTE_TESTS_CLIENT_SESSION_H

#include "engine/base/random.h"
#include "engine/smtp/client.h"
#include "tests/smtp_peer.h"

#define SESSION_BYTES_MAX (512 * 1024) // said in one session, by each side

enum session_cut {
    CUT_NOWHERE, // the client reads all that there is
    CUT_AT,      // ... but never across byte `cut_at` of what the server says
    CUT_BY_BYTE,
    CUT_BY_SEED, // and the wire is small, and goes out in parts
};

struct session;

struct session_test {
    void *own; // the test's
    // Says with session_answer() what the server answers. No answer: it is silent.
    void (*on_command)(struct session *s, enum peer_command command);
    void (*on_event)(struct session *s, const struct smtp_event *e);
};

struct session {
    const struct session_test *test;
    struct smtp_client client;
    struct wire wire;
    struct smtp_peer peer;

    const struct smtp_transaction *mails;
    uint32_t mail_count;
    uint32_t mails_started;
    bool quits; // when all are started

    enum session_cut cut;
    size_t cut_at;
    struct random dice;
    bool closed;

    size_t said_len; // by the client, as far as it has left the wire
    size_t answered_len;
    size_t heard_len; // of what was answered
    char said[SESSION_BYTES_MAX];
    char answered[SESSION_BYTES_MAX];
};

// Runs until the session is closed or nobody has anything more to say. The greeting is the answer
// to PEER_NEEDS_MORE.
void session_run(struct session *s, const struct smtp_client_options *options);
void session_answer(struct session *s, struct slice bytes);

#endif
