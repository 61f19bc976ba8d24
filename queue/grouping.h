// queue/grouping.h: puts the recipients of one message together by domain, and drops duplicates.
//
// Order:      groups by their first recipient, recipients of a group as they came.
// Duplicates: the same local part, byte for byte, at the same domain (whatever its case was) is
//             delivered once, with the DSN parameters of the first.
// Cost:       linear in recipients, for any choice of domains and addresses: tables are hashed with
//             a seed that no client knows.
#ifndef POSTHASTE_QUEUE_GROUPING_H
#define POSTHASTE_QUEUE_GROUPING_H

#include "queue/block.h"
#include "queue/recipient.h"

// Reorders `rcpts` in place, sets starts_group, *rcpt_count to those that are left and
// *ret_group_count. Borrows a block for the time of the call. False: no memory, nothing changed.
bool grouping_apply(struct block_pool *p, const char *envelope, struct message_rcpt *rcpts,
                    uint32_t *rcpt_count, uint32_t *ret_group_count);

#endif
