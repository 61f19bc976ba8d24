// Numbers with units and limits: counts, sizes, durations, factors, rates.

#include "engine/setting_parts.h"

#include <inttypes.h>
#include <stdio.h>

struct unit {
    const char *name;
    uint64_t factor;
};

// The largest first.
static const struct unit size_units[] = {
    {"G", 1ull << 30}, {"M", 1ull << 20}, {"k", 1ull << 10}, {"", 1}};
static const struct unit duration_units[] = {{"d", 86400000000}, {"h", 3600000000}, {"m", 60000000},
                                             {"s", 1000000},     {"ms", 1000},      {"us", 1}};
static const struct unit count_units[] = {{"", 1}};

static bool is_duration(const struct setting *s)
{
    return s->kind == SETTING_DURATION || s->kind == SETTING_DURATIONS;
}

// The largest unit that gives a whole number: what is printed reads back as the same value.
const char *setting_print_exact(char text[UNITS_TEXT_BYTES], const struct setting *s,
                                uint64_t value)
{
    const struct unit *unit = s->kind == SETTING_SIZE ? size_units
                              : is_duration(s)        ? duration_units
                                                      : count_units;
    if (value == 0 && is_duration(s))
        return "0s";
    while (unit->factor > 1 && (value % unit->factor != 0 || value < unit->factor))
        unit++;
    snprintf(text, UNITS_TEXT_BYTES, "%" PRIu64 "%s", value / unit->factor, unit->name);
    return text;
}

bool setting_parse_number(const struct setting *s, struct slice text, uint64_t *ret,
                          struct refusal *why)
{
    uint64_t value = 0;
    char min[UNITS_TEXT_BYTES], max[UNITS_TEXT_BYTES];
    if (s->kind == SETTING_COUNT && !slice_to_u64(text, UINT32_MAX, &value))
        return refuse(why, "'%.*s' is not a whole number", SLICE_ARG(text));
    if (s->kind == SETTING_SIZE && !units_parse_bytes(text, &value))
        return refuse(why, "'%.*s' is not a size, such as \"50M\"", SLICE_ARG(text));
    if (is_duration(s) && !units_parse_us(text, &value))
        return refuse(why, "'%.*s' is not a duration, such as \"30s\"", SLICE_ARG(text));
    if (value < s->min || value > s->max)
        return refuse(why, "'%.*s' is outside %s to %s", SLICE_ARG(text),
                      setting_print_exact(min, s, s->min), setting_print_exact(max, s, s->max));
    *ret = value;
    return true;
}

bool setting_parse_step(const struct setting *s, struct slice text, struct retry_steps *list,
                        struct refusal *why)
{
    uint64_t value = 0;
    if (list->count == RETRY_STEPS_MAX)
        return refuse(why, "more than %d durations", RETRY_STEPS_MAX);
    if (!setting_parse_number(s, text, &value, why))
        return false;
    list->us[list->count++] = value;
    return true;
}

// "2", "1.5", "1.25": no more digits than that.
bool setting_parse_factor(const struct setting *s, struct slice text, uint32_t *ret,
                          struct refusal *why)
{
    uint64_t whole = 0, part = 0;
    struct slice rest = text;
    struct slice digits = slice_cut(&rest, '.');
    bool is_ok = slice_to_u64(digits, 1000, &whole) && rest.len <= 2 &&
                 (digits.len == text.len || slice_to_u64(rest, 99, &part));
    uint64_t value = whole * 100 + (rest.len == 1 ? part * 10 : part);
    if (!is_ok)
        return refuse(why, "'%.*s' is not a factor, such as \"1.5\"", SLICE_ARG(text));
    if (value < s->min || value > s->max)
        return refuse(why, "'%.*s' is outside %g to %g", SLICE_ARG(text), (double)s->min / 100,
                      (double)s->max / 100);
    *ret = (uint32_t)value;
    return true;
}

bool setting_parse_rate(const struct setting *s, struct slice text, struct rate_limits *list,
                        struct refusal *why)
{
    uint64_t count, us;
    if (slice_equal(text, SLICE("none"))) {
        list->count = 0;
        return true;
    }
    if (list->count == RATES_SET_MAX || list->count >= s->max)
        return refuse(why, "more than %" PRIu64 " rates", s->max);
    if (!units_parse_count_in(text, &count, &us))
        return refuse(why, "'%.*s' is not a rate, such as \"100/s\" or \"50000/24h\"",
                      SLICE_ARG(text));
    if (count == 0 || count > UINT32_MAX || us < RATE_US_MIN || us > RATE_US_MAX)
        return refuse(why, "'%.*s' is outside one in 31 days to 4294967295 in 100 ms",
                      SLICE_ARG(text));
    list->items[list->count++] = (struct rate_limit){(uint32_t)count, us};
    return true;
}

// "100/s", "2000000/24h": as short as reads back as the same.
bool setting_print_rate(const struct rate_limit *r, struct buffer *out)
{
    const struct unit *unit = duration_units;
    while (unit->factor > 1 && r->window_us % unit->factor != 0)
        unit++;
    if (r->window_us == unit->factor)
        return buffer_printf(out, "\"%" PRIu32 "/%s\"", r->count, unit->name);
    return buffer_printf(out, "\"%" PRIu32 "/%" PRIu64 "%s\"", r->count,
                         r->window_us / unit->factor, unit->name);
}

bool setting_print_factor(uint32_t value, struct buffer *out)
{
    return buffer_printf(out, value % 100 ? "\"%g\"" : "%g", (double)value / 100);
}
