// engine/base/units.h: durations and sizes as people write them, and the way back.
//
// Sizes: "512", "2k", "50M", "1G", also with B or iB behind (powers of 1024). Durations: "250ms",
// "30s", "5m", "4h", "5d", "1h30m"; a bare number is seconds. Rates: "100/s", "50/m", "9/h",
// "2000000/24h".
#ifndef POSTHASTE_BASE_UNITS_H
#define POSTHASTE_BASE_UNITS_H

#include "engine/base/slice.h"

// All: false when the text is not of this form or does not fit; *ret untouched.
bool units_parse_bytes(struct slice text, uint64_t *ret_bytes);
bool units_parse_us(struct slice text, uint64_t *ret_us);
bool units_parse_rate(struct slice text, double *ret_per_s);
bool units_parse_count_in(struct slice text, uint64_t *ret_count, uint64_t *ret_us); // a rate

#define UNITS_TEXT_BYTES 32
// Short forms for people: "512", "2k", "1.5M"; "250us", "1.5s", "5m", "1h30m", "5d". What comes out
// even in them reads back as it was; the rest is rounded. Both write into `text` and return it.
const char *units_print_bytes(char text[UNITS_TEXT_BYTES], uint64_t bytes);
const char *units_print_us(char text[UNITS_TEXT_BYTES], uint64_t us);

#endif
