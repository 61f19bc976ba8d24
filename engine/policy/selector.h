// engine/policy/selector.h: which part of the queue an operator means.
//
// Owns:    the words that name it, and what they fit. All that is said must fit; a selector of
//          which nothing was said fits nothing, so that nobody means everything by accident.
// Knows not of: where jobs are, or what is done to them. Facts come in, yes or no goes out.
#ifndef POSTHASTE_POLICY_SELECTOR_H
#define POSTHASTE_POLICY_SELECTOR_H

#include "engine/base/buffer.h"

#define SELECTOR_TEXT_BYTES 324 // an address and a little more
#define SELECTOR_WORDS_BYTES_MAX (5 * 3 * SELECTOR_TEXT_BYTES)

enum queue_state {
    QUEUE_READY,    // on its way to a connection
    QUEUE_SENDING,  // in a transaction, or about to be
    QUEUE_DEFERRED, // waits for its next attempt
    QUEUE_HELD,     // an operator's hold keeps it
    QUEUE_STATE_COUNT,
};
extern const char *const queue_state_words[QUEUE_STATE_COUNT];

struct selector {
    bool all;                         // everything that the rest does not exclude
    uint8_t states;                   // a bit for each enum queue_state; 0: any
    uint64_t id;                      // of a message; 0: any
    uint64_t age_us_min, age_us_max;  // 0: any
    char domain[SELECTOR_TEXT_BYTES]; // lower-case A-labels; these four: empty is any
    char sender[SELECTOR_TEXT_BYTES]; // an address; "@domain": all of that domain; "<>": the null
                                      // sender
    char recipient[SELECTOR_TEXT_BYTES];
    char campaign[SELECTOR_TEXT_BYTES]; // its name, as it was given
};

// What a job tells without its message.
struct selector_job {
    uint64_t id;
    uint64_t age_us;
    struct slice domain;
    struct slice campaign; // empty: none, or not known without its message
    enum queue_state state;
};

// Takes one word, "domain" with "example.org", or "all" with nothing. NULL: taken. Else what is
// wrong with it; SELECTOR_NOT_MINE when no selector has such a word.
extern const char SELECTOR_NOT_MINE[];
const char *selector_set(struct selector *s, struct slice key, struct slice value);
bool selector_says_nothing(const struct selector *s);

bool selector_fits_job(const struct selector *s, const struct selector_job *job);
// These two ask for the message, too.
bool selector_needs_message(const struct selector *s);
bool selector_fits_sender(const struct selector *s, struct slice sender);
bool selector_fits_rcpt(const struct selector *s, struct slice recipient);

bool selector_equal(const struct selector *a, const struct selector *b);
// Appends it as words that selector_set() takes, "domain=example.org", with blanks and what would
// break a line as %XX. False when `out` is full.
bool selector_print(const struct selector *s, struct buffer *out);

#endif
