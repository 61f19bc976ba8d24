// What submission adds to a message: RFC 5321 4.4, RFC 5322 2.1.1, 3.3 and 3.6, RFC 6409 8.
#include "engine/base/check.h"
#include "engine/message/trace.h"
#include "tests/suite.h"

#include <stdlib.h>
#include <time.h>

struct header_case {
    struct slice content;
    const char *want; // "date id 2": Date, Message-ID, number of Received; "empty": needs a line
};

static const struct header_case header_cases[] = {
    {SLICE("Date: x\r\nMessage-ID: <a@b>\r\n\r\nbody\r\n"), "date id 0"},
    {SLICE("Subject: x\r\n\r\nDate: in the body\r\nMessage-ID: <a@b>\r\nReceived: x\r\n"), "0"},
    {SLICE("DATE:x\r\nmessage-id:<a@b>\r\n\r\n"), "date id 0"},
    {SLICE("Date : x\r\nMessage-ID\t: <a@b>\r\n\r\n"), "date id 0"},
    {SLICE("Received: a\r\nReceived: b\r\n\tby c; Received: d\r\nReceived: e\r\n\r\n"), "3"},
    {SLICE("Subject: x\r\n Date: folded\r\n\tMessage-ID: folded\r\n\r\n"), "0"},
    {SLICE("Subject: x\r\n \r\nDate: behind a blank line that is none\r\n\r\n"), "date 0"},
    {SLICE("Update: x\r\nDated: x\r\nDat: x\r\nMessage-IDs: x\r\nX-Message-ID: x\r\n\r\n"), "0"},
    {SLICE("Message-ID-of-another-kind: x\r\nDate\r\n\r\n"), "0"},
    {SLICE("X-\xc3\xa9: x\r\nDate: x\r\n\r\n"), "0 empty"}, // a name is ASCII
    {SLICE("\r\nDate: body\r\n"), "0"},
    {SLICE(""), "0 empty"},
    {SLICE("hello\r\n"), "0 empty"},
    {SLICE("hello world: it is\r\nDate: x\r\n"), "0 empty"},
    {SLICE(": no name\r\nDate: x\r\n"), "0 empty"},
    {SLICE(" continues nothing\r\nDate: x\r\n"), "0 empty"},
    {SLICE("Subject: x\r\n"), "0"}, // no body, and none is made of the field
    {SLICE("Date: x\r\n"), "date 0"},
    {SLICE("Date: x\r\nno field\r\nMessage-ID: <a@b>\r\n"), "date 0"},
    {SLICE("Date: x\r\n: no name\r\nMessage-ID: <a@b>\r\n"), "date 0"},
};

static void describe(const struct header_scan *s, char text[64])
{
    snprintf(text, 64, "%s%s%u%s", s->has_date ? "date " : "", s->has_message_id ? "id " : "",
             s->received_count, s->needs_empty_line ? " empty" : "");
}

static void scan_in_steps(struct slice content, size_t cut, size_t step, struct header_scan *s)
{
    *s = (struct header_scan){.ended = false};
    header_scan(s, slice_take(content, cut));
    for (struct slice rest = slice_skip(content, cut); rest.len > 0; rest = slice_skip(rest, step))
        header_scan(s, slice_take(rest, step));
    header_scan_end(s);
}

static void header_sections(void)
{
    for (size_t i = 0; i < COUNT_OF(header_cases); i++) {
        const struct header_case *c = &header_cases[i];
        for (size_t cut = 0; cut <= c->content.len + 1; cut++) {
            struct header_scan s;
            char got[64];
            bool bytewise = cut > c->content.len;
            scan_in_steps(c->content, bytewise ? 0 : cut, bytewise ? 1 : SIZE_MAX, &s);
            describe(&s, got);
            if (strcmp(got, c->want) != 0)
                printf("\n  case %zu, cut %zu: got '%s', want '%s'\n", i, cut, got, c->want);
            CU_ASSERT(s.ended && strcmp(got, c->want) == 0);
        }
    }
}

static void received_are_counted_up_to_a_loop_and_beyond(void)
{
    struct header_scan s = {.ended = false};
    for (int i = 0; i < 70000; i++)
        header_scan(&s, SLICE("Received: x\r\n"));
    CU_ASSERT(s.received_count == UINT16_MAX);
}

