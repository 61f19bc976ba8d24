// engine/submit/gate.h: is it who it says it is? Names and passwords against the users' hashes.
//
// Owns:    verifications under way; what was verified lately; who has guessed.
// Costs:   crypt(3) takes milliseconds, by intention, so it runs off the loop (io_offload()). What
//          it has said yes to is remembered for ten minutes as a keyed digest of name, password and
//          hash: a busy client pays once, and nothing that is kept here is worth stealing without
//          the process's memory.
// Guesses: count for the address (of IPv6 its /64) and for the name. Behind some failures neither
//          is heard for a while (engine/policy/guesses.h), whatever the password: the answer is
//          "later", and says nothing about it. What is remembered is let in all the same, so that
//          nobody can lock out a client at work by guessing at its name.
// Names:   one that is not there costs the same crypt(3), counts the same, and gets the same
//          answer.
// Threads: a gate belongs to one worker; `struct gate_watch` is all workers', behind its lock,
//          which is taken for each attempt that is not remembered.
#ifndef POSTHASTE_SUBMIT_GATE_H
#define POSTHASTE_SUBMIT_GATE_H

#include "engine/io/io.h"
#include "engine/policy/guesses.h"
#include "engine/submit/users.h"

#include <pthread.h>

#define GATE_REMEMBER_US (UINT64_C(600) * 1000 * 1000)
#define GATE_REMEMBERED 1024u // of one worker
#define GATE_ASKED_MAX 2000u  // verifications under way, of one worker; 2 MiB
#define GATE_PASSWORD_BYTES_MAX 511
#define GATE_PAUSE_US_MAX_ADDRESS (UINT64_C(900) * 1000 * 1000)
#define GATE_PAUSE_US_MAX_NAME (UINT64_C(60) * 1000 * 1000)
// A refusal leaves so long after it was asked for, however long the verification took.
#define GATE_REFUSAL_US 1000000u

// What all workers know of guesses.
struct gate_watch {
    pthread_mutex_t lock;
    uint64_t key[2];
    struct guesses guesses;
};

// Zeroed before. The key comes from worker 0, before anybody asks.
void gate_watch_init(struct gate_watch *w);
void gate_watch_release(struct gate_watch *w);

struct gate;
int gate_new(struct gate **ret, struct io *io, struct gate_watch *watch); // 0 or -errno
// Nothing is under way. NULL is fine.
void gate_free(struct gate *g);

enum gate_answer {
    GATE_YES,
    GATE_NO,
    GATE_LATER, // too many guesses, or too much to do
    GATE_ASKED, // a completion with the token comes: then gate_on_done()
};

struct gate_ask;
// `users`: NULL knows nobody. On GATE_ASKED *ret is the asker's.
enum gate_answer gate_ask(struct gate *g, const struct users *users, const struct io_peer *peer,
                          struct slice name, struct slice password, struct io_token token,
                          struct gate_ask **ret);
// What has come of it, by the users of now. Frees `ask`. `result`: of the completion.
enum gate_answer gate_on_done(struct gate *g, const struct users *users, struct gate_ask *ask,
                              int32_t result);

#endif
