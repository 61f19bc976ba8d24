// engine/order_tally.h: counts by domain, while an order goes through the queue.
//
// Limits:  TALLY_DOMAINS_MAX domains by name; what comes beyond is counted together.
// Threads: whoever holds the order.
#ifndef POSTHASTE_ORDER_TALLY_H
#define POSTHASTE_ORDER_TALLY_H

#include "engine/policy/selector.h"

#define TALLY_DOMAINS_MAX 65536u

struct tally_row {
    uint32_t name_offset;
    uint32_t name_len;
    uint64_t recipients;
    uint64_t jobs[QUEUE_STATE_COUNT];
    uint64_t age_us_max;
};

struct tally {
    struct tally_row *rows; // grows; count of them
    uint32_t count, room;
    uint32_t *slots; // open addressing: a row's number and one; 0: free
    uint32_t *order; // of the rows, once sorted
    struct buffer names;
    struct tally_row others;
};

bool tally_init(struct tally *t); // false without memory
void tally_release(struct tally *t);
// The domain's row, made when there is none; the others' when there is no room. Good until the
// next.
struct tally_row *tally_row(struct tally *t, struct slice name);
void tally_sort(struct tally *t); // by jobs, the most first
const struct tally_row *tally_at(const struct tally *t, uint32_t nth);
struct slice tally_name(const struct tally *t, const struct tally_row *row);

#endif
