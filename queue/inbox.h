// queue/inbox.h: what other workers leave for one worker. Lock-free, wait-free for who leaves.
//
// Owner's turn: inbox_pop() until NULL. Before it waits: inbox_sleep(), and only if that says true
// may it block; after waiting inbox_wake(). Who leaves letters and is told true by inbox_push() or
// inbox_append() sends a wake-up (io_wake), so that a busy owner costs its neighbours no system
// call.
//
// Letters of one sender come in the order in which he left them. A letter is part of what it is
// about, and can be under way once only. For LETTER_DOMAIN_DIRTY once is enough: leaving it again
// does nothing, since whoever takes it out looks at the queue after that. For all others a second
// time is a bug, and CHECKed.
#ifndef POSTHASTE_QUEUE_INBOX_H
#define POSTHASTE_QUEUE_INBOX_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <urcu/wfcqueue.h>

enum letter_kind {
    LETTER_DOMAIN_DIRTY,    // struct domain: its queue became non-empty
    LETTER_DOMAIN_HANDOVER, // struct domain: you own it now
    LETTER_RESULTS,         // struct result_page: results for your messages
    LETTER_PAGE_BACK,       // struct result_page: yours again
    LETTER_LOAN,            // jobs of one of the sender's sites, to be delivered for him
    LETTER_LOAN_BACK,       // what became of them
    LETTER_LEASE_OVER,      // no connection for them is open any more
    LETTER_CONNECTION,      // an accepted connection that you shall serve
    LETTER_KEYED,           // a message whose submission key is yours
    LETTER_KEYED_BACK,      // what became of it
    LETTER_ORDER,           // what an operator asks for, to be seen to
    LETTER_ORDER_BACK,      // worker 0's again
    LETTER_RECALL,          // jobs that their home wants back, if you have not begun them
    LETTER_RECALL_BACK,     // those that were there are on their way
    LETTER_SUPPRESS,        // struct suppression_page: addresses that bounced for good
};

struct letter {
    struct cds_wfcq_node node;
    uint8_t kind;
    _Atomic bool under_way; // in an inbox, or about to be
};

// Letters of one sender's that have not left: his alone. A queue of the inbox's make, to be
// appended to it as a whole. It stays where it is.
struct letters {
    struct cds_wfcq_tail tail;
    struct __cds_wfcq_head head;
};

void letters_init(struct letters *ls);
void letters_add(struct letters *ls, struct letter *l);
struct letter *letters_take(struct letters *ls); // the first; NULL: none
bool letters_empty(const struct letters *ls);

struct inbox {
    struct cds_wfcq_tail tail __attribute__((aligned(64)));
    struct __cds_wfcq_head head __attribute__((aligned(64))); // the owner's
    _Atomic bool asleep __attribute__((aligned(64)));
};

void inbox_init(struct inbox *i);
bool inbox_push(struct inbox *i, struct letter *l); // true: the owner sleeps, wake it
// All of them, which is less work for both sides than one by one. True: the same.
bool inbox_append(struct inbox *i, struct letters *ls);
// NULL ends the turn's letters. One that is only half in the queue comes in a later turn.
struct letter *inbox_pop(struct inbox *i);
bool inbox_sleep(struct inbox *i); // false: there is a letter, go on
void inbox_wake(struct inbox *i);

#endif
