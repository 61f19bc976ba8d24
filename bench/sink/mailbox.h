// bench/sink/mailbox.h: accepted mail in memory, up to a limit; beyond it the oldest goes.
//
// Shared by all workers, under a lock of its own. A mail itself never changes; who holds a
// reference may read it without the lock.
#ifndef POSTHASTE_BENCH_SINK_MAILBOX_H
#define POSTHASTE_BENCH_SINK_MAILBOX_H

#include "bench/sink/arrival.h"

struct sink_mailbox;

struct sink_mail {
    struct sink_mail *older, *newer; // from here to `listed`: mailbox.c's, under the lock
    uint32_t references;
    bool listed;
    uint64_t number;    // its place in the order of arrival; never used again
    struct slice rcpts; // each with LF behind
    struct slice bytes; // as POP3 shows it: Return-Path, Delivered-To, then the content
};

int sink_mailbox_new(struct sink_mailbox **ret_mailbox, uint64_t bytes_max);
void sink_mailbox_free(struct sink_mailbox *m);

// False without memory, or when this mail alone is over the limit.
bool sink_mailbox_add(struct sink_mailbox *m, const struct arrival *a);

// The mail for `rcpt` (any case; empty: all mail), oldest first, each with a reference for the
// caller. *ret_mails is the caller's to free. -ENOMEM.
int sink_mailbox_list(struct sink_mailbox *m, struct slice rcpt, struct sink_mail ***ret_mails,
                      uint32_t *ret_count);
// Takes it off the list, for everybody. The caller keeps its reference.
void sink_mailbox_remove(struct sink_mailbox *m, struct sink_mail *mail);
void sink_mailbox_unref(struct sink_mailbox *m, struct sink_mail *mail);

#endif
