// engine/command/journal_table.h: what the records of a journal come to, message by message.
//
// Owns:   an entry of 56 bytes for each message, 6 bytes for each recipient, 16 for each submission
//         key, and the tables to find them: memory in proportion to their number, not to their
//         size.
// Order:  records are given in the order of their segments' turns: what is said of a message that
//         did not come before is about one that is gone.
// Faults: each function returns what is wrong, or NULL. What is wrong changes nothing.
#ifndef POSTHASTE_COMMAND_JOURNAL_TABLE_H
#define POSTHASTE_COMMAND_JOURNAL_TABLE_H

#include "engine/command/journal_record.h"

struct journal_rcpt {
    uint16_t result_attempt; // the last with a result that was not final
    uint16_t attempt;        // the last that was begun
    uint8_t state;           // enum rcpt_state: OPEN, DELIVERED or FAILED
    uint8_t starts_group;
};

struct journal_message {
    uint64_t id;
    uint64_t digest;       // of all its bytes
    uint64_t record_bytes; // in the file, with header and padding
    uint64_t batch_offset; // of the copy that was read last
    struct journal_rcpt *rcpts;
    uint32_t rcpt_count;
    uint32_t job_count;
    uint32_t segment; // of the copy that was read last
    uint32_t copy_count;
};

struct journal_index {
    uint32_t *slots; // number of an item plus 1; 0: free
    uint32_t slot_count;
};

struct journal_table {
    struct journal_message *messages;
    uint8_t (*keys)[FORMAT_KEY_BYTES];
    uint32_t message_count, message_room;
    uint32_t key_count, key_room;
    struct journal_index by_id, by_key;
    uint64_t seed;
    uint64_t duplicate_count; // copies of messages beyond the first
    uint64_t gone_count;      // results and attempts of messages that did not come before
    bool out_of_memory;       // then all that is said is worth nothing
};

struct journal_sums {
    uint64_t open_messages;
    uint64_t open, delivered, failed, deferred; // recipients
    uint64_t in_doubt;                          // of those that are open or deferred
    uint64_t live_bytes;                        // one copy of each open message
};

void journal_table_init(struct journal_table *t, uint64_t seed);
void journal_table_release(struct journal_table *t);

// A message that the reader stands at, and whose record has no fault. `segment`: a number for it.
const char *journal_table_message(struct journal_table *t, struct journal_reader *r,
                                  const struct record_message *m, uint32_t segment);
const char *journal_table_state(struct journal_table *t, struct journal_reader *r,
                                const struct record_state *s, uint32_t segment);
void journal_table_key(struct journal_table *t, const uint8_t key[FORMAT_KEY_BYTES]);
const char *journal_table_result(struct journal_table *t, const struct record_result *result);
const char *journal_table_attempt(struct journal_table *t, const struct record_attempt *attempt);
// Of a result that was given before: does a message that came later not know of it?
bool journal_table_forgot(const struct journal_table *t, const struct record_result *result);
void journal_table_sum(const struct journal_table *t, struct journal_sums *ret);

#endif
