// queue/tls_tally.h: what became of TLS with each policy domain, day by day, for reports to them
// (RFC 8460).
//
// Owns:    rows by domain, UTC day and type of policy: how many sessions were good, and how many
//          failed of what at which host; and their form in a file.
// Knows not of: files, connections, or what a report looks like.
// Bounds:  TLS_TALLY_ROWS_MAX, TLS_TALLY_FAILURES_MAX a row; more is counted as `lost`, or without
//          its host. Days older than TLS_TALLY_DAYS are forgotten.
// Threads: for all: a lock, taken once a session, which has cost a handshake. No memory, no count:
//          nothing here ever stops a delivery.
#ifndef POSTHASTE_QUEUE_TLS_TALLY_H
#define POSTHASTE_QUEUE_TLS_TALLY_H

#include "engine/base/buffer.h"

#define TLS_TALLY_ROWS_MAX 20000u
#define TLS_TALLY_FAILURES_MAX 16u
#define TLS_TALLY_DAYS 8u
#define TLS_TALLY_BUCKETS 4096u
#define TLS_TALLY_POLICY_BYTES_MAX 2048u
#define TLS_TALLY_FILE_BYTES_MAX (64u * 1024 * 1024)
#define SECONDS_A_DAY 86400u

// RFC 8460 4.2. The words stand in files.
enum tls_policy_type { TLS_POLICY_NONE, TLS_POLICY_TLSA, TLS_POLICY_STS, TLS_POLICY_TYPES };
const char *tls_policy_type_word(enum tls_policy_type t); // "no-policy-found"

// RFC 8460 4.3.
enum tls_result {
    TLS_SUCCESS,
    TLS_NOT_SUPPORTED, // no STARTTLS
    TLS_HOST_MISMATCH,
    TLS_CERTIFICATE_EXPIRED,
    TLS_CERTIFICATE_NOT_TRUSTED,
    TLS_VALIDATION_FAILURE, // whatever has no word of its own
    TLS_TLSA_INVALID,       // no record can be used
    TLS_DNSSEC_INVALID,     // what should be secure could not be had
    TLS_DANE_REQUIRED,      // by us, and not there
    TLS_STS_FETCH_ERROR,
    TLS_STS_POLICY_INVALID,
    TLS_STS_WEBPKI_INVALID,
    TLS_RESULTS,
};
const char *tls_result_word(enum tls_result r); // "starttls-not-supported"; "" for a success

struct tls_failed {
    struct tls_failed *next;
    enum tls_result result;
    uint64_t count;
    char *host; // of the exchanger; "": several
    char *address;
};

struct tls_row {
    struct tls_row *next;
    uint32_t day; // since 1970
    enum tls_policy_type type;
    char *domain;
    char *policy; // lines of it, as it was last; "": there is none
    uint64_t good_count;
    uint64_t failed_count;
    uint32_t failure_count; // of the list
    struct tls_failed *failures;
};

struct tls_tally;

// `seed`: a secret, so that nobody can choose domains that are slow to find. NULL without memory.
struct tls_tally *tls_tally_new(uint64_t seed);
void tls_tally_free(struct tls_tally *t); // NULL is fine

struct tls_session_end {
    struct slice domain; // whose policy it was
    enum tls_policy_type type;
    struct slice policy;
    enum tls_result result;
    struct slice host, address; // of the exchanger, where one was reached
    uint64_t wall_s;
};
void tls_tally_count(struct tls_tally *t, const struct tls_session_end *e);

// To look at the rows of a bucket, which holds all rows of its domains.
void tls_tally_lock(struct tls_tally *t);
void tls_tally_unlock(struct tls_tally *t);
const struct tls_row *tls_tally_bucket(const struct tls_tally *t, uint32_t bucket);

uint64_t tls_tally_changes(struct tls_tally *t); // counts what was counted; not what was read
uint64_t tls_tally_lost(struct tls_tally *t);    // sessions that found no room
// All of it, as lines; what is too old at `wall_s` is dropped first. False when `out` is full.
bool tls_tally_print(struct tls_tally *t, uint64_t wall_s, struct buffer *out);
// What was printed. Lines that are none are left out; false when there were some.
bool tls_tally_read(struct tls_tally *t, struct slice text);

#endif
