// bench/text.h: text put together piece by piece where printf would cost too much: on the path of
// every message. The caller has made sure of the room.
#ifndef POSTHASTE_BENCH_TEXT_H
#define POSTHASTE_BENCH_TEXT_H

#include "engine/base/slice.h"

#define TEXT_NUMBER_BYTES_MAX 20

// Both return where the next piece goes.
static inline char *text_put(char *to, struct slice piece)
{
    memcpy(to, piece.data, piece.len);
    return to + piece.len;
}

static inline char *text_put_number(char *to, uint64_t number)
{
    char digits[TEXT_NUMBER_BYTES_MAX];
    size_t at = sizeof(digits);
    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    return text_put(to, slice_make(digits + at, sizeof(digits) - at));
}

#endif
