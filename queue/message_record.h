// queue/message_record.h: a message as its record in the journal, and back.
//
// Shape: a message that is read back lands in its block just where it was when it was built: the
//        record's header and fixed part end where the envelope begins, so that one read brings all.
#ifndef POSTHASTE_QUEUE_MESSAGE_RECORD_H
#define POSTHASTE_QUEUE_MESSAGE_RECORD_H

#include "queue/message.h"

#define MESSAGE_RECORD_FRONT (sizeof(struct record_header) + sizeof(struct record_message))

// The fixed part; the envelope and the content follow it.
struct record_message message_record_of(const struct message *m);
uint64_t message_record_payload_bytes(const struct message *m);

// The checksum of a record's payload at `offset` of the segment with that epoch begins with this.
uint32_t record_checksum_seed(uint64_t epoch, uint64_t offset);

// Reading back: a block of `*ret_block_bytes`, and where in it `MESSAGE_RECORD_FRONT - fixed +
// payload` bytes from the record's offset on go. NULL without memory.
struct message *message_read_new(struct block_pool *p, uint32_t payload_bytes, void **ret_to,
                                 size_t *ret_bytes);
// The bytes are there: true when they are the record of that message, which then may be used. On
// false it can only be freed.
bool message_read_done(struct message *m, uint32_t payload_bytes, uint64_t epoch, uint64_t offset,
                       uint64_t id);

// The name of its campaign, empty: none. Of a valid one.
struct slice record_message_campaign(const struct record_message *r, struct slice payload);

// Is this a message as it may stand in a record: all lengths within it, the recipients' texts in
// the envelope, as many groups as jobs? `payload`: all of it.
bool record_message_valid(const struct record_message *r, struct slice payload);

#endif
