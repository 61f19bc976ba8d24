// bench/values.h: the values of command line options. Each reader is false when the text is not of
// its form, and says on standard error what would be: the caller ends with EXIT_USAGE.
#ifndef POSTHASTE_BENCH_VALUES_H
#define POSTHASTE_BENCH_VALUES_H

#include "engine/base/slice.h"

#include <stdbool.h>
#include <stdint.h>

// Exit codes that both programs share.
#define EXIT_USAGE 2
#define EXIT_MACHINE 4 // no io_uring, no memory, a file that cannot be written, a taken port

struct value {
    const char *program;
    const char *option; // "--size"
    const char *text;
};

bool value_number(const struct value *v, uint64_t min, uint64_t max, uint64_t *ret_number);
bool value_bytes(const struct value *v, uint64_t max, uint64_t *ret_bytes);
bool value_bytes_range(const struct value *v, uint64_t max, uint64_t *ret_min, uint64_t *ret_max);
bool value_us(const struct value *v, uint64_t *ret_us);
bool value_rate(const struct value *v, double *ret_per_s);
// "5", "5%", "0.25%": a share of 0..1.
bool value_percent(const struct value *v, double *ret_share);
bool value_percent_parse(const char *text, double *ret_share); // says nothing
// "user:password". What they point to is the option's text.
bool value_credentials(const struct value *v, struct slice *ret_user, struct slice *ret_password);
// "program: option: TEXT". Returns false.
bool value_refuse(const struct value *v, const char *expected);

#endif
