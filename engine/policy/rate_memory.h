// engine/policy/rate_memory.h: what was counted against rates, and who is to be left alone, as text
// that outlives the engine. Pure.
//
// A text has a line for each meter and each rest, and ends with a checksum: one that was torn in
// the middle is none. Times in it are the wall clock's.
//
//   posthaste-rates 1
//   PLACE KIND WINDOW WRITTEN TIME:COUNT TIME:COUNT ...
//   PLACE KIND 0 WRITTEN UNTIL:CODE                         CODE: of the reply that asked for it
//   end CHECKSUM
//
// Of what several texts say of a meter, that which was written last counts; of a rest the longest.
// What is not remembered counts as nothing.
#ifndef POSTHASTE_POLICY_RATE_MEMORY_H
#define POSTHASTE_POLICY_RATE_MEMORY_H

#include "engine/base/buffer.h"
#include "engine/policy/rate.h"

// Shorter windows and rests are over soon after a start.
#define RATE_MEMORY_US_MIN (UINT64_C(60) * 1000 * 1000)
#define RATE_MEMORY_BYTES_MAX (64u * 1024 * 1024) // of one text

#define RATE_REST_US_MAX (UINT64_C(7) * 86400 * 1000000) // a clock may have been wrong

enum rate_kind { RATE_OF_MESSAGES = 'm', RATE_OF_CONNECTIONS = 'c' };
enum rest_kind { REST_OF_SOURCE = 's', REST_OF_SITE = 'r' };

struct rest {
    uint64_t until_us;
    uint16_t code; // 0: nobody said it
};

// --- writing

struct rate_clock {
    uint64_t now_us, wall_us; // the same moment
};

// Each false when `out` is full.
bool rate_memory_begin(struct buffer *out);
// Nothing for one that is empty, or of a short window.
bool rate_memory_print(struct buffer *out, uint64_t place, enum rate_kind kind,
                       const struct rate_limit *limit, struct rate_meter *meter,
                       const struct rate_clock *clock);
// Nothing for one that is short, or over.
bool rate_memory_print_rest(struct buffer *out, uint64_t place, enum rest_kind kind,
                            struct rest rest, const struct rate_clock *clock);
bool rate_memory_end(struct buffer *out);

// --- reading

struct rate_memory;

struct rate_memory *rate_memory_new(void); // NULL without memory
void rate_memory_free(struct rate_memory *m);
// False, and nothing of it is taken: it is no such text, was torn, or memory is short. What is said
// to have been later than now counts as having been now.
bool rate_memory_read(struct rate_memory *m, struct slice text, const struct rate_clock *clock);
void rate_memory_sort(struct rate_memory *m); // when all have been read
// What was counted there in such a window. False: nothing is known. NULL knows nothing.
bool rate_memory_recall(const struct rate_memory *m, uint64_t place, enum rate_kind kind,
                        uint64_t window_us, struct rate_meter *ret);
// Until when it is to be left alone. False: nothing is known.
bool rate_memory_recall_rest(const struct rate_memory *m, uint64_t place, enum rest_kind kind,
                             struct rest *ret);

// Prints what still counts, as it was read: whoever it is about may not have come by yet. NULL: has
// nothing.
bool rate_memory_carry(const struct rate_memory *m, struct buffer *out,
                       const struct rate_clock *clock);

#endif