static void dates(void)
{
    static const struct {
        uint64_t seconds;
        const char *want;
    } cases[] = {
        {0, "Thu, 01 Jan 1970 00:00:00 +0000"},
        {68255999, "Tue, 29 Feb 1972 23:59:59 +0000"},
        {951782400, "Tue, 29 Feb 2000 00:00:00 +0000"},
        {1795325055, "Sun, 22 Nov 2026 05:24:15 +0000"},
        {2147483648, "Tue, 19 Jan 2038 03:14:08 +0000"},
        {4107542399, "Sun, 28 Feb 2100 23:59:59 +0000"},
        {4107542400, "Mon, 01 Mar 2100 00:00:00 +0000"},
        {253402300799, "Fri, 31 Dec 9999 23:59:59 +0000"},
    };
    char text[TRACE_DATE_BYTES];
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        trace_date(cases[i].seconds * 1000000 + 999999, text);
        CU_ASSERT(strcmp(text, cases[i].want) == 0);
    }
}

// Every day of a few centuries, as the C library has it.
static void dates_agree_with_strftime(void)
{
    char got[TRACE_DATE_BYTES], want[TRACE_DATE_BYTES];
    for (uint64_t seconds = 0; seconds < 14000000000; seconds += 86399) {
        time_t t = (time_t)seconds;
        struct tm tm;
        gmtime_r(&t, &tm);
        strftime(want, sizeof(want), "%a, %d %b %Y %H:%M:%S +0000", &tm);
        trace_date(seconds * 1000000, got);
        CU_ASSERT(strcmp(got, want) == 0);
    }
}

#define WALL_US 1795325055000000
#define DATE "Sun, 22 Nov 2026 05:24:15 +0000"

struct trace_case {
    struct trace trace;
    struct slice content;
    const char *want;
};

static const struct trace_case trace_cases[] = {
    {{.hostname = SLICE("mail.example.net"),
      .helo = SLICE("app.example"),
      .peer = SLICE("127.0.0.1"),
      .id = SLICE("0q4hz4kx1t8ac"),
      .wall_us = WALL_US,
      .esmtp = true},
     SLICE("Date: x\r\nMessage-ID: <a@b>\r\n\r\n"),
     "Received: from app.example ([127.0.0.1]) by mail.example.net (posthaste)\r\n"
     "\twith ESMTP id 0q4hz4kx1t8ac; " DATE "\r\n"},
    {{.hostname = SLICE("h"),
      .helo = SLICE("[IPv6:::1]"),
      .peer = SLICE("::1"),
      .id = SLICE("1"),
      .wall_us = WALL_US},
     SLICE("Date: x\r\nMessage-ID: <a@b>\r\n\r\n"),
     "Received: from [IPv6:::1] ([IPv6:::1]) by h (posthaste) with SMTP id 1;\r\n"
     "\t" DATE "\r\n"},
    {{.hostname = SLICE("h"), .helo = SLICE("c"), .id = SLICE("1"), .wall_us = WALL_US},
     SLICE("Subject: x\r\n\r\n"),
     "Received: from c (local) by h (posthaste) with SMTP id 1;\r\n"
     "\t" DATE "\r\n"
     "Date: " DATE "\r\n"
     "Message-ID: <1@h>\r\n"},
    {{.hostname = SLICE("h"),
      .id = SLICE("1"),
      .wall_us = WALL_US,
      .esmtp = true,
      .smtputf8 = true},
     SLICE("hello\r\n"),
     "Received: from unknown (local) by h (posthaste) with UTF8SMTP id 1;\r\n"
     "\t" DATE "\r\n"
     "Date: " DATE "\r\n"
     "Message-ID: <1@h>\r\n"
     "\r\n"},
    {{.hostname = SLICE("h"),
      .helo = SLICE("c"),
      .id = SLICE("1"),
      .wall_us = WALL_US,
      .esmtp = true,
      .tls = true},
     SLICE("Date: x\r\nMessage-ID: <a@b>\r\n\r\n"),
     "Received: from c (local) by h (posthaste) with ESMTPS id 1;\r\n"
     "\t" DATE "\r\n"},
    {{.hostname = SLICE("h"),
      .helo = SLICE("c"),
      .id = SLICE("1"),
      .wall_us = WALL_US,
      .esmtp = true,
      .smtputf8 = true,
      .tls = true,
      .auth = true},
     SLICE("Date: x\r\nMessage-ID: <a@b>\r\n\r\n"),
     "Received: from c (local) by h (posthaste) with UTF8SMTPSA id 1;\r\n"
     "\t" DATE "\r\n"},
};

