// queue/keys.h: submission keys: which were used, for which message, and until when that counts.
//
// A client that gives a key with a message may send it again when it did not hear our answer: the
// second one is answered with the first one's id, and is not a second message.
//
// Shape:   a slab of 80-byte items, a hash table over them, a queue by age (all live equally long),
//          and for each segment the list of those whose record stands in it.
// Limits:  count_max; beyond it the oldest are forgotten, before their time.
// Threads: one owner, who owns all keys with a hash of his.
#ifndef POSTHASTE_QUEUE_KEYS_H
#define POSTHASTE_QUEUE_KEYS_H

#include "engine/base/slab.h"
#include "queue/format.h"
#include "queue/message.h"

#define KEYS_COUNT_MAX 10000000u // of all workers
#define KEYS_LIFE_US (UINT64_C(3) * 86400 * 1000000)
#define KEYS_NO_SEGMENT UINT32_MAX
#define KEYS_MOVING (UINT32_MAX - 1) // its record is being written again

struct key_item {
    uint8_t key[FORMAT_KEY_BYTES];
    uint64_t content;      // a digest of what came with it
    uint64_t id;           // of the message; 0: in flight, not decided yet
    uint32_t until_s;      // monotonic: no step of the wall clock ends it
    uint32_t segment;      // where its record stands, or KEYS_NO_SEGMENT
    uint32_t chain;        // the next in its bucket
    uint32_t newer, older; // in the queue by age
    uint32_t segment_next, segment_prev;
    uint32_t moving_from; // the segment, while segment is KEYS_MOVING
    bool waited_for;      // some message waits behind it
};
_Static_assert(sizeof(struct key_item) <= 80, "times ten million");

struct keys {
    struct slab items;
    uint32_t *buckets;
    uint32_t bucket_mask;
    uint32_t oldest, newest;
    uint32_t *segment_first; // by segment, SEGMENTS_MAX of them; memory untouched until used
    uint64_t seed;
    struct message_list waiting;  // behind a key in flight
    struct message_list released; // what they waited for is decided
};

// Who owns a key: all workers agree.
uint32_t keys_owner(const uint8_t key[FORMAT_KEY_BYTES], uint32_t worker_count);

bool keys_init(struct keys *k, uint32_t count_max, uint64_t seed); // false without memory
void keys_release(struct keys *k);

enum key_answer {
    KEY_NEW,   // it is in flight now, for this message: keys_decided() comes later
    KEY_SAME,  // *ret_id: of the message that came with it
    KEY_OTHER, // it came with something else
    KEY_WAITS, // it is in flight: m was taken, and comes back by keys_next_released()
    KEY_NONE,  // no memory
};
enum key_answer keys_claim(struct keys *k, struct message *m, uint64_t now_us, uint64_t *ret_id);
// The message of a key in flight is durable in that segment, or will never be.
void keys_decided(struct keys *k, const struct message *m, bool durable, uint32_t segment);
// The message that came with it; *ret_id 0: it is in flight. False: there is none, or it was too
// long ago.
bool keys_look(struct keys *k, const uint8_t key[FORMAT_KEY_BYTES], uint64_t *ret_id);
struct message *keys_next_released(struct keys *k); // claims again; NULL: none

// One that was found at start: its record is to be written again.
bool keys_restore(struct keys *k, const uint8_t key[FORMAT_KEY_BYTES], uint64_t content,
                  uint64_t id, uint64_t until_us);

// The oldest one whose time is over, and that is forgotten now: *ret_segment is where its record
// stood. False: there is none.
bool keys_expire(struct keys *k, uint64_t now_us, uint32_t *ret_segment);

// For moving records: the first whose record stands in that segment, or nowhere (KEYS_NO_SEGMENT),
// or is being written (KEYS_MOVING). NULL: none.
struct key_item *keys_first_in(struct keys *k, uint32_t segment);
void keys_move(struct keys *k, struct key_item *item, uint32_t segment);

#endif
