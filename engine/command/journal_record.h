// engine/command/journal_record.h: does the payload of a record agree with itself?
//
// Knows not of: other records. Each function reads the record that the reader stands at, with as
//               much memory as its fixed part takes, and says what is wrong (NULL: nothing).
#ifndef POSTHASTE_COMMAND_JOURNAL_RECORD_H
#define POSTHASTE_COMMAND_JOURNAL_RECORD_H

#include "engine/base/slice.h"
#include "engine/command/journal_reader.h"

const char *journal_opens_fault(struct journal_reader *r, struct record_opens *ret);
const char *journal_message_fault(struct journal_reader *r, struct record_message *ret);
const char *journal_state_fault(struct journal_reader *r, struct record_state *ret);
const char *journal_result_fault(struct journal_reader *r, struct record_result *ret);
const char *journal_attempt_fault(struct journal_reader *r, struct record_attempt *ret);
const char *journal_key_fault(struct journal_reader *r, struct record_key *ret);

// The OPENS with which a segment begins, which counts even if the batch around it is torn. Call it
// before the first step.
bool journal_opens_in_front(struct journal_reader *r, struct record_opens *ret);

// Bytes of the record that mean nothing and are not zero: its padding, or what is reserved. Not
// damage, but the engine writes none.
const char *journal_record_oddity(struct journal_reader *r);

// The fixed part of any record.
struct journal_record {
    const char *fault; // NULL: none
    uint64_t id;       // of its message; 0: of none, or it is too short
    union {
        struct record_opens opens;
        struct record_message message;
        struct record_state state;
        struct record_result result;
        struct record_attempt attempt;
        struct record_key key;
    } as;
};

void journal_record_read(struct journal_reader *r, struct journal_record *ret);

// Of records without a fault. False: what is asked for cannot be read (any more).
bool journal_message_campaign(struct journal_reader *r, const struct record_message *m,
                              struct slice *ret);
bool journal_message_rcpt(struct journal_reader *r, const struct record_message *m, uint32_t rcpt,
                          struct message_rcpt *ret);
bool journal_state_job(struct journal_reader *r, uint32_t job, struct state_job *ret);
bool journal_state_rcpt(struct journal_reader *r, const struct record_state *s, uint32_t rcpt,
                        enum rcpt_state *ret);

// Texts in the record, until the next of these calls. At most JOURNAL_WINDOW_BYTES.
bool journal_text(struct journal_reader *r, uint64_t at, size_t len, struct slice *ret);

#endif
