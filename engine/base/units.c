#include "engine/base/units.h"

#include "engine/base/check.h"

#include <inttypes.h>
#include <stdio.h>

#define US_PER_S 1000000ull

struct unit {
    const char *name;
    uint64_t factor;
};

// The largest first: "1h30m" must come in this order.
static const struct unit duration_units[] = {
    {"d", 86400 * US_PER_S}, {"h", 3600 * US_PER_S}, {"m", 60 * US_PER_S},
    {"s", US_PER_S},         {"ms", 1000},           {"us", 1},
};
static const struct unit size_units[] = {
    {"T", 1ull << 40}, {"G", 1ull << 30}, {"M", 1ull << 20}, {"k", 1ull << 10}, {"", 1},
};

// The digits at the front of *rest.
static struct slice cut_digits(struct slice *rest)
{
    size_t count = 0;
    while (count < rest->len && rest->data[count] >= '0' && rest->data[count] <= '9')
        count++;
    struct slice digits = slice_take(*rest, count);
    *rest = slice_skip(*rest, count);
    return digits;
}

bool units_parse_bytes(struct slice text, uint64_t *ret_bytes)
{
    struct slice unit = text;
    struct slice digits = cut_digits(&unit);
    bool lettered = unit.len > 0 && !slice_equal_nocase(slice_take(unit, 1), SLICE("B"));
    struct slice letter = slice_take(unit, lettered ? 1 : 0);
    struct slice tail = slice_skip(unit, letter.len);
    if (tail.len > 0 && !slice_equal_nocase(tail, SLICE("B")) &&
        !(lettered && slice_equal_nocase(tail, SLICE("iB"))))
        return false;
    for (size_t i = 0; i < COUNT_OF(size_units); i++) {
        uint64_t value;
        if (!slice_equal_nocase(letter, slice_of_text(size_units[i].name)))
            continue;
        if (!slice_to_u64(digits, UINT64_MAX / size_units[i].factor, &value))
            return false;
        *ret_bytes = value * size_units[i].factor;
        return true;
    }
    return false;
}

// The letters at the front of *rest.
static struct slice cut_letters(struct slice *rest)
{
    size_t count = 0;
    while (count < rest->len && (rest->data[count] < '0' || rest->data[count] > '9'))
        count++;
    struct slice letters = slice_take(*rest, count);
    *rest = slice_skip(*rest, count);
    return letters;
}

// Index in duration_units, or their count when there is no such unit.
static size_t duration_unit(struct slice name)
{
    size_t i = 0;
    while (i < COUNT_OF(duration_units) &&
           !slice_equal(name, slice_of_text(duration_units[i].name)))
        i++;
    return i;
}

bool units_parse_us(struct slice text, uint64_t *ret_us)
{
    uint64_t total = 0;
    uint64_t value;
    size_t unit_next = 0;
    if (slice_to_u64(text, UINT64_MAX / US_PER_S, &value)) {
        *ret_us = value * US_PER_S;
        return true;
    }
    while (text.len > 0) {
        struct slice digits = cut_digits(&text);
        size_t unit = duration_unit(cut_letters(&text));
        if (unit < unit_next || unit == COUNT_OF(duration_units))
            return false;
        uint64_t factor = duration_units[unit].factor;
        if (!slice_to_u64(digits, (UINT64_MAX - total) / factor, &value))
            return false;
        total += value * factor;
        unit_next = unit + 1;
    }
    if (unit_next == 0)
        return false;
    *ret_us = total;
    return true;
}

bool units_parse_count_in(struct slice text, uint64_t *ret_count, uint64_t *ret_us)
{
    uint64_t count;
    uint64_t us = 0;
    size_t slash = slice_find(text, '/');
    struct slice per = slice_skip(text, slash + 1);
    if (!slice_to_u64(slice_take(text, slash), UINT64_MAX, &count))
        return false;
    size_t unit = duration_unit(per);
    if (unit < COUNT_OF(duration_units))
        us = duration_units[unit].factor;
    else if (!units_parse_us(per, &us) || us == 0)
        return false;
    *ret_count = count;
    *ret_us = us;
    return true;
}

bool units_parse_rate(struct slice text, double *ret_per_s)
{
    uint64_t count, us;
    if (!units_parse_count_in(text, &count, &us))
        return false;
    *ret_per_s = (double)count * (double)US_PER_S / (double)us;
    return true;
}

// "3UNIT", or "3.5UNIT" when it does not come out even.
static void print_decimal(char text[UNITS_TEXT_BYTES], uint64_t value, const struct unit *unit)
{
    if (value % unit->factor == 0)
        snprintf(text, UNITS_TEXT_BYTES, "%" PRIu64 "%s", value / unit->factor, unit->name);
    else
        snprintf(text, UNITS_TEXT_BYTES, "%.1f%s", (double)value / (double)unit->factor,
                 unit->name);
}

const char *units_print_bytes(char text[UNITS_TEXT_BYTES], uint64_t bytes)
{
    const struct unit *unit = size_units;
    while (unit->factor > 1 && bytes < unit->factor)
        unit++;
    print_decimal(text, bytes, unit);
    return text;
}

const char *units_print_us(char text[UNITS_TEXT_BYTES], uint64_t us)
{
    const struct unit *unit = duration_units;
    while (unit->factor > 1 && us < unit->factor)
        unit++;
    if (us == 0) {
        snprintf(text, UNITS_TEXT_BYTES, "0s");
        return text;
    }
    if (unit->factor <= US_PER_S) {
        print_decimal(text, us, unit);
        return text;
    }
    // Minutes and longer: a second, smaller unit instead of decimals.
    int len = snprintf(text, UNITS_TEXT_BYTES, "%" PRIu64 "%s", us / unit->factor, unit->name);
    uint64_t rest = us % unit->factor / unit[1].factor;
    if (rest > 0)
        snprintf(text + len, UNITS_TEXT_BYTES - (size_t)len, "%" PRIu64 "%s", rest, unit[1].name);
    return text;
}
