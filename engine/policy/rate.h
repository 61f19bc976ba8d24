// engine/policy/rate.h: so many in a time: limits such as "100/s" and "2000000/24h", any number of
// which may hold together, and the memory that they need of what was counted. Pure.
//
// Exact: in no span of a window's length, wherever it begins, is more counted than the rate allows.
// (A token bucket lets twice as much through: what it has saved, and what comes in meanwhile.) What
// was counted is remembered in batches, each of at most a 32nd of the window, and a batch is
// forgotten as a whole once its last is a window old. So a burst up to the count passes at once,
// and what comes evenly reaches at least 32/33 of the rate.
//
// Read first: rate_limits_room().
#ifndef POSTHASTE_POLICY_RATE_H
#define POSTHASTE_POLICY_RATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RATES_SET_MAX 4 // windows of one setting
#define RATES_MAX 8     // windows that hold together, where several settings meet
#define RATE_US_MIN UINT64_C(100000)
#define RATE_US_MAX (UINT64_C(31) * 86400 * 1000 * 1000)
#define RATE_PARTS 32u // of a window
#define RATE_BATCHES (RATE_PARTS + 1)

struct rate_limit {
    uint32_t count; // 1 or more
    uint64_t window_us;
};

struct rate_limits {
    uint32_t count; // 0: no limit
    struct rate_limit items[RATES_MAX];
};

// Of both the tighter: of one window's two counts the smaller, and all windows of both. An item
// keeps its place, so that its meter stays its own. Beyond RATES_MAX windows, two become one that
// is tighter than both.
void rate_limits_tighten(struct rate_limits *r, const struct rate_limits *by);

struct rate_batch {
    uint64_t last_us;
    uint32_t count;
};

// What was counted in one window.
struct rate_meter {
    uint64_t begun_us; // the newest batch
    uint32_t sum;      // of all batches
    uint16_t first, batch_count;
    struct rate_batch batches[RATE_BATCHES];
};

// What it remembers, the oldest first: how many batches.
uint32_t rate_meter_batches(struct rate_meter *m, const struct rate_limit *r, uint64_t now_us,
                            struct rate_batch ret[RATE_BATCHES]);
// Remembers these, and nothing else.
void rate_meter_restore(struct rate_meter *m, const struct rate_batch *batches, uint32_t count);

// Meters of a struct rate_limits: rates->count of them, zeroed at first, as `meters` below.

// How many more may be counted now; UINT32_MAX without a limit.
uint32_t rate_limits_room(struct rate_meter *meters, const struct rate_limits *rates,
                          uint64_t now_us);
// When there is room for one; now_us when there is.
uint64_t rate_limits_due_us(struct rate_meter *meters, const struct rate_limits *rates,
                            uint64_t now_us);
void rate_limits_count(struct rate_meter *meters, const struct rate_limits *rates, uint64_t now_us);
// From when on the meters need not be remembered; now_us when that is so already.
uint64_t rate_limits_end_us(struct rate_meter *meters, const struct rate_limits *rates,
                            uint64_t now_us);

#endif