static void traces(void)
{
    for (size_t i = 0; i < COUNT_OF(trace_cases); i++) {
        const struct trace_case *c = &trace_cases[i];
        struct header_scan s;
        char out[TRACE_BYTES_MAX];
        scan_in_steps(c->content, 0, SIZE_MAX, &s);
        struct slice got = slice_make(out, trace_write(&c->trace, &s, out));
        if (!slice_equal(got, slice_of_text(c->want)))
            printf("\n got:\n%.*s\nwant:\n%s\n", SLICE_ARG(got), c->want);
        CU_ASSERT(slice_equal(got, slice_of_text(c->want)));
    }
}

static bool lines_are_sound(struct slice text, size_t line_bytes_max)
{
    while (text.len > 0) {
        size_t line_bytes = slice_find(text, '\n') + 1;
        if (line_bytes > text.len || line_bytes < 2 || text.data[line_bytes - 2] != '\r' ||
            line_bytes - 2 > line_bytes_max)
            return false;
        for (size_t i = 0; i < line_bytes - 2; i++)
            if ((unsigned char)text.data[i] < ' ' && !(i == 0 && text.data[i] == '\t'))
                return false;
        text = slice_skip(text, line_bytes);
    }
    return true;
}

// Names of every length: folded where words allow, and within the buffer in every case.
static void long_names(void)
{
    char name[300], id[TRACE_ID_BYTES_MAX], peer[46];
    memset(name, 'n', sizeof(name));
    memset(id, 'i', sizeof(id));
    memset(peer, ':', sizeof(peer));
    for (size_t len = 0; len <= sizeof(name); len++) {
        const struct trace t = {
            .hostname = slice_make(name, len),
            .helo = slice_make(name, len),
            .peer = slice_make(peer, sizeof(peer)),
            .id = slice_make(id, len < 40 ? 13 : sizeof(id)),
            .wall_us = WALL_US,
        };
        struct header_scan s = {.ended = false};
        char *out = malloc(TRACE_BYTES_MAX);
        header_scan_end(&s);
        struct slice got = slice_make(out, trace_write(&t, &s, out));
        CU_ASSERT(lines_are_sound(got, len < 40 ? TRACE_LINE_BYTES_MAX : 998));
        free(out);
    }
}

// No byte of what the client calls itself ends a word, a comment, a field or a line.
static void every_byte_in_helo(void)
{
    for (unsigned byte = 0; byte < 256; byte++) {
        char helo[3] = {'a', (char)byte, 'b'}, out[TRACE_BYTES_MAX + 1], want[64];
        const struct trace t = {.hostname = SLICE("h"),
                                .helo = slice_make(helo, 3),
                                .id = SLICE("1"),
                                .wall_us = WALL_US};
        struct header_scan s = {.ended = false};
        header_scan_end(&s);
        out[trace_write(&t, &s, out)] = '\0';
        bool allowed = byte && strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                      "0123456789-._:[]",
                                      (int)byte);
        snprintf(want, sizeof(want), "Received: from a%cb (local) by h", allowed ? (int)byte : '?');
        CU_ASSERT(strncmp(out, want, strlen(want)) == 0);
    }
}

static const struct suite_test tests[] = {
    {"header sections", header_sections},
    {"Received: are counted up to a loop and beyond", received_are_counted_up_to_a_loop_and_beyond},
    {"dates", dates},
    {"dates agree with strftime", dates_agree_with_strftime},
    {"traces", traces},
    {"long names", long_names},
    {"every byte in HELO", every_byte_in_helo},
};

SUITE_MAIN("trace", tests)
