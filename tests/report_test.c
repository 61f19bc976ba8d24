// Reports that came back: whom they are about, in the forms that people's servers write.

#include "engine/base/random.h"
#include "engine/message/report.h"
#include "tests/suite.h"

#include <stdlib.h>

#define HEAD                                                                                       \
    "Return-Path: <>\n"                                                                            \
    "From: MAILER-DAEMON@mx.example\n"                                                             \
    "To: <news+joe=example.org@list.example>\n"                                                    \
    "Subject: Undelivered\n"                                                                       \
    "MIME-Version: 1.0\n"

struct report_case {
    const char *name, *message;
    enum report_kind kind;
    // "original final action status diagnostic" of each recipient, a line each
    const char *want;
};

static const struct report_case cases[] = {
    {"Postfix",
     HEAD "Content-Type: multipart/report; report-type=delivery-status;\n"
          "\tboundary=\"4Q/1.2 mx.example\"\n"
          "\n"
          "This is a MIME-encapsulated message.\n"
          "\n"
          "--4Q/1.2 mx.example\n"
          "Content-Description: Notification\n"
          "Content-Type: text/plain; charset=us-ascii\n"
          "\n"
          "I'm sorry.\n"
          "\n"
          "--4Q/1.2 mx.example\n"
          "Content-Description: Delivery report\n"
          "Content-Type: message/delivery-status\n"
          "\n"
          "Reporting-MTA: dns; mx.example\n"
          "X-Postfix-Queue-ID: 4Q\n"
          "Arrival-Date: Sat, 28 Nov 2026 18:00:00 +0000 (UTC)\n"
          "\n"
          "Final-Recipient: rfc822; joe@inner.example\n"
          "Original-Recipient: rfc822;joe@example.org\n"
          "Action: failed\n"
          "Status: 5.1.1\n"
          "Remote-MTA: dns; inner.example\n"
          "Diagnostic-Code: smtp; 550 5.1.1 <joe@inner.example>: Recipient address\n"
          "    rejected: User unknown\n"
          "\n"
          "--4Q/1.2 mx.example\n"
          "Content-Type: message/rfc822\n"
          "\n"
          "From: news@list.example\n"
          "To: joe@example.org\n"
          "\n"
          "hi\n"
          "--4Q/1.2 mx.example--\n",
     REPORT_BOUNCE,
     "joe@example.org joe@inner.example 1 5.1.1 550 5.1.1 <joe@inner.example>: Recipient address"},
    {"two recipients, one delayed, CRLF, no group about the message",
     "Content-type: MULTIPART/REPORT; boundary=b\r\n\r\n"
     "--b\r\nContent-Type: message/delivery-status\r\n\r\n"
     "Final-Recipient: RFC822; a@x.example\r\nAction: Failed\r\nStatus: 5.2.2 (full)\r\n\r\n"
     "Final-Recipient: rfc822; b@x.example\r\nAction: delayed\r\nStatus: 4.4.1\r\n\r\n"
     "--b--\r\n",
     REPORT_BOUNCE, "- a@x.example 1 5.2.2 -\n- b@x.example 2 4.4.1 -"},
    {"in another multipart, from a mailbox",
     "From MAILER-DAEMON Sat Nov 28 18:00:00 2026\n"
     "Content-Type: multipart/mixed; charset=x; boundary=\"out\"\n\n"
     "--out\nContent-Type: multipart/report; boundary=in\n\n"
     "--in\nContent-Type: message/delivery-status\n\n\n"
     "Final-Recipient: rfc822;a@x.example\nAction: failed\nStatus: 5.0.0\n"
     "--in--\n"
     "--out--\n",
     REPORT_BOUNCE, "- a@x.example 1 5.0.0 -"},
    {"no boundary at the end",
     "Content-Type: multipart/report; boundary=b\n\n"
     "--b\nContent-Type: message/delivery-status\n\n"
     "Final-Recipient: a@x.example\nAction: failed\nStatus: 5.1.1",
     REPORT_BOUNCE, "- a@x.example 1 5.1.1 -"},
    {"a complaint, by RFC 5965",
     "To: <abuse@list.example>\n"
     "Content-Type: multipart/report; report-type=feedback-report;\n boundary=\"p\"\n\n"
     "--p\nContent-Type: text/plain\n\nThis is an abuse report.\n\n"
     "--p\nContent-Type: message/feedback-report\n\n"
     "Feedback-Type: abuse\nUser-Agent: SomeGenerator/1.0\nVersion: 1\n"
     "Original-Mail-From: <news+joe=example.org@list.example>\n"
     "Original-Rcpt-To: <joe@example.org>\n"
     "Source-IP: 192.0.2.1\n\n"
     "--p\nContent-Type: message/rfc822\n\nFrom: news@list.example\nTo: Joe <joe@example.org>\n"
     "\nhi\n--p--\n",
     REPORT_COMPLAINT, "joe@example.org - 0 0.0.0 -"},
    {"no report", HEAD "Content-Type: text/plain\n\nFinal-Recipient: rfc822; a@x.example\n",
     REPORT_NONE, ""},
    {"a report that is only quoted",
     "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: message/rfc822\n\n"
     "Content-Type: multipart/report; boundary=c\n\n--c\nContent-Type: message/delivery-status\n\n"
     "Final-Recipient: a@x.example\n--c--\n--b--\n",
     REPORT_NONE, ""},
    {"a boundary that begins as another one does",
     "Content-Type: multipart/report; boundary=b\n\n--b\nContent-Type: text/plain\n\n--bb\n"
     "--b\nContent-Type: message/delivery-status\n\nFinal-Recipient: a@x.example\n--b--\n",
     REPORT_BOUNCE, "- a@x.example 0 0.0.0 -"},
    {"empty", "", REPORT_NONE, ""},
};

