#include "queue/suppression_line.h"

#include "engine/base/crc32c.h"

#include <stdio.h>

#define CRC_DIGITS 8
#define FOR_EVER "9999-12-31"

// --- days (proleptic Gregorian; the year begins in March, so that leap days end it)

static uint32_t day_of(uint32_t year, uint32_t month, uint32_t day)
{
    uint32_t y = year - (month <= 2);
    uint32_t of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    return y * 365 + y / 4 - y / 100 + y / 400 + of_year - 719468;
}

const char *suppression_date(uint16_t day, char text[SUPPRESSION_DATE_BYTES])
{
    if (day == SUPPRESSION_FOR_EVER)
        return memcpy(text, FOR_EVER, sizeof(FOR_EVER));
    uint32_t n = day + 719468u;
    uint32_t era = n / 146097, of_era = n % 146097;
    uint32_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    uint32_t of_year = of_era - (365 * year + year / 4 - year / 100);
    uint32_t month = (5 * of_year + 2) / 153;
    snprintf(text, SUPPRESSION_DATE_BYTES, "%04u-%02u-%02u",
             (year + era * 400 + (month >= 10)) % 10000, (month < 10 ? month + 3 : month - 9) % 100,
             (of_year - (153 * month + 2) / 5 + 1) % 100);
    return text;
}

bool suppression_date_read(struct slice text, uint16_t *ret)
{
    static const uint8_t month_days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    uint64_t year, month, day;
    if (text.len != SUPPRESSION_DATE_BYTES - 1 || text.data[4] != '-' || text.data[7] != '-' ||
        !slice_to_u64(slice_take(text, 4), 9999, &year) ||
        !slice_to_u64(slice_take(slice_skip(text, 5), 2), 12, &month) ||
        !slice_to_u64(slice_skip(text, 8), 31, &day))
        return false;
    if (year < 1970 || month == 0 || day == 0 || day > month_days[month - 1])
        return false;
    uint32_t number = day_of((uint32_t)year, (uint32_t)month, (uint32_t)day);
    *ret = number < SUPPRESSION_FOR_EVER ? (uint16_t)number : SUPPRESSION_FOR_EVER;
    return true;
}

// --- lines

static bool is_text(struct slice s)
{
    for (size_t i = 0; i < s.len; i++)
        if ((uint8_t)s.data[i] < 0x20 || s.data[i] == 0x7f)
            return false;
    return s.len > 0;
}

bool suppression_line_put(struct buffer *out, const struct suppression_line *l)
{
    char text[SUPPRESSION_LINE_BYTES_MAX], date[SUPPRESSION_DATE_BYTES];
    if (l->address.len > SUPPRESSION_ADDRESS_BYTES_MAX || !is_text(l->address) ||
        l->category.len > SUPPRESSION_WORD_BYTES_MAX || !is_text(l->category))
        return false;
    int len = snprintf(text, sizeof(text), "%c %s %.*s %.*s", l->removes ? '-' : '+',
                       suppression_date(l->until, date), SLICE_ARG(l->category),
                       SLICE_ARG(l->address));
    return buffer_printf(out, "%08x %.*s\n", crc32c(0, text, (size_t)len), len, text);
}

static bool read_crc(struct slice digits, uint32_t *ret)
{
    uint32_t crc = 0;
    for (size_t i = 0; i < digits.len; i++) {
        char c = digits.data[i];
        bool is_decimal = c >= '0' && c <= '9';
        if (!is_decimal && (c < 'a' || c > 'f'))
            return false;
        crc = crc << 4 | (uint32_t)(is_decimal ? c - '0' : c - 'a' + 10);
    }
    *ret = crc;
    return digits.len == CRC_DIGITS;
}

static bool read_line(struct slice line, struct suppression_line *ret)
{
    uint32_t crc;
    if (!read_crc(slice_cut(&line, ' '), &crc) || crc != crc32c(0, line.data, line.len))
        return false;
    struct slice sign = slice_cut(&line, ' ');
    if (!slice_equal(sign, SLICE("+")) && !slice_equal(sign, SLICE("-")))
        return false;
    ret->removes = sign.data[0] == '-';
    if (!suppression_date_read(slice_cut(&line, ' '), &ret->until))
        return false;
    ret->category = slice_cut(&line, ' ');
    ret->address = line;
    return line.len > 0 && line.len <= SUPPRESSION_ADDRESS_BYTES_MAX;
}

enum suppression_read suppression_line_next(struct slice *rest, struct suppression_line *ret)
{
    while (rest->len > 0 && rest->data[0] == '\n') // who appends ends first what may be torn
        *rest = slice_skip(*rest, 1);
    size_t len = slice_find(*rest, '\n');
    if (len == rest->len)
        return SUPPRESSION_MORE;
    bool good = read_line(slice_take(*rest, len), ret);
    *rest = slice_skip(*rest, len + 1);
    return good ? SUPPRESSION_READ : SUPPRESSION_BAD;
}
