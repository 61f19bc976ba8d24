// queue/suppression.h: the addresses that get no mail, and until when: as all workers look them up.
//
// Shape:   4,096 tables with open addressing, each a block of keyed digests (64 bits, and 12 more
//          that choose the table) and one of days. A table that is full is replaced by a larger
//          one, an eighth to a quarter at a time, so that ten million addresses take 120 to 150 MB.
//          One address in 10^12 is taken for another one.
// Knows not of: files; the texts of the addresses are there (queue/suppression_line.h).
// Threads: one writer. Readers look up without a lock, within a turn: a table that was replaced is
//          freed when all of them have ended theirs.
#ifndef POSTHASTE_QUEUE_SUPPRESSION_H
#define POSTHASTE_QUEUE_SUPPRESSION_H

#include "engine/base/slice.h"
#include "queue/epoch.h"

#define SUPPRESSION_TABLES 4096u
#define SUPPRESSION_COUNT_MAX 50000000u
#define SUPPRESSION_FOR_EVER UINT16_MAX
#define SUPPRESSION_ADDRESS_BYTES_MAX 640u

struct suppression_table;

struct suppression {
    uint64_t key[2];
    _Atomic(struct suppression_table *) *tables; // SUPPRESSION_TABLES of them; NULL: empty
    _Atomic uint32_t count;                      // addresses, those whose day has come too
    uint64_t bytes;                              // of all tables
    struct suppression_table *replaced;          // lately
    struct suppression_table *waiting;           // longer: until `mark` has passed
    struct epoch_mark mark;
};

// `seed`: two random words, which others shall not know. False without memory.
bool suppression_init(struct suppression *s, const uint64_t seed[2]);
void suppression_release(struct suppression *s);

// The form in which addresses are compared: local part and domain in lower case, for there are few
// receivers left to whom a capital matters, and none whose mail we want to send twice. `address`:
// as it came; `domain`: its domain in A-labels. Empty when it is too long.
struct slice suppression_text(struct slice address, struct slice domain,
                              char text[SUPPRESSION_ADDRESS_BYTES_MAX]);

// Days count from 1970. An address is held on the days before its last one.
static inline uint16_t suppression_day(uint64_t wall_us)
{
    return (uint16_t)(wall_us / (UINT64_C(86400) * 1000000));
}

// `text`: as suppression_text() gives it.
bool suppression_holds(const struct suppression *s, struct slice text, uint16_t today);
// The day until which it is held; 0: it is not there.
uint16_t suppression_until(const struct suppression *s, struct slice text);

// The writer's. What was there before is replaced. False: no room.
bool suppression_add(struct suppression *s, struct slice text, uint16_t until, uint16_t today);
bool suppression_remove(struct suppression *s, struct slice text); // false: it was not there
// Frees what nobody looks at any more: now and then. `epochs` NULL: there are no other threads.
void suppression_reclaim(struct suppression *s, const struct epochs *epochs);

#endif
