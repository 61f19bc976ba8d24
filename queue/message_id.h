// queue/message_id.h: the numbers by which people and logs name a message.
//
// Layout: microseconds of wall-clock time above MESSAGE_ID_WORKER_BITS of worker number. So ids are
//         unique on this host while the clock is right, sort by time, and say when they were made.
//         A worker's own counter makes them strictly increasing, whatever the clock does meanwhile;
//         `last` is carried over a restart by who reads the journal.
// Text:   13 characters of base 32 without letters that look alike, most significant first, so that
//         text sorts as the numbers do.
#ifndef POSTHASTE_QUEUE_MESSAGE_ID_H
#define POSTHASTE_QUEUE_MESSAGE_ID_H

#include "engine/base/slice.h"

#define MESSAGE_ID_WORKER_BITS 6
#define MESSAGE_ID_TEXT_BYTES 14 // 13 characters and NUL

// `last`: the worker's own, 0 at first.
uint64_t message_id_make(uint64_t wall_us, uint32_t worker, uint64_t *last);
// When the message was accepted.
static inline uint64_t message_id_wall_us(uint64_t id)
{
    return id >> MESSAGE_ID_WORKER_BITS;
}
const char *message_id_print(uint64_t id, char text[MESSAGE_ID_TEXT_BYTES]);
// The way back; small letters will do. False when the text is no id; *ret is untouched then.
bool message_id_parse(struct slice text, uint64_t *ret);

#endif
