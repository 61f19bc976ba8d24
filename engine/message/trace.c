#include "engine/message/trace.h"

#include "engine/base/check.h"

#define SECONDS_PER_DAY 86400
#define PEER_BYTES_MAX 46 // an IPv6 address

// --- dates ------------------------------------------------------------------------------------

struct civil_date {
    unsigned year, month, day; // month 1 to 12
};

// The Gregorian calendar in years that begin in March, so that the leap day comes last; an era is
// its 400 years. (gmtime_r() takes glibc's lock on time zones.)
static struct civil_date date_of_day(uint64_t days_since_1970)
{
    const uint64_t day = days_since_1970 + 719468; // since 1 March of the year 0
    const unsigned day_of_era = (unsigned)(day % 146097);
    const unsigned year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 -
                                  day_of_era / 146096) /
                                 365;
    const unsigned day_of_year = day_of_era -
                                 (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    const unsigned month = (5 * day_of_year + 2) / 153; // 0: March
    const unsigned year = (unsigned)(day / 146097) * 400 + year_of_era;
    return (struct civil_date){
        .year = month < 10 ? year : year + 1,
        .month = month < 10 ? month + 3 : month - 9,
        .day = day_of_year - (153 * month + 2) / 5 + 1,
    };
}

static char *put_two_digits(char *at, unsigned value)
{
    *at++ = (char)('0' + value / 10 % 10);
    *at++ = (char)('0' + value % 10);
    return at;
}

const char *trace_date(uint64_t wall_us, char text[TRACE_DATE_BYTES])
{
    static const char days[][4] = {"Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"};
    static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    const uint64_t seconds = wall_us / 1000000;
    const unsigned second_of_day = (unsigned)(seconds % SECONDS_PER_DAY);
    const struct civil_date date = date_of_day(seconds / SECONDS_PER_DAY);
    char *at = text;
    CHECK(date.year <= 9999);
    at = (char *)mempcpy(at, days[seconds / SECONDS_PER_DAY % 7], 3);
    at = (char *)mempcpy(at, ", ", 2);
    at = put_two_digits(at, date.day);
    *at++ = ' ';
    at = (char *)mempcpy(at, months[date.month - 1], 3);
    *at++ = ' ';
    at = put_two_digits(at, date.year / 100);
    at = put_two_digits(at, date.year % 100);
    *at++ = ' ';
    at = put_two_digits(at, second_of_day / 3600);
    *at++ = ':';
    at = put_two_digits(at, second_of_day / 60 % 60);
    *at++ = ':';
    at = put_two_digits(at, second_of_day % 60);
    memcpy(at, " +0000", 7);
    return text;
}

// --- fields -----------------------------------------------------------------------------------

struct writer {
    char *out;
    size_t len;
    size_t line_start;
};

static void put(struct writer *w, struct slice s)
{
    CHECK(w->len + s.len <= TRACE_BYTES_MAX);
    memcpy(w->out + w->len, s.data, s.len);
    w->len += s.len;
}

static void end_line(struct writer *w)
{
    put(w, SLICE("\r\n"));
    w->line_start = w->len;
}

// Three parts that stay together, behind a space or, where the line would grow too long, a fold.
static void put_word(struct writer *w, struct slice before, struct slice word, struct slice behind)
{
    size_t word_bytes = before.len + word.len + behind.len;
    if (w->len - w->line_start + 1 + word_bytes > TRACE_LINE_BYTES_MAX) {
        end_line(w);
        put(w, SLICE("\t"));
    } else {
        put(w, SLICE(" "));
    }
    put(w, before);
    put(w, word);
    put(w, behind);
}

// What a domain or an address literal is made of; nothing else gets from a client into our field.
static bool is_host_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("-._:[]", c));
}

static struct slice helo_of(const struct trace *t, char text[TRACE_NAME_BYTES_MAX])
{
    struct slice helo = slice_take(t->helo, TRACE_NAME_BYTES_MAX);
    for (size_t i = 0; i < helo.len; i++)
        text[i] = (char)(is_host_byte(helo.data[i]) ? helo.data[i] : '?');
    return helo.len > 0 ? slice_make(text, helo.len) : SLICE("unknown");
}

static struct slice hostname_of(const struct trace *t)
{
    return slice_take(t->hostname, TRACE_NAME_BYTES_MAX);
}

// RFC 3848, 6531 4.3. Neither TLS nor AUTH is there without EHLO.
static struct slice protocol_of(const struct trace *t)
{
    static const struct slice names[2][4] = {
        {SLICE("ESMTP"), SLICE("ESMTPS"), SLICE("ESMTPA"), SLICE("ESMTPSA")},
        {SLICE("UTF8SMTP"), SLICE("UTF8SMTPS"), SLICE("UTF8SMTPA"), SLICE("UTF8SMTPSA")},
    };
    return t->esmtp || t->smtputf8 ? names[t->smtputf8][t->tls + 2 * t->auth] : SLICE("SMTP");
}

static bool is_ipv6(struct slice peer)
{
    return slice_find(peer, ':') < peer.len;
}

static void put_received(struct writer *w, const struct trace *t, struct slice date)
{
    char text[TRACE_NAME_BYTES_MAX];
    const struct slice none = SLICE_EMPTY;
    put(w, SLICE("Received:"));
    put_word(w, SLICE("from "), helo_of(t, text), none);
    if (t->peer.len == 0)
        put_word(w, none, SLICE("(local)"), none);
    else
        put_word(w, is_ipv6(t->peer) ? SLICE("([IPv6:") : SLICE("(["), t->peer, SLICE("])"));
    put_word(w, SLICE("by "), hostname_of(t), none);
    put_word(w, none, SLICE("(posthaste)"), none);
    put_word(w, SLICE("with "), protocol_of(t), none);
    put_word(w, SLICE("id "), t->id, SLICE(";"));
    put_word(w, none, date, none);
    end_line(w);
}

size_t trace_write(const struct trace *t, const struct header_scan *s, char out[TRACE_BYTES_MAX])
{
    struct writer w = {.out = out};
    char text[TRACE_DATE_BYTES];
    const struct slice date = slice_of_text(trace_date(t->wall_us, text));
    CHECK(s->ended);
    CHECK(t->id.len <= TRACE_ID_BYTES_MAX && t->peer.len <= PEER_BYTES_MAX);
    put_received(&w, t, date);
    if (!s->has_date) {
        put(&w, SLICE("Date: "));
        put(&w, date);
        end_line(&w);
    }
    if (!s->has_message_id) {
        put(&w, SLICE("Message-ID: <"));
        put(&w, t->id);
        put(&w, SLICE("@"));
        put(&w, hostname_of(t));
        put(&w, SLICE(">"));
        end_line(&w);
    }
    if (s->needs_empty_line)
        end_line(&w);
    return w.len;
}
