// engine/deliver/transaction.h: one message to recipients of one site: which jobs take part, and
// which of their recipients stand where on the wire.
//
// Owns:    the lists that smtp/client borrows. One recipient needs no memory beyond the struct.
//          Slots come from a slab of the worker; a connection has its transactions in a list, the
//          oldest first, in the order in which their replies come.
// Threads: the site's owner. Recipients' states are written by whoever owns their job: here us.
#ifndef POSTHASTE_DELIVER_TRANSACTION_H
#define POSTHASTE_DELIVER_TRANSACTION_H

#include "engine/deliver/site.h"
#include "engine/message/verp.h"
#include "engine/smtp/client.h"
#include "queue/job.h"

#define TRANSACTION_SIBLINGS_SEEN_MAX 256 // how far we look for more jobs of the same message

struct transaction_rcpt {
    struct job *job;
    uint32_t rcpt; // in the message
    bool again;    // not for this transaction ("452 too many recipients"): stays open
};

struct transaction {
    struct transaction *next;     // on the same connection
    uint32_t index;               // in the slab
    struct smtp_transaction smtp; // what the machine borrows
    struct transaction_rcpt *rcpts;
    uint32_t rcpt_count;
    uint32_t rcpt_room;       // of both arrays; 1: the ones below
    uint32_t refused_count;   // recipients
    struct failure again_why; // what the last of those was told that stay open
    bool told;                // its homes know that content has left
    bool judged;              // its content was answered by a 421, which is about the message, too
    bool sorts_rcpts;         // it takes only recipients that need SMTPUTF8 as the first one does
    bool held;                // its verdict is in, while its bytes are still lent to a send
    enum verdict verdict;
    uint32_t loan_item;
    struct loan *loan; // NULL: its jobs are ours; else it has one, that item of the loan
    uint64_t began_us;
    uint64_t end_bytes; // with the verdict: the stream position behind it
    struct failure why; // with a verdict that is held
    struct smtp_recipient *smtp_rcpts;
    struct transaction_rcpt one_rcpt;
    struct smtp_recipient one_smtp_rcpt;
    char sender[ADDRESS_BYTES_MAX]; // with the recipient's address in it
};

// Begins with the message of `j`. `utf8`: the server offers SMTPUTF8. If it does not, recipients
// whose addresses need it have a transaction of their own, which cannot be said, unless the sender
// or the header section needs it for all.
void transaction_start(struct transaction *t, const struct job *j, uint32_t rcpt_count_max,
                       bool utf8);
// Adds the open recipients of a job of the same message, up to the limit given at the start.
// Returns how many.
uint32_t transaction_add(struct transaction *t, struct job *j, uint32_t rcpt_count_max);
// Its recipients are in: the machine may have t->smtp. With VERP there is one.
void transaction_seal(struct transaction *t);
void transaction_release(struct transaction *t);

#endif