static void print_or_dash(struct slice s, char *to, size_t room)
{
    struct slice line = slice_take(s, slice_find(s, '\n'));
    snprintf(to + strlen(to), room - strlen(to), "%.*s", SLICE_ARG(s.len > 0 ? line : SLICE("-")));
}

static void print_report(const struct report *r, char *to, size_t room)
{
    to[0] = '\0';
    for (uint32_t i = 0; i < r->rcpt_count; i++) {
        const struct report_rcpt *rcpt = &r->rcpts[i];
        if (i > 0)
            strcat(to, "\n");
        print_or_dash(rcpt->original, to, room);
        strcat(to, " ");
        print_or_dash(rcpt->final, to, room);
        sprintf(to + strlen(to), " %d %u.%u.%u ", rcpt->action, rcpt->status.class,
                rcpt->status.subject, rcpt->status.detail);
        print_or_dash(rcpt->diagnostic, to, room);
    }
}

static void test_reports(void)
{
    static struct report r;
    char got[4096];
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        report_read(&r, slice_of_text(cases[i].message));
        print_report(&r, got, sizeof(got));
        CU_ASSERT_EQUAL(r.kind, cases[i].kind);
        CU_ASSERT_STRING_EQUAL(got, cases[i].want);
        if (r.kind != cases[i].kind || strcmp(got, cases[i].want) != 0)
            printf("\n  %s: kind %d\n  got  %s\n  want %s\n", cases[i].name, r.kind, got,
                   cases[i].want);
    }
}

static const struct {
    const char *address, *want; // NULL: none
} verp_cases[] = {
    {"news+joe=example.org@list.example", "joe@example.org"},
    {"news+joe+tag=example.org@list.example", "joe+tag@example.org"},
    {"news+a=b=example.org@list.example", "a=b@example.org"},
    {"news@list.example", NULL},
    {"news+joe@list.example", NULL},
    {"news+=example.org@list.example", NULL},
    {"news+joe=@list.example", NULL},
    {"joe=example.org@list.example", NULL},
    {"", NULL},
    {"@", NULL},
};

static void test_verp(void)
{
    char to[64];
    struct slice got;
    for (size_t i = 0; i < sizeof(verp_cases) / sizeof(verp_cases[0]); i++) {
        bool is = report_verp(slice_of_text(verp_cases[i].address), to, sizeof(to), &got);
        CU_ASSERT_EQUAL(is, verp_cases[i].want != NULL);
        CU_ASSERT(!is || slice_equal(got, slice_of_text(verp_cases[i].want)));
    }
    CU_ASSERT(!report_verp(SLICE("news+joe=example.org@list.example"), to, 5, &got));
}

// Whatever was cut off, doubled, or turned into something else: it is read to its end, and what
// comes out lies within it.
static void check_within(const struct report *r, struct slice message)
{
    for (uint32_t i = 0; i < r->rcpt_count; i++) {
        const struct slice parts[] = {r->rcpts[i].original, r->rcpts[i].final,
                                      r->rcpts[i].diagnostic};
        for (size_t k = 0; k < 3; k++)
            CU_ASSERT_FATAL(parts[k].len == 0 ||
                            (parts[k].data >= message.data &&
                             parts[k].data + parts[k].len <= message.data + message.len));
    }
}

static void test_harmed_reports(void)
{
    static struct report r;
    struct random dice;
    random_init(&dice, 7);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        for (uint32_t round = 0; round < 20000; round++) {
            size_t len = strlen(cases[i].message);
            if (len == 0)
                break;
            char *bytes = malloc(len); // of just that size: a sanitizer sees a step beyond
            memcpy(bytes, cases[i].message, len);
            for (uint32_t harms = random_below(&dice, 6); harms > 0; harms--)
                bytes[random_below(&dice, (uint32_t)len)] =
                    "\n\r-;:=\" b\0"[random_below(&dice, 10)];
            struct slice message = slice_make(bytes, len - random_below(&dice, (uint32_t)len));
            report_read(&r, message);
            check_within(&r, message);
            free(bytes);
        }
}

// What would be costly if it were gone over again and again.
static void test_long_reports(void)
{
    static struct report r;
    static const char *const patterns[] = {";=",
                                           "--b\n",
                                           "Content-Type: multipart/x; boundary=b\n\n--b\n",
                                           "a: b\n",
                                           "\n",
                                           ";",
                                           "Content-Type: x;boundary;boundary;"};
    size_t len = 1024 * 1024;
    char *bytes = malloc(len);
    for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++) {
        static const char head[] = "Content-Type: multipart/report; boundary=b\n\n--b\n";
        memcpy(bytes, head, sizeof(head) - 1);
        for (size_t at = sizeof(head) - 1; at < len; at++)
            bytes[at] = patterns[i][(at - sizeof(head) + 1) % strlen(patterns[i])];
        report_read(&r, slice_make(bytes, len));
        report_read(&r, slice_make(bytes + sizeof(head) - 1, len - sizeof(head) + 1));
        check_within(&r, slice_make(bytes, len));
    }
    free(bytes);
}

static const struct suite_test tests[] = {
    {"reports", test_reports},
    {"verp", test_verp},
    {"harmed reports", test_harmed_reports},
    {"long reports", test_long_reports},
};

SUITE_MAIN("report", tests)
