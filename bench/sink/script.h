// bench/sink/script.h: what the sink answers instead of the usual, and how often.
//
// A rule: STEP [SHARE%] [delay TIME] [REPLY | disconnect | accept-disconnect | tear | silence |
//         inject TEXT]
//   'RCPT 10% 450 4.2.1 later'    '. 2% delay 3s'    'DATA 1% disconnect'    'EHLO delay 100ms'
// Rules of one step are tried in the order in which they were given, each with dice of its own. One
// that only delays adds its delay and lets the next ones be tried; any other decides.
//
// Pure: the dice are the caller's.
#ifndef POSTHASTE_BENCH_SINK_SCRIPT_H
#define POSTHASTE_BENCH_SINK_SCRIPT_H

#include "engine/base/random.h"
#include "engine/base/slice.h"

enum sink_step {
    SINK_CONNECT, // the greeting
    SINK_EHLO,    // HELO too
    SINK_MAIL,
    SINK_RCPT,
    SINK_DATA, // the first BDAT of a message too
    SINK_END,  // "." in the rule: the verdict after the content
    SINK_STARTTLS,
    SINK_TLS, // the first bytes of the handshake
    SINK_AUTH,
    SINK_RSET,
    SINK_NOOP,
    SINK_QUIT,
    SINK_STEP_COUNT,
};

enum sink_deed {
    SINK_USUAL,
    SINK_REPLY,             // says `reply`
    SINK_DISCONNECT,        // says nothing, closes
    SINK_ACCEPT_DISCONNECT, // takes the message, writes the ledger, closes without a word
    SINK_TEAR,              // does as usual, says a part of it (under TLS: of the record), closes
    SINK_SILENCE,           // of a handshake: hears everything, says nothing
    SINK_INJECT, // after STARTTLS: the usual 220, and `reply` right behind it in the clear
};

#define SINK_RULES_MAX 256
#define SINK_REPLY_BYTES_MAX 200

struct sink_rule {
    enum sink_step step;
    enum sink_deed deed;
    double share; // 0..1
    uint64_t delay_us;
    char reply[SINK_REPLY_BYTES_MAX]; // one line without CRLF
};

struct sink_script {
    struct sink_rule rules[SINK_RULES_MAX];
    uint32_t count;
    uint32_t steps; // a bit for each step that has a rule
};

// What to do now. `reply` is NULL unless deed is SINK_REPLY or SINK_INJECT.
struct sink_outcome {
    enum sink_deed deed;
    uint64_t delay_us;
    const char *reply;
};

// Adds a rule. False: *ret_why is what is wrong with it.
bool sink_script_add(struct sink_script *s, struct slice text, const char **ret_why);

struct sink_outcome sink_script_throw(const struct sink_script *s, enum sink_step step,
                                      struct random *dice);

#endif
