#include "engine/message/trace.h"

#include "engine/base/check.h"

#include <time.h>

#define HOSTNAME_BYTES_MAX 255

struct writer {
    char *out;
    size_t len;
};

static void put(struct writer *w, struct slice s)
{
    CHECK(w->len + s.len <= TRACE_BYTES_MAX);
    memcpy(w->out + w->len, s.data, s.len);
    w->len += s.len;
}

static char *put_two_digits(char *at, int value)
{
    *at++ = (char)('0' + value / 10 % 10);
    *at++ = (char)('0' + value % 10);
    return at;
}

const char *trace_date(uint64_t wall_us, char text[TRACE_DATE_BYTES])
{
    static const char days[][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    time_t seconds = (time_t)(wall_us / 1000000);
    struct tm tm;
    CHECK(gmtime_r(&seconds, &tm) && tm.tm_year + 1900 <= 9999);
    char *at = text;
    at = (char *)mempcpy(at, days[tm.tm_wday], 3);
    at = (char *)mempcpy(at, ", ", 2);
    at = put_two_digits(at, tm.tm_mday);
    *at++ = ' ';
    at = (char *)mempcpy(at, months[tm.tm_mon], 3);
    *at++ = ' ';
    at = put_two_digits(at, (tm.tm_year + 1900) / 100);
    at = put_two_digits(at, (tm.tm_year + 1900) % 100);
    *at++ = ' ';
    at = put_two_digits(at, tm.tm_hour);
    *at++ = ':';
    at = put_two_digits(at, tm.tm_min);
    *at++ = ':';
    at = put_two_digits(at, tm.tm_sec);
    memcpy(at, " +0000", 7);
    return text;
}

static struct slice protocol(const struct trace *t)
{
    if (t->smtputf8)
        return SLICE("UTF8SMTP"); // RFC 6531 3.7.3
    return t->esmtp ? SLICE("ESMTP") : SLICE("SMTP");
}

static void put_received(struct writer *w, const struct trace *t, struct slice date)
{
    put(w, SLICE("Received: from "));
    put(w, t->helo.len > 0 ? slice_take(t->helo, HOSTNAME_BYTES_MAX) : SLICE("unknown"));
    put(w, SLICE(" ("));
    if (t->peer.len > 0) {
        put(w, SLICE("["));
        put(w, t->peer);
        put(w, SLICE("]"));
    } else {
        put(w, SLICE("local"));
    }
    put(w, SLICE(")\r\n\tby "));
    put(w, slice_take(t->hostname, HOSTNAME_BYTES_MAX));
    put(w, SLICE(" (posthaste) with "));
    put(w, protocol(t));
    put(w, SLICE("\r\n\tid "));
    put(w, t->id);
    put(w, SLICE("; "));
    put(w, date);
    put(w, SLICE("\r\n"));
}

size_t trace_write(const struct trace *t, const struct header_scan *s, char out[TRACE_BYTES_MAX])
{
    struct writer w = {.out = out};
    char text[TRACE_DATE_BYTES];
    struct slice date = slice_of_text(trace_date(t->wall_us, text));
    CHECK(s->ended);
    put_received(&w, t, date);
    if (!s->has_date) {
        put(&w, SLICE("Date: "));
        put(&w, date);
        put(&w, SLICE("\r\n"));
    }
    if (!s->has_message_id) {
        put(&w, SLICE("Message-ID: <"));
        put(&w, t->id);
        put(&w, SLICE("@"));
        put(&w, slice_take(t->hostname, HOSTNAME_BYTES_MAX));
        put(&w, SLICE(">\r\n"));
    }
    if (s->no_empty_line)
        put(&w, SLICE("\r\n"));
    return w.len;
}
