// bench/load/stats.h: what a load run counts and how long things took.
//
// One owner each; merged for the report.
#ifndef POSTHASTE_BENCH_LOAD_STATS_H
#define POSTHASTE_BENCH_LOAD_STATS_H

#include "engine/base/histogram.h"
#include "engine/base/slice.h"

#include <stdint.h>

// The phases whose duration is told.
enum load_phase {
    LOAD_CONNECT,  // asking for the connection .. having it
    LOAD_GREETING, // .. 220
    LOAD_TLS,      // the handshake
    LOAD_EHLO,     // EHLO (and HELO) .. the server's list
    LOAD_AUTH,     // AUTH .. 235
    LOAD_ENVELOPE, // MAIL .. 354, in transactions with DATA
    LOAD_VERDICT,  // the content's last byte was handed to the kernel .. its verdict
    LOAD_WHOLE,    // from MAIL, or from when the message was due (open loop) .. its verdict
    LOAD_PHASE_COUNT,
};
const char *load_phase_name(enum load_phase phase);  // "connect", for data
const char *load_phase_words(enum load_phase phase); // "connecting", for people

struct load_counters {
    uint64_t sessions;        // that became ready
    uint64_t sessions_failed; // that did not
    uint64_t sessions_broken; // that ended with messages under way
    uint64_t handshakes;      // that were completed
    uint64_t handshakes_resumed;
    uint64_t handshakes_tls13; // the others are TLS 1.2
    uint64_t sessions_open;    // now
    uint64_t sessions_open_peak;
    uint64_t messages_started;
    uint64_t messages_accepted; // a 2xx to the content, for at least one recipient
    uint64_t messages_refused;
    uint64_t messages_lost; // the session ended before the verdict
    uint64_t recipients_accepted;
    uint64_t recipients_failed; // refused or lost
    uint64_t bytes;             // content of accepted messages
};
static inline uint64_t load_messages_ended(const struct load_counters *c)
{
    return c->messages_accepted + c->messages_refused + c->messages_lost;
}
// Of the recipients that were tried, the share that was not accepted; 0..1.
double load_error_share(const struct load_counters *c);

#define LOAD_FAULTS_MAX 24
#define LOAD_FAULT_TEXT_BYTES_MAX 160
// One kind of failure, with the words in which it was first met.
struct load_fault {
    const char *where; // constant text: "RCPT", "connect"
    uint16_t code;     // 0: no reply said it
    uint64_t count;
    char text[LOAD_FAULT_TEXT_BYTES_MAX];
};

struct load_stats {
    struct load_counters counters;
    struct histogram phases[LOAD_PHASE_COUNT];
    struct histogram interval; // whole messages since it was last taken, for the CSV file
    uint32_t fault_count;
    struct load_fault faults[LOAD_FAULTS_MAX]; // the last one gathers what finds no room
};

void load_stats_fault(struct load_stats *s, const char *where, uint16_t code, struct slice text,
                      uint64_t count);
void load_stats_merge(struct load_stats *into, const struct load_stats *from);
void load_counters_merge(struct load_counters *into, const struct load_counters *from);

#endif
