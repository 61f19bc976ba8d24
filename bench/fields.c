#include "bench/fields.h"

#include <stdio.h>
#include <time.h>

bool fields_header_end(struct slice content, size_t searched, size_t *ret_end)
{
    if (slice_starts(content, SLICE("\r\n"))) {
        *ret_end = 2; // no field at all
        return true;
    }
    struct slice rest = slice_skip(content, searched > 3 ? searched - 3 : 0);
    const char *blank = rest.len ? memmem(rest.data, rest.len, "\r\n\r\n", 4) : NULL;
    if (!blank)
        return false;
    *ret_end = (size_t)(blank - content.data) + 4;
    return true;
}

// The length of the field that starts at the front: up to the first line that is no continuation.
static size_t field_length(struct slice rest)
{
    size_t length = 0;
    do {
        struct slice line = slice_skip(rest, length);
        size_t newline = slice_find(line, '\n');
        if (newline == line.len)
            return rest.len;
        length += newline + 1;
    } while (length < rest.len && (rest.data[length] == ' ' || rest.data[length] == '\t'));
    return length;
}

size_t fields_leading_trace(struct slice content)
{
    size_t length = 0;
    for (;;) {
        struct slice rest = slice_skip(content, length);
        if (!slice_starts_nocase(rest, SLICE("Received:")) &&
            !slice_starts_nocase(rest, SLICE("Return-Path:")) &&
            !slice_starts_nocase(rest, SLICE("DKIM-Signature:")) &&
            !slice_starts_nocase(rest, SLICE("List-Unsubscribe:")) &&
            !slice_starts_nocase(rest, SLICE("List-Unsubscribe-Post:")))
            return length;
        length += field_length(rest);
    }
}

// "Name:" or, as RFC 5322 4.5 still lets old mail have it, "Name :".
static bool is_field(struct slice rest, struct slice name)
{
    if (!slice_starts_nocase(rest, name))
        return false;
    rest = slice_skip(rest, name.len);
    while (rest.len > 0 && (rest.data[0] == ' ' || rest.data[0] == '\t'))
        rest = slice_skip(rest, 1);
    return rest.len > 0 && rest.data[0] == ':';
}

struct slice fields_find(struct slice header, struct slice name)
{
    while (header.len > 0 && header.data[0] != '\r') {
        size_t length = field_length(header);
        if (is_field(header, name))
            return slice_take(header, length);
        header = slice_skip(header, length);
    }
    return SLICE_EMPTY;
}

struct slice fields_message_id(struct slice header)
{
    struct slice value = fields_find(header, SLICE("Message-ID"));
    slice_cut(&value, ':');
    size_t start = slice_find(value, '<');
    if (start < value.len) {
        value = slice_skip(value, start);
        size_t end = slice_find(value, '>');
        return end < value.len ? slice_take(value, end + 1) : slice_cut(&value, '\r');
    }
    return slice_trim(slice_cut(&value, '\r'));
}

void fields_print_date(char text[FIELDS_DATE_BYTES], uint64_t wall_us)
{
    // strftime() would speak the user's language.
    static const char days[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    time_t seconds = (time_t)(wall_us / 1000000);
    struct tm t;
    gmtime_r(&seconds, &t);
    snprintf(text, FIELDS_DATE_BYTES, "%s, %02d %s %04d %02d:%02d:%02d +0000", days[t.tm_wday],
             t.tm_mday, months[t.tm_mon], t.tm_year + 1900, t.tm_hour, t.tm_min, t.tm_sec);
}
