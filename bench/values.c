#include "bench/values.h"

#include "engine/base/units.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define CREDENTIAL_BYTES_MAX 255

bool value_refuse(const struct value *v, const char *expected)
{
    fprintf(stderr, "%s: %s: \"%s\" is not %s\n", v->program, v->option, v->text, expected);
    return false;
}

bool value_number(const struct value *v, uint64_t min, uint64_t max, uint64_t *ret_number)
{
    uint64_t number;
    if (slice_to_u64(slice_of_text(v->text), max, &number) && number >= min) {
        *ret_number = number;
        return true;
    }
    char expected[96];
    snprintf(expected, sizeof(expected), "a number from %" PRIu64 " to %" PRIu64, min, max);
    return value_refuse(v, max == UINT64_MAX ? "a number" : expected);
}

bool value_bytes(const struct value *v, uint64_t max, uint64_t *ret_bytes)
{
    uint64_t bytes;
    if (units_parse_bytes(slice_of_text(v->text), &bytes) && bytes <= max) {
        *ret_bytes = bytes;
        return true;
    }
    char most[UNITS_TEXT_BYTES], expected[96];
    snprintf(expected, sizeof(expected), "a size such as 512, 2k or 1M (at most %s)",
             units_print_bytes(most, max));
    return value_refuse(v, max == UINT64_MAX ? "a size such as 512, 2k or 1M" : expected);
}

bool value_bytes_range(const struct value *v, uint64_t max, uint64_t *ret_min, uint64_t *ret_max)
{
    struct slice high = slice_of_text(v->text);
    uint64_t bytes_min, bytes_max;
    struct slice low = slice_cut(&high, '-');
    if (high.len == 0)
        high = low;
    if (!units_parse_bytes(low, &bytes_min) || !units_parse_bytes(high, &bytes_max) ||
        bytes_min > bytes_max || bytes_max > max)
        return value_refuse(v, "a size such as 2k or a range such as 1k-50k (at most 1G)");
    *ret_min = bytes_min;
    *ret_max = bytes_max;
    return true;
}

bool value_us(const struct value *v, uint64_t *ret_us)
{
    if (units_parse_us(slice_of_text(v->text), ret_us))
        return true;
    return value_refuse(v, "a duration such as 250ms, 30s or 5m");
}

bool value_rate(const struct value *v, double *ret_per_s)
{
    struct slice text = slice_of_text(v->text);
    uint64_t number;
    if (slice_to_u64(text, UINT64_MAX, &number) && number > 0) {
        *ret_per_s = (double)number;
        return true;
    }
    if (units_parse_rate(text, ret_per_s) && *ret_per_s > 0)
        return true;
    return value_refuse(v, "a rate such as 500 (a second), 500/s or 90/m");
}

bool value_percent_parse(const char *text, double *ret_share)
{
    char *end;
    if (text[0] < '0' || text[0] > '9')
        return false;
    double percent = strtod(text, &end);
    if (*end == '%')
        end++;
    if (*end != 0 || !(percent >= 0 && percent <= 100))
        return false;
    *ret_share = percent / 100;
    return true;
}

bool value_percent(const struct value *v, double *ret_share)
{
    return value_percent_parse(v->text, ret_share) ||
           value_refuse(v, "a percentage such as 1 or 0.5%");
}

bool value_credentials(const struct value *v, struct slice *ret_user, struct slice *ret_password)
{
    struct slice password = slice_of_text(v->text);
    struct slice user = slice_cut(&password, ':');
    if (user.len == 0 || password.len == 0 || user.len > CREDENTIAL_BYTES_MAX ||
        password.len > CREDENTIAL_BYTES_MAX)
        return value_refuse(v, "of the form user:password");
    *ret_user = user;
    *ret_password = password;
    return true;
}
