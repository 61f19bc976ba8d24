// queue/journal.h: what makes «250» true: accepted messages and their results are remembered here.
//
// A worker appends in its turn, asks once a turn what must be written (journal_turn()), and learns
// which messages are committed by then (journal_committed(), in order). Only these are
// acknowledged, and only these are delivered.
//
// This is the null journal: it remembers in memory alone, so that a message is committed at the end
// of the turn that appended it, and a crash loses it. It measures everything but the disk.
// Threads: one owner, the home.
#ifndef POSTHASTE_QUEUE_JOURNAL_H
#define POSTHASTE_QUEUE_JOURNAL_H

#include "queue/result.h"

struct journal {
    struct message *waiting_first; // appended, not committed; linked by message.next_waiting
    struct message *waiting_last;
    struct message *committed_first;
    struct message *committed_last;
    uint64_t message_count; // appended so far
    uint64_t result_count;
    uint64_t forgotten_count;
};

void journal_init(struct journal *j);
// The message is complete. From now on it is the journal's until journal_forget().
void journal_append(struct journal *j, struct message *m);
// The end of a turn: what was appended becomes part of a commit.
void journal_turn(struct journal *j);
// The next message that has become durable since the last call, oldest first; NULL: none.
struct message *journal_committed(struct journal *j);
// A result of one of this journal's messages. Written at once, waited for by nobody.
void journal_result(struct journal *j, const struct result *r);
// Every recipient has a final result: the bytes become garbage. The message is the caller's again.
void journal_forget(struct journal *j, struct message *m);

#endif
